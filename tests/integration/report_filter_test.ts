// Goal: any filter and any comparison count what they say, on every report alike. Method: the truth of the generated months is read into memory
// and added up by plain predicates; the reports are asked before anything is rolled up, and after all of it.
import { assert, assertEquals } from "@std/assert";
import type { Sql } from "postgres";
import { contributionQuery, type QueryResult, timeseriesQuery, topQuery } from "../../src/report/report_query.ts";
import { contributions, timeseries } from "../../src/report/report_store.ts";
import { top } from "../../src/report/top_store.ts";
import { dayStart, localDate } from "../../src/report/time_zone.ts";
import { epochMs } from "../../src/shared/units.ts";
import { CLOSED, reportDatabase, rollUp } from "./report_fixture.ts";

const NOW = epochMs(Date.parse(CLOSED));
const MIN = 60_000;

interface Fact {
  readonly at: number;
  readonly host: string;
  readonly referrer: string;
  readonly country: string;
  readonly region: string;
  readonly city: string;
  readonly hits: number;
  readonly late: boolean;
}

async function facts(sql: Sql): Promise<Fact[]> {
  return await sql<Fact[]>`
    select extract(epoch from window_start)::float8 * 1000 as at, host, referrer, country_code as country, region, city,
           num_hits::float8 as hits, is_late as late from truth`;
}

function checked<Q>(result: QueryResult<Q>): Q {
  assert(result.ok, JSON.stringify(result));
  return result.query;
}

/** One of a list, and its neighbour. */
const turn = (list: readonly string[], n: number) => [list[n % list.length]!, list[(n + 1) % list.length]!];

const sum = (list: readonly Fact[]) => list.reduce((total, { hits }) => total + hits, 0);

const SEARCH = "https://www.google.com/", SOCIAL = "https://t.co/x", OWN = "https://www0.example.com/";

/** A filter as parameters of a URL, and as a predicate. */
const FILTERS: readonly (readonly [Record<string, string>, (fact: Fact) => boolean])[] = [
  [{ country: "DE" }, (f) => f.country === "DE"],
  [{ country: "germany" }, (f) => f.country === "DE"],
  [{ region: "Berlin" }, (f) => f.region === "Berlin"],
  [{ city: "Springfield", region: "Illinois" }, (f) => f.city === "Springfield" && f.region === "Illinois"],
  [{ city: "" }, (f) => f.city === ""],
  [{ referrer: "" }, (f) => f.referrer === ""],
  [{ filter: "host:is:www1.example.com" }, (f) => f.host === "www1.example.com"],
  [{ filter: "host:is_not:www1.example.com" }, (f) => f.host !== "www1.example.com"],
  [
    { filter: "host:is:www1.example.com;host:is:www2.example.com" },
    (f) => f.host === "www1.example.com" || f.host === "www2.example.com",
  ],
  [
    { filter: "referrer:not_contains:GOOGLE;referrer:not_contains:t.co" },
    (f) => !f.referrer.includes("google") && !f.referrer.includes("t.co"),
  ],
  [{ filter: "referrer:starts:HTTPS://B" }, (f) => f.referrer.startsWith("https://b")],
  [{ filter: 'city:contains:perl"' }, () => false],
  [{ filter: "city:contains:'" }, () => false],
  [{ filter: 'city:contains:("x")' }, (f) => f.city.includes('("x")')],
  [
    { host: "www0.example.com", filter: "country:is_not:US;city:is_not:" },
    (f) => f.host === "www0.example.com" && f.country !== "US" && f.city !== "",
  ],
  [{ channel: "direct" }, (f) => f.referrer === ""],
  [{ channel: "search" }, (f) => f.referrer === SEARCH],
  [{ channel: "internal" }, (f) => f.referrer === OWN],
  [{ channel: "unclassified" }, () => false],
  [
    { filter: "channel:is_not:search;channel:is_not:internal" },
    (f) => f.referrer !== SEARCH && f.referrer !== OWN,
  ],
  [{ filter: "channel:is:social;country:is:FR" }, (f) => f.referrer === SOCIAL && f.country === "FR"],
];

