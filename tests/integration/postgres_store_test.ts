// The store contract over a real PostgreSQL, and what only a real one has: locks, isolation levels, sums that somebody has broken, the cap on keys.
import { assert, assertEquals, assertRejects } from "@std/assert";
import postgres from "postgres";
import { migrate } from "../../src/store/migrate.ts";
import { codeOf } from "../../src/shared/sql.ts";
import { Database } from "../../src/store/postgres/client.ts";
import { createPostgresStore } from "../../src/store/postgres/store.ts";
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
          "tidemark_commit_v1(gen_random_uuid(), 'x', 'end', '[]', '[]', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', null)",
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
