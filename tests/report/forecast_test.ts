// Goal: forecasts are honest. Published numbers for the arithmetic, simulated series (seeded) for the interval and the choice.
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertLess,
  assertLessOrEqual,
} from "@std/assert";
import { backtest, scaledError } from "../../src/report/forecast/backtest.ts";
import { forecast, HISTORY_DAYS_MIN } from "../../src/report/forecast/forecast.ts";
import { absorb, predict, type SmoothingState } from "../../src/report/forecast/smoothing.ts";
import { thetaForecast } from "../../src/report/forecast/theta.ts";
import { seasonalNaive, weekdayEffects } from "../../src/report/forecast/weekly.ts";

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
  smoothing: {
    alpha: 0.3348574920655552,
    beta: 0.000100436418718954,
    gamma: 0.6646924189795751,
    phi: 1,
    errorMax: Infinity,
  },
  level: 31.595965323724194,
  trend: 0.637205400799347,
  season: [1.3338300720957152, -1.7975502536799013, -9.292661945269218],
  squaredError: 55.41566524854245,
};

function publishedState(): SmoothingState {
  const [last, third, second] = PUBLISHED.season as [number, number, number];
  return {
    level: PUBLISHED.level,
    trend: PUBLISHED.trend,
    season: [-(last + third + second), second, third, last],
    outliers: 0,
  };
}

Deno.test("absorb() reproduces the published squared error of Holt-Winters on austourists", () => {
  const state = publishedState();
  const squares = AUSTOURISTS.reduce((sum, value) => sum + absorb(state, value, PUBLISHED.smoothing) ** 2, 0);
  assertAlmostEquals(squares, PUBLISHED.squaredError, 1e-4);
});

Deno.test("predict() continues a line with a rhythm exactly", () => {
  const rhythm = [5, -3, 0, 4, -6, 2, -2];
  const line = Array.from({ length: 70 }, (_, i) => 100 + 2 * i + rhythm[i % 7]!);
  const state: SmoothingState = { level: 98, trend: 2, season: [...rhythm], outliers: 0 };
  const smoothing = { alpha: 0.3, beta: 0.05, gamma: 0.2, phi: 1, errorMax: Infinity };
  for (const value of line) assertAlmostEquals(absorb(state, value, smoothing), 0, 1e-9);
  for (const h of [1, 7, 14]) {
    assertAlmostEquals(predict(state, h, 1), 100 + 2 * (69 + h) + rhythm[(69 + h) % 7]!, 1e-8);
  }
});

Deno.test("weekdayEffects() finds a rhythm under a trend, also beside an outlier", () => {
  const rhythm = [5, -3, 0, 4, -6, 2, -2];
  const values = Array.from({ length: 70 }, (_, i) => 100 + 2 * i + rhythm[i % 7]!);
  values[31] = 5_000;
  weekdayEffects(values).forEach((effect, i) => assertAlmostEquals(effect, rhythm[i]!, 1e-9));
});

Deno.test("thetaForecast() halves the trend of a line, as the method's authors derive", () => {
  // On a line the curved part is the line itself, which smoothing with factor 0.99 follows a step behind.
  const forecast = thetaForecast(Array.from({ length: 70 }, (_, i) => 100 + 2 * i));
  for (const h of [1, 7, 14]) assertAlmostEquals(forecast(h), 100 + 2 * 69 + h, 0.1);
});

Deno.test("an outlier hardly moves the forecast, a new level is taken in within days", () => {
  const random = generator(11);
  const quiet = simulate(random, { days: 84, trend: 0, noise: 20, drift: 0 });
  const count = (history: readonly number[]) => {
    const result = forecast(history, 1);
    assert(result.kind === "forecast");
    return result.points[0]!.count;
  };
  const usual = count(quiet);
  const outlier = quiet.with(80, quiet[80]! * 8);
  assertLess(Math.abs(count(outlier) - usual) / usual, 0.05);
  const shifted = quiet.map((value, i) => i < 70 ? value : 3 * value);
  assertGreater(count(shifted), 2 * usual);
});

Deno.test("forecast() takes at most 5 ms a series of 91 days", () => {
  const history = simulate(generator(3), { days: 91, trend: 1, noise: 40, drift: 5 });
  for (let i = 0; i < 20; i++) forecast(history, 14);
  // The fastest of several runs: what the arithmetic costs, whatever else the machine does.
  const times = Array.from({ length: 30 }, () => {
    const start = performance.now();
    forecast(history, 14);
    return performance.now() - start;
  });
  assertLessOrEqual(Math.min(...times), 5);
});

Deno.test("seasonalNaive() repeats the same weekday of the last week", () => {
  const history = Array.from({ length: 21 }, (_, i) => i);
  assertEquals([1, 2, 7, 8, 14].map((h) => seasonalNaive(history, h)), [14, 15, 20, 14, 20]);
});

Deno.test("scaledError() is the ratio of Hyndman and Koehler's definition", () => {
  // Each day is 3 above the same day a week before, so the seasonal-naive error in training is 3.
  const training = Array.from({ length: 21 }, (_, i) => 3 * Math.floor(i / 7));
  assertEquals(scaledError(1.5, training), 0.5);
  assertEquals(scaledError(1.5, new Array<number>(21).fill(4)), null);
});

