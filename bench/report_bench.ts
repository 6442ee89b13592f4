// How fast the reports are over many aggregate rows, and what rolling them up costs. Makes its own database on the server of `BENCH_POSTGRES_URL`
// (a superuser's), and drops it again: deno run -A bench/report_bench.ts [rows] [--keep]
import postgres, { type Sql } from "postgres";
import { conditionsOf, databaseFilter } from "../src/report/filter.ts";
import { contributionQuery, timeseriesQuery, topQuery } from "../src/report/report_query.ts";
import { contributions, timeseries } from "../src/report/report_store.ts";
import { top } from "../src/report/top_store.ts";
import { addDays } from "../src/report/time_zone.ts";
import { MIGRATIONS } from "../src/store/migrate.ts";
import { Qualifier } from "../src/store/postgres/qualify.ts";
import { epochMs } from "../src/shared/units.ts";

const DAYS = 90;
const FIRST_DAY = "2026-08-01";
const LAST_DAY = addDays(FIRST_DAY, DAYS - 1);
const REPEATS = 7;
/** Of what roll-ups answer, and of what only the rows know. */
const FILTERS = ["country:is:AA", "city:is:City 7", "host:is:host3", "referrer:contains:ref7", "channel:is_not:direct"];
const NOW = epochMs(Date.parse(`${LAST_DAY}T23:59:00Z`));

const rows = Number(Deno.args.find((arg) => /^\d+$/.test(arg)) ?? 10_000_000);
const server = new URL(Deno.env.get("BENCH_POSTGRES_URL") ?? "postgres://postgres@127.0.0.1:5432/postgres");
const admin = postgres(server.href, { max: 1, onnotice: () => {} });
const name = `tidemark_report_bench_${Deno.pid}`;
await admin.unsafe(`create database ${name}`);
const url = new URL(server.href);
url.pathname = `/${name}`;
const plain = postgres(url.href, {
  max: 1,
  fetch_types: false,
  onnotice: () => {},
  connection: { TimeZone: "UTC" },
});
// The statements of src name their schema `tm.`.
const sql = new Qualifier("public").tag(plain, () => {});
try {
  for (const migration of MIGRATIONS) {
    await sql.unsafe(await Deno.readTextFile(new URL(`../ddl/${migration}.sql`, import.meta.url)));
  }
  const rowsPerWindow = Math.round(rows / DAYS / 288);
  await generate(sql, rowsPerWindow);
  print("rows", { rows: rowsPerWindow * DAYS * 288, days: DAYS, places: 5000 });
  await rollUp(sql, rowsPerWindow * DAYS * 288);
  await sql.unsafe("vacuum analyze");
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
  for (const by of ["host", "referrer", "channel", "city"]) {
    await measure(`top ${by}, 90 days`, () => top(sql, checked(topQuery({ ...range(), by }, NOW))));
  }
} finally {
  await sql.end();
  if (!Deno.args.includes("--keep")) await admin.unsafe(`drop database ${name}`);
  await admin.end();
}

function range() {
  return { from: FIRST_DAY, to: LAST_DAY };
}

/** 5,000 places, 40 hosts and 300 referrers, all skewed, window by window as a stream would write them. */
async function generate(sql: Sql, rowsPerWindow: number) {
  await sql.unsafe(`
    insert into stream (source, topic, consumer_group, window_size_ms, referrer_granularity, key_bytes_max, offsets_count_records, anchor, closed_through)
      values ('kafka', 'bench', 'bench', 300000, 'raw', 1024, true, '${FIRST_DAY}Z', '${addDays(LAST_DAY, 1)}Z');
    insert into stream_partition (partition, next_offset, first_offset, watermark, record_watermark, max_window_end)
      values (0, 1, 0, '${addDays(LAST_DAY, 1)}Z', '${addDays(LAST_DAY, 1)}Z', '${addDays(LAST_DAY, 1)}Z');
    create table place as select n, chr(65 + n % 26) || chr(65 + n / 26 % 9) as code, 'Region ' || n % 20 as region, 'City ' || n as city
      from generate_series(1, 5000) n`);
  for (let day = 0; day < DAYS; day++) {
    await sql.unsafe(`
      select tidemark_ensure_day_v1('${addDays(FIRST_DAY, day)}');
      insert into aggregated_web_traffic
        select w, w + interval '5 minutes', 'host' || (1 + (40 * random() ^ 2)::int),
               case when random() < 0.4 then '' else 'https://ref' || (300 * random() ^ 3)::int || '.example/' end,
               p.code, p.region, p.city, x.hits, (x.hits * random() * 0.3)::int
        from generate_series(timestamptz '${addDays(FIRST_DAY, day)}Z', '${
      addDays(FIRST_DAY, day)
    }T23:55Z', interval '5 minutes') w
        cross join lateral (select 1 + (4999 * random() ^ 3)::int as place, 1 + (20 * random() ^ 4)::int as hits
                            from generate_series(1, ${rowsPerWindow}) where w is not null) x
        join place p on p.n = x.place
        order by w;
      insert into web_traffic_window (window_start, window_end, row_count, hits, bot_hits, closed_by)
        select window_start, window_end, count(*), sum(num_hits), sum(bot_hits), 'bench' from aggregated_web_traffic
        where window_start >= '${addDays(FIRST_DAY, day)}Z' group by 1, 2`);
  }
  await sql.unsafe("vacuum analyze");
}

async function rollUp(sql: Sql, rows: number) {
  const spent = { hour: 0, day: 0 };
  const calls = { hour: 0, day: 0 };
  for (;;) {
    const started = performance.now();
    const [row] = await sql<{ state: "hour" | "day" | "nothing" }[]>`select tidemark_roll_up_v2() ->> 'state' as state`;
    const { state } = row!;
    if (state === "nothing") break;
    spent[state] += performance.now() - started;
    calls[state]++;
  }
  print("roll-up", {
    hour_ms: spent.hour / calls.hour,
    day_ms: spent.day / calls.day,
    us_per_row: 1000 * (spent.hour + spent.day) / rows,
  });
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
  // deno-lint-ignore no-console -- a benchmark prints
  console.log(label.padEnd(60), JSON.stringify(rounded));
}
