// Closes windows whose watermarks have passed, one statement each, beside the counting loop. I/O only through the port.
import type { Clock } from "../shared/clock.ts";
import type { Log } from "../shared/log.ts";
import type { EngineStep, StepBoard } from "../shared/steps.ts";
import { durationMs, type EpochMs } from "../shared/units.ts";
import { type CloseOutcome, CompactionFailed, type Store } from "./port.ts";

/** Pause after another instance was closing: its closing may have begun before the commit that released a window. */
const TICK_MS = 500;
/** Pause after nothing could be closed. A commit that releases a window wakes the closer; this finds windows that an operator released. */
const QUIET_TICK_MS = 3_000;
const BACKOFF_MS_MAX = 5_000;

type ClosedWindow = Extract<CloseOutcome, { kind: "closed" }>;

/** The closing loop of one instance. Any number of instances may run it. */
export class Closer {
  #wake = new AbortController();

  constructor(
    private readonly parts: {
      readonly store: Store;
      readonly clock: Clock;
      readonly log: Log;
      /** Receives the results of closing and compaction. */
      readonly steps: StepBoard<EngineStep>;
      readonly onClosed: (window: ClosedWindow, at: EpochMs) => void;
    },
  ) {}

  /** Ends the current pause: a commit may have released a window. */
  wake(): void {
    this.#wake.abort();
  }

  /** Runs until the signal aborts. A failed try is repeated. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.wake(), { once: true });
    let retry = TICK_MS, pause = TICK_MS;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      try {
        const { kind } = await this.#close();
        if (kind === "closed") continue;
        retry = TICK_MS;
        pause = kind === "nothing" ? QUIET_TICK_MS : TICK_MS;
      } catch (error) {
        this.#failed(error);
        pause = retry = Math.min(retry * 2, BACKOFF_MS_MAX);
      }
      if (!signal.aborted) await this.parts.clock.sleep(durationMs(pause), this.#wake.signal);
    }
  }

  /** Closes everything that can be closed now. @throws the store's error, once it has failed for `waitMs` without a success */
  async drain(signal: AbortSignal, waitMs: number): Promise<void> {
    let backoff = TICK_MS, failingMs = 0;
    while (!signal.aborted) {
      try {
        const outcome = await this.#close();
        failingMs = 0;
        backoff = TICK_MS;
        if (outcome.kind === "closed") continue;
        if (outcome.kind === "nothing") return;
        else await this.parts.clock.sleep(durationMs(50), signal);
      } catch (error) {
        if (error instanceof CompactionFailed) return; // nothing is left to close
        if (failingMs >= waitMs) throw error;
        this.#failed(error);
        await this.parts.clock.sleep(durationMs(backoff), signal);
        failingMs += backoff;
        backoff = Math.min(backoff * 2, BACKOFF_MS_MAX);
      }
    }
  }

  async #close(): Promise<CloseOutcome> {
    const { store, clock, steps, onClosed } = this.parts;
    const outcome = await store.close();
    steps.succeeded("closing");
    if (outcome.kind === "nothing") steps.succeeded("compaction");
    if (outcome.kind === "closed") onClosed(outcome, clock.now());
    return outcome;
  }

  #failed(error: unknown): void {
    const { log, steps } = this.parts;
    const step = error instanceof CompactionFailed ? "compaction" : "closing";
    if (step === "compaction") steps.succeeded("closing");
    steps.failed(step, error);
    const { code, message } = steps.states()[step].problem!;
    log.warn(`${step} failed, trying again`, { code, error: message });
  }
}
