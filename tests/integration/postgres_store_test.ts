// The store contract over a real PostgreSQL, and what only a real one has: locks, isolation levels, sums that an edit has broken, the cap on keys.
import { assert, assertEquals, assertRejects } from "@std/assert";
import postgres from "postgres";
import { migrate } from "../../src/store/migrate.ts";
import { Unavailable } from "../../src/shared/errors.ts";
import { codeOf } from "../../src/shared/sql.ts";
import { Database } from "../../src/store/postgres/client.ts";
import { createPostgresStore } from "../../src/store/postgres/store.ts";
import { parseStreamRules, RULES_1, RULES_2 } from "../../src/event/stream_rules.ts";
import { readRuleSpans, switchRules } from "../../src/operate/rules_store.ts";
import { silentLog } from "../../src/shared/log.ts";
import {
  chunk,
  partition,
  payload,
  SETTINGS,
  SIZE,
  STORE_CONTRACT,
  type StoreRig,
  type Tables,
  W,
} from "../contract/store_contract.ts";
import { startPostgres } from "../support/postgres.ts";

interface PostgresRig extends StoreRig {
  readonly sql: postgres.Sql;
  readonly url: string;
}

const open = (url: string, name: string) =>
  new Database({
    address: { kind: "url", url },
    schema: "public",
    applicationName: name,
    max: 3,
    statementTimeoutMs: 20_000,
  });

async function postgresRig(url: string, maxKeysPerWindow = 1_000): Promise<PostgresRig> {
  // Each instance has clients of its own: postgres.js may send the statements of one client down one connection, one after the other.
  const databases = [0, 1, 2, 3].map((n) => open(url, `store ${n}`));
  await migrate(databases[0]!, "public", silentLog);
  const sql = postgres(url, { max: 4, onnotice: () => {}, connection: { TimeZone: "UTC" } });
  const store = (commits: Database, database: Database, instance: string) =>
    createPostgresStore({ commits, database, instance, maxKeysPerWindow, commitTimeoutMs: 10_000 });
  return {
    sql,
    url,
    store: store(databases[0]!, databases[1]!, "a"),
    other: store(databases[2]!, databases[3]!, "b"),
    tables: () => tablesOf(sql),
    switchRules: async (rules) => void await switchRules(databases[3]!, rules),
    spans: async () =>
      (await readRuleSpans(databases[3]!)).map(({ partition, from, rules }) =>
        [partition, from, parseStreamRules(rules).version] as const
      ),
    async [Symbol.asyncDispose]() {
      await Promise.all([...databases.map((database) => database.close(200)), sql.end({ timeout: 1 })]);
    },
  };
}

async function tablesOf(sql: postgres.Sql): Promise<Tables> {
  const rows = async (table: string) =>
    Object.fromEntries(
      (await sql.unsafe(`
        select tidemark_ms_v1(window_start)::text || '|' || host || '|' || referrer || '|' || country_code || '|' || region || '|' || city as key,
               sum(num_hits)::int as hits, sum(bot_hits)::int as bots from ${table} group by 1`))
        .map(({ key, hits, bots }) => [key, [hits, bots] as const]),
    );
  return {
    closed: await rows("aggregated_web_traffic"),
    late: await rows("late_web_traffic"),
    open: Object.fromEntries(
      (await sql`select tidemark_ms_v1(window_start)::text as start, sum(hits)::int as hits from open_delta group by 1`)
        .map(({ start, hits }) => [start, hits]),
    ),
    ledger: Object.fromEntries(
      (await sql`select partition, array[counted, late, late_dropped, dead, null_records, skipped]::int[] as booked from stream_partition`)
        .map(({ partition, booked }) => [partition, booked]),
    ),
    dead: Object.fromEntries(
      (await sql`select partition || '/' || reason as key, records::int from dead_letter_count`).map((
        { key, records },
      ) => [key, records]),
    ),
    advances:
      (await sql`select partition, at_offset::text as at, tidemark_ms_v1(watermark)::text as watermark from idle_advance order by 1, 2, 3`)
        .map((a) => [a.partition, Number(a.at), Number(a.watermark)]),
  };
}

