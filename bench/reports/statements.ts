// How fast the statements of the reports are over many aggregate rows: `deno task bench reports [rows] [--keep]`. See data.ts for the database.
import { conditionsOf, databaseFilter } from "../../src/report/filter.ts";
import { contributionQuery, timeseriesQuery, topQuery } from "../../src/report/report_query.ts";
import { contributions, timeseries } from "../../src/report/report_store.ts";
import { top } from "../../src/report/top_store.ts";
import type { Sql } from "../../src/shared/sql.ts";
import { Qualifier } from "../../src/store/postgres/qualify.ts";
import { epochMs } from "../../src/shared/units.ts";
import { write } from "../support.ts";
import { connect, FIRST_DAY, LAST_DAY, reportDatabase } from "./data.ts";

const REPEATS = 7;
/** Of what roll-ups answer, and of what only the rows know. */
const FILTERS = ["country:is:BA", "city:is:City 7", "host:is:host3", "referrer:contains:ref7", "channel:is_not:direct"];
const NOW = epochMs(Date.parse(`${LAST_DAY}T23:59:00Z`));

const rows = /^\d+$/.test(Deno.args[0] ?? "") ? Number(Deno.args[0]) : 10_000_000;
await using database = await reportDatabase(rows, Deno.args.includes("--keep"));
const plain = connect(database.url);
// The statements of src name their schema `tm.`.
const sql = new Qualifier("public").tag(plain as unknown as Sql, () => {});
try {
  for (const tz of ["UTC", "Europe/Berlin", "Asia/Kolkata"]) await measureContributions(sql, { tz });
  await measureContributions(sql, { place: "country", tz: "Europe/Berlin" });
  for (const filter of FILTERS) await measureContributions(sql, { filter });
  for (const filter of FILTERS) {
    await measure(
      `timeseries, days of 90 days, ${filter}`,
      () => timeseries(sql, checked(timeseriesQuery({ ...range(), step: "day", filter }, NOW))),
    );
    await measure(
      `top source, 90 days, ${filter}`,
      () => top(sql, checked(topQuery({ ...range(), by: "source", filter }, NOW))),
    );
  }
  await measure(
    "timeseries, hours of 90 days",
    () => timeseries(sql, checked(timeseriesQuery({ ...range(), step: "hour" }, NOW))),
  );
  for (const by of ["host", "referrer", "channel", "city", "page", "browser", "campaign", "entry_channel"]) {
    await measure(`top ${by}, 90 days`, () => top(sql, checked(topQuery({ ...range(), by }, NOW))));
  }
} finally {
  await plain.end();
}

function range() {
  return { from: FIRST_DAY, to: LAST_DAY };
}

async function measureContributions(sql: Sql, given: Record<string, string>) {
  const query = checked(contributionQuery({ ...range(), ...given }, NOW));
  const label = Object.values(given).join(" ");
  await measure(
    `contribution_report_v2(), 90 days, ${label}`,
    () =>
      sql`select * from contribution_report_v2(${FIRST_DAY}::text::date, ${LAST_DAY}::text::date,
    ${query.tz}::text, p_place => ${query.place}::text, p_filter => ${
        JSON.stringify(databaseFilter(conditionsOf(query)))
      }::text::jsonb, p_limit => 50)`,
  );
  await measure(`contributions() with forecasts, 90 days, ${label}`, () => contributions(sql, query));
}

/** Median and slowest of warm runs, in ms. */
async function measure(label: string, run: () => PromiseLike<unknown>) {
  await run();
  const times: number[] = [];
  for (let i = 0; i < REPEATS; i++) {
    const started = performance.now();
    await run();
    times.push(performance.now() - started);
  }
  times.sort((a, b) => a - b);
  print(label, { best_ms: times[0]!, median_ms: times[REPEATS >> 1]!, worst_ms: times.at(-1)! });
}

function checked<Q>(
  result: { readonly ok: true; readonly query: Q } | { readonly ok: false; readonly problems: unknown },
): Q {
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.query;
}

function print(label: string, values: Record<string, number>) {
  const rounded = Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, Math.round(value * 100) / 100]),
  );
  write(`${label.padEnd(60)} ${JSON.stringify(rounded)}`);
}
