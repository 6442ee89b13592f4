// Goal: forecasts are honest. Published numbers for the arithmetic, simulated series (seeded) for the interval and the choice.
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { backtest, scaledError } from "../../src/report/backtest.ts";
import { forecast, HISTORY_DAYS_MIN } from "../../src/report/forecast.ts";
import { absorb, fitSmoothing, initialState, predict, type SmoothingState } from "../../src/report/holt_winters.ts";
import { seasonalNaive } from "../../src/report/seasonal_naive.ts";

// International tourist visitor nights in Australia, quarterly 2005–2010: Hyndman & Athanasopoulos, FPP section 7.5 (R package fpp).
const AUSTOURISTS = [
  41.727458,
  24.04185,
  32.328103,
  37.328708,
  46.213153,
  29.346326,
  36.48291,
  42.977719,
  48.901525,
  31.180221,
  37.717881,
  40.420211,
  51.206863,
  31.887228,
  40.978263,
  43.772491,
  55.558567,
  33.850915,
  42.076383,
  45.642292,
  59.76678,
  35.191877,
  44.319737,
  47.913736,
];
// What R's hw(aust, seasonal = "additive") estimates there: smoothing, start values, and the sum of squared errors they lead to.
const PUBLISHED = {
  smoothing: { alpha: 0.3348574920655552, beta: 0.000100436418718954, gamma: 0.6646924189795751 },
  level: 31.595965323724194,
  trend: 0.637205400799347,
  season: [1.3338300720957152, -1.7975502536799013, -9.292661945269218],
  squaredError: 55.41566524854245,
};

function publishedState(): SmoothingState {
  const [last, third, second] = PUBLISHED.season as [number, number, number];
  return { level: PUBLISHED.level, trend: PUBLISHED.trend, season: [-(last + third + second), second, third, last] };
}

Deno.test("absorb() reproduces the published squared error of Holt-Winters on austourists", () => {
  const state = publishedState();
  const squares = AUSTOURISTS.reduce((sum, value) => sum + absorb(state, value, PUBLISHED.smoothing) ** 2, 0);
  assertAlmostEquals(squares, PUBLISHED.squaredError, 1e-4);
});

Deno.test("predict() gives the published forecasts of the two years after austourists", () => {
  const state = publishedState();
  for (const value of AUSTOURISTS) absorb(state, value, PUBLISHED.smoothing);
  const expected = [61.34, 37.24, 46.84, 51.01, 64.47, 39.78, 49.64, 53.9];
  expected.forEach((value, i) => assertAlmostEquals(predict(state, i + 1), value, 0.9, `quarter ${i + 1}`));
});
