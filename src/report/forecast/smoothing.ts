// Exponential smoothing with damped additive trend and weekly season, in error-correction form, and robust: an outlier changes it little. No I/O; changes its state.
// Formulas: Hyndman & Athanasopoulos, Forecasting: Principles and Practice, "Innovations state space models", ETS(A,Ad,A). Large errors are
// bounded as in Gelper, Fried & Croux 2010, "Robust forecasting with exponential and Holt-Winters smoothing".
// Own code: the npm packages that offer it are unmaintained or bring megabytes of WebAssembly for thirty lines of arithmetic.
import { mean, median } from "./averages.ts";
import { WEEK, weekdayEffects } from "./weekly.ts";

/** How a series is smoothed. */
interface Smoothing {
  /** Share of an error that the level takes in, 0 to 1. */
  readonly alpha: number;
  /** Share that the trend takes in: the product of the level's and the trend's own factor, as in R's `ets`. */
  readonly beta: number;
  /** Share that the weekday takes in. */
  readonly gamma: number;
  /** What is left of the trend after each day, 0 to 1; 1 means no damping. */
  readonly phi: number;
  /** Larger errors are taken in as this one; Infinity for none. Unit of the values. */
  readonly errorMax: number;
}

/** Level and trend after a value, and the season's latest estimates: `season[0]` belongs to the next value. */
export interface SmoothingState {
  level: number;
  trend: number;
  readonly season: number[];
  /** Days in a row whose error was above (positive) or below (negative) the bound. */
  outliers: number;
}

/** This many outliers in a row on one side are taken as a new level. */
const LEVEL_SHIFT_DAYS = 4;
/** Bound of an error, in standard deviations of the usual one: the value in common use for Huber's function is 1.345 to 3. */
const ERROR_DEVIATIONS_MAX = 2.5;

/** Takes in one value, changes `state`, and returns the one-step error (value − forecast), not bounded. */
export function absorb(state: SmoothingState, value: number, smoothing: Smoothing): number {
  const { alpha, beta, gamma, phi, errorMax } = smoothing;
  const season = state.season.shift()!;
  const error = value - (state.level + phi * state.trend + season);
  state.outliers = countOutliers(state.outliers, error, errorMax);
  const taken = Math.abs(state.outliers) < LEVEL_SHIFT_DAYS ? Math.max(-errorMax, Math.min(errorMax, error)) : error;
  state.level += phi * state.trend + alpha * taken;
  state.trend = phi * state.trend + beta * taken;
  state.season.push(season + gamma * taken);
  return error;
}

function countOutliers(before: number, error: number, errorMax: number): number {
  if (error > errorMax) return Math.max(before, 0) + 1;
  if (error < -errorMax) return Math.min(before, 0) - 1;
  return 0;
}

/** Forecast for `horizon` ≥ 1 steps ahead. */
export function predict(state: SmoothingState, horizon: number, phi: number): number {
  let damped = 0;
  for (let i = 1; i <= horizon; i++) damped += phi ** i;
  return state.level + damped * state.trend + state.season[(horizon - 1) % state.season.length]!;
}

/** Start values: the mean of the first week without its season, no trend, the weekdays' effects. `values`: at least two weeks. */
export function initialState(values: readonly number[]): SmoothingState {
  const season = weekdayEffects(values);
  return { level: mean(values.slice(0, WEEK)), trend: 0, season, outliers: 0 };
}

// A grid instead of a search: the error surface is flat near its minimum, the result is the same on every machine, and fifty series of a
// page must be fitted within the time of one request.
const ALPHAS = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7];
const TRENDS = [{ share: 0, phi: 1 }, { share: 0.05, phi: 0.8 }, { share: 0.05, phi: 0.95 }, {
  share: 0.15,
  phi: 0.95,
}];
const GAMMAS = [0, 0.03, 0.1, 0.25];

/** The grid's smoothing with the least bounded one-step error over `values`, of which there are at least two weeks. */
export function fitSmoothing(values: readonly number[]): Smoothing {
  const start = initialState(values);
  const errorMax = ERROR_DEVIATIONS_MAX * usualError(values);
  let best: Smoothing = { alpha: ALPHAS[0]!, beta: 0, gamma: GAMMAS[0]!, phi: 1, errorMax };
  let least = Infinity;
  for (const alpha of ALPHAS) {
    for (const { share, phi } of TRENDS) {
      for (const gamma of GAMMAS) {
        const smoothing = { alpha, beta: alpha * share, gamma: gamma * (1 - alpha), phi, errorMax };
        const loss = boundedLoss(values, start, smoothing, least);
        if (loss < least) {
          least = loss;
          best = smoothing;
        }
      }
    }
  }
  return best;
}

/** Standard deviation of a day's error, from the median change between weeks: 0.6745 is the median of |N(0, 1)|, √2 for two days' errors. */
function usualError(values: readonly number[]): number {
  const changes = values.slice(WEEK).map((value, i) => Math.abs(value - values[i]!));
  const error = median(changes) / 0.6745 / Math.SQRT2;
  // If more than half of the changes are 0, the median is 0 too, and the mean is used.
  return error > 0 ? error : Math.max(mean(changes), Number.EPSILON);
}

/** Sum of Huber's loss of the one-step errors, or something above `limit` as soon as it is passed. Plain variables: called 112 times a series. */
function boundedLoss(values: readonly number[], start: SmoothingState, smoothing: Smoothing, limit: number): number {
  const { alpha, beta, gamma, phi, errorMax } = smoothing;
  const season = start.season.slice();
  let { level, trend } = start;
  let outliers = 0;
  let loss = 0;
  for (let i = 0, at = 0; i < values.length && loss <= limit; i++) {
    const error = values[i]! - level - phi * trend - season[at]!;
    const size = Math.abs(error);
    loss += size <= errorMax ? error * error : 2 * errorMax * size - errorMax * errorMax;
    outliers = countOutliers(outliers, error, errorMax);
    const taken = Math.abs(outliers) < LEVEL_SHIFT_DAYS ? Math.max(-errorMax, Math.min(errorMax, error)) : error;
    level += phi * trend + alpha * taken;
    trend = phi * trend + beta * taken;
    season[at] = season[at]! + gamma * taken;
    if (++at === WEEK) at = 0;
  }
  return loss;
}
