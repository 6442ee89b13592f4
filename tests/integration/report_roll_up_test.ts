// Goal: a roll-up happens once, only when nothing can be added any more, and never changes a number. Also on the embedded database.
import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import postgres, { type Sql } from "postgres";
import { startEmbeddedPostgres } from "../../src/store/embedded/postgres.ts";
import { contributionQuery, timeseriesQuery, topQuery } from "../../src/report/report_query.ts";
import { contributions, timeseries } from "../../src/report/report_store.ts";
import { top } from "../../src/report/top_store.ts";
import { epochMs } from "../../src/shared/units.ts";
import { EMBEDDED_CLIENT_OPTIONS, makeEmbeddedFolder } from "../support/embedded.ts";
import { Qualifier } from "../../src/store/postgres/qualify.ts";
import { CLOSED, MIGRATIONS, reportDatabase, rollUp } from "./report_fixture.ts";

const NOW = epochMs(Date.parse(CLOSED));

async function state(sql: Sql): Promise<string> {
  const [row] = await sql<{ state: string }[]>`select tidemark_roll_up_v2() ->> 'state' as state`;
  return row!.state;
}

async function progress(sql: Sql) {
  const [row] = await sql<
    { hours: string; days: string }[]
  >`select hours_through::text as hours, days_through::text as days from rollup_progress`;
  return row!;
}

/** Retires and drops every day before `before`. */
async function retireAll(sql: Sql, before: string): Promise<void> {
  const call = async (text: string) => (await sql.unsafe(`select ${text} ->> 'state' as state`))[0]!.state;
  let state = "retired";
  while (state === "retired") state = await call(`tidemark_retire_v2('${before}')`);
  assertEquals(state, "nothing");
  for (state = "dropped"; state === "dropped";) state = await call("tidemark_drop_retired_v1()");
  assertEquals(state, "nothing");
}

/** Sums of each dimension over hours and days, and of what they were made from. */
async function sums(sql: Sql) {
  const rolled = await sql<{ dimension: string; hits: number; bots: number }[]>`
    select dimension, sum(num_hits)::float8 as hits, sum(bot_hits)::float8 as bots
    from (select dimension, num_hits, bot_hits from web_traffic_hour union all select dimension, num_hits, bot_hits from web_traffic_day) t
    group by 1 order by 1`;
  const [raw] = await sql<{ hits: number; bots: number }[]>`
    select sum(num_hits)::float8 as hits, sum(bot_hits)::float8 as bots from aggregated_web_traffic
    where window_start < (select hours_through from rollup_progress)`;
  return { rolled: rolled.map((row) => ({ ...row })), raw: raw! };
}

Deno.test("tidemark_roll_up_v2() keeps every hit of every dimension, packs each day once, then has nothing to do", async () => {
  await using database = await reportDatabase();
  const { sql } = database;
  await rollUp(sql);
  const { rolled, raw } = await sums(sql);
  assertEquals(rolled, ["country", "host", "place", "referrer"].map((dimension) => ({ dimension, ...raw })));
  assertEquals(await state(sql), "nothing");
  const [doubled] =
    await sql`select count(*)::integer as n from (select from web_traffic_day group by day_start, key_id having count(*) > 1) t`;
  assertEquals(doubled!.n, 0);
  // The running sums of a day end in the day's own sum.
  const [unequal] =
    await sql`select count(*)::integer as n from web_traffic_day d join web_traffic_day_hours h using (key_id, day_start)
    where h.hits_before[25] <> d.num_hits or h.bot_hits_before[25] <> d.bot_hits or h.hits_before[1] <> 0 or cardinality(h.hits_before) <> 25`;
  assertEquals(unequal!.n, 0);
});

Deno.test("tidemark_roll_up_v2() waits for the last window of an hour, also where closed_through is past it already", async () => {
  await using database = await reportDatabase();
  const { sql } = database;
  await rollUp(sql);
  assertEquals((await progress(sql)).hours, "2026-11-03 13:00:00+00");
  // All windows up to 14:00 may be closed now, but two of them still lie in open_delta.
  await sql`update stream_partition set watermark = '2026-11-03 14:00Z', record_watermark = '2026-11-03 14:00Z'`;
  await sql`update stream set closed_through = '2026-11-03 14:00Z'`;
  assertEquals(await state(sql), "nothing");
  const closed = await sql<{ state: string }[]>`select tidemark_close_v2('test', 100000) ->> 'state' as state`;
  assertEquals(closed[0]!.state, "closed");
  assertEquals(await state(sql), "nothing");
  await sql`select tidemark_close_v2('test', 100000)`;
  assertEquals(await state(sql), "hour");
  const { rolled, raw } = await sums(sql);
  assertEquals(rolled.map(({ hits }) => hits), new Array(4).fill(raw.hits));
  const [whole] = await sql<{ hits: number }[]>`select sum(num_hits)::float8 as hits from truth where not is_late`;
  assertEquals(raw.hits, whole!.hits);
});

Deno.test("tidemark_roll_up_v2() leaves the work to the session that holds it, and refuses other isolation levels", async () => {
  await using database = await reportDatabase();
  const { sql } = database;
  const other = postgres(database.url, { max: 1, fetch_types: false, onnotice: () => {} });
  try {
    await other.begin(async (held) => {
      await held`select tidemark_roll_up_v2()`;
      assertEquals(await state(sql), "busy");
    });
    assertEquals(await state(sql), "hour");
    await assertRejects(
      () => other.begin("isolation level repeatable read", (wrong) => wrong`select tidemark_roll_up_v2()`),
      Error,
      "must be read committed",
    );
  } finally {
    await other.end({ timeout: 1 });
  }
});

