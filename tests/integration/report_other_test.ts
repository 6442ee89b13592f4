// Goal: time series, rankings, bots, forecasts and exports show the same numbers as SQL over the raw truth, and as each other.
import { assert, assertAlmostEquals, assertEquals, assertGreater } from "@std/assert";
import { CONTRIBUTION_COLUMNS } from "../../src/report/report_columns.ts";
import { exportContributions } from "../../src/report/report_export.ts";
import {
  botsQuery,
  contributionQuery,
  forecastQuery,
  type QueryResult,
  timeseriesQuery,
  topQuery,
} from "../../src/report/report_query.ts";
import { bots, contributions, forecastReport, timeseries } from "../../src/report/report_store.ts";
import { top } from "../../src/report/top_store.ts";
import { epochMs } from "../../src/shared/units.ts";
import { CLOSED, reportDatabase, rollUp } from "./report_fixture.ts";

const NOW = epochMs(Date.parse(CLOSED));

function asked<Q>(result: QueryResult<Q>): Q {
  assert(result.ok, JSON.stringify(result));
  return result.query;
}

Deno.test("timeseries() agrees with the truth in windows, hours and days of several zones", async () => {
  await using database = await reportDatabase();
  const { sql } = database;
  const table: Record<string, string>[] = [
    { step: "5min", from: "2026-11-02", to: "2026-11-03" },
    { step: "hour", from: "2026-10-24", to: "2026-10-26", tz: "Europe/Berlin" },
    {
      step: "hour",
      from: "2026-10-13",
      to: "2026-10-15",
      tz: "Asia/Kolkata",
      host: "www1.example.com",
      late: "include",
    },
    { step: "day", from: "2026-10-01", to: "2026-11-03", tz: "America/St_Johns", late: "include" },
    { step: "day", from: "2026-10-01", to: "2026-11-03", tz: "Europe/Berlin", referrer: "https://t.co/x" },
  ];
  for (const given of table) {
    const query = asked(timeseriesQuery(given, NOW));
    const report = await timeseries(sql, query);
    const label = JSON.stringify(given);
    assertGreater(report.points.length, 20, label);
    const truth = await sql<{ human: number; bot: number; late: number; gap: boolean }[]>`
      select coalesce(sum(t.num_hits - t.bot_hits) filter (where ${query.late} = 'include' or not is_late), 0)::float8 as human,
             coalesce(sum(t.bot_hits) filter (where ${query.late} = 'include' or not is_late), 0)::float8 as bot,
             coalesce(sum(t.num_hits) filter (where is_late), 0)::float8 as late,
             p."start" <= '2026-10-14 10:20Z' and p."end" > '2026-10-14 10:02Z' as gap
      from jsonb_to_recordset(${
      JSON.stringify(report.points)
    }::text::jsonb) as p("start" timestamptz, "end" timestamptz)
      left join truth t on t.window_start >= p."start" and t.window_start < p."end"
        and (${query.host ?? null}::text is null or t.host = ${query.host ?? null})
        and (${query.referrer ?? null}::text is null or t.referrer = ${query.referrer ?? null})
      group by p."start", p."end" order by p."start"`;
    assertEquals(truth.length, report.points.length, label);
    for (const [i, point] of report.points.entries()) {
      const { human, bot, late, gap } = truth[i]!;
      assertEquals(
        [point.human, point.bot, point.total, point.late_count, point.gap],
        gap ? [null, null, null, late, true] : [human, bot, human + bot, late, false],
        `${label} ${point.start}`,
      );
      assertEquals(
        point.status,
        gap ? "unknown" : Date.parse(point.end) <= Date.parse(CLOSED) ? "final" : "provisional",
        `${label} ${point.start}`,
      );
    }
  }
});

Deno.test("top() and bots() agree with the truth, whatever is rolled up", async () => {
  await using database = await reportDatabase();
  const { sql } = database;
  const columns = {
    host: "host",
    referrer: "referrer",
    country: "country_code",
    city: "country_code || E'\\x1e' || region || E'\\x1e' || city",
  };
  for (const steps of [0, 500, Infinity]) {
    await rollUp(sql, steps);
    for (const by of ["host", "referrer", "country", "city"] as const) {
      const query = asked(
        topQuery({ by, from: "2026-10-05", to: "2026-11-03", tz: "Asia/Kolkata", limit: "4", traffic: "human" }, NOW),
      );
      const report = await top(sql, query);
      const expected = await sql<{ key: string; hits: number }[]>`
        select key, hits from (
          select ${sql.unsafe(columns[by])} as key, sum(num_hits - bot_hits)::float8 as hits from truth
          where (window_start at time zone 'Asia/Kolkata')::date between '2026-10-05' and '2026-11-03'
            and (window_start at time zone 'Asia/Kolkata')::date <> '2026-10-14' and not is_late
          group by 1) t
        where hits > 0 order by hits desc, key collate "C"`;
      assertEquals(
        report.rows.map(({ key, count }) => [key, count]),
        expected.slice(0, 4).map(({ key, hits }) => [key, hits]),
        by,
      );
      assertEquals(report.total_rows, expected.length, by);
      assertEquals(report.total_count, expected.reduce((sum, { hits }) => sum + hits, 0), by);
      assertEquals(report.other?.count ?? 0, expected.slice(4).reduce((sum, { hits }) => sum + hits, 0), by);
    }
    const channels = await top(sql, asked(topQuery({ by: "channel", from: "2026-10-05", to: "2026-10-08" }, NOW)));
    const perChannel = await sql<{ channel: string; hits: number }[]>`
      select case referrer when '' then 'direct' when 'https://www.google.com/' then 'search' when 'https://t.co/x' then 'social'
               when 'https://www0.example.com/' then 'internal' else 'referral' end as channel, sum(num_hits)::float8 as hits
      from truth where window_start >= '2026-10-05Z' and window_start < '2026-10-09Z' and not is_late group by 1`;
    // Own hosts are known once they are rolled up.
    if (steps > 0) {
      assertEquals(
        Object.fromEntries(channels.rows.map(({ key, count }) => [key, count])),
        Object.fromEntries(perChannel.map(({ channel, hits }) => [channel, hits])),
      );
    }
    const share = await bots(sql, asked(botsQuery({ from: "2026-10-05", to: "2026-10-08" }, NOW)));
    const [whole] = await sql<{ bot: number; total: number }[]>`
      select sum(bot_hits)::float8 as bot, sum(num_hits)::float8 as total from truth
      where window_start >= '2026-10-05Z' and window_start < '2026-10-09Z' and not is_late`;
    assertEquals([share.bot, share.total], [whole!.bot, whole!.total]);
    assertAlmostEquals(share.bot_share!, 100 * whole!.bot / whole!.total, 1e-9);
  }
});

