// Goal: the numbers are right. Method: every report over generated months is held against SQL over the raw truth that was written for this test,
// before anything is rolled up, in the middle of it, and after it.
import { assert, assertAlmostEquals, assertEquals, assertGreater, assertRejects } from "@std/assert";
import type { Sql } from "postgres";
import { addDays, dayStart } from "../../src/report/time_zone.ts";
import { type ContributionQuery, contributionQuery, RANGE_DAYS_MAX } from "../../src/report/report_query.ts";
import { decodeContributionCursor } from "../../src/report/report_query.ts";
import { contributions } from "../../src/report/report_store.ts";
import { epochMs } from "../../src/shared/units.ts";
import { CLOSED, EMPTY_DAY, GAP_DAY, reportDatabase, rollUp } from "./report_fixture.ts";

const NOW = epochMs(Date.parse(CLOSED));
const ZONES = ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns"];

function queryOf(given: Record<string, string>): ContributionQuery {
  const result = contributionQuery({ limit: "1000", ...given }, NOW);
  assert(result.ok, JSON.stringify(result));
  return result.query;
}

interface TruthRow {
  readonly country_code: string;
  readonly region: string;
  readonly city: string;
  readonly count: number;
}

/** Hits per place over local days, from the truth; days that touch the gap are left out. */
async function truth(sql: Sql, query: ContributionQuery, from = query.from, to = query.to): Promise<TruthRow[]> {
  const { tz, place, host, referrer, traffic, late } = query;
  return await sql<TruthRow[]>`
    select * from (select country_code, case when ${place} <> 'country' then region else '' end as region, case when ${place} = 'city' then city else '' end as city,
           sum(case ${traffic} when 'all' then num_hits when 'bot' then bot_hits else num_hits - bot_hits end)::float8 as count
    from truth
    where (window_start at time zone ${tz})::date between ${from}::text::date and ${to}::text::date
      and (window_start at time zone ${tz})::date not in (
        (timestamptz '2026-10-14 10:02Z' at time zone ${tz})::date, (timestamptz '2026-10-14 10:20Z' at time zone ${tz})::date)
      and (${host ?? null}::text is null or host = ${host ?? null}) and (${
    referrer ?? null
  }::text is null or referrer = ${referrer ?? null})
      and (${late} = 'include' or not is_late)
    group by 1, 2, 3
    having sum(case ${traffic} when 'all' then num_hits when 'bot' then bot_hits else num_hits - bot_hits end) > 0
        ) t order by count desc, country_code collate "C", region collate "C", city collate "C"`;
}

const sum = (rows: readonly TruthRow[]) => rows.reduce((total, row) => total + row.count, 0);

/** Holds one report against the truth. */
async function check(sql: Sql, given: Record<string, string>) {
  const query = queryOf(given);
  const label = JSON.stringify(given);
  const report = await contributions(sql, query);
  const expected = await truth(sql, query);
  assertEquals(
    report.rows.map((
      row,
    ) => [row.place!.country_code, row.place!.region, row.place!.city, row.city_contribution.count]),
    expected.map((row) => [row.country_code, row.region, row.city, row.count]),
    label,
  );
  assertEquals(report.total_count ?? 0, sum(expected), label);
  assertEquals(report.total_rows, expected.length, label);
  for (const row of report.rows) {
    const country = expected.filter((other) => other.country_code === row.place!.country_code);
    assertEquals(row.country_contribution?.total_count, sum(country), label);
  }
  if (expected.length > 0) {
    assertAlmostEquals(report.rows.reduce((total, row) => total + row.percentage_contribution, 0), 100, 1e-9, label);
  }
  const dayBefore = addDays(query.from, -1);
  const previous = await truth(sql, query, dayBefore, dayBefore);
  for (const row of report.rows.filter((row) => row.previous_day_contribution !== null)) {
    const { country_code, region, city } = row.place!;
    const found = previous.find((p) => p.country_code === country_code && p.region === region && p.city === city);
    assertEquals(row.previous_day_contribution, found?.count ?? 0, label);
  }
  // Each day of the report against the truth of that day.
  for (const day of report.days.slice(0, 3)) {
    if (day.count !== null) {
      assertEquals(day.count, sum(await truth(sql, query, day.day, day.day)), `${label} ${day.day}`);
    }
  }
  return report;
}

