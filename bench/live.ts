// What an event costs at a live rate: CPU time of the service, PostgreSQL and the broker together, by /proc. Started by `deno task bench live`:
//   [--rates 0,1000,10000,50000] [--peers tidemark,flink,naive-deno] [--runs 3] [--seconds 120] [--warm 45] [--window 60] [--delay 5] [--json FILE]
// For each run and rate each peer in turn (interleaved) on a new topic of 4 partitions: events of 340 bytes over 50,000 keys, 64 KiB batches,
// every 100 ms; what is used before `--warm` seconds of traffic are over does not count. Rate 0 is a stream that has seen events and is silent.
// Also: write-ahead log, peak memory since the start (VmHWM), and from the moment at which every partition's log holds an event beyond a
// window's end + delay until the window's last row is committed (PostgreSQL's commit timestamp). The sender is not counted.
import postgres from "postgres";
import { Kafka, logLevel } from "kafkajs";
import { silenceIdleTimers } from "../src/source/kafka/idle_timers.ts";
import { LiveLoad, type Passed } from "./live_load.ts";
import { median, numberFlag, peakMemoryMib, quantile, textFlag, treeCpuSeconds, write } from "./support.ts";

const RATES = (textFlag("rates") ?? "0,1000,10000,50000").split(",").map(Number);
const PEERS = (textFlag("peers") ?? "tidemark").split(",");
const RUNS = numberFlag("runs", 3), SECONDS = numberFlag("seconds", 120), WARM = numberFlag("warm", 45);
const WINDOW = numberFlag("window", 60), DELAY = numberFlag("delay", 5);
/** Events that a silent stream has seen. */
const SILENT_EVENTS = 20_000;
/** How long a peer may take until it reads. */
const START_SECONDS = 10;
const STOP_SECONDS = 30;
const env = (name: string) => Deno.env.get(name)!;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** One measurement. CPU in seconds, over `seconds`. */
interface Run {
  readonly peer: string;
  readonly rate: number;
  readonly seconds: number;
  readonly events: number;
  readonly service: number;
  readonly database: number;
  readonly broker: number;
  readonly walBytes: number;
  readonly peakMib: number;
  readonly visibleMs: readonly number[];
  readonly load: number;
}

silenceIdleTimers();
const kafka = new Kafka({ brokers: [env("KAFKA_URL")], clientId: "bench", logLevel: logLevel.NOTHING });
const admin = kafka.admin();
await admin.connect();
const sql = postgres(env("POSTGRES_URL"), { max: 1, onnotice: () => {}, connection: { TimeZone: "UTC" } });

const cpu = (service: number) =>
  [service, Number(env("PG_PID")), Number(env("BROKER_PID"))].map(treeCpuSeconds) as [number, number, number];
const walPosition = async () =>
  Number((await sql`select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as at`)[0]!.at);

async function prepareTables(peer: string): Promise<void> {
  await sql`drop schema if exists bench cascade`;
  await sql`drop table if exists public.aggregated_web_traffic`;
  if (peer !== "tidemark") {
    await sql`create table public.aggregated_web_traffic (window_start timestamptz, window_end timestamptz, host text, referrer text,
      country_code text, region text, city text, num_hits bigint)`;
  }
  await sql`checkpoint`; // full pages are written to the log after one: each run begins alike
}

function start(peer: string, folder: string | undefined, topic: string, state: string): Deno.ChildProcess {
  return new Deno.Command("bash", {
    args: ["bench/peers/runpeer.sh", peer],
    env: {
      TOPIC: topic,
      GROUP: topic,
      STATE_DIR: state,
      VARIANT: "",
      WINDOW_SECONDS: String(WINDOW),
      DELAY_SECONDS: String(DELAY),
      ...(folder !== undefined && { TREE: folder }),
    },
    stdout: "null",
    stderr: "null",
  }).spawn();
}

/** When windows became visible, ms after every partition's log held what releases them, for those released from `from` on. */
async function visibleMs(peer: string, passed: readonly Passed[], from: number): Promise<number[]> {
  const end = sql`extract(epoch from window_end)::float8 * 1000 as end`;
  const at = sql`extract(epoch from max(pg_xact_commit_timestamp(xmin)))::float8 * 1000 as at`;
  const rows =
    await (peer === "tidemark"
      ? sql<{ end: number; at: number }[]>`select ${end}, ${at} from bench.web_traffic_window group by window_end`
      : sql<{ end: number; at: number }[]>`select ${end}, ${at} from aggregated_web_traffic group by window_end`);
  return rows.flatMap(({ end, at }) => {
    const tick = passed.find(({ eventTime }) => eventTime - DELAY * 1_000 >= end);
    return tick && tick.at >= from ? [at - tick.at] : [];
  });
}