Deno.test("every filter counts the same hits on every report, whatever is rolled up", async () => {
  await using database = await reportDatabase();
  const { sql } = database;
  const all = await facts(sql);
  const check = async (tz: string, filters = FILTERS) => {
    const range = { from: "2026-10-26", to: "2026-11-03", tz };
    const inside = all.filter(({ at, late }) =>
      !late && localDate(epochMs(at), tz) >= range.from && localDate(epochMs(at), tz) <= range.to
    );
    for (const [n, [given, passes]] of filters.entries()) {
      const label = `${tz} ${JSON.stringify(given)}`;
      const expected = inside.filter(passes);
      const table = await contributions(sql, checked(contributionQuery({ ...range, ...given, limit: "1000" }, NOW)));
      assertEquals(table.total_count, sum(expected), `contributions ${label}`);
      assertEquals(table.rows.reduce((total, row) => total + row.city_contribution.count, 0), sum(expected), label);
      // In turn, so that each way to read meets each kind of filter somewhere.
      for (const step of turn(["hour", "day", "week", "month"], n)) {
        const series = await timeseries(sql, checked(timeseriesQuery({ ...range, ...given, step }, NOW)));
        assertEquals(series.total.total, sum(expected), `timeseries ${step} ${label}`);
        assertEquals(series.points.reduce((total, point) => total + (point.total ?? 0), 0), sum(expected), label);
      }
      for (const by of turn(["host", "referrer", "channel", "country", "city"], n)) {
        const ranking = await top(sql, checked(topQuery({ ...range, ...given, by, limit: "1000" }, NOW)));
        assertEquals(ranking.rows.reduce((total, { count }) => total + count, 0), sum(expected), `top ${by} ${label}`);
        assertEquals(ranking.other, null, `top ${by} ${label}`);
      }
    }
  };
  await check("UTC");
  await rollUp(sql);
  await check("UTC");
  await check("Asia/Kolkata", FILTERS.slice(0, 8));
});

Deno.test("a range that is not over is compared with the same elapsed time, on totals, rows and points alike", async () => {
  await using database = await reportDatabase();
  const { sql } = database;
  const all = (await facts(sql)).filter(({ late }) => !late);
  await sql`update stream_partition set first_event_time = '2026-09-01Z'`;
  // The newest window begins at 13:10; windows are the smallest time that can be told apart.
  const newest = Math.max(...all.map(({ at }) => at));
  assertEquals(new Date(newest).toISOString(), "2026-11-03T13:10:00.000Z");
  const cases = [
    // [compare, first day, last day, first compared day, days between] in a zone
    ["previous_period", "2026-11-03", "2026-11-03", "2026-11-02", 1, "UTC"],
    ["previous_day", "2026-11-03", "2026-11-03", "2026-11-02", 1, "Europe/Berlin"],
    ["previous_period", "2026-11-01", "2026-11-03", "2026-10-29", 3, "Asia/Kolkata"],
    ["same_weekday", "2026-11-02", "2026-11-03", "2026-10-26", 7, "Europe/Berlin"],
    // The clocks went back in Berlin on 25 October.
    ["previous_period", "2026-10-26", "2026-11-03", "2026-10-17", 9, "Europe/Berlin"],
  ] as const;
  for (const rolled of [false, true]) {
    if (rolled) await rollUp(sql);
    for (const [compare, from, to, first, days, tz] of cases) {
      const label = `${compare} ${from} ${tz} ${rolled}`;
      const elapsed = newest - dayStart(to, tz);
      const until = dayStart(localDate(epochMs(dayStart(to, tz) - days * 24 * 60 * MIN + 12 * 60 * MIN), tz), tz) +
        elapsed;
      const expected = sum(all.filter(({ at }) => at >= dayStart(first, tz) && at < until));
      const given = { from, to, tz, compare, filter: "country:is_not:FR" };
      const some = sum(all.filter(({ at, country }) => at >= dayStart(first, tz) && at < until && country !== "FR"));
      const plain = checked(contributionQuery({ from, to, tz, compare, limit: "1000" }, NOW));
      const table = await contributions(sql, plain);
      assertEquals(table.comparison_period.until, new Date(until).toISOString(), label);
      assertEquals(table.total?.comparison.count, expected, label);
      assertEquals(table.total?.comparison.change, table.total_count! - expected, label);
      const series = await timeseries(sql, checked(timeseriesQuery({ from, to, tz, compare, step: "hour" }, NOW)));
      assertEquals(series.comparison.total, expected, label);
      assertEquals(series.comparison_period, table.comparison_period, label);
      const filtered = await contributions(sql, checked(contributionQuery({ ...given, limit: "1000" }, NOW)));
      assertEquals(filtered.total?.comparison.count, some, label);
      // Each point beside the one after the same elapsed time of its day.
      const day = series.points.filter(({ start }) => start < new Date(dayStart(to, tz)).toISOString());
      if (days > 1 && !label.includes("2026-10-26")) {
        const whole = day.reduce((total, { previous }) => total + (previous?.total ?? 0), 0);
        assertEquals(whole, sum(all.filter(({ at }) => at >= dayStart(first, tz) && at < until - elapsed)), label);
      }
    }
  }
  // A range that is over is compared with all of the period before.
  const over = await contributions(sql, checked(contributionQuery({ from: "2026-11-01", to: "2026-11-01" }, NOW)));
  assertEquals(over.comparison_period.until, null);
  assertEquals(over.comparison_period.kind, "previous_period");
  // Before the stream there is nothing to compare with.
  const first = await contributions(sql, checked(contributionQuery({ from: "2026-09-01", to: "2026-09-02" }, NOW)));
  assertEquals([first.comparison_period.no_change_reason, first.total?.comparison.change], ["not_covered", null]);
  const year = await contributions(
    sql,
    checked(contributionQuery({ from: "2026-11-01", to: "2026-11-01", compare: "previous_year" }, NOW)),
  );
  assertEquals([year.comparison_period.from, year.total?.comparison.change], ["2025-11-01", null]);
});
