// Compaction of open windows (ddl/0002_commit.sql): counts stay as they are, commits go on beside it, and a closing finds few chunks.
import { assert, assertEquals, assertRejects } from "@std/assert";
import postgres from "postgres";
import { migrate } from "../../src/store/migrate.ts";
import { codeOf } from "../../src/shared/sql.ts";
import { Database } from "../../src/store/postgres/client.ts";
import { createPostgresStore } from "../../src/store/postgres/store.ts";
import type { Store } from "../../src/store/port.ts";
import { silentLog } from "../../src/shared/log.ts";
import { chunk, partition, payload, SETTINGS, SIZE, W } from "../contract/store_contract.ts";
import { randomBelow } from "../fuzz/random.ts";
import { startPostgres } from "../support/postgres.ts";

interface Rig extends AsyncDisposable {
  readonly store: Store;
  readonly sql: postgres.Sql;
  /** Appends one chunk of these keys to the window at W. */
  add(hits: Parameters<typeof chunk>[1]): Promise<void>;
  compact(chunks: number): Promise<{ state: string; chunks?: number; keys?: number }>;
  rows(): Promise<string[]>;
}

async function rigOf(url: string): Promise<Rig> {
  const database = new Database({
    address: { kind: "url", url },
    schema: "public",
    applicationName: "compact",
    max: 3,
    statementTimeoutMs: 20_000,
  });
  await migrate(database, "public", silentLog);
  const store = createPostgresStore({
    commits: database,
    database,
    instance: "a",
    maxKeysPerWindow: 100_000,
    commitTimeoutMs: 10_000,
  });
  await store.join(SETTINGS, [partition(0)]);
  const sql = postgres(url, { max: 3, onnotice: () => {}, connection: { TimeZone: "UTC" } });
  let position = 0;
  return {
    store,
    sql,
    async add(hits) {
      position++;
      const outcome = await store.commit(
        await payload(store, { 0: { to: position, watermark: W + 1 } }, [chunk(W, hits)]),
      );
      assertEquals(outcome, { kind: "committed" });
    },
    async compact(chunks) {
      const [row] = await sql`select tidemark_compact_v1(${chunks}) as done`;
      return row!.done;
    },
    async rows() {
      const found = await sql`select o::text as row from tidemark_open_rows_v1(${new Date(W)}) o order by 1`;
      return found.map(({ row }) => row);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([database.close(200), sql.end({ timeout: 1 })]);
    },
  };
}

const chunksLeft = async ({ sql }: Rig) =>
  (await sql`select keys from open_delta order by keys, id`).map(({ keys }) => keys as number);

