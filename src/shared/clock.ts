// The only place that reads the wall clock and sets timers for the engine; tests and the simulation replace it.
import { type DurationMs, type EpochMs, epochMs } from "./units.ts";

/** Time as the engine sees it. */
export interface Clock {
  now(): EpochMs;
  /** Resolves after `duration`, or at once when `signal` aborts (it never rejects). */
  sleep(duration: DurationMs, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => epochMs(Date.now()),
  sleep(duration, signal) {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, duration);
      signal?.addEventListener("abort", done, { once: true });
    });
  },
};