Deno.test("tidemark_roll_up_v2() folds what is beyond the cap into an exact (other)", async () => {
  await using database = await reportDatabase();
  const { sql } = database;
  for (let call = 0; call < 30; call++) await sql`select tidemark_roll_up_v2(2)`;
  const { rolled, raw } = await sums(sql);
  assertEquals(rolled, ["country", "host", "place", "referrer"].map((dimension) => ({ dimension, ...raw })));
  const [keys] = await sql<{ n: number; folded: boolean }[]>`
    select max(n)::integer as n, bool_or(folded) as folded from (
      select count(*) as n, bool_or(k.key = '(other)') as folded
      from (select hour_start as at, dimension, key_id from web_traffic_hour) h join web_traffic_key k using (key_id)
      where h.dimension = 'referrer' group by h.at) t`;
  assertEquals({ ...keys }, { n: 3, folded: true });
});

Deno.test("sums by place outlive retention, hosts and referrers do not", async () => {
  await using database = await reportDatabase();
  const { sql } = database;
  await rollUp(sql);
  const range = { from: "2026-09-10", to: "2026-09-12", tz: "Europe/Berlin" };
  const query = contributionQuery(range, NOW);
  const hosts = topQuery({ ...range, by: "host" }, NOW);
  const hours = timeseriesQuery({ ...range, step: "hour" }, NOW);
  const windows = timeseriesQuery({ ...range, step: "5min" }, NOW);
  assert(query.ok && hosts.ok && hours.ok && windows.ok);
  const before = await contributions(sql, query.query);
  const series = await timeseries(sql, hours.query);
  assertGreater((await top(sql, hosts.query)).rows.length, 1);
  const late = before.completeness.range.late_count;
  assertGreater(late, 0);

  await retireAll(sql, "2026-10-01");
  assertEquals(await state(sql), "forgotten");
  assertEquals(await state(sql), "nothing");

  const after = await contributions(sql, query.query);
  assertEquals(
    after.rows.map((row) => [row.place, row.city_contribution.count]),
    before.rows.map((row) => [row.place, row.city_contribution.count]),
  );
  assertEquals([after.total_count, after.days.map((day) => day.count)], [
    before.total_count,
    before.days.map((day) => day.count),
  ]);
  assertEquals(
    (await timeseries(sql, hours.query)).points.map((point) => [point.human, point.bot]),
    series.points.map((point) => [point.human, point.bot]),
  );
  assertEquals((await timeseries(sql, windows.query)).total.total, null);
  // Beside what is gone: unknown, not zero.
  const ranking = await top(sql, hosts.query);
  assertEquals([ranking.total_count, ranking.rows.length, ranking.completeness.gap], [null, 0, true]);
  assertEquals((await contributions(sql, { ...query.query, host: "www1.example.com" })).total_count, null);
  const [left] =
    await sql`select count(*)::integer as n from web_traffic_day where dimension in ('host', 'referrer') and day_start < '2026-10-01Z'`;
  assertEquals(left!.n, 0);
  // A key that later days still use stays.
  const [used] =
    await sql`select count(*)::integer as n from web_traffic_day d where not exists (select from web_traffic_key k where k.key_id = d.key_id)`;
  assertEquals(used!.n, 0);
});

Deno.test("roll-up and reports run on the embedded database", async () => {
  const folder = await Deno.makeTempDir({ prefix: "tidemark-report-" });
  try {
    await makeEmbeddedFolder(`${folder}/pg`);
    const database = await startEmbeddedPostgres({ folder: `${folder}/pg` });
    const plain = postgres(database.url, { ...EMBEDDED_CLIENT_OPTIONS, onnotice: () => {} });
    const sql = new Qualifier("public").tag(plain, () => {});
    try {
      for (const name of MIGRATIONS) {
        await sql.unsafe(await Deno.readTextFile(new URL(`../../ddl/${name}.sql`, import.meta.url)));
      }
      await sql.unsafe(`
        insert into stream (source, topic, consumer_group, window_size_ms, referrer_granularity, key_bytes_max, offsets_count_records, anchor, closed_through)
          values ('demo', 'demo', 'g', 300000, 'raw', 1024, true, '2026-11-01Z', '2026-11-03Z');
        select tidemark_ensure_day_v1('2026-11-01'), tidemark_ensure_day_v1('2026-11-02');
        insert into aggregated_web_traffic
          select w, w + interval '5 minutes', 'h', '', 'DE', 'Berlin', 'Berlin', 3, 1 from generate_series(timestamptz '2026-11-01Z', '2026-11-02 23:55Z', interval '5 minutes') w;
        insert into web_traffic_window select window_start, window_end, 1, 3, 1, 0, now(), 'test' from aggregated_web_traffic;
      `);
      assertEquals(await rollUp(sql), "nothing");
      assertEquals(await progress(sql), { hours: "2026-11-03 00:00:00+00", days: "2026-11-03 00:00:00+00" });
      const rows =
        await sql`select city, num_hits::integer as n, previous_day_contribution::integer as p from contribution_report('2026-11-02', '2026-11-02', 'Asia/Kolkata')`;
      assertEquals(rows.map((row) => ({ ...row })), [{ city: "Berlin", n: 288 * 3, p: 222 * 3 }]);
    } finally {
      await sql.end({ timeout: 1 });
      await database.stop();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
