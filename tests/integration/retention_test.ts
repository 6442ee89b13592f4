// Goal: a day goes the way closed, rolled up, retired, dropped; none is dropped that is not summed, and no reader waits for it.
import { assert, assertEquals, assertGreater, assertLess, assertMatch } from "@std/assert";
import postgres, { type Sql } from "postgres";
import { retain, rollUp } from "../../src/store/maintenance.ts";
import { Database } from "../../src/store/postgres/client.ts";
import { epochMs } from "../../src/shared/units.ts";
import { silentLog } from "../../src/shared/log.ts";
import { StepBoard, UPKEEP_STEPS } from "../../src/shared/steps.ts";
import { closeAll, commit, DAY0, join, migrated, MIN, WINDOW } from "../http/stream_fixture.ts";
import { startPostgres } from "../support/postgres.ts";

const DAY = 24 * 60 * MIN;
/** Ten days behind the data, so that RETENTION_DAYS=2 wants all of it gone. */
const clock = {
  now: () => epochMs(DAY0 + 12 * DAY),
  steady: () => performance.now(),
  sleep: () => Promise.resolve(),
};

interface Rig extends AsyncDisposable {
  readonly sql: Sql;
  readonly url: string;
  readonly database: Database;
  readonly steps: StepBoard<(typeof UPKEEP_STEPS)[number]>;
  /** One round of retention with RETENTION_DAYS=2. */
  retain(): Promise<boolean>;
  /** Hits of a day by the country sums. */
  summed(day: string): Promise<number>;
  tables(): Promise<string[]>;
}

async function rig(): Promise<Rig> {
  const server = await startPostgres();
  const sql = await migrated(server.url);
  const database = new Database({
    address: { kind: "url", url: server.url },
    schema: "public",
    applicationName: "retention",
    max: 1,
    statementTimeoutMs: 20_000,
  });
  const steps = new StepBoard(UPKEEP_STEPS, clock);
  return {
    sql,
    url: server.url,
    database,
    steps,
    retain: () => retain({ database, clock, log: silentLog, steps, retentionDays: 2 }),
    summed: async (day) =>
      (await sql`select coalesce(sum(num_hits), 0)::int as n from web_traffic_day where dimension = 'country' and day_start = ${day}::timestamptz`)[
        0
      ]!
        .n,
    tables: async () =>
      (await sql`select relname from pg_class where relname ~ '^aggregated_web_traffic_[0-9]{8}$' order by 1`).map((
        r,
      ) => r.relname),
    async [Symbol.asyncDispose]() {
      await database.close(200);
      await sql.end({ timeout: 1 });
      await server.stop();
    },
  };
}

/** Two windows a day over `days` days from DAY0, all closed but nothing rolled up; late records on the first day. */
async function fillDays(sql: Sql, days: number): Promise<void> {
  await join(sql, 1);
  for (let day = 0; day < days; day++) {
    const at = DAY0 + day * DAY + 6 * 60 * MIN;
    await commit(
      sql,
      [{ partition: 0, by: 7, counted: 7, watermark: at + 2 * WINDOW, maxWindowEnd: at + 2 * WINDOW }],
      [
        { window: at, host: "a.example", hits: 4, place: ["DE", "Berlin", "Berlin"] },
        { window: at + WINDOW, host: "b.example", referrer: "https://r.example/", hits: 3 },
      ],
    );
  }
  await commit(sql, [{ partition: 0, by: 2, late: 2 }], [
    { window: DAY0 + 6 * 60 * MIN, host: "late.example", hits: 1, late: true },
    { window: DAY0 + 6 * 60 * MIN + WINDOW, host: "later.example", hits: 1, late: true },
  ]);
  await closeAll(sql);
}

const ledger = async (sql: Sql) => {
  const [row] = await sql`
    select s.retired_hits::int as retired, (select coalesce(sum(hits), 0) from web_traffic_window)::int as closed,
           (select coalesce(sum(hits), 0) from open_delta)::int as open, (select sum(counted) from stream_partition)::int as counted,
           s.retired_late::int as retired_late, (select coalesce(sum(num_hits), 0) from late_web_traffic)::int as late_stored from stream s`;
  assertEquals(row!.retired + row!.closed + row!.open, row!.counted, "the ledger balances");
  return { ...row! };
};

Deno.test("retention drops no day that is not rolled up, and says so", async () => {
  await using r = await rig();
  await fillDays(r.sql, 3);
  assertEquals(await r.retain(), false);
  const { state, problem } = r.steps.states().retention;
  assertEquals([state, problem?.code], ["waiting", "retention_waits"]);
  assertMatch(problem!.message, /2026-01-31 .* is not rolled up/);
  assertEquals((await ledger(r.sql)).retired, 0);
  assertEquals((await r.tables()).length, 3);

  await rollUp(r.database, () => false);
  assertEquals(await r.retain(), false);
  // The last day stays: closed-through lies within it, so that windows of it may still come.
  assertMatch(r.steps.states().retention.problem!.message, /2026-02-02 .* not closed/);
  assertEquals(await ledger(r.sql), { retired: 14, closed: 7, open: 0, counted: 21, retired_late: 0, late_stored: 2 });
  assertEquals(await r.tables(), ["aggregated_web_traffic_20260202"]);
  assertEquals([await r.summed("2026-01-31Z"), await r.summed("2026-02-01Z")], [7, 7]);
});

