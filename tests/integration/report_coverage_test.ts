// Goal: API, CSV, text, pages and the SQL function say the same of time that the stream has not looked at, and rankings by channel do not
// move when hours are rolled up. A stream of two days on a real server, asked before, in and after it.
import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import type { Sql } from "postgres";
import { epochMs } from "../../src/shared/units.ts";
import { testApp, TestClock } from "../http/app_fixture.ts";
import { closeAll, commit, DAY0, join, MIN, WINDOW } from "../http/stream_fixture.ts";
import { streamDatabase } from "./http_fixture.ts";

const DAY = 24 * 60 * MIN;

/** Two days, 2026-01-31 and 2026-02-01, with one window each; all closed, nothing rolled up. */
async function twoDays(sql: Sql): Promise<void> {
  await join(sql, 1);
  for (const [n, hits] of [3, 5].entries()) {
    const at = DAY0 + n * DAY;
    await commit(
      sql,
      [{
        partition: 0,
        by: hits + 1,
        counted: hits + 1,
        watermark: at + DAY,
        maxWindowEnd: at + WINDOW,
        firstEventTime: at,
        newestEventTime: at,
      }],
      [
        { window: at, host: "own.example", hits: 1, referrer: "https://own.example/" },
        { window: at, host: "own.example", hits, referrer: "https://elsewhere.example/" },
      ],
    );
  }
  await closeAll(sql);
}

Deno.test("contribution_report_v2() is null, not 0, for days before and after the stream; contribution_report() stays as it was", async () => {
  await using stream = await streamDatabase(twoDays);
  const { sql } = stream;
  const ask = async (name: string, from: string, to: string, compare = "previous_day") => {
    const [row] = await sql<Record<string, number | boolean | null>[]>`
      select num_hits::int as hits, previous_day_contribution::int as before, next_day_contribution::int as after,
             forecasted_change::int as change, comparison_hits::int as compared, total_previous_day::int as total_before, is_final
      from ${sql(name)}(${from}::date, ${to}::date, 'UTC', p_compare => ${compare})`;
    return row === undefined ? null : Object.values(row);
  };
  const first = ["2026-01-31", "2026-01-31"] as const, second = ["2026-02-01", "2026-02-01"] as const;
  assertEquals(await ask("contribution_report", ...first), [4, 0, 6, 6, 0, 0, true]);
  assertEquals(await ask("contribution_report_v2", ...first), [4, null, 6, null, null, null, true]);
  // The newest event is of midnight: no time of the day has gone by that could be compared.
  assertEquals(await ask("contribution_report_v2", ...second), [6, 4, null, null, null, 4, true]);
  assertEquals(await ask("contribution_report_v2", first[0], second[0], "previous_period"), [
    10,
    null,
    null,
    null,
    null,
    null,
    true,
  ]);
  assertEquals(await ask("contribution_report_v2", ...second, "previous_period"), [6, 4, null, null, null, 4, true]);
  assertEquals(await ask("contribution_report_v2", ...second, "same_weekday"), [6, 4, null, null, null, 4, true]);
  assertEquals(await ask("contribution_report_v2", "2026-01-20", "2026-01-21"), null);
  // Kathmandu's first day begins on the evening before: it is the stream's, the one before it is not.
  const [row] =
    await sql`select previous_day_contribution as before from contribution_report_v2('2026-01-31', '2026-01-31', 'Asia/Kathmandu')`;
  assertEquals(row!.before, null);
});

Deno.test("a window that ends after the day in which it starts keeps that day from being final", async () => {
  await using stream = await streamDatabase(async (sql) => {
    await join(sql, 1, { window_size_ms: 2 * 60 * MIN });
    const at = DAY0 + 22 * 60 * MIN;
    await commit(
      sql,
      [{
        partition: 0,
        by: 1,
        counted: 1,
        watermark: DAY0 + 23 * 60 * MIN,
        maxWindowEnd: DAY0 + DAY,
        firstEventTime: at,
        newestEventTime: at,
      }],
      [{ window: at, host: "h", hits: 1 }],
    );
    await closeAll(sql);
    await sql`update stream_partition set watermark = ${new Date(DAY0 + 23 * 60 * MIN)}`;
    await sql`update stream set closed_through = ${new Date(DAY0 + 22 * 60 * MIN + 60 * MIN)}`;
  });
  // In Berlin the day is over at 23:00 UTC, its last window at midnight.
  const [old] = await stream.sql`select is_final from contribution_report('2026-01-31', '2026-01-31', 'Europe/Berlin')`;
  const [now] = await stream
    .sql`select is_final from contribution_report_v2('2026-01-31', '2026-01-31', 'Europe/Berlin')`;
  assertEquals([old!.is_final, now!.is_final], [true, false]);
  const app = testApp({ database: stream.database, settings: { access: { publicAccess: true } } });
  const answer =
    await (await app.request("/v1/reports/timeseries?from=2026-01-31&to=2026-01-31&tz=Europe/Berlin&step=day")).json();
  assertEquals(answer.completeness.status, "provisional");
});

