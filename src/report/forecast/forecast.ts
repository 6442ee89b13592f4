// Forecasts the next days of a series. A backtest on the series chooses the method; its errors give the width of the interval. Pure.
import {
  type Backtest,
  backtest,
  forecastAhead,
  type Method,
  METHODS,
  scaledError,
  TRAINING_DAYS_MIN,
} from "./backtest.ts";
import { WEEK } from "./weekly.ts";

/** Fewer days of history give no forecast: two weeks to learn the season and one to check it. */
export const HISTORY_DAYS_MIN = TRAINING_DAYS_MIN + WEEK;
/** Most days of history; older ones say little about the next days. */
export const HISTORY_DAYS_MAX = 91;
/** Most days that the backtest forecasts: four of each weekday. */
const ORIGINS_MAX = 4 * WEEK;
/** Probability that a day is inside the interval. */
export const COVERAGE = 0.8;

/** One day's forecast; hits, not rounded. `low` and `high` are the ends of the 80 % interval, never below 0. */
interface ForecastPoint {
  readonly count: number;
  readonly low: number;
  readonly high: number;
}

/** A forecast, or why it cannot be made. */
export type Forecast =
  | {
    readonly kind: "forecast";
    readonly method: Method;
    /** Mean absolute scaled error of the backtest: below 1 is better than seasonal-naive was on the training days; null if those never changed. */
    readonly mase: number | null;
    /** Backtest error relative to seasonal-naive's over the same days, at most 1; 1 if seasonal-naive was picked. */
    readonly relativeError: number;
    readonly historyDays: number;
    /** `points[h − 1]` is the day h days after the last one of the history. */
    readonly points: readonly ForecastPoint[];
  }
  | { readonly kind: "none"; readonly reason: "short_history" | "no_hits"; readonly historyDays: number };

/**
 * Forecasts 1 to `horizons` days after `history` (hits a day in order of time, complete days only; null = unknown day). Unknown days are
 * filled with the same weekday beside them for the arithmetic, and not scored.
 */
export function forecast(history: readonly (number | null)[], horizons: number): Forecast {
  const recent = history.slice(-HISTORY_DAYS_MAX);
  const known = recent.filter((value) => value !== null);
  if (known.length < HISTORY_DAYS_MIN) return { kind: "none", reason: "short_history", historyDays: known.length };
  if (known.every((value) => value === 0)) return { kind: "none", reason: "no_hits", historyDays: known.length };
  const values = filled(recent);
  const scored = recent.map((value) => value !== null);
  const origins = Math.min(ORIGINS_MAX, values.length - TRAINING_DAYS_MIN);
  const [naive, ...others] = METHODS.map((method) =>
    backtest(method, values, scored, { origins, horizons: Math.min(horizons, origins) })
  ) as [Backtest, ...Backtest[]];
  const best = others.reduce((best, other) => other.meanAbsoluteError < best.meanAbsoluteError ? other : best, naive);
  const spread = spreads(best, horizons);
  const ahead = forecastAhead(best.method, values, horizons);
  return {
    kind: "forecast",
    method: best.method,
    mase: scaledError(best.meanAbsoluteError, values.slice(0, values.length - origins)),
    relativeError: naive.meanAbsoluteError > 0 ? best.meanAbsoluteError / naive.meanAbsoluteError : 1,
    historyDays: known.length,
    points: ahead.map((count, i) => ({
      count,
      low: Math.max(0, count - spread[i]!),
      high: count + spread[i]!,
    })),
  };
}

/** Each null becomes the value a week before it, else a week after it, else the mean of the known ones. */
function filled(values: readonly (number | null)[]): number[] {
  const known = values.filter((value) => value !== null);
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  const result: number[] = [];
  values.forEach((value, i) => result.push(value ?? result[i - WEEK] ?? values[i + WEEK] ?? mean));
  return result;
}

/**
 * Half width of the interval for each horizon, from the sizes of the backtest errors. It is the mean of two widths: the one that is right if
 * the errors are normal (Student's quantile × root mean square; steady, but one outlier widens it), and the errors' own 80 % quantile (less
 * steady, but one outlier does not widen it). Errors of neighbouring horizons are pooled, because one horizon alone has few. The width never
 * shrinks with the horizon.
 */
function spreads({ errors }: Backtest, horizons: number): number[] {
  const result: number[] = [];
  for (let h = 0; h < horizons; h++) {
    const pool = errors.slice(Math.max(0, Math.min(h, errors.length - 1) - 1), h + 2).flat();
    const square = pool.reduce((sum, error) => sum + error * error, 0) / Math.max(1, pool.length);
    const normal = studentQuantile90(Math.max(1, pool.length - 1)) * Math.sqrt(square);
    const sizes = pool.map(Math.abs).sort((a, b) => a - b);
    // n + 1, because with n errors the next one is equally likely to lie in each of the n + 1 gaps between them.
    const own = sizes[Math.min(sizes.length - 1, Math.ceil(COVERAGE * (sizes.length + 1)) - 1)] ?? normal;
    result.push(Math.max(result[h - 1] ?? 0, (normal + own) / 2));
  }
  return result;
}

/** 90 % quantile of Student's t (both tails together leave 20 %), by the Cornish-Fisher expansion (Abramowitz & Stegun 26.7.5). */
function studentQuantile90(degrees: number): number {
  const z = 1.2815515655446004;
  return z + (z ** 3 + z) / (4 * degrees) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2);
}