/** Until one statement waits for another's lock. */
async function waitsForLock(sql: postgres.Sql): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline) {
    const [row] = await sql`
      select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    if (row!.n > 0) return;
  }
  throw new Error("no statement waits for a lock");
}

Deno.test("createPostgresStore()", async (t) => {
  await using server = await startPostgres();
  const fresh = async (maxKeys?: number) => await postgresRig(await server.createDatabase(), maxKeys);

  for (const { name, run } of STORE_CONTRACT) {
    await t.step(name, async () => {
      await using rig = await fresh();
      await run(rig);
    });
  }

  await t.step("commit() and join() do not wait for a closing, close() does not wait for another", async () => {
    await using rig = await fresh();
    const { store, sql } = rig;
    await store.join(SETTINGS, [partition(0)]);
    await store.commit(await payload(store, { 0: { to: 1, watermark: W + SIZE } }, [chunk(W, [["a", ""]])]));
    const next = await payload(store, { 0: { to: 2 } }, [chunk(W + SIZE, [["a", ""]])]);
    await sql.begin(async (held) => {
      await held`select from stream for update`;
      assertEquals(await store.close(), { kind: "busy" });
      assertEquals(await store.commit(next), { kind: "committed" });
    });
    assertEquals((await store.close()).kind, "closed");
  });

  await t.step("statements of ours are not compiled, whatever the server's default", async () => {
    const url = await server.createDatabase();
    await using admin = await postgresRig(url);
    await admin.sql.unsafe(`alter database "${new URL(url).pathname.slice(1)}" set jit = on`);
    const database = open(url, "no jit");
    assertEquals([...await database.query((sql) => sql`show jit`, 10_000)], [{ jit: "off" }]);
    await database.close(200);
  });

  // What programs of releases before stored rules call.
  const oldJoin = (sql: postgres.Sql) =>
    sql`select tidemark_join_v1(${
      sql.json({
        source: SETTINGS.source,
        topic: SETTINGS.topic,
        consumer_group: SETTINGS.group,
        window_size_ms: SETTINGS.windowSizeMs,
        referrer_granularity: SETTINGS.referrerGranularity,
        key_bytes_max: SETTINGS.keyBytesMax,
        offsets_count_records: true,
        anchor: 0,
      })
    }, ${sql.json([{ partition: 0, start_offset: 0, log_start: 0 }])})`;
  const oldCommit = (sql: postgres.Sql) =>
    sql`select tidemark_commit_v1(gen_random_uuid(), 'old', 'interval', (
      select jsonb_agg(jsonb_build_object('partition', partition, 'old_commit_id', commit_id, 'old_next_offset', next_offset,
        'next_offset', next_offset + 1, 'counted', 0, 'late', 0, 'late_dropped', 0, 'dead', 0, 'null_records', 1, 'skipped', 0,
        'raised_at', 0, 'idle_advances', '[]'::jsonb)) from stream_partition),
      '[]', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', null)`;

  await t.step("programs that know no rules go on with version 1, also in a stream of their own", async () => {
    await using rig = await fresh();
    const { store, sql, spans } = rig;
    await oldJoin(sql);
    await oldCommit(sql);
    assertEquals(parseStreamRules((await store.read())!.rules), RULES_1);
    assertEquals([(await store.read())!.rows[0]!.nextOffset, await spans()], [1, [[0, 0, 1]]]);
  });

  await t.step(
    "programs that know no rules are refused by name once version 2 holds, before and after they joined",
    async () => {
      await using rig = await fresh();
      const { store, sql, spans } = rig;
      await store.join({ ...SETTINGS, rules: RULES_1 }, [partition(0)]);
      await oldCommit(sql);
      await rig.switchRules(RULES_2);
      const joined = await assertRejects(() => oldJoin(sql));
      assertEquals(codeOf(joined), "TM003");
      assert(String(joined).includes("rules version is 2 in this schema, this release knows version 1 only"));
      const committed = await assertRejects(() => oldCommit(sql));
      // That is what ends such a program; it would try again without end after any other error.
      assertEquals(codeOf(committed), "42883");
      assert(String(committed).includes("rules version 2"));
      assertEquals([(await store.read())!.rows[0]!.nextOffset, await spans()], [1, [[0, 0, 1], [0, 1, 2]]]);
      await store.join(SETTINGS, [partition(0)]);
    },
  );

  await t.step("a switch waits for a commit that is under way: it holds from behind it", async () => {
    await using rig = await fresh();
    const { store, sql } = rig;
    await store.join({ ...SETTINGS, rules: RULES_1 }, [partition(0)]);
    let switched: Promise<void> | undefined;
    await sql.begin(async (held) => {
      await oldCommit(held as unknown as postgres.Sql);
      switched = rig.switchRules(RULES_2);
      await waitsForLock(sql);
    });
    await switched;
    assertEquals(await rig.spans(), [[0, 0, 1], [0, 1, 2]]);
  });

  await t.step("a position that an operator has set back is read by the newest rules", async () => {
    await using rig = await fresh();
    const { store, sql } = rig;
    await store.join({ ...SETTINGS, rules: RULES_1 }, [partition(0), partition(1)]);
    await store.commit(await payload(store, { 0: { to: 9 }, 1: { to: 9 } }, []));
    await rig.switchRules(RULES_2);
    await store.stop("topic_recreated", "x");
    const moves = (await store.read())!.rows.map((row) => ({
      partition: row.partition,
      old_commit_id: row.commitId,
      old_next_offset: row.nextOffset,
      next_offset: row.partition === 0 ? 2 : 9,
      retired: false,
      gap: null,
    }));
    await sql`select tidemark_resume_v1('topic_recreated', null, ${sql.json(moves)})`;
    assertEquals(await rig.spans(), [[0, 0, 1], [0, 2, 2], [1, 0, 1], [1, 9, 2]]);
  });

  await t.step(
    "join() of logs that another process has numbered otherwise is refused for now, and stores nothing",
    async () => {
      await using rig = await fresh();
      const { store, other, sql } = rig;
      const named = (number: number, name: string) => ({
        ...partition(number),
        logs: [{ name, foundBy: "/log/*.log" }],
      });
      await store.join(SETTINGS, [named(0, "/log/a.log"), named(1, "/log/b.log")]);
      for (const moved of [named(0, "/log/b.log"), named(1, "/log/c.log"), named(2, "/log/a.log")]) {
        const error = await assertRejects(() => other.join(SETTINGS, [moved]), Unavailable);
        assertEquals(error.code, "source_unavailable");
      }
      await other.join(SETTINGS, [named(1, "/log/b.log")]);
      const logs = await sql`select name, partition from source_log order by partition`;
      assertEquals(logs.map(({ name, partition }) => [name, partition]), [["/log/a.log", 0], ["/log/b.log", 1]]);
      assertEquals((await sql`select from stream_partition`).length, 2);
    },
  );

  await t.step("join() does not wait for a commit that holds partition rows", async () => {
    await using rig = await fresh();
    const { store, sql } = rig;
    await store.join(SETTINGS, [partition(0), partition(1)]);
    await sql.begin(async (held) => {
      await held`update stream_partition set commit_id = gen_random_uuid() where partition = 0`;
      await store.join(SETTINGS, [partition(0), partition(1), partition(2)]);
    });
    assertEquals((await store.read())!.rows.length, 3);
  });

  await t.step(
    "close() judges by watermarks as they are under its lock: a partition that joins meanwhile is not passed over",
    async () => {
      await using rig = await fresh();
      const { store, other, sql } = rig;
      await store.join(SETTINGS, [partition(0)]);
      await sql`select tidemark_ensure_day_v2(${new Date(W).toISOString().slice(0, 10)}::date)`;
      let closings = 0;
      // The pause decides who is first; it grows until the closing was, once.
      for (let round = 0; round < 6 || closings === 0 && round < 40; round++) {
        const w = W + round * SIZE;
        const steps = Array.from({ length: round + 1 }, (_, id) => ({ to: round - id + 1, watermark: w + SIZE }));
        await store.commit(await payload(store, { ...steps }, [chunk(w, [["a", "", round + 1]])]));
        const partitions = Array.from({ length: round + 2 }, (_, id) => partition(id));
        const closing = store.close();
        await new Promise((resolve) => setTimeout(resolve, round * 3));
        const [outcome] = await Promise.all([closing, other.join(SETTINGS, partitions)]);
        const [row] = await sql`select tidemark_ms_v1(min(watermark)) as least from stream_partition`;
        if (outcome.kind === "closed") {
          closings++;
          assert(Number(row!.least) >= w + SIZE, `window ${w} was closed over a partition at ${row!.least}`);
        }
        await sql`update stream_partition set watermark = tidemark_time_v1(${w + SIZE}::bigint)`;
        while ((await store.close()).kind !== "nothing");
      }
      assert(closings > 0, "the closing is meant to be first at least once");
    },
  );

  await t.step("commit() and close() refuse every isolation level but READ COMMITTED", async () => {
    await using rig = await fresh();
    const { store, sql } = rig;
    await store.join(SETTINGS, [partition(0)]);
    for (const level of ["repeatable read", "serializable"]) {
      for (
        const call of [
          "tidemark_close_v2('x', 10)",
          "tidemark_join_v1('{}', '[]')",
          "tidemark_commit_v2(gen_random_uuid(), 'x', 'end', '[]', '[]', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', null)",
          "tidemark_close_v3('x', 10)",
          `tidemark_commit_v3(gen_random_uuid(), 'x', 'end', '[]', '[]', ${"'{}', ".repeat(14)}null, null)`,
          "tidemark_compact_v2(2)",
          "tidemark_salts_v1('{2026-03-01}')",
          "tidemark_roll_up_breakdown_v1()",
          "tidemark_retire_v3('2026-03-01')",
        ]
      ) {
        const error = await assertRejects(() =>
          sql.begin(`isolation level ${level}`, (tx) => tx.unsafe(`select ${call}`))
        );
        assertEquals(codeOf(error), "TM002", call);
      }
    }
  });

  await t.step("close() refuses deltas that do not add up, and changes nothing", async () => {
    await using rig = await fresh();
    const { store, sql, tables } = rig;
    await store.join(SETTINGS, [partition(0)]);
    for (const to of [2, 4]) {
      await store.commit(await payload(store, { 0: { to, watermark: W + SIZE } }, [chunk(W, [["a", "", 2, 1]])]));
    }
    for (const column of ["hits", "bot_hits"]) {
      await sql.unsafe(`update open_delta set ${column} = ${column} - 1 where id = (select min(id) from open_delta)`);
      assertEquals(codeOf(await assertRejects(() => store.close())), "TM004", column);
      await sql.unsafe(`update open_delta set ${column} = ${column} + 1 where id = (select min(id) from open_delta)`);
    }
    assertEquals((await tables()).closed, {});
    assertEquals((await store.close()).kind, "closed");
  });

  await t.step("close() folds keys beyond the cap, by hits and then by key, into one exact row", async () => {
    await using rig = await fresh(3);
    const { store, tables } = rig;
    await store.join(SETTINGS, [partition(0)]);
    await store.commit(
      await payload(store, { 0: { to: 12, watermark: W + SIZE } }, [
        chunk(W, [["a", "", 5], ["b", "", 1, 1], ["c", "", 3], ["d", "", 2, 1], ["e", "", 1]]),
      ]),
    );
    const outcome = await store.close();
    assert(outcome.kind === "closed");
    assertEquals([outcome.rows, outcome.hits, outcome.foldedKeys], [3, 12, 3]);
    assertEquals((await tables()).closed, {
      [`${W}|a||DE|Berlin|Berlin`]: [5, 0],
      [`${W}|c||DE|Berlin|Berlin`]: [3, 0],
      [`${W}|(other)|(other)|unknown||`]: [4, 2],
    });
  });

  await t.step("the smallest keys beyond the bytes of a window fold into one exact row", async () => {
    await using rig = await fresh();
    const { store, sql, tables } = rig;
    await store.join(SETTINGS, [partition(0)]);
    const long = "r".repeat(1_000);
    await store.commit(
      await payload(store, { 0: { to: 10, watermark: W + SIZE } }, [
        chunk(W, [["a", long, 4], ["b", long, 3, 1], ["c", long, 2, 1], ["d", long, 1]]),
      ]),
    );
    await sql`select tidemark_ensure_day_v2(${new Date(W).toISOString().slice(0, 10)}::date)`;
    const room = 2 * (64 + 1 + long.length);
    const [row] = await sql<{ done: string }[]>`select tidemark_close_v2('a', 1000, ${room}::bigint)::text as done`;
    const done = JSON.parse(row!.done);
    assertEquals([done.state, done.rows, done.hits, done.folded_keys], ["closed", 3, 10, 2]);
    assertEquals((await tables()).closed, {
      [`${W}|a|${long}|DE|Berlin|Berlin`]: [4, 0],
      [`${W}|b|${long}|DE|Berlin|Berlin`]: [3, 1],
      [`${W}|(other)|(other)|unknown||`]: [3, 1],
    });
  });

  await t.step("commit() after its deadline is unknown, and never throws", async () => {
    await using rig = await fresh();
    const { store, sql, url } = rig;
    await store.join(SETTINGS, [partition(0)]);
    const commits = open(url, "slow");
    const slow = createPostgresStore({
      commits,
      database: commits,
      instance: "c",
      maxKeysPerWindow: 10,
      commitTimeoutMs: 200,
    });
    const sent = await payload(store, { 0: { to: 1 } }, [chunk(W, [["a", ""]])]);
    await sql.begin(async (held) => {
      await held`select from stream_partition for update`;
      assertEquals((await slow.commit(sent)).kind, "unknown");
    });
    await commits.close(100);
  });
});