Deno.test("a day whose hours are not packed is not retired: its hosts and referrers could not be forgotten", async () => {
  await using r = await rig();
  await fillDays(r.sql, 2);
  const [row] = await r.sql`select tidemark_roll_up_v2() ->> 'state' as state`;
  assertEquals(row!.state, "hour");
  const [done] = await r.sql`select tidemark_retire_v2('2026-03-01') ->> 'reason' as reason`;
  assertEquals(done!.reason, "not_rolled_up");
});

Deno.test("a day with a window that is still open is not retired, also where closed-through is past it", async () => {
  await using r = await rig();
  await fillDays(r.sql, 2);
  const at = DAY0 + 2 * DAY;
  // Watermark and closed-through pass two open windows; only the first of them is closed.
  await commit(r.sql, [{ partition: 0, by: 2, counted: 2, watermark: at, maxWindowEnd: at }], [
    { window: at - 3 * WINDOW, host: "a.example", hits: 1 },
    { window: at - 2 * WINDOW, host: "a.example", hits: 1 },
  ]);
  await r.sql`select tidemark_close_v2('test', 1000)`;
  await rollUp(r.database, () => false);
  assertEquals(await r.retain(), false);
  assertMatch(r.steps.states().retention.problem!.message, /2026-02-01 .* not closed/);
  await closeAll(r.sql);
  await rollUp(r.database, () => false);
  assertEquals(await r.retain(), true);
  assertEquals(await r.summed("2026-02-01Z"), 9);
});

Deno.test("a day with a window that is still open is not packed, also where all closed hours are summed", async () => {
  await using r = await rig();
  await fillDays(r.sql, 1);
  const end = DAY0 + DAY;
  await commit(r.sql, [{ partition: 0, by: 2, counted: 2, watermark: end, maxWindowEnd: end }], [
    { window: end - 120 * MIN, host: "a.example", hits: 1 },
    { window: end - WINDOW, host: "a.example", hits: 1 },
  ]);
  // The first window is closed and its hour rolled up before the last one, of another hour, is closed.
  await r.sql`select tidemark_close_v2('test', 1000)`;
  await rollUp(r.database, () => false);
  assertEquals(await r.summed("2026-01-31Z"), 0, "the day is not packed yet");
  await closeAll(r.sql);
  await rollUp(r.database, () => false);
  assertEquals(await r.summed("2026-01-31Z"), 9);
});

Deno.test("the last day of a source that has ended is rolled up, packed and retired", async () => {
  await using r = await rig();
  await fillDays(r.sql, 1);
  // Silence or another source's records take the watermark past the day, without a window of a later hour.
  await commit(r.sql, [{ partition: 0, by: 1, skipped: 1, watermark: DAY0 + DAY }]);
  await closeAll(r.sql);
  await rollUp(r.database, () => false);
  assertEquals(await r.summed("2026-01-31Z"), 7);
  assertEquals(await r.retain(), true);
  assertEquals((await ledger(r.sql)).retired, 7);
});

Deno.test("late hits of a retired day are kept by hour and place, and further ones are folded into them", async () => {
  await using r = await rig();
  await fillDays(r.sql, 3);
  await rollUp(r.database, () => false);
  await r.retain();
  const kept = async () =>
    (await r
      .sql`select host, referrer, country_code, num_hits::int as n, extract(epoch from window_end - window_start)::int as s from late_web_traffic order by num_hits`)
      .map(({ host, referrer, country_code, n, s }) => [host, referrer, country_code, n, s]);
  assertEquals(await kept(), [["(retired)", "(retired)", "unknown", 2, 3_600]]);
  await commit(r.sql, [{ partition: 0, by: 1, late: 1 }], [
    { window: DAY0 + 6 * 60 * MIN, host: "secret.example", referrer: "https://secret.example/", hits: 1, late: true },
  ]);
  await r.retain();
  assertEquals((await kept()).map(([host, , , n]) => [host, n]), [["(retired)", 1], ["(retired)", 2]]);
  assertEquals((await ledger(r.sql)).late_stored, 3);
});

Deno.test("a roll-up and a retirement that meet do not wait for each other, and lose nothing", async () => {
  await using r = await rig();
  await fillDays(r.sql, 3);
  await r.sql.begin(async (held) => {
    await held`select tidemark_roll_up_v2()`;
    const [row] = await r.sql`select tidemark_retire_v2('2026-03-01') ->> 'state' as state`;
    assertEquals(row!.state, "busy");
  });
  await Promise.all([rollUp(r.database, () => false), r.retain(), r.retain()]);
  await rollUp(r.database, () => false);
  await r.retain();
  assertEquals([await r.summed("2026-01-31Z"), await r.summed("2026-02-01Z")], [7, 7]);
});

