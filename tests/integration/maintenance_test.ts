// What upkeep leaves of dead letters' ranges and of advances by silence: bounded, exact for as long as it can be, and no record less.
import { assertEquals, assertGreater } from "@std/assert";
import type { Sql } from "postgres";
import { systemClock } from "../../src/shared/clock.ts";
import { StepBoard, UPKEEP_STEPS } from "../../src/shared/steps.ts";
import { epochMs } from "../../src/shared/units.ts";
import { keepUp } from "../../src/store/maintenance.ts";
import { Database } from "../../src/store/postgres/client.ts";
import { recordSteps } from "../../src/store/step_record.ts";
import { commit, DAY0, join, MIN } from "../http/stream_fixture.ts";
import { streamDatabase } from "./http_fixture.ts";

/** Ranges that stay as they are, newest first, by partition and reason: the default of the function. */
const KEPT = 200;

const writer = (url: string) =>
  new Database({
    address: { kind: "url", url },
    schema: "public",
    applicationName: "test",
    max: 1,
    statementTimeoutMs: 30_000,
  });

const ranges = async (sql: Sql) =>
  await sql`
    select id::int, partition, reason, first_offset::int as first, last_offset::int as last, records::int, positions::text, seen_at
    from dead_letter_range order by partition, reason, id`;

Deno.test("keepUp() merges older ranges of dead letters by hour, and keeps every record and every exact position", async () => {
  await using stream = await streamDatabase(() => Promise.resolve());
  const { sql, server } = stream;
  await using stack = new AsyncDisposableStack();
  const databases = Array.from({ length: 3 }, () => writer(server.url));
  for (const database of databases) stack.defer(() => database.close());
  // A range every 3 s of three hours: in partition 0 of two records and one of another reason between them, in partition 1 exact ones; and a
  // reason that has few.
  await sql`
    insert into dead_letter_range (partition, reason, first_offset, last_offset, records, positions, seen_at)
    select p, 'bad_json', n * 10, n * 10 + 2, 2, case p when 1 then int8multirange(int8range(n * 10, n * 10 + 1), int8range(n * 10 + 2, n * 10 + 3)) end,
           timestamptz '2999-01-01 00:00:00Z' + n * interval '3 seconds'
    from generate_series(0, 3599) n, generate_series(0, 1) p order by n, p`;
  await sql`
    insert into dead_letter_range (partition, reason, first_offset, last_offset, records, seen_at)
    select 0, 'bad_encoding', n, n, 1, timestamptz '2999-01-01 00:00:00Z' from generate_series(1, 50) n`;
  const before = await ranges(sql);
  const runs = async () =>
    await sql`select first_offset::int as first, last_offset::int as last, records::int, is_merged from dead_letter_run
      where partition = 1 order by first_offset`;
  const exactBefore = await runs();
  // Many instances run it at once.
  await Promise.all(databases.map((database) => keepUp({ database, clock: systemClock })));
  const after = await ranges(sql);
  for (const partition of [0, 1]) {
    const of = (rows: typeof before) => rows.filter((r) => r.partition === partition && r.reason === "bad_json");
    const [old, left] = [of(before), of(after)];
    assertEquals(left.slice(3), old.slice(-KEPT), "the newest stay as they are");
    assertEquals(left.slice(0, 3).map(({ first, last, records }) => [first, last, records]), [
      [0, 11_992, 2_400],
      [12_000, 23_992, 2_400],
      [24_000, 33_992, 2_000],
    ]);
    assertEquals(
      left.slice(0, 3).map(({ id }) => id),
      [1199, 2399, 3399].map((n) => old[n]!.id),
      "pages keep their order",
    );
  }
  assertEquals(await runs(), exactBefore, "each position is still known");
  assertEquals(
    after.filter(({ reason }) => reason === "bad_encoding"),
    before.filter(({ reason }) => reason === "bad_encoding"),
  );
  await keepUp({ database: databases[0]!, clock: systemClock });
  assertEquals(await ranges(sql), after, "what was merged stays as it is");
  // The next range gets a number of its own.
  await sql`insert into dead_letter_range (partition, reason, first_offset, last_offset, records) values (5, 'bad_json', 1, 1, 1)`;
});

