// Whose turn it is to use the one session of the embedded database: the stream goes before readers. No I/O.
import { invariant } from "../../shared/errors.ts";

/** The purposes of connections, in the order in which waiting ones are served. */
const RANKS = ["commit", "work", "reader"] as const;
export type Rank = typeof RANKS[number];

/**
 * A reader that has waited for this long is served before waiting work of the stream, but only after the stream has had
 * {@link STREAM_SHARE} times as long as the last reader. So readers get at most a fifth of the time while the stream is busy.
 */
const READER_PATIENCE_MS = 1_000;
const STREAM_SHARE = 4;

interface Waiting {
  readonly since: number;
  readonly begin: () => void;
}

/** Gives turns, one at a time. */
export class Turns {
  /** The statements that last set up the session. */
  settings = "";
  readonly #now: () => number;
  readonly #listen: () => Promise<void>;
  readonly #waiting: Readonly<Record<Rank, Waiting[]>> = { commit: [], work: [], reader: [] };
  #current: { readonly rank: Rank; readonly since: number } | null = null;
  /** Time that the stream must still get before a waiting reader is served. */
  #owedMs = 0;

  /**
   * @param now a clock that cannot be set, ms
   * @param listen reads what has arrived: a statement blocks the thread, so the stream may be waiting without our knowing
   */
  constructor(now: () => number, listen: () => Promise<void>) {
    this.#now = now;
    this.#listen = listen;
  }

  /**
   * Resolves when it is the caller's turn; the caller must {@link give} it back once. Rejects with the signal's reason if that aborts first.
   */
  take(rank: Rank, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#current === null) {
      this.#begin(rank);
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const queue = this.#waiting[rank];
      const leave = () => {
        queue.splice(queue.indexOf(waiting), 1);
        reject(signal!.reason);
      };
      const waiting: Waiting = {
        since: this.#now(),
        begin: () => {
          signal?.removeEventListener("abort", leave);
          this.#begin(rank);
          resolve();
        },
      };
      queue.push(waiting);
      signal?.addEventListener("abort", leave, { once: true });
    });
  }

  /** Passes the turn on. */
  give(): void {
    invariant(this.#current !== null, "a turn that was not taken cannot be given back");
    const { rank, since } = this.#current;
    const ms = this.#now() - since;
    this.#owedMs = rank === "reader" ? STREAM_SHARE * ms : Math.max(0, this.#owedMs - ms);
    const { commit, work, reader } = this.#waiting;
    if (commit.length + work.length > 0 || reader.length === 0) return this.#pass();
    void this.#listen().then(() => this.#pass());
  }

  #pass(): void {
    this.#current = null;
    this.#next()?.begin();
  }

  #next(): Waiting | undefined {
    const { commit, work, reader } = this.#waiting;
    const [first] = reader;
    if (first && this.#owedMs === 0 && this.#now() - first.since >= READER_PATIENCE_MS) return reader.shift();
    return commit.shift() ?? work.shift() ?? reader.shift();
  }

  #begin(rank: Rank): void {
    this.#current = { rank, since: this.#now() };
  }
}

/** The rank of a connection with these start-up parameters. A connection that is not ours is a reader. */
export function rankOf(parameters: ReadonlyMap<string, string>): Rank {
  switch (parameters.get("application_name")) {
    case "tidemark commit":
      return "commit";
    case "tidemark work":
    case "tidemark migrate":
      return "work";
    default:
      return "reader";
  }
}