Deno.test("a long reader holds up the drop of a table, and the drop holds up neither other readers nor closings", async () => {
  await using r = await rig();
  await fillDays(r.sql, 3);
  await rollUp(r.database, () => false);
  const reader = postgres(r.url, { max: 1, onnotice: () => {} });
  const other = postgres(r.url, { max: 1, onnotice: () => {} });
  try {
    await reader.begin("isolation level repeatable read", async (long) => {
      await long`select count(*) from aggregated_web_traffic`;
      let waits = 0, done = false, slowest = 0;
      const asking = (async () => {
        while (!done) {
          const startedAt = performance.now();
          await other`select count(*) from aggregated_web_traffic where window_start >= '2026-02-02Z'`;
          slowest = Math.max(slowest, performance.now() - startedAt);
        }
      })();
      // Nothing ever waits in a queue for a lock on our tables.
      const watching = (async () => {
        while (!done) {
          const [row] = await r
            .sql`select count(*)::int as n from pg_locks where not granted and relation::regclass::text like 'aggregated%'`;
          waits += row!.n;
        }
      })();
      const startedAt = performance.now();
      assertEquals(await r.retain(), false);
      const took = performance.now() - startedAt;
      done = true;
      await Promise.all([asking, watching]);
      assertLess(took, 5_000);
      assertEquals(waits, 0);
      assertMatch(
        r.steps.states().retention.problem!.message,
        /aggregated_web_traffic_20260131.* other sessions use it/,
      );
      // The stream goes on meanwhile.
      const at = DAY0 + 3 * DAY;
      await commit(r.sql, [{ partition: 0, by: 1, counted: 1, watermark: at + WINDOW, maxWindowEnd: at + WINDOW }], [
        { window: at, host: "a.example", hits: 1 },
      ]);
      assertEquals(await closeAll(r.sql), 1);
      assertEquals(
        (await long`select count(*)::int as n from aggregated_web_traffic`)[0]!.n,
        6,
        "its snapshot is whole",
      );
    });
    await rollUp(r.database, () => false);
    await r.retain();
    assertEquals(await r.tables(), ["aggregated_web_traffic_20260203"]);
  } finally {
    await Promise.all([reader.end({ timeout: 1 }), other.end({ timeout: 1 })]);
  }
});

Deno.test("a DETACH … CONCURRENTLY that an older version left half done is finished first", async () => {
  await using r = await rig();
  await fillDays(r.sql, 3);
  await rollUp(r.database, () => false);
  const reader = postgres(r.url, { max: 1, onnotice: () => {} });
  const detacher = postgres(r.url, { max: 1, onnotice: () => {}, connection: { statement_timeout: 300 } });
  try {
    await reader.begin("isolation level repeatable read", async (long) => {
      await long`select count(*) from aggregated_web_traffic`;
      const error = await detacher.unsafe(
        "alter table aggregated_web_traffic detach partition aggregated_web_traffic_20260201 concurrently",
      ).then(() => null, (e) => e);
      assertEquals(error?.code, "57014");
      const [pending] = await r.sql`select count(*)::int as n from pg_inherits where inhdetachpending`;
      assertEquals(pending!.n, 1);
      assertEquals(await r.retain(), false);
      assertEquals((await r.tables()).length, 3, "nothing is dropped that a snapshot may still read");
    });
    // Also where a session uses the table of an older day.
    await reader.begin(async (user) => {
      await user.unsafe("lock table aggregated_web_traffic_20260131 in access share mode").simple();
      assertEquals(await r.retain(), false);
      assertEquals(await r.tables(), ["aggregated_web_traffic_20260131", "aggregated_web_traffic_20260202"]);
    });
    await r.retain();
    assertEquals(await r.tables(), ["aggregated_web_traffic_20260202"]);
  } finally {
    await Promise.all([reader.end({ timeout: 1 }), detacher.end({ timeout: 1 })]);
  }
});

Deno.test("what cannot be dropped is a named error: a view that depends on a day's table", async () => {
  await using r = await rig();
  await fillDays(r.sql, 2);
  await rollUp(r.database, () => false);
  await r.sql`create view mine as select * from aggregated_web_traffic_20260131`;
  const error = await r.retain().then(() => null, (e) => e);
  r.steps.failed("retention", error);
  const { state, problem } = r.steps.states().retention;
  assertEquals([state, problem?.code, problem?.sqlstate], ["failing", "table_changed", "2BP01"]);
  const [row] = await r
    .sql`select count(*)::int as n from pg_inherits where inhparent = 'aggregated_web_traffic'::regclass`;
  assertGreater(row!.n, 1, "detach and drop are one transaction");
  assert((await ledger(r.sql)).retired > 0);
});
