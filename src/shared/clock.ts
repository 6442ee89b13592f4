// Wall clock and timers of the engine; tests and the simulation replace them. Shell.
import { type DurationMs, type EpochMs, epochMs } from "./units.ts";

export interface Clock {
  now(): EpochMs;
  /** Resolves after `duration`, or at once when `signal` aborts (it never rejects). */
  sleep(duration: DurationMs, signal?: AbortSignal): Promise<void>;
}

/** A clock that also measures durations, which stay right if the wall clock is set. */
export interface SteadyClock extends Clock {
  /** Milliseconds since a fixed moment of this process; setting the wall clock does not change it. */
  steady(): number;
}

export const systemClock: SteadyClock = {
  now: () => epochMs(Date.now()),
  steady: () => performance.now(),
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