Deno.test("backtest() knows no value that lies ahead of the origin", () => {
  const random = generator(5);
  const values = simulate(random, { days: 60, trend: 1, noise: 20, drift: 5 });
  const known = new Array<boolean>(60).fill(true);
  const cut = 50;
  for (const method of ["seasonal_naive", "combination"] as const) {
    const changed = values.map((value, i) => i < cut ? value : value * 10 + 1000);
    const options = { origins: 28, horizons: 3 };
    const before = backtest(method, values, known, options).errors;
    const after = backtest(method, changed, known, options).errors;
    for (let h = 1; h <= 3; h++) {
      // Errors on days before the change come from the same forecasts.
      const same = cut - (60 - 28) - h + 1;
      assertEquals(after[h - 1]!.slice(0, same), before[h - 1]!.slice(0, same));
      assert(after[h - 1]![same] !== before[h - 1]![same]);
    }
  }
});

Deno.test("forecast() is never worse than seasonal-naive in the backtest, and picks the combination where a trend earns it", () => {
  const picked = new Map<string, number>();
  for (let seed = 1; seed <= 60; seed++) {
    const random = generator(seed);
    const history = simulate(random, { days: 84, trend: seed % 3, noise: 10 + seed, drift: seed % 5 });
    const result = forecast(history, 7);
    assert(result.kind === "forecast", `seed ${seed}`);
    assertLessOrEqual(result.relativeError, 1, `seed ${seed}`);
    if (result.method === "seasonal_naive") assertEquals(result.relativeError, 1, `seed ${seed}`);
    picked.set(result.method, (picked.get(result.method) ?? 0) + 1);
  }
  assertGreater(picked.get("combination") ?? 0, 20);
  // A rhythm without trend or noise in its weeks: nothing beats repeating it.
  const rhythm = [70, 80, 90, 100, 110, 40, 30];
  const repeated = forecast(Array.from({ length: 63 }, (_, i) => rhythm[i % 7]!), 7);
  assert(repeated.kind === "forecast");
  assertEquals(repeated.method, "seasonal_naive");
  assertEquals(repeated.points.map((point) => point.count), rhythm);
});

for (const history of [21, 28, 56, 91]) {
  Deno.test(`forecast() intervals hold 70 to 90 % of the days after ${history} simulated ones`, () => {
    for (const horizon of [1, 7, 14]) {
      let inside = 0;
      const runs = 300;
      for (let seed = 1; seed <= runs; seed++) {
        const random = generator(1000 * horizon + seed);
        const series = simulate(random, { days: history + horizon, trend: seed % 2, noise: 30, drift: 6 * (seed % 3) });
        const result = forecast(series.slice(0, history), horizon);
        assert(result.kind === "forecast");
        const point = result.points[horizon - 1]!;
        const actual = series[history + horizon - 1]!;
        if (actual >= point.low && actual <= point.high) inside++;
      }
      const share = inside / runs;
      assert(share >= 0.7 && share <= 0.9, `${horizon} days ahead: ${share}`);
    }
  });
}

Deno.test("forecast() says so instead of guessing from a short or empty history", () => {
  const days = new Array<number>(HISTORY_DAYS_MIN - 1).fill(5);
  assertEquals(forecast(days, 1), { kind: "none", reason: "short_history", historyDays: HISTORY_DAYS_MIN - 1 });
  assertEquals(forecast([...days, 5], 1).kind, "forecast");
  // Unknown days are no history.
  assertEquals(forecast([...days, null, null], 1).kind, "none");
  assertEquals(forecast(new Array<number>(40).fill(0), 1), { kind: "none", reason: "no_hits", historyDays: 40 });
});

Deno.test("forecast() goes over unknown days without taking them for zeros", () => {
  const rhythm = [700, 800, 900, 1000, 1100, 400, 300];
  const history = Array.from({ length: 56 }, (_, i) => i % 13 === 6 ? null : rhythm[i % 7]!);
  const result = forecast(history, 7);
  assert(result.kind === "forecast");
  result.points.forEach((point, i) => assertAlmostEquals(point.count, rhythm[i]!, 1e-6));
});

Deno.test("forecast() never falls below zero", () => {
  const history = Array.from({ length: 42 }, (_, i) => Math.max(0, 200 - 5 * i));
  const result = forecast(history, 14);
  assert(result.kind === "forecast");
  for (const point of result.points) {
    assertGreaterOrEqual(point.low, 0);
    assertGreaterOrEqual(point.count, 0);
    assertGreaterOrEqual(point.high, point.count);
  }
});

/** mulberry32: uniform numbers in [0, 1) from a seed. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Daily hits with weekday rhythm, trend, noise around it, and a level that drifts. */
function simulate(
  random: () => number,
  { days, trend, noise, drift }: { days: number; trend: number; noise: number; drift: number },
): number[] {
  const rhythm = Array.from({ length: 7 }, () => 200 * random());
  let level = 1000;
  return Array.from({ length: days }, (_, i) => {
    level += trend + drift * normal(random);
    return Math.max(0, level + rhythm[i % 7]! + noise * normal(random));
  });
}
