// The weekly season: what each weekday adds to the level, and the forecast that repeats the last week. Pure.
import { mean, median } from "./averages.ts";

/** Days of a season. */
export const WEEK = 7;

/** Forecast for `horizon` ≥ 1 days after `history` (at least a week of it): the value of the same weekday in the last week known. */
export function seasonalNaive(history: readonly number[], horizon: number): number {
  return history[history.length - WEEK + ((horizon - 1) % WEEK)]!;
}

/**
 * What each weekday adds, `result[i % WEEK]` for `values[i]`; the seven add up to 0. Classical decomposition with a centred mean of one week
 * (Hyndman & Athanasopoulos, "Classical decomposition"), with the median over the weeks in place of the mean, so that one odd day changes nothing.
 *
 * @param values at least two weeks
 */
export function weekdayEffects(values: readonly number[]): number[] {
  const half = (WEEK - 1) / 2;
  const deviations: number[][] = Array.from({ length: WEEK }, () => []);
  for (let i = half; i < values.length - half; i++) {
    deviations[i % WEEK]!.push(values[i]! - mean(values.slice(i - half, i + half + 1)));
  }
  const effects = deviations.map(median);
  const middle = mean(effects);
  return effects.map((effect) => effect - middle);
}
