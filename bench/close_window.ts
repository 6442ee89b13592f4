// What closing a window costs PostgreSQL when many commits have contributed to it: `deno run -A bench/close_window.ts [--chunks 300] [--keys 20000]
// [--universe 100000] [--compact N] [--rounds R]`. With --compact, chunks are merged as the closer would merge them, whenever a window holds N.
// With --rounds, the closing is first tried and rolled back R times, in turn with the one that makes no digest (tidemark_close_v1).
// Starts a server of its own. CPU-seconds are those of the server process; wall time says what a reader of the table waits.
import { migrate } from "../src/store/migrate.ts";
import { createPostgresStore } from "../src/store/postgres/store.ts";
import { Database } from "../src/store/postgres/client.ts";
import { Encoder } from "../src/store/encode.ts";
import { createLog } from "../src/shared/log.ts";
import type { EpochMs, Offset, PartitionId } from "../src/shared/units.ts";
import { emptyTally } from "../src/window/tracker.ts";
import { KeyTable } from "../src/window/key_table.ts";
import { startPostgres } from "../tests/support/postgres.ts";
import { cpuSeconds, numberFlag, seeded, write } from "./support.ts";
import { RULES_2 } from "../src/event/stream_rules.ts";

const CHUNKS = numberFlag("chunks", 300);
const KEYS = numberFlag("keys", 20_000);
const UNIVERSE = numberFlag("universe", 100_000);
const COMPACT = numberFlag("compact", 0);
const ROUNDS = numberFlag("rounds", 0);
const WINDOW_MS = 300_000;
const START = Date.UTC(2026, 2, 1) as EpochMs;

await using server = await startPostgres({
  faults: true,
  fsync: true,
  settings: { shared_buffers: "512MB", max_wal_size: "4GB" },
});
const database = new Database({
  address: { kind: "url", url: server.url },
  schema: "public",
  applicationName: "close_window",
  max: 1,
  statementTimeoutMs: 600_000,
});
const log = createLog({ level: "error", format: "text", colour: false, write, now: () => Date.now() as EpochMs });
await migrate(database, "public", log);
const store = createPostgresStore({
  commits: database,
  database,
  instance: "bench",
  maxKeysPerWindow: 10_000_000,
  commitTimeoutMs: 600_000,
  closeTimeoutMs: 600_000,
});
await store.join({
  source: "kafka",
  topic: "bench",
  topicId: null,
  group: "bench",
  windowSizeMs: WINDOW_MS,
  referrerGranularity: "raw",
  keyBytesMax: 1024,
  rules: RULES_2,
  offsetsCountRecords: true,
  anchor: 0 as EpochMs,
}, [{ partition: 0 as PartitionId, startOffset: 0 as Offset, logStart: 0 as Offset }]);

const below = seeded(1);
const texts = (name: string) => ({ text: (id: number) => `https://${name}-${id}.example.com/path/${id}`, size: 1_000 });
const encoder = new Encoder({
  hosts: texts("host"),
  referrers: texts("referrer"),
  place: (id) => ({ countryCode: "DE", region: `Region ${id % 400}`, city: `City ${id}` }),
  placeCount: () => 15_000,
});
/** Key k of the universe: 200 hosts, 100 referrers, 15,000 places. */
const addKey = (table: KeyTable, k: number) => {
  const h = Math.imul(k + 1, 0x9e3779b1) >>> 0;
  table.add(h % 200, (h >>> 8) % 100, (h >>> 4) % 15_000, k & 1);
};

const [{ pid }] = await database.query((sql) => sql<[{ pid: number }]>`select pg_backend_pid() as pid`, 5_000);
let commitId = (await store.read())!.rows[0]!.commitId, offset = 0, records = 0;
let compactCpu = 0, compactMs = 0, compactions = 0, compactMsMax = 0;
const startedCpu = cpuSeconds(pid), startedAt = performance.now();

for (let i = 0; i < CHUNKS; i++) {
  const table = new KeyTable();
  // Keys by a skewed law, as in traffic: the frequent ones are in every chunk.
  while (table.size < KEYS) addKey(table, Math.floor(below() ** 2 * UNIVERSE));
  await commit([encoder.chunk(START, table, false)], START + 1_000);
  if (COMPACT > 0 && (i + 1) % COMPACT === 0) await compact();
}
const filledCpu = cpuSeconds(pid) - startedCpu, filledMs = performance.now() - startedAt;
const last = new KeyTable();
addKey(last, 0);
await commit([encoder.chunk(START + 2 * WINDOW_MS, last, false)], START + WINDOW_MS);

