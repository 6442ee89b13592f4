// Polls the database once for all clients of /v1/events, and not at all without clients. Reads the database; its timer is the clock's.
import type { Clock } from "../../shared/clock.ts";
import { messageOf } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";
import { durationMs } from "../../shared/units.ts";
import type { ReadDatabase } from "../../shared/sql.ts";
import { iso } from "./schemas.ts";
import { readStreamStats, type StreamStats } from "./stream/stream_stats.ts";

const POLL_MS = durationMs(1_000);
/** Pause after a failed poll, so that a recovering database has less to do. */
const RETRY_MS = durationMs(3_000);
const QUERY_TIMEOUT_MS = 5_000;

/** The state that clients get. */
export interface FeedEvent {
  /** Data revision and closed-through: the version of a page's numbers. */
  readonly id: string;
  readonly event: "progress" | "unavailable";
  readonly data: string;
}

type Listener = (event: FeedEvent) => void;

/** Sends changes to listeners. */
export class EventFeed {
  /** The id that each client knew at its connection; null after it has got an event. */
  readonly #listeners = new Map<Listener, { readonly lastId: string | undefined } | null>();
  #last: FeedEvent | null = null;
  #polling: AbortController | null = null;

  constructor(
    private readonly database: ReadDatabase,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  get clients(): number {
    return this.#listeners.size;
  }

  /** Calls `listener` with each change until the returned function is called, and at once with the known state, unless its id is `lastId`. */
  subscribe(listener: Listener, lastId: string | undefined): () => void {
    this.#listeners.set(listener, { lastId });
    if (this.#last !== null) this.#tell(this.#last, false);
    if (this.#polling === null) {
      this.#polling = new AbortController();
      void this.#poll(this.#polling.signal);
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#polling?.abort();
      this.#polling = null;
      this.#last = null;
    };
  }

  async #poll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const event = await this.#look();
      if (signal.aborted) return;
      const changed = event.data !== this.#last?.data;
      this.#last = event;
      this.#tell(event, changed);
      await this.clock.sleep(event.event === "progress" ? POLL_MS : RETRY_MS, signal);
    }
  }

  /** Sends the state to new clients that do not know it, and changes to the others. */
  #tell(event: FeedEvent, changed: boolean): void {
    for (const [listener, newcomer] of this.#listeners) {
      this.#listeners.set(listener, null);
      if (newcomer === null ? changed : event.id !== newcomer.lastId) listener(event);
    }
  }

  async #look(): Promise<FeedEvent> {
    try {
      const stats = await readStreamStats(this.database, QUERY_TIMEOUT_MS);
      return { id: idOf(stats), event: "progress", data: JSON.stringify(progress(stats)) };
    } catch (error) {
      this.log.debug(`events: ${messageOf(error)}`);
      // No id: a client that reconnects gets the state in any case.
      return { id: "", event: "unavailable", data: JSON.stringify({ database: "unavailable" }) };
    }
  }
}

function idOf(stats: StreamStats | null): string {
  return stats === null ? "0-0" : `${stats.data_revision}-${stats.closed_through ?? 0}`;
}

function progress(stats: StreamStats | null) {
  return stats === null ? { stream: null } : {
    data_revision: stats.data_revision,
    closed_through: iso(stats.closed_through),
    final_through: iso(stats.final_through),
    quiet_since: iso(stats.quiet_since),
    watermark: iso(stats.watermark),
    stopped_code: stats.stopped_code,
    counted: stats.counted,
    late: stats.late,
    dead: stats.dead,
    windows_open: stats.windows_open,
    windows_closed: stats.windows_closed,
  };
}
