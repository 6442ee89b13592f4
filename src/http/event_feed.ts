// One poll of the database for all clients of /v1/events, and none while there are none. Reads the database; its timer is the clock's.
import type { Clock } from "../shared/clock.ts";
import { messageOf } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { durationMs } from "../shared/units.ts";
import type { ReadDatabase } from "./database.ts";
import { iso } from "./schemas.ts";
import { readStreamStats, type StreamStats } from "./stream_stats.ts";

const POLL_MS = durationMs(1_000);
/** After a failed look: the database has enough to do when it comes back. */
const RETRY_MS = durationMs(3_000);
const QUERY_TIMEOUT_MS = 5_000;

/** What a client is sent. */
export interface FeedEvent {
  /** Data revision and closed-through: what a page's numbers were computed from. */
  readonly id: string;
  readonly event: "progress" | "unavailable";
  readonly data: string;
}

type Listener = (event: FeedEvent) => void;

/** Tells listeners what changed. */
export class EventFeed {
  readonly #listeners = new Set<Listener>();
  #last: FeedEvent | null = null;
  #polling: AbortController | null = null;

  constructor(readonly database: ReadDatabase, readonly clock: Clock, readonly log: Log) {}

  get clients(): number {
    return this.#listeners.size;
  }

  /** Calls `listener` with each change until the returned function is called, and at once with what is known, unless its id is `lastId`. */
  subscribe(listener: Listener, lastId: string | undefined): () => void {
    this.#listeners.add(listener);
    if (this.#polling === null) {
      this.#polling = new AbortController();
      void this.#poll(this.#polling.signal, lastId);
    } else if (this.#last !== null && this.#last.id !== lastId) listener(this.#last);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#polling?.abort();
      this.#polling = null;
      this.#last = null;
    };
  }

  async #poll(signal: AbortSignal, firstId: string | undefined): Promise<void> {
    while (!signal.aborted) {
      const event = await this.#look();
      if (signal.aborted) return;
      const known = this.#last === null ? event.id === firstId : event.data === this.#last.data;
      if (!known) { for (const listener of this.#listeners) listener(event); }
      this.#last = event;
      await this.clock.sleep(event.event === "progress" ? POLL_MS : RETRY_MS, signal);
    }
  }

  async #look(): Promise<FeedEvent> {
    try {
      const stats = await readStreamStats(this.database, QUERY_TIMEOUT_MS);
      return { id: idOf(stats), event: "progress", data: JSON.stringify(progress(stats)) };
    } catch (error) {
      this.log.debug(`events: ${messageOf(error)}`);
      // No id: a client that comes back is told the state whatever it knew.
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
