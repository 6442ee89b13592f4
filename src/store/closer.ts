// Closes windows whose watermarks have passed, one statement each, beside the counting loop. I/O only through the port.
import type { Clock } from "../shared/clock.ts";
import { messageOf } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import type { DurationMs, EpochMs } from "../shared/units.ts";
import type { CloseOutcome, Store } from "./port.ts";

/** A window that another instance's watermark released is seen within this time; our own commits wake the closer at once. */
const TICK_MS = 500;
const BACKOFF_MS_MAX = 5_000;

export type ClosedWindow = Extract<CloseOutcome, { kind: "closed" }>;

/** The closing loop of one instance. Any number of instances may run it. */
export class Closer {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #onClosed: (window: ClosedWindow, at: EpochMs) => void;
  #wake = new AbortController();

  constructor(store: Store, clock: Clock, log: Log, onClosed: (window: ClosedWindow, at: EpochMs) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#onClosed = onClosed;
  }

  /** Ends the current wait: a commit may have released a window. */
  wake(): void {
    this.#wake.abort();
  }

  /** Runs until the signal aborts. A failed try leaves the window to the next one. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.wake(), { once: true });
    let backoff = TICK_MS;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      try {
        if (await this.#closeOne()) continue;
        backoff = TICK_MS;
      } catch (error) {
        this.#log.warn("closing failed, trying again", { error: messageOf(error) });
        backoff = Math.min(backoff * 2, BACKOFF_MS_MAX);
      }
      if (!signal.aborted) await this.#clock.sleep(backoff as DurationMs, this.#wake.signal);
    }
  }

  /** Closes everything that can be closed now. @throws what the store throws, once it has failed for `waitMs` on end */
  async drain(signal: AbortSignal, waitMs: number): Promise<void> {
    let backoff = TICK_MS, failingMs = 0;
    while (!signal.aborted) {
      try {
        const outcome = await this.#store.close();
        failingMs = 0;
        backoff = TICK_MS;
        if (outcome.kind === "closed") this.#onClosed(outcome, this.#clock.now());
        else if (outcome.kind === "nothing") return;
        else await this.#clock.sleep(50 as DurationMs, signal);
      } catch (error) {
        if (failingMs >= waitMs) throw error;
        this.#log.warn("closing failed, trying again", { error: messageOf(error) });
        await this.#clock.sleep(backoff as DurationMs, signal);
        failingMs += backoff;
        backoff = Math.min(backoff * 2, BACKOFF_MS_MAX);
      }
    }
  }

  async #closeOne(): Promise<boolean> {
    const outcome = await this.#store.close();
    if (outcome.kind !== "closed") return false;
    this.#onClosed(outcome, this.#clock.now());
    return true;
  }
}
