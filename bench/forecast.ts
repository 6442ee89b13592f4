// How good the forecast is on series of your own: mean absolute scaled error and share inside the 80 % band, over many origins.
// Usage: deno run -A bench/forecast.ts SERIES.json [OUT.json]; SERIES.json is {"name": [hits a day or null, …]}. Reads and writes files.
// bench/forecast_peers.py sets OUT.json beside the methods of statsforecast on the same origins.
import { forecast, HISTORY_DAYS_MAX } from "../src/report/forecast/forecast.ts";

/** The first origin, days between two, and days ahead: the same as in forecast_peers.py. */
const FIRST = 120, EVERY = 13, AHEAD = 7;

const [file, out] = Deno.args;
if (!file) throw new Error("Usage: deno run -A bench/forecast.ts SERIES.json [OUT.json]");
const series = JSON.parse(await Deno.readTextFile(file)) as Record<string, (number | null)[]>;
const results: Record<string, unknown[]> = {};
for (const [name, values] of Object.entries(series)) {
  const scaled: number[] = [], inside: boolean[] = [], times: number[] = [];
  const rows: unknown[] = results[name] = [];
  for (let origin = FIRST; origin + AHEAD <= values.length; origin += EVERY) {
    const history = values.slice(Math.max(0, origin - HISTORY_DAYS_MAX), origin);
    const started = performance.now();
    const result = forecast(history, AHEAD);
    times.push(performance.now() - started);
    if (result.kind === "none") continue;
    rows.push({ origin, points: result.points });
    const truth = values.slice(origin, origin + AHEAD).filter((value) => value !== null);
    if (truth.length < AHEAD) continue;
    // A gap is the same weekday a week before, as in forecast_peers.py.
    const filled = history.map((value, i) => value ?? history[i - 7] ?? 0);
    const changes = filled.slice(7).map((value, i) => Math.abs(value - filled[i]!));
    const scale = mean(changes);
    scaled.push(mean(result.points.map(({ count }, i) => Math.abs(count - truth[i]!))) / scale);
    inside.push(...result.points.map(({ low, high }, i) => low <= truth[i]! && truth[i]! <= high));
  }
  const share = 100 * inside.filter(Boolean).length / inside.length;
  // deno-lint-ignore no-console -- a benchmark prints
  console.log(
    `${name}: ${scaled.length} origins, MASE ${mean(scaled).toFixed(3)}, ${share.toFixed(1)} % inside, median ${
      times.toSorted((a, b) => a - b)[times.length >> 1]!.toFixed(1)
    } ms`,
  );
}
if (out) await Deno.writeTextFile(out, JSON.stringify(results));

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