if (ROUNDS > 0) await compareDigest();
const beforeCpu = cpuSeconds(pid), before = performance.now();
const closed = await store.close();
const ms = performance.now() - before, cpu = cpuSeconds(pid) - beforeCpu;
if (closed.kind !== "closed") throw new Error(`nothing was closed: ${closed.kind}`);
if (closed.hits !== records - 1) throw new Error(`closed with ${closed.hits} hits, ${records - 1} were committed`);
write(`${CHUNKS} commits of ${KEYS} keys: ${filledMs.toFixed(0)} ms, server ${filledCpu.toFixed(2)} CPU-s`);
if (compactions > 0) {
  write(
    `${compactions} compactions: ${compactMs.toFixed(0)} ms, longest ${compactMsMax.toFixed(0)} ms, server ${
      compactCpu.toFixed(2)
    } CPU-s`,
  );
}
write(`closing ${closed.chunks} chunks into ${closed.rows} rows: ${ms.toFixed(0)} ms, server ${cpu.toFixed(2)} CPU-s`);
await database.close();

async function commit(chunks: Parameters<typeof store.commit>[0]["chunks"], watermark: number): Promise<void> {
  const hits = chunks.reduce((sum, chunk) => sum + chunk.hits, 0);
  records += hits;
  const next = crypto.randomUUID();
  const outcome = await store.commit({
    commitId: next,
    reason: "interval",
    moves: [{
      ...emptyTally(),
      partition: 0 as PartitionId,
      oldCommitId: commitId,
      oldNextOffset: offset as Offset,
      nextOffset: offset + hits as Offset,
      watermark: watermark as EpochMs,
      recordWatermark: watermark as EpochMs,
      maxWindowEnd: START + 3 * WINDOW_MS as EpochMs,
      raisedAt: START,
      quietSince: null,
      firstEventTime: START,
      newestEventTime: START,
      idleAdvances: [],
      counted: hits,
    }],
    chunks,
    visitors: [],
    dead: null,
    records: hits,
    keys: chunks.reduce((sum, chunk) => sum + chunk.keys, 0),
  });
  if (outcome.kind !== "committed") throw new Error(`commit: ${outcome.kind}`, { cause: outcome });
  commitId = next;
  offset += hits;
}

async function compareDigest(): Promise<void> {
  await database.query(
    (sql) => sql`select tidemark_ensure_day_v2(${new Date(START).toISOString()}::text::date)`,
    60_000,
  );
  const tries = { tidemark_close_v1: [] as number[], tidemark_close_v2: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of ["tidemark_close_v1", "tidemark_close_v2"] as const) {
      const cpu = cpuSeconds(pid);
      const [, rows] = await database.query(
        (sql) => sql.unsafe(`begin; select ${name}('bench', 10000000)->>'state' as state; rollback`),
        600_000,
      ) as unknown as { state: string }[][];
      if (rows![0]!.state !== "closed") throw new Error(`${name}: ${rows![0]!.state}`);
      tries[name].push(cpuSeconds(pid) - cpu);
      await database.query((sql) => sql`vacuum aggregated_web_traffic`, 600_000);
    }
  }
  for (const [name, cpu] of Object.entries(tries)) {
    const sorted = cpu.toSorted((a, b) => a - b);
    write(
      `${name}: median ${sorted[sorted.length >> 1]!.toFixed(2)} CPU-s, lowest ${sorted[0]!.toFixed(2)}, of ${ROUNDS}`,
    );
  }
}

async function compact(): Promise<void> {
  const cpu = cpuSeconds(pid), at = performance.now();
  await database.query((sql) => sql`select tidemark_compact_v1(${COMPACT}::text::integer)`, 60_000);
  const ms = performance.now() - at;
  compactMs += ms;
  compactMsMax = Math.max(compactMsMax, ms);
  compactCpu += cpuSeconds(pid) - cpu;
  compactions++;
}