Deno.test("tidemark_merge_dead_ranges_v1() keeps neighbours without a hole exact, and says what it merged beyond its bounds", async () => {
  await using stream = await streamDatabase(() => Promise.resolve());
  const { sql } = stream;
  const add = async (from: number, positions: string | null, records: number, last: number) =>
    await sql`insert into dead_letter_range (partition, reason, first_offset, last_offset, records, positions, seen_at)
      values (0, 'bad_json', ${from}, ${last}, ${records}, ${positions}::text::int8multirange, timestamptz '2026-01-01 00:00Z')`;
  await add(0, null, 5, 4);
  await add(5, null, 5, 9);
  await add(20, "{[20,21),[25,27)}", 3, 26);
  await add(100, null, 7, 300); // merged by an older version
  await sql`select tidemark_merge_dead_ranges_v1(p_kept => 0)`;
  const runs = async () =>
    (await sql`select first_offset::int as f, last_offset::int as l, records::int as n, is_merged as m from dead_letter_run order by 1`)
      .map(({ f, l, n, m }) => [f, l, n, m]);
  const exact = [[0, 9, 10, false], [20, 20, 1, false], [25, 26, 2, false]];
  assertEquals(await runs(), [...exact, [100, 300, 7, true]]);
  assertEquals((await sql`select count(*)::int as n from dead_letter_range`)[0]!.n, 2);
  // The bound on bytes cuts the oldest positions and leaves the records.
  await add(400, "{[400,401),[402,403)}", 2, 402);
  const [cut] = await sql`select tidemark_merge_dead_ranges_v1(p_kept => 1, p_bytes => 60) as n`;
  assertEquals(cut!.n, 1);
  assertEquals(await runs(), [[0, 26, 13, true], [100, 300, 7, true], [400, 400, 1, false], [402, 402, 1, false]]);
  // The bound on runs.
  await sql`select tidemark_merge_dead_ranges_v1(p_kept => 0, p_runs => 1)`;
  await add(500, "{[500,501),[502,503)}", 2, 502);
  await sql`select tidemark_merge_dead_ranges_v1(p_kept => 0, p_runs => 1)`;
  assertEquals((await runs()).map(([first, , , merged]) => [first, merged]), [[0, true], [400, true]]);
  assertEquals((await sql`select sum(records)::int as n from dead_letter_range`)[0]!.n, 24);
  // Several exact and several merged ranges of one hour: each kind becomes one.
  await sql`delete from dead_letter_range`;
  await add(0, "{[0,1),[2,3)}", 2, 2);
  await add(10, null, 2, 20);
  await add(30, "{[30,31),[32,33)}", 2, 32);
  await add(40, null, 2, 50);
  await sql`select tidemark_merge_dead_ranges_v1(p_kept => 0)`;
  const one = [0, 2, 30, 32].map((n) => [n, n, 1, false]);
  assertEquals(await runs(), [...one.slice(0, 2), [10, 50, 4, true], ...one.slice(2)]);
  assertEquals((await sql`select count(*)::int as n from dead_letter_range`)[0]!.n, 2);
});

