// How soon results are there, on a broker and a PostgreSQL of its own:
//   deno task bench latency [--rate N] [--seconds 60] [--window 5] [--backlog 1500000] [--kills 5] [--json FILE]
// 1. A backlog is drained while the API is asked: its p50 and p99, and the rate of the drain, of which 80 % is the live rate (or --rate).
// 2. Live traffic at that rate: from the moment at which every partition's log holds an event beyond a window's end + delay, until the rows of
//    that window are committed (PostgreSQL's commit timestamp). The sender shares the machine and is part of its load.
// 3. Exec to first commit with a warm database, after SIGTERM; kill -9 is measured by tests/faults/recovery.ts, the same way.
// Windows are short (--window seconds, delay 2 s) so that a run has many; --window 300 shows the real size, with hundreds of commits in each.
import postgres from "postgres";
import { createTopic } from "../tests/support/kafka_topics.ts";
import { startBroker } from "../tests/support/kafka_broker.ts";
import { startPostgres } from "../tests/support/postgres.ts";
import { type Child, REPOSITORY, spawn } from "../tests/support/process.ts";
import { measureRecovery } from "../tests/faults/recovery.ts";
import { LiveLoad, type Passed } from "./live_load.ts";
import { V8_FLAGS } from "../tools/scope.ts";
import { numberFlag, quantile, textFlag, write } from "./support.ts";

const WINDOW_MS = numberFlag("window", 5) * 1_000;
const DELAY_MS = 2_000;
const SECONDS = numberFlag("seconds", 60);
const BACKLOG = numberFlag("backlog", 1_500_000);
const KILLS = numberFlag("kills", 5);
const STARTS = 3;
const TOPIC = "live";
const PATHS = ["/v1/pipeline", "/readyz", "/metrics", "/v1/windows?limit=20", "/v1/ledger"];

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

await using broker = await startBroker();
await using server = await startPostgres({
  faults: true,
  fsync: true,
  settings: { track_commit_timestamp: "on", shared_buffers: "512MB", max_wal_size: "4GB" },
});
const sql = postgres(server.url, { max: 2, onnotice: () => {}, connection: { TimeZone: "UTC" } });
const folder = await Deno.makeTempDir({ prefix: "tidemark-latency-" });
await createTopic(broker, TOPIC, { partitions: 4 });
const load = new LiveLoad(broker.url, TOPIC, {
  seed: 3,
  partitions: 4,
  keys: 50_000,
  valueBytes: 340,
  windows: 1,
  batchBytes: 128 * 1024,
});

function start(): Child {
  return spawn(Deno.execPath(), [
    "run",
    "-A",
    "--quiet",
    V8_FLAGS,
    new URL("src/main.ts", REPOSITORY).href,
    "run",
  ], {
    env: {
      NO_COLOR: "1",
      KAFKA_URL: broker.url,
      KAFKA_TOPIC: TOPIC,
      POSTGRES_URL: server.url,
      DATA_DIR: `${folder}/data`,
      WINDOW_SIZE: `${WINDOW_MS}ms`,
      WATERMARK_DELAY: `${DELAY_MS}ms`,
      HTTP_PORT: "0",
      LOG_FORMAT: "json",
    },
  });
}

async function until<T>(what: string, ask: () => Promise<T | undefined | false>, seconds = 120): Promise<T> {
  for (const deadline = performance.now() + seconds * 1_000;;) {
    try {
      const answer = await ask();
      if (answer) return answer;
    } catch (error) {
      if ((error as { code?: string }).code !== "42P01") throw error; // no schema yet
    }
    if (performance.now() > deadline) throw new Error(`${what}: not within ${seconds} s`);
    await pause(20);
  }
}

const counted = async () =>
  Number((await sql`select coalesce(sum(counted + late), 0) as n from stream_partition`)[0]!.n);

// 1. drain
const filled = await load.run({ rate: 400_000, events: BACKLOG });
let child = start();
const listening: { url: string } = JSON.parse(await child.waitForLine(/"listening"/));
await until("first commit", async () => await counted() > 0);
const apiMs: number[] = [];
const drainStarted = performance.now(), drainFrom = await counted();
while (await counted() < filled) {
  for (const path of PATHS) {
    const asked = performance.now();
    const response = await fetch(listening.url.replace(/\/$/, "") + path);
    await response.body?.cancel();
    apiMs.push(performance.now() - asked);
  }
  await pause(20);
}
const sustainable = (filled - drainFrom) / (performance.now() - drainStarted) * 1000;
const rate = numberFlag("rate", Math.round(0.8 * sustainable));
write(`drain: ${Math.round(sustainable)} events/s with broker, database and sender on this machine`);
write(
  `API while draining: p50 ${quantile(apiMs, 0.5).toFixed(0)} ms, p99 ${
    quantile(apiMs, 0.99).toFixed(0)
  } ms, ${apiMs.length} requests`,
);

// 2. live
const passed: Passed[] = [];
const liveFrom = Date.now();
const sent = await load.run({ rate, events: rate * SECONDS, onPassed: (tick) => passed.push(tick) });
const liveSeconds = (Date.now() - liveFrom) / 1000;
await pause(3_000);
const windows = await sql<{ end: number; visible: number }[]>`
  select extract(epoch from window_end)::float8 * 1000 as end, extract(epoch from pg_xact_commit_timestamp(xmin))::float8 * 1000 as visible
  from web_traffic_window where window_start > ${new Date(liveFrom)} order by 1`;
const visibleMs = windows.flatMap(({ end, visible }) => {
  const tick = passed.find(({ eventTime }) => eventTime - DELAY_MS >= end);
  return tick ? [visible - tick.at] : [];
});
const [chunks] =
  await sql`select max(n)::int as most from (select count(*) as n from open_delta group by window_start) c`;
write(
  `live: ${Math.round(sent / liveSeconds)} events/s sent for ${
    Math.round(liveSeconds)
  } s (wanted ${rate}), windows of ${WINDOW_MS / 1000} s`,
);
write(
  visibleMs.length === 0
    ? "live: no window was closed"
    : `window visible after its watermark passed: p50 ${quantile(visibleMs, 0.5).toFixed(0)} ms, p99 ${
      quantile(visibleMs, 0.99).toFixed(0)
    } ms, ${visibleMs.length} windows; most open chunks at the end ${chunks?.most ?? 0}`,
);

// 3. start
const startMs: number[] = [];
const trickle = new AbortController();
const sending = load.run({ rate: 2_000, signal: trickle.signal });
for (let i = 0; i < STARTS; i++) {
  child.signal("SIGTERM");
  await child.exit();
  const [{ now }] = await sql<[{ now: Date }]>`select clock_timestamp() as now`;
  const execAt = performance.now();
  child = start();
  await until(
    "commit after a start",
    async () => (await sql`select from commit_history where committed_at > ${now} and counted > 0 limit 1`).length > 0,
  );
  startMs.push(performance.now() - execAt);
}
trickle.abort();
await sending;
write(`exec to first commit, warm database: ${startMs.map((ms) => ms.toFixed(0)).join(", ")} ms`);
child.signal("SIGTERM");
await child.exit();
await sql.end();
await Deno.remove(folder, { recursive: true });

const recovery: string[] = [];
if (KILLS > 0) await measureRecovery(KILLS, (line) => (recovery.push(line), write(`kill -9: ${line}`)));
const file = textFlag("json");
if (file !== undefined) {
  await Deno.writeTextFile(file, JSON.stringify({ sustainable, rate, apiMs, visibleMs, startMs, recovery }));
}
