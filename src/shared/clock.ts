// The only place that reads the wall clock and sets timers for the engine; tests and the simulation replace it. Shell.
import { type DurationMs, type EpochMs, epochMs } from "./units.ts";

/** Time as the engine sees it. */
export interface Clock {
  now(): EpochMs;
  /** Resolves after `duration`, or at once when `signal` aborts (it never rejects). */
  sleep(duration: DurationMs, signal?: AbortSignal): Promise<void>;
}

/** A clock that can also measure: for code that decides by lengths of time while the wall clock may be set. */
export interface SteadyClock extends Clock {
  /** Milliseconds since some moment of this process; never steps back or forward, whatever happens to the wall clock. */
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
