// Readers of the same page share one answer, because after an event all of them ask at the same time. Keeps answers in memory; the clock is given.
import type { Clock } from "../../../shared/clock.ts";
import type { DurationMs } from "../../../shared/units.ts";

/** Most answers that are kept; the oldest is deleted first. */
const ENTRIES_MAX = 200;

/** Answers by key, each for a moment. Failures are not kept. */
export class ReportCache {
  readonly #entries = new Map<string, { readonly until: number; readonly answer: Promise<unknown> }>();

  constructor(private readonly clock: Clock) {}

  /** The answer of `read` for `key`, at most `lifeMs` old. Callers that come while it is read wait for it. */
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
