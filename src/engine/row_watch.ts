// The periodic look at the stored rows: a restored database, a stop by another instance or a resumption is noticed although we have nothing
// to commit. Runs beside the loop, which takes the result. I/O only through the port.
import { movedPartitions } from "../store/decision.ts";
import type { StoredState } from "../store/port.ts";
import type { Steady } from "./parts.ts";
import type { EngineState } from "./state.ts";

/** How often an instance looks at its rows. */
const LOOK_MS = 3_000;

/** The looks of one engine. */
export class RowWatch {
  readonly #state: EngineState;
  /** Called when a stop that was recorded is gone from the stream row. */
  readonly #onResumed: () => void;
  #looking: Promise<void> | null = null;
  #looked: StoredState | null = null;
  /** What the rows were expected to hold at the look that is to be taken. */
  #expectation = -1;
  #at: Steady = -Infinity;

  constructor(state: EngineState, onResumed: () => void) {
    this.#state = state;
    this.#onResumed = onResumed;
  }

  /** Whether there is something to take. */
  get seen(): boolean {
    return this.#looked !== null;
  }

  /** Begins a look where it is time for one. */
  lookIfDue(): void {
    const state = this.#state, { clock, store } = state.parts;
    if (this.#looking || this.#looked || clock.steady() - this.#at < LOOK_MS) return;
    // A commit on its way changes rows that may be read before it does so.
    const { expectation } = state, settled = state.sending === null;
    this.#at = clock.steady();
    this.#looking = store.read().then((stored) => {
      if (!stored) return;
      state.storeAnswered(stored);
      this.#expectation = expectation;
      if (settled && expectation === state.expectation && !state.sending) this.#looked = stored;
      else if (stored.stopped) this.#looked = { ...stored, rows: [] };
    }).catch((error) => state.storeFailed(error)).finally(() => this.#looking = null);
  }

  /** Takes what the last look saw: a stop, its end, or rows that have moved without us. */
  take(): void {
    const stored = this.#looked, state = this.#state;
    if (!stored) return;
    this.#looked = null;
    if (stored.stopped) {
      if (!state.stopped) state.stoppedByStore(stored.stopped);
      return;
    }
    if (state.stopped) {
      if (state.stopRecorded) this.#onResumed();
      return;
    }
    if (state.wanted || this.#expectation !== state.expectation) return;
    const moved = movedPartitions(state.trackers.values(), stored.rows);
    if (moved.length === 0) return;
    state.parts.log.warn("stored rows have moved without us", { partitions: moved });
    state.giveUp(moved);
  }
}
