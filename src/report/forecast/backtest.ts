// Measures the errors that a method's forecasts of the series would have had: rolling origins, no look ahead. Pure.
import { mean } from "./averages.ts";
import { absorb, fitSmoothing, initialState, predict } from "./smoothing.ts";
import { thetaForecast } from "./theta.ts";
import { seasonalNaive, WEEK } from "./weekly.ts";

/** combination: the mean of Theta and of damped smoothing of the values and of their logarithms. */
export type Method = "seasonal_naive" | "combination";
export const METHODS: readonly Method[] = ["seasonal_naive", "combination"];

/** Days that are forecast from at least so many days of history. */
export const TRAINING_DAYS_MIN = 2 * WEEK;

/** Forecast errors of one method over all origins. */
export interface Backtest {
  readonly method: Method;
  /** `errors[h − 1]`: value − forecast for h days ahead, one a scored origin, in order of time. */
  readonly errors: readonly (readonly number[])[];
  /** Mean absolute error over the scored days of all horizons. */
  readonly meanAbsoluteError: number;
}

/**
 * Forecasts the last days of a series from every origin that leaves {@link TRAINING_DAYS_MIN} days of history. Smoothing is fitted once,
 * on the days before the first origin; later values only update its state. So no forecast uses a value from after its origin.
 *
 * @param values daily values, gaps filled in
 * @param scored whether the value is real: filled-in days are not scored
 * @param origins how many days at the end are forecast
 * @param horizons forecasts of 1 to so many days ahead
 */
export function backtest(
  method: Method,
  values: readonly number[],
  scored: readonly boolean[],
  { origins, horizons }: { readonly origins: number; readonly horizons: number },
): Backtest {
  const first = values.length - origins;
  const errors: number[][] = Array.from({ length: horizons }, () => []);
  const forecastFrom = method === "combination" ? combination(values, first) : naive(values);
  let sum = 0;
  let count = 0;
  for (let origin = first; origin < values.length; origin++) {
    const forecast = forecastFrom(origin);
    for (let h = 1; h <= horizons && origin + h <= values.length; h++) {
      const at = origin + h - 1;
      if (!scored[at]) continue;
      // As the forecast itself: hits are never negative.
      const error = values[at]! - Math.max(0, forecast(h));
      errors[h - 1]!.push(error);
      sum += Math.abs(error);
      count++;
    }
  }
  return { method, errors, meanAbsoluteError: count === 0 ? Infinity : sum / count };
}

/** Forecasts from an origin (the number of known days); origins are asked for in rising order. */
type ForecastFrom = (origin: number) => (horizon: number) => number;

function naive(values: readonly number[]): ForecastFrom {
  return (origin) => (horizon) => seasonalNaive(values.slice(0, origin), horizon);
}

/** An average of different methods is better than the one that was best in the past (Makridakis et al. 2020, "The M4 competition"). */
function combination(values: readonly number[], first: number): ForecastFrom {
  // Logarithms, because traffic grows by a share and not by a number; +1, because a day may have no hits.
  const logs = values.map(Math.log1p);
  const parts = [
    smoother(values, first),
    logarithmic(smoother(logs, first)),
    logarithmic((origin) => thetaForecast(logs.slice(0, origin))),
  ];
  return (origin) => {
    const forecasts = parts.map((part) => part(origin));
    return (horizon) => mean(forecasts.map((forecast) => forecast(horizon)));
  };
}

/** The forecast of logarithms as one of values. */
function logarithmic(part: ForecastFrom): ForecastFrom {
  return (origin) => {
    const forecast = part(origin);
    return (horizon) => Math.expm1(forecast(horizon));
  };
}

function smoother(values: readonly number[], first: number): ForecastFrom {
  const training = values.slice(0, first);
  const smoothing = fitSmoothing(training);
  const state = initialState(training);
  let known = 0;
  return (origin) => {
    for (; known < origin; known++) absorb(state, values[known]!, smoothing);
    return (horizon) => predict(state, horizon, smoothing.phi);
  };
}

/** Forecasts after the whole series, 1 to `horizons` days ahead, never negative. */
export function forecastAhead(method: Method, values: readonly number[], horizons: number): number[] {
  const forecast = (method === "combination" ? combination(values, values.length) : naive(values))(values.length);
  return Array.from({ length: horizons }, (_, i) => Math.max(0, forecast(i + 1)));
}

/**
 * Mean absolute scaled error: the method's error over that of the seasonal-naive forecast one week ahead within the training days (Hyndman &
 * Koehler 2006, "Another look at measures of forecast accuracy"). Below 1 it is better. null if the training days never changed.
 */
export function scaledError(meanAbsoluteError: number, training: readonly number[]): number | null {
  const changes = training.slice(WEEK).map((value, i) => Math.abs(value - training[i]!));
  const scale = changes.reduce((sum, change) => sum + change, 0) / changes.length;
  return scale > 0 ? meanAbsoluteError / scale : null;
}