Deno.test("forecastReport() learns from complete local days only", async () => {
  await using database = await reportDatabase();
  const { sql } = database;
  for (const steps of [0, Infinity]) {
    await rollUp(sql, steps);
    for (const subject of ["total", "country", "city"] as const) {
      const report = await forecastReport(
        sql,
        asked(forecastQuery({ of: subject, days: "14", limit: "3", tz: "Europe/Berlin" })),
      );
      // Closed through 13:05 UTC on 3 November: the day before is the last complete one.
      assertEquals(report.last_complete_day, "2026-11-02");
      assertEquals(report.series.length, subject === "total" ? 1 : 3);
      for (const series of report.series) {
        assertEquals(series.days.length, 14);
        assertEquals(series.days[0]?.day, "2026-11-03");
        assertEquals(series.history.at(-1)?.day, "2026-11-02");
        assert(series.relative_error! <= 1);
        for (const { day, count } of series.history) {
          const place = series.place;
          const [row] = await sql<{ hits: number }[]>`
            select coalesce(sum(num_hits), 0)::float8 as hits from truth
            where (window_start at time zone 'Europe/Berlin')::date = ${day}::text::date and not is_late
              and (${place === null} or country_code = ${place?.country_code ?? ""})
              and (${subject !== "city"} or (region, city) = (${place?.region ?? ""}, ${place?.city ?? ""}))`;
          assertEquals(count, day === "2026-10-14" ? null : row!.hits, `${series.label} ${day}`);
        }
      }
    }
  }
});

Deno.test("exportContributions() writes the rows of the JSON report, all of them", async () => {
  await using database = await reportDatabase();
  const { sql } = database;
  await rollUp(sql);
  // More places than one page holds, some of them hostile.
  await sql.unsafe(
    `insert into late_web_traffic select '2026-10-02 00:00Z', '2026-10-02 00:05Z', 'h', '', 'ZZ', '-1+1', 'C "' || n || '",' || E'\\n', 1 + n % 7, 0
    from generate_series(0, 2300) n`,
  );
  const query = asked(contributionQuery({ from: "2026-10-01", to: "2026-10-04", late: "include" }, NOW));
  const read = (page: typeof query, after: Parameters<typeof contributions>[2]) => contributions(sql, page, after);
  const csv = (await Array.fromAsync(exportContributions("csv", query, read))).join("");
  const objects = (await Array.fromAsync(exportContributions("ndjson", query, read))).join("").trimEnd().split("\n")
    .map((line) => JSON.parse(line));
  const [{ expected } = { expected: 0 }] = await sql<{ expected: number }[]>`
    select count(*)::float8 as expected from (select distinct country_code, region, city from (
      select country_code, region, city from truth where window_start >= '2026-10-01Z' and window_start < '2026-10-05Z'
      union all select country_code, region, city from late_web_traffic where country_code = 'ZZ') t) u`;
  assertEquals(objects.length, expected);
  const rows = parseCsv(csv);
  assertEquals(rows[0], CONTRIBUTION_COLUMNS.map(({ name }) => name));
  assertEquals(rows.length - 1, objects.length);
  for (const [i, object] of objects.entries()) {
    const cells = rows[i + 1]!;
    assertEquals(cells[0], String(object.rank));
    assertEquals(Number(cells[5]), object.count);
    assertEquals(cells[1], /^[=+\-@]/.test(object.city) ? `'${object.city}` : object.city);
    assertEquals(cells[2], /^[=+\-@]/.test(object.region) ? `'${object.region}` : object.region);
  }
  const json = await contributions(sql, { ...query, limit: 1000 });
  json.rows.forEach((row, i) => {
    const object = objects[i]!;
    assertEquals(
      [
        object.rank,
        object.count,
        object.country_total_count,
        object.percentage_contribution,
        object.previous_day_contribution,
        object.next_day_contribution,
      ],
      [
        row.rank,
        row.city_contribution.count,
        row.country_contribution?.total_count,
        row.percentage_contribution,
        row.previous_day_contribution,
        row.next_day_contribution,
      ],
    );
  });
});

/** A reader of RFC 4180 that knows nothing of ours. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  let at = 0;
  while (at < text.length) {
    let cell = "";
    if (text[at] === '"') {
      for (at++;; at++) {
        if (text[at] === '"' && text[at + 1] === '"') cell += text[at++];
        else if (text[at] === '"') break;
        else cell += text[at];
      }
      at++;
    } else {
      while (at < text.length && text[at] !== "," && text[at] !== "\r") cell += text[at++];
    }
    rows.at(-1)!.push(cell);
    if (text[at] === "\r") {
      at += 2;
      if (at < text.length) rows.push([]);
    } else at++;
  }
  return rows;
}