Deno.test("rankings by channel know our own hosts before and after hours are rolled up", async () => {
  await using stream = await streamDatabase(twoDays);
  const app = testApp({ database: stream.database, settings: { access: { publicAccess: true } } });
  const channels = async () => {
    const { rows } = await (await app.request("/v1/reports/top?by=channel&from=2026-01-31&to=2026-02-01")).json();
    return rows.map(({ key, count }: { key: string; count: number }) => [key, count]);
  };
  const expected = [["referral", 8], ["internal", 2]];
  assertEquals(await channels(), expected);
  for (let state = ""; state !== "nothing";) {
    state = (await stream.sql<{ state: string }[]>`select tidemark_roll_up_v2() ->> 'state' as state`)[0]!.state;
  }
  assertEquals(await channels(), expected);
});

Deno.test("CSV, text and pages say in words why there is no number, and where the data lies", async () => {
  await using stream = await streamDatabase(twoDays);
  const app = testApp({
    database: stream.database,
    clock: new TestClock(epochMs(DAY0 + 30 * DAY)),
    settings: { access: { publicAccess: true } },
  });
  const ask = async (path: string, accept = "text/plain") =>
    await (await app.request(path, { headers: { accept } })).text();
  const before = "from=2026-01-29&to=2026-01-30", across = "from=2026-01-29&to=2026-02-01";
  for (const report of ["top?by=host&", "forecast?of=total&"]) {
    const [head, line] = (await ask(`/v1/reports/${report}${report.startsWith("top") ? across : ""}`, "text/csv"))
      .split("\r\n");
    assertEquals(head!.split(",").at(-1), "coverage");
    if (report.startsWith("top")) assertMatch(line!, /full before_first|before_first full|full|before_first/);
  }
  assertMatch(await ask(`/v1/reports/timeseries?step=day&${before}`), /unknown \(before the first event\)/);
  assertMatch(
    await ask(`/v1/reports/timeseries?step=day&${across}`),
    /10 hits, final \(in part: before the first event\)[\s\S]*2026-01-29 00:00 UTC +\? \| before the first event\n/,
  );
  assertMatch(await ask(`/v1/reports/bots?${before}`), /2026-01-29 +\? \| before the first event\n/);
  assertMatch(await ask(`/v1/reports/contributions?${across}`), /10 hits, final \(in part: before the first event\)/);

  const page = await ask(`/?${before}&place=country`, "text/html");
  assertMatch(
    page,
    /Data: Jan 31, 2026 – Feb 1, 2026 · <a href="\/\?from=2026-01-31&amp;to=2026-02-01&amp;place=country">show it<\/a>/,
  );
  assertMatch(page, /before the first event/);
  assertNotMatch(await ask("/?from=2026-01-31&to=2026-01-31", "text/html"), /No data in this range/);
  // Without a range a source that has ended begins with its own last days; a range that was asked for is kept.
  assertMatch(await ask("/", "text/html"), /The last days of the data/);
  assertMatch(await ask("/?range=7d", "text/html"), /No data in this range/);
});

Deno.test("numbers that are not final name the failing steps on which that depends; final ones name none", async () => {
  await using stream = await streamDatabase(twoDays);
  const app = testApp({ database: stream.database, settings: { access: { publicAccess: true } } });
  const degraded = async (from: string, to: string) =>
    (await (await app.request(`/v1/reports/top?by=host&from=${from}&to=${to}`)).json()).completeness.degraded;
  assertEquals(await degraded("2026-02-01", "2026-02-03"), []);
  for (
    const [step, state, since, updated] of [
      ["closing", "failing", "1 minute", "0"],
      ["roll_up", "failing", "20 seconds", "0"], // not for long enough
      ["retention", "failing", "1 hour", "10 minutes"], // its process has ended
      ["commit", "ok", "1 hour", "0"],
    ] as const
  ) {
    await stream.sql`insert into stream_step (step, state, since, instance, updated_at)
      values (${step}, ${state}, now() - ${since}::interval, 'one', now() - ${updated}::interval)`;
  }
  assertEquals(await degraded("2026-02-01", "2026-02-03"), ["closing_failing"]);
  assertEquals(await degraded("2026-01-31", "2026-01-31"), []);
});

Deno.test("a day that is compared in part is unknown where a gap touches it, also behind the part", async () => {
  await using stream = await streamDatabase(twoDays);
  const { sql } = stream;
  await sql`
    insert into data_gap (partition, from_offset, to_offset, from_time, to_time, reason)
    values (0, 0, 1, '2026-01-31T18:00Z', '2026-01-31T19:00Z', 'test')`;
  const unknown = async (day: string, until: string | null) =>
    (await sql`
      select is_unknown from tidemark_series_v2(${day}, ${day}, 'Asia/Kathmandu', 'day', null, false, ${until}::timestamptz)`)
      .map((row) => row.is_unknown);
  assertEquals(await unknown("2026-02-01", null), [true]);
  assertEquals(await unknown("2026-02-01", "2026-01-31T18:30Z"), [true]);
  await sql`update data_gap set from_time = '2026-02-01T12:00Z', to_time = '2026-02-01T13:00Z'`;
  assertEquals(await unknown("2026-02-01", "2026-02-01T06:00Z"), [true]);
  assertEquals(await unknown("2026-01-31", "2026-01-31T06:00Z"), [false]);
});