Deno.test("tidemark_prune_v1() keeps the first and last advance at each position, and what a replay of kept windows needs", async () => {
  await using stream = await streamDatabase();
  const { sql } = stream;
  await sql`delete from idle_advance`;
  // Partition 0 is silent for a day at offset 10, then speaks; partition 1 stays silent.
  await sql`
    insert into idle_advance (partition, at_offset, watermark, quiet_since, commit_id)
    select p, 10, timestamptz '2020-01-01Z' + n * interval '5 minutes', now(), gen_random_uuid() from generate_series(0, 287) n, generate_series(0, 1) p
    union all select 0, 20 + n, timestamptz '2020-01-10Z' + n * interval '1 day', now(), gen_random_uuid() from generate_series(0, 9) n`;
  const left = async () =>
    (await sql`select partition, at_offset::int as at, to_char(watermark, 'MM-DD HH24:MI') as w from idle_advance order by 1, 2, watermark`)
      .map(({ partition, at, w }) => `${partition}/${at} ${w}`);
  await sql`select tidemark_prune_v1()`;
  const ends = ["01-01 00:00", "01-01 23:55"];
  const later = Array.from({ length: 10 }, (_, n) => `0/${20 + n} 01-${10 + n} 00:00`);
  assertEquals(await left(), [...ends.map((w) => `0/10 ${w}`), ...later, ...ends.map((w) => `1/10 ${w}`)]);
  await sql`update stream set retired_through = '2020-01-15 00:00Z'`;
  const [pruned] = await sql`select tidemark_prune_v1()::int as n`;
  assertGreater(pruned!.n, 0);
  // Ranges from the 15th on begin at a watermark below the 13th less the future guard: the advance of the 12th is the newest of these.
  assertEquals(await left(), [...later.slice(2), ...ends.map((w) => `1/10 ${w}`)]);
});

Deno.test("a commit keeps each position of its dead letters; only what has no hole is extended", async () => {
  await using stream = await streamDatabase(() => Promise.resolve());
  const { sql } = stream;
  await join(sql, 1);
  const dead = async (records: number, first: number, last: number, positions?: string) =>
    await commit(sql, [{ partition: 0, by: records, dead: records }], [], {
      counts: [{ partition: 0, reason: "bad_json", records }],
      ranges: [{
        partition: 0,
        reason: "bad_json",
        first_offset: first,
        last_offset: last,
        records,
        ...(positions && { positions }),
      }],
      samples: [],
    });
  await dead(3, 0, 2);
  await dead(2, 3, 4); // extends
  await dead(2, 10, 12, "{[10,10],[12,12]}");
  await dead(1, 13, 13); // touches one with a hole
  await dead(5, 20, 99); // too many runs for one commit: merged
  const runs =
    await sql`select first_offset::int as f, last_offset::int as l, records::int as n, is_merged as m from dead_letter_run order by 1`;
  assertEquals([...runs].map(({ f, l, n, m }) => [f, l, n, m]), [
    [0, 4, 5, false],
    [10, 10, 1, false],
    [12, 12, 1, false],
    [13, 13, 1, false],
    [20, 99, 5, true],
  ]);
});

Deno.test("recordSteps() says how steps are doing, and forgets no earlier success", async () => {
  await using stream = await streamDatabase(() => Promise.resolve());
  const database = new Database({
    address: { kind: "url", url: stream.server.url },
    schema: "public",
    applicationName: "steps",
    max: 1,
    statementTimeoutMs: 5_000,
  });
  try {
    let now = epochMs(DAY0);
    const board = new StepBoard(UPKEEP_STEPS, { now: () => now });
    board.succeeded("roll_up");
    board.succeeded("retention");
    await recordSteps(database, "a", board.states());
    now = epochMs(DAY0 + MIN);
    board.failed("roll_up", Object.assign(new Error("no room"), { code: "53100" }));
    await recordSteps(database, "b", board.states());
    const rows = await stream.sql`
      select step, state, tidemark_ms_v1(since)::float8 as since, code, sqlstate, tidemark_ms_v1(last_success_at)::float8 as ok, instance
      from stream_step order by step`;
    assertEquals([...rows].map((row) => Object.values(row)), [
      ["retention", "ok", DAY0, null, null, DAY0, "b"],
      ["roll_up", "failing", DAY0 + MIN, "database_full", "53100", DAY0, "b"],
    ]);
  } finally {
    await database.close();
  }
});