Deno.test("tidemark_compact_v1()", async (t) => {
  await using server = await startPostgres();
  const fresh = async () => await rigOf(await server.createDatabase());

  await t.step("leaves every row as it was, whatever the keys are", async () => {
    const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
    const below = randomBelow(seed);
    const texts = ["", "a", "b", 'quote "', "back\\slash", "ü", "{,}", "null", " "];
    await using rig = await fresh();
    for (let i = 0; i < 12; i++) {
      await rig.add(Array.from({ length: 1 + below(20) }, () => {
        const hits = 1 + below(3);
        return [texts[1 + below(8)]!, texts[below(9)]!, hits, below(hits + 1), below(2)] as const;
      }));
      const before = await rig.rows();
      const done = await rig.compact(2 + below(5));
      assertEquals(await rig.rows(), before, `seed ${seed}, chunk ${i}, ${JSON.stringify(done)}`);
    }
    assert((await chunksLeft(rig)).length < 8, "something was compacted");
    // Keys, hits and arrays of a merged chunk agree, as the ledger's deep look demands.
    const [deep] = await rig.sql`
      select count(*)::int as wrong from open_delta d
      where d.keys <> cardinality(d.key_hits) or d.hits <> (select sum(h) from unnest(d.key_hits) h)
         or d.bot_hits <> (select sum(b) from unnest(d.key_bot_hits) b)`;
    assertEquals(deep!.wrong, 0);
  });

  await t.step("merges from the given number on, and one window at a time", async () => {
    await using rig = await fresh();
    await rig.add([["a", ""]]);
    assertEquals(await rig.compact(2), { state: "nothing" });
    await rig.add([["a", ""]]);
    assertEquals(await rig.compact(3), { state: "nothing" });
    const done = await rig.compact(2);
    assertEquals([done.state, done.chunks, done.keys], ["compacted", 2, 1]);
    assertEquals(await rig.rows(), ['(a,"",DE,Berlin,Berlin,2,0)']);
  });

  await t.step("leaves a large chunk alone until the small ones outweigh it", async () => {
    await using rig = await fresh();
    const keys = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => [`host-${from + i}`, ""] as const);
    await rig.add(keys(0, 10));
    await rig.add(keys(0, 2));
    await rig.add(keys(2, 4));
    await rig.compact(2);
    assertEquals(await chunksLeft(rig), [4, 10]);
    await rig.add(keys(4, 7));
    await rig.add(keys(7, 10));
    await rig.compact(2);
    assertEquals(await chunksLeft(rig), [10]);
  });

  await t.step("leaves chunks alone whose sums could outgrow an integer", async () => {
    await using rig = await fresh();
    for (let i = 0; i < 3; i++) await rig.add([["a", ""]]);
    await rig
      .sql`update open_delta set hits = 1073741824, key_hits = '{1073741824}' where id = (select min(id) from open_delta)`;
    assertEquals(await rig.compact(3), { state: "nothing" });
    assertEquals((await rig.compact(2)).chunks, 2);
    assertEquals(await rig.rows(), ['(a,"",DE,Berlin,Berlin,1073741826,0)']);
    await rig.sql`update open_delta set hits = 1073741823, key_hits = '{1073741823}'`;
    await rig.add([["a", ""]]);
    await rig.add([["a", ""]]);
    // Two of them and the first small one reach 2^31, which is one too many.
    assertEquals((await rig.compact(2)).chunks, 3);
    assertEquals((await chunksLeft(rig)).length, 2);
    assertEquals(await rig.rows(), ['(a,"",DE,Berlin,Berlin,2147483648,0)']);
  });

  await t.step("refuses chunks that do not add up, and changes nothing", async () => {
    for (const column of ["hits", "bot_hits"]) {
      await using rig = await fresh();
      await rig.add([["a", "", 3, 1]]);
      await rig.add([["a", "", 3, 1]]);
      await rig.sql.unsafe(
        `update open_delta set ${column} = ${column} - 1 where id = (select min(id) from open_delta)`,
      );
      assertEquals(codeOf(await assertRejects(() => rig.compact(2))), "TM004", column);
      assertEquals((await chunksLeft(rig)).length, 2);
    }
  });

  await t.step("waits for no other session, and commits do not wait for it", async () => {
    await using rig = await fresh();
    for (let i = 0; i < 3; i++) await rig.add([["a", ""]]);
    await rig.sql.begin(async (held) => {
      await held`select from stream for update`;
      assertEquals(await rig.compact(2), { state: "busy" });
    });
    await rig.sql.begin(async (held) => {
      await held`select tidemark_compact_v1(2)`;
      await rig.add([["b", ""]]);
      assertEquals(await rig.store.close(), { kind: "busy" });
    });
    assertEquals(await rig.rows(), ['(a,"",DE,Berlin,Berlin,3,0)', '(b,"",DE,Berlin,Berlin,1,0)']);
    assertEquals((await chunksLeft(rig)).length, 2);
  });

  await t.step("close() compacts a crowded window while nothing can be closed, and then closes it", async () => {
    await using rig = await fresh();
    for (let i = 0; i < 16; i++) {
      await rig.add([["a", ""], [`host-${i}`, ""]]);
      assertEquals(await rig.store.close(), { kind: "nothing" });
    }
    assertEquals(await chunksLeft(rig), [17]);
    const last = await payload(rig.store, { 0: { to: 17, watermark: W + SIZE } }, [chunk(W + SIZE, [["a", ""]])]);
    await rig.store.commit(last);
    const outcome = await rig.store.close();
    assert(outcome.kind === "closed");
    assertEquals([outcome.rows, outcome.hits, outcome.chunks], [17, 32, 1]);
  });
});
