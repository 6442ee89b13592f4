// The Theta method: the mean of a straight line and of exponential smoothing on twice the distance from it. Pure.
// Source: Assimakopoulos & Nikolopoulos 2000, "The theta model"; the weekly season is taken out first and put back, as usual.
import { mean } from "./averages.ts";
import { WEEK, weekdayEffects } from "./weekly.ts";

const ALPHAS = [0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99];

/** Forecasts 1, 2, … days after `values` (at least two weeks), by horizon. */
export function thetaForecast(values: readonly number[]): (horizon: number) => number {
  const days = values.length;
  const effects = weekdayEffects(values);
  const level = values.map((value, i) => value - effects[i % WEEK]!);
  const { slope, intercept } = straightLine(level);
  const curved = level.map((value, i) => 2 * value - (intercept + slope * i));
  const end = smoothedEnd(curved);
  return (horizon) => {
    const at = days - 1 + horizon;
    return (intercept + slope * at + end) / 2 + effects[at % WEEK]!;
  };
}

/** Least squares line through (i, values[i]). */
function straightLine(values: readonly number[]): { slope: number; intercept: number } {
  const middle = (values.length - 1) / 2;
  const average = mean(values);
  let product = 0;
  let squares = 0;
  values.forEach((value, i) => {
    product += (i - middle) * (value - average);
    squares += (i - middle) ** 2;
  });
  const slope = product / squares;
  return { slope, intercept: average - slope * middle };
}

/** Last level of simple exponential smoothing, with the factor that has the least squared one-step error. */
function smoothedEnd(values: readonly number[]): number {
  const start = mean(values.slice(0, WEEK));
  let end = start;
  let least = Infinity;
  for (const alpha of ALPHAS) {
    let level = start;
    let squares = 0;
    for (const value of values) {
      const error = value - level;
      squares += error * error;
      level += alpha * error;
    }
    if (squares < least) {
      least = squares;
      end = level;
    }
  }
  return end;
}