Deno.test("contributions() agrees with SQL over the raw truth, whatever is rolled up", async () => {
  await using database = await reportDatabase();
  const { sql } = database;
  const queries: Record<string, string>[] = [
    ...ZONES.map((tz) => ({ from: "2026-10-04", to: "2026-11-03", tz })),
    // The change of clocks in Berlin, alone and within a range; the day that is not over; the first days of all.
    { from: "2026-10-25", to: "2026-10-25", tz: "Europe/Berlin" },
    { from: "2026-10-24", to: "2026-10-26", tz: "Europe/Berlin" },
    { from: "2026-11-03", to: "2026-11-03", tz: "Asia/Kolkata" },
    { from: "2026-08-30", to: "2026-09-02" },
    { from: "2026-10-10", to: "2026-10-20", place: "region", traffic: "human" },
    { from: "2026-10-10", to: "2026-10-20", place: "country", traffic: "bot", tz: "Europe/Berlin" },
    { from: "2026-10-10", to: "2026-11-03", late: "include", tz: "America/St_Johns" },
    { from: "2026-10-10", to: "2026-11-03", host: "www1.example.com", late: "include" },
    { from: "2026-10-10", to: "2026-11-03", referrer: "", traffic: "human", tz: "Europe/Berlin" },
    { from: "2026-11-02", to: "2026-11-03", host: "www1.example.com", referrer: "+cmd" },
  ];
  const before = [];
  for (const given of queries) before.push(await check(sql, given));
  // In the middle of a day: some days packed, some hours rolled up, the rest raw.
  await rollUp(sql, 700);
  for (const [i, given] of queries.entries()) assertEquals(await check(sql, given), before[i]);
  assertEquals(await rollUp(sql), "nothing");
  for (const [i, given] of queries.entries()) assertEquals(await check(sql, given), before[i]);
  const [progress] =
    await sql`select hours_through = '2026-11-03 13:00Z' and days_through = '2026-11-03Z' as done from rollup_progress`;
  assertEquals(progress!.done, true);
});

Deno.test("contributions() tells final from provisional, zero from unknown, and forecasts what is not over", async () => {
  await using database = await reportDatabase();
  const { sql } = database;
  await rollUp(sql);
  const partial = await contributions(sql, queryOf({ from: "2026-11-03", to: "2026-11-03" }));
  assertEquals(partial.completeness.range.status, "provisional");
  assertEquals([partial.completeness.range.windows_closed, partial.completeness.range.windows_expected], [157, 288]);
  const [row] = partial.rows;
  assertEquals(row?.next_day_kind, "forecast");
  assert(row!.forecast!.low <= row!.next_day_contribution! && row!.next_day_contribution! <= row!.forecast!.high);
  assertEquals(row?.forecasted_change, row!.next_day_contribution! - row!.previous_day_contribution!);
  assertEquals(partial.total?.next_day_kind, "forecast");

  const over = await contributions(sql, queryOf({ from: "2026-10-27", to: "2026-10-27" }));
  assertEquals(over.completeness.range.status, "final");
  assertEquals(over.rows[0]?.next_day_kind, "actual");

  const gap = await contributions(sql, queryOf({ from: GAP_DAY, to: GAP_DAY }));
  assertEquals([gap.total_count, gap.rows.length, gap.days[0]?.count, gap.completeness.range.gap], [
    null,
    0,
    null,
    true,
  ]);
  const around = await contributions(sql, queryOf({ from: addDays(GAP_DAY, -1), to: addDays(GAP_DAY, 1) }));
  assertEquals(around.days.map((day) => day.count === null), [false, true, false]);
  assertEquals(around.total_count, around.days[0]!.count! + around.days[2]!.count!);

  const empty = await contributions(sql, queryOf({ from: EMPTY_DAY, to: EMPTY_DAY }));
  assertEquals([empty.total_count, empty.days[0]?.count, empty.rows.length], [0, 0, 0]);
});

Deno.test("contributions() keeps same-named cities apart and orders ties by place", async () => {
  await using database = await reportDatabase();
  const report = await contributions(database.sql, queryOf({ from: "2026-09-10", to: "2026-10-10" }));
  const named = (city: string) =>
    report.rows.filter((row) => row.place?.city === city).map((row) =>
      `${row.place!.country_code} ${row.place!.region}`
    );
  assertEquals(named("Springfield").sort(), ["US Illinois", "US Massachusetts"]);
  assertEquals(named("Paris").sort(), ["FR Île-de-France", "US Texas"]);
});

Deno.test("contributions() pages through all rows once, in every order", async () => {
  await using database = await reportDatabase();
  const { sql } = database;
  await rollUp(sql);
  // Ten places with the same count.
  await sql.unsafe(
    `insert into late_web_traffic select '2026-10-02 00:00Z', '2026-10-02 00:05Z', 'h', '', 'ZZ', 'R', 'C' || n, 5, 0 from generate_series(0, 9) n`,
  );
  for (const order of ["count_desc", "count_asc", "place"]) {
    const given = { from: "2026-10-01", to: "2026-10-04", late: "include", order };
    const whole = await contributions(sql, queryOf(given));
    assertGreater(whole.rows.length, 20);
    const paged: unknown[] = [];
    let cursor: string | null = null;
    do {
      const after = cursor === null ? undefined : decodeContributionCursor(cursor);
      assert(after === undefined || !("field" in after));
      const page: Awaited<ReturnType<typeof contributions>> = await contributions(
        sql,
        queryOf({ ...given, limit: "7" }),
        after,
      );
      const percentages = [...page.rows, ...(page.other ? [page.other] : [])].reduce(
        (total, row) => total + row.percentage_contribution,
        0,
      );
      assertAlmostEquals(percentages, 100, 1e-9);
      paged.push(...page.rows.map((row) => [row.rank, row.city_contribution, row.place?.region]));
      cursor = page.next_cursor;
    } while (cursor !== null);
    assertEquals(paged, whole.rows.map((row) => [row.rank, row.city_contribution, row.place?.region]), order);
  }
});

