// Lets readers who look at the same page share one reading: every event makes all of them ask at once. Holds memory; its clock is given.
import type { Clock } from "../../../shared/clock.ts";
import type { DurationMs } from "../../../shared/units.ts";

/** Different answers that are kept; the oldest goes first. */
const ENTRIES_MAX = 200;

/** Answers by key, each for a moment. Failures are not kept. */
export class ReportCache {
  readonly #entries = new Map<string, { readonly until: number; readonly answer: Promise<unknown> }>();

  constructor(private readonly clock: Clock) {}

  /** The answer of `read` for `key`, at most `lifeMs` old; callers that come while it is read wait for the same one. */
  get<T>(key: string, lifeMs: DurationMs, read: () => Promise<T>): Promise<T> {
    const now = this.clock.now();
    const known = this.#entries.get(key);
    if (known !== undefined && now < known.until) return known.answer as Promise<T>;
    const answer = read();
    this.#entries.delete(key);
    this.#entries.set(key, { until: now + lifeMs, answer });
    answer.catch(() => this.#forget(key, answer));
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= ENTRIES_MAX) break;
      this.#entries.delete(oldest);
    }
    return answer;
  }

  #forget(key: string, answer: Promise<unknown>): void {
    if (this.#entries.get(key)?.answer === answer) this.#entries.delete(key);
  }
}