async function measure(peer: string, rate: number): Promise<Run> {
  const [name = "", folder] = peer.split("@");
  const topic = `live-${crypto.randomUUID().slice(0, 8)}`, state = await Deno.makeTempDir({ dir: env("LAB") });
  await admin.createTopics({ topics: [{ topic, numPartitions: 4, replicationFactor: 1 }], waitForLeaders: true });
  await prepareTables(name);
  const child = start(name, folder, topic, state), passed: Passed[] = [], over = new AbortController();
  await pause(START_SECONDS * 1_000);
  const load = new LiveLoad(env("KAFKA_URL"), topic, {
    seed: 3,
    partitions: 4,
    keys: 50_000,
    valueBytes: 340,
    windows: 1,
    batchBytes: 64 * 1024,
  });
  let sent = 0;
  const sending = load.run({
    rate: rate || 5_000,
    ...(rate === 0 && { events: SILENT_EVENTS }),
    signal: over.signal,
    onPassed: (tick) => {
      passed.push(tick);
      sent = tick.sent;
    },
  });
  await pause(WARM * 1_000);
  const from = Date.now(), sentBefore = sent, [service, database, broker] = cpu(child.pid), wal = await walPosition();
  await pause(SECONDS * 1_000);
  const [service2, database2, broker2] = cpu(child.pid), wal2 = await walPosition(), events = sent - sentBefore;
  const seconds = (Date.now() - from) / 1000, peakMib = peakMemoryMib(child.pid);
  over.abort();
  await sending;
  const visible = await visibleMs(name, passed, from);
  child.kill("SIGTERM");
  const killer = setTimeout(() => child.kill("SIGKILL"), STOP_SECONDS * 1_000);
  await child.status;
  clearTimeout(killer);
  await admin.deleteTopics({ topics: [topic] });
  await Deno.remove(state, { recursive: true });
  return {
    peer,
    rate,
    seconds,
    events,
    service: service2 - service,
    database: database2 - database,
    broker: broker2 - broker,
    walBytes: wal2 - wal,
    peakMib,
    visibleMs: visible,
    load: Deno.loadavg()[0]!,
  };
}

/** The servers alone: what the broker and PostgreSQL take while nothing reads and nothing is sent. */
async function measureServers(): Promise<Run> {
  const before = cpu(Deno.pid);
  await pause(SECONDS * 1_000);
  const after = cpu(Deno.pid);
  const nothing = { events: 0, service: 0, walBytes: 0, peakMib: 0, visibleMs: [], load: Deno.loadavg()[0]! };
  return {
    ...nothing,
    peer: "servers alone",
    rate: 0,
    seconds: SECONDS,
    database: after[1] - before[1],
    broker: after[2] - before[2],
  };
}

/** Events/s → what one unit of work is: a million events, or a second of a silent stream in thousandths. */
const per = (run: Run) => run.rate === 0 ? run.seconds / 1000 : run.events / 1e6;
const total = (run: Run) => run.service + run.database + run.broker;
const mid = (runs: readonly Run[], of: (run: Run) => number) => median(runs.map(of));

const runs: Run[] = [];
const file = textFlag("json");
for (let i = 0; i < RUNS; i++) {
  for (const rate of RATES) {
    if (rate === 0) runs.push(await measureServers());
    for (const peer of PEERS) {
      const run = await measure(peer, rate);
      runs.push(run);
      Deno.stderr.writeSync(new TextEncoder().encode(
        `run ${i + 1}, ${rate}/s, ${peer}: service ${(run.service / per(run)).toFixed(2)}, PostgreSQL ${
          (run.database / per(run)).toFixed(2)
        }, broker ${(run.broker / per(run)).toFixed(2)}, WAL ${(run.walBytes / 1e6 / per(run)).toFixed(1)}, peak ${
          run.peakMib.toFixed(0)
        } MiB, visible ${run.visibleMs.map((ms) => ms.toFixed(0)).join(" ")} ms, load ${run.load.toFixed(1)}\n`,
      ));
      if (file !== undefined) await Deno.writeTextFile(file, JSON.stringify(runs));
    }
  }
}

const head = [
  "events/s",
  "peer",
  "service",
  "PostgreSQL",
  "broker",
  "whole stack (min / median / max)",
  "against Flink",
  "WAL MB",
  "peak MiB",
  "visible p50 / p99 ms",
];
const lines: string[][] = [];
for (const rate of RATES) {
  const flink = runs.filter((run) => run.rate === rate && run.peer === "flink");
  for (const peer of [...(rate === 0 ? ["servers alone"] : []), ...PEERS]) {
    const own = runs.filter((run) => run.rate === rate && run.peer === peer);
    const sums = own.map((run) => total(run) / per(run)).sort((a, b) => a - b);
    const visible = own.flatMap(({ visibleMs }) => visibleMs);
    lines.push([
      rate === 0 ? "silent: ms a second" : rate.toLocaleString("en"),
      peer,
      ...[(run: Run) => run.service, (run: Run) => run.database, (run: Run) => run.broker].map((of) =>
        mid(own, (run) => of(run) / per(run)).toFixed(2)
      ),
      `${sums[0]!.toFixed(1)} / **${median(sums).toFixed(1)}** / ${sums.at(-1)!.toFixed(1)}`,
      flink.length > 0 && rate > 0
        ? `${(median(sums) / mid(flink, (run) => total(run) / per(run))).toFixed(2)}, service ${
          (mid(own, (run) => run.service / per(run)) / mid(flink, (run) => run.service / per(run))).toFixed(2)
        }`
        : "",
      rate === 0 ? "" : mid(own, (run) => run.walBytes / 1e6 / per(run)).toFixed(1),
      peer === "servers alone" ? "" : mid(own, (run) => run.peakMib).toFixed(0),
      visible.length === 0 ? "" : `${quantile(visible, 0.5).toFixed(0)} / ${quantile(visible, 0.99).toFixed(0)}`,
    ]);
  }
}
write(`| ${head.join(" | ")} |\n|${head.map(() => " --- |").join("")}`);
for (const line of lines) write(`| ${line.join(" | ")} |`);
write(
  `CPU-seconds and MB per million events; ${RUNS} interleaved runs of ${SECONDS} s after ${WARM} s; windows of ${WINDOW} s, delay ${DELAY} s.`,
);
write(`Load of the machine while measured: ${mid(runs, (run) => run.load).toFixed(1)} (median).`);
await admin.disconnect();
await sql.end();