Deno.test("contributions() takes the longest range beside the one before it, contribution_report() refuses an endless one", async () => {
  await using database = await reportDatabase();
  const { sql } = database;
  const report = await contributions(
    sql,
    queryOf({ from: addDays("2026-11-03", 1 - RANGE_DAYS_MAX), to: "2026-11-03", compare: "previous_period" }),
  );
  assertEquals(report.days.length, RANGE_DAYS_MAX);
  assertEquals(report.total?.comparison.count, 0);
  const table = [["2026-01-02", "is not 1 to 2401 days"], ["1990-01-01", "is not 1 to 2401 days"], [
    "-infinity",
    "infinite",
  ]];
  for (const [from, problem] of table) {
    await assertRejects(
      () => sql`select * from contribution_report(${from!}::text::date, '2026-01-01')`,
      Error,
      problem!,
    );
  }
});

Deno.test("contribution_report() answers a person with three arguments", async () => {
  await using database = await reportDatabase();
  const rows = await database
    .sql`select * from contribution_report('2026-10-27', '2026-10-27', 'Europe/Berlin') order by rank`;
  const report = await contributions(
    database.sql,
    queryOf({ from: "2026-10-27", to: "2026-10-27", tz: "Europe/Berlin" }),
  );
  assertEquals(
    rows.map((row) => [row.city, Number(row.num_hits), Number(row.forecasted_change)]),
    report.rows.map((row) => [
      row.place!.city,
      row.city_contribution.count,
      row.forecasted_change!,
    ]),
  );
  assertEquals(
    rows.map((row) => Number(row.percentage_contribution)),
    report.rows.map((row) => Number(row.percentage_contribution.toFixed(4))),
  );
});

Deno.test("contributions() answers before the first start, with nothing known", async () => {
  await using database = await reportDatabase({ empty: true });
  const report = await contributions(database.sql, queryOf({}));
  assertEquals([report.rows.length, report.total_count, report.total_rows, report.days.length], [0, null, 0, 0]);
});

/** Between them the zone files of a server and of this runtime agree, whatever their ages. */
const FROM = Temporal.Instant.from("1975-01-01T00:00Z"), TO = Temporal.Instant.from("2023-01-01T00:00Z");

/** The dates around each change of a zone's clock. */
function datesOf(zone: string): string[] {
  const dates = new Set<string>();
  let at: Temporal.ZonedDateTime | null = FROM.toZonedDateTimeISO(zone);
  while ((at = at.getTimeZoneTransition("next")) !== null && at.epochMilliseconds < TO.epochMilliseconds) {
    for (let days = -1; days <= 1; days++) dates.add(addDays(at.toPlainDate().toString(), days));
  }
  return [...dates];
}

Deno.test("a local day begins at the same instant in SQL and in TypeScript, around every transition of every zone", async () => {
  await using database = await reportDatabase({ empty: true });
  const { sql } = database;
  const known = new Set((await sql<{ name: string }[]>`select name from pg_timezone_names`).map(({ name }) => name));
  const zones = Intl.supportedValuesOf("timeZone").filter((zone) => known.has(zone));
  assertEquals(zones.length > 300, true, `only ${zones.length} zones`);
  let compared = 0;
  const differences: string[] = [];
  for (const zone of zones) {
    const dates = datesOf(zone);
    const rows = await sql<{ start: number }[]>`
      select (extract(epoch from tidemark_day_start_v2(d::date, ${zone}::text)) * 1000)::float8 as start
      from jsonb_array_elements_text(${JSON.stringify(dates)}::text::jsonb) with ordinality as t(d, n) order by n`;
    compared += rows.length;
    for (const [n, date] of dates.entries()) {
      if (rows[n]!.start !== dayStart(date, zone)) differences.push(`${zone} ${date}`);
    }
  }
  assertEquals(differences, []);
  assertEquals(compared > 30_000, true, `only ${compared} days`);
  const days = await sql`
    select day::text as day, extract(epoch from day_end - day_start)::int / 3600.0 as hours
    from tidemark_report_days_v2('1988-04-02', '1988-04-04', 'America/St_Johns', false)`;
  assertEquals(days.map(({ day, hours }) => [day, Number(hours)]), [
    ["1988-04-02", 24],
    ["1988-04-03", 22],
    ["1988-04-04", 24],
  ]);
});
