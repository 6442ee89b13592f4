// Exponential smoothing with additive trend and additive season (Holt-Winters), in error-correction form. Pure.
// Formulas: Hyndman & Athanasopoulos, Forecasting: Principles and Practice, "Innovations state space models", ETS(A,A,A).
// Own code: the npm packages that offer it are unmaintained or bring megabytes of WebAssembly for thirty lines of arithmetic.

/** Smoothing of level, trend and season, each in [0, 1]. `beta` is the product of the level's and the trend's own factor, as in R's `ets`. */
export interface Smoothing {
  readonly alpha: number;
  readonly beta: number;
  readonly gamma: number;
}

/** Level and trend after a value, and the season's latest estimates: `season[0]` belongs to the next value. */
export interface SmoothingState {
  level: number;
  trend: number;
  readonly season: number[];
}

/** Takes in one value, changes `state`, and returns the one-step error (value − forecast). */
export function absorb(state: SmoothingState, value: number, { alpha, beta, gamma }: Smoothing): number {
  const season = state.season.shift()!;
  const error = value - (state.level + state.trend + season);
  state.level += state.trend + alpha * error;
  state.trend += beta * error;
  state.season.push(season + gamma * error);
  return error;
}

/** Forecast for `horizon` ≥ 1 steps ahead. */
export function predict(state: SmoothingState, horizon: number): number {
  return state.level + horizon * state.trend + state.season[(horizon - 1) % state.season.length]!;
}

/**
 * Start values from the first two seasons (the classical decomposition that Hyndman gives for Holt-Winters): level before the first value, trend
 * = mean change over one season, season = mean deviation from that line.
 */
export function initialState(values: readonly number[], period: number): SmoothingState {
  const mean = (from: number) => values.slice(from, from + period).reduce((sum, value) => sum + value, 0) / period;
  const first = mean(0);
  const trend = (mean(period) - first) / period;
  // The mean of the first season stands in its middle.
  const level = first - trend * (period + 1) / 2;
  const season = Array.from({ length: period }, (_, i) => {
    const deviation = (at: number) => values[at]! - (level + trend * (at + 1));
    return (deviation(i) + deviation(i + period)) / 2;
  });
  return { level, trend, season };
}

// A grid instead of a search: the error surface is flat near its minimum, the result is the same on every machine, and fifty series of a
// page must be fitted within the time of one request.
const ALPHAS = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9];
const BETA_SHARES = [0, 0.01, 0.05, 0.15];
const GAMMAS = [0.02, 0.05, 0.1, 0.2, 0.4];

/** The grid's smoothing with the least squared one-step error over `values`, of which there are at least two seasons. */
export function fitSmoothing(values: readonly number[], period: number): Smoothing {
  const start = initialState(values, period);
  let best: Smoothing = { alpha: ALPHAS[0]!, beta: 0, gamma: GAMMAS[0]! };
  let least = Infinity;
  for (const alpha of ALPHAS) {
    for (const share of BETA_SHARES) {
      for (const gamma of GAMMAS) {
        const smoothing = { alpha, beta: alpha * share, gamma };
        const squares = squaredError(values, start, smoothing, least);
        if (squares < least) {
          least = squares;
          best = smoothing;
        }
      }
    }
  }
  return best;
}

/** Sum of squared one-step errors, or something above `limit` as soon as it is passed. Plain variables: this is called 160 times a series. */
function squaredError(values: readonly number[], start: SmoothingState, smoothing: Smoothing, limit: number): number {
  const { alpha, beta, gamma } = smoothing;
  const season = start.season.slice();
  const period = season.length;
  let { level, trend } = start;
  let squares = 0;
  for (let i = 0, at = 0; i < values.length && squares <= limit; i++) {
    const error = values[i]! - level - trend - season[at]!;
    squares += error * error;
    level += trend + alpha * error;
    trend += beta * error;
    season[at] = season[at]! + gamma * error;
    if (++at === period) at = 0;
  }
  return squares;
}
