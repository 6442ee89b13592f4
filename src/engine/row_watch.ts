// The periodic row check: an engine with nothing to commit notices a restored database, a stop by another instance and a resumption.
// It runs beside the loop, which takes the result. I/O only through the port.
import { movedPartitions } from "../store/decision.ts";
import type { StoredState } from "../store/port.ts";
import type { Steady } from "./parts.ts";
import type { EngineState } from "./state.ts";

const LOOK_MS = 3_000;

/** The row checks of one engine. */
export class RowWatch {
  #looking: Promise<void> | null = null;
  #looked: StoredState | null = null;
  /** {@link EngineState.expectation} when the check began. */
  #expectation = -1;
  #at: Steady = -Infinity;

  /** @param onResumed called when the stream row no longer holds a stop that was stored there */
  constructor(private readonly state: EngineState, private readonly onResumed: () => void) {}

  /** Whether a result waits for the loop. */
  get seen(): boolean {
    return this.#looked !== null;
  }

  /** Begins a check if one is due. */
  lookIfDue(): void {
    const state = this.state, { clock, store } = state.parts;
    if (this.#looking || this.#looked || clock.steady() - this.#at < LOOK_MS) return;
    // The rows may be read before a commit in flight changes them.
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

  /** Takes the result of the last check: a stop, its end, or rows that another instance has moved. */
  take(): void {
    const stored = this.#looked, state = this.state;
    if (!stored) return;
    this.#looked = null;
    if (stored.stopped) {
      if (!state.stopped) state.stoppedByStore(stored.stopped);
      return;
    }
    if (state.stopped) {
      if (state.stopRecorded) this.onResumed();
      return;
    }
    if (state.wanted || this.#expectation !== state.expectation) return;
    const moved = movedPartitions(state.trackers.values(), stored.rows);
    if (moved.length === 0) return;
    state.parts.log.warn("another instance has moved the stored rows", { partitions: moved });
    state.giveUp(moved);
  }
}
