// The forecast that any other must beat: the same weekday of the week before. Pure.

/** Days of a season. */
export const WEEK = 7;

/** Forecast for `horizon` ≥ 1 days after `history` (at least a week of it): the value of the same weekday in the last week known. */
export function seasonalNaive(history: readonly number[], horizon: number): number {
  return history[history.length - WEEK + ((horizon - 1) % WEEK)]!;
}
