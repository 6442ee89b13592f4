// `deno task bench scaling`: the same topic read by one to three processes and by one process with one to four engines, with few and many
// partitions. Starts a broker and a PostgreSQL of its own. What to look at: CPU-seconds per million events do not depend on how the work
// is shared; the rate is bounded by the processors of the machine, which broker, database and services share here.
import postgres from "postgres";
import type { GeneratedRecord } from "../tests/faults/generator.ts";
import { WireProducer } from "../tests/faults/produce_wire.ts";
import { startBroker, type TestBroker } from "../tests/support/kafka_broker.ts";
import { createTopic } from "../tests/support/kafka_topics.ts";
import { startPostgres, type TestPostgres } from "../tests/support/postgres.ts";
import { REPOSITORY } from "../tests/support/process.ts";
import { DemoGenerator } from "../src/source/demo/generator.ts";
import { epochMs, offset } from "../src/shared/units.ts";
import { V8_FLAGS } from "../tools/scope.ts";
import { cpuSeconds, numberFlag, peakMemoryMib, write } from "./support.ts";

const EVENTS = numberFlag("events", 3_000_000);
const PARTITIONS = [4, 12, 48];
/** Processes, and engines in each. */
const SHAPES: readonly (readonly [processes: number, workers: number])[] = [[1, 1], [2, 1], [3, 1], [1, 2], [1, 4]];
const PER_REQUEST = 4_000;
/** A run that has not read everything by then says so instead of hanging. */
const RUN_MS_MAX = 180_000;
/** Long enough to join the group and look at the rows. */
const START_MS = 12_000;

/** Fills the topic with one day's demo traffic, dealt out to the partitions in turn. */
async function fill(broker: TestBroker, topic: string, partitions: number): Promise<void> {
  await createTopic(broker, topic, { partitions, config: { "message.timestamp.type": "LogAppendTime" } });
  const anchor = epochMs(Math.floor(Date.now() / 86_400_000) * 86_400_000 - 2 * 86_400_000);
  const generator = new DemoGenerator({ seed: 1, shard: 0, shards: 1, anchor, rate: EVENTS / 86_400 });
  const producer = await WireProducer.connect(broker.url);
  try {
    for (let from = 0; from < EVENTS; from += PER_REQUEST) {
      const records: GeneratedRecord[] = [];
      generator.run(offset(from), offset(Math.min(EVENTS, from + PER_REQUEST))).walk(
        offset(0),
        (bytes, start, end, n) => {
          // A megabyte of junk among the demo's records would be what is measured.
          const value = end - start > 10_000 ? new TextEncoder().encode("{}") : bytes.slice(start, end);
          records.push({ partition: n % partitions, value, recordTime: Date.now() });
        },
      );
      await producer.send(topic, records);
    }
  } finally {
    producer.close();
  }
}

/** What one reading cost. */
interface Reading {
  /** From the first assignment of partitions to the last commit. */
  readonly seconds: number;
  readonly cpu: number;
  /** Largest sum of the processes' peak memory, MiB. */
  readonly peakMib: number;
  /** Engines that counted something. */
  readonly sharing: number;
}

/** Reads a topic of so many events in the given shape. */
async function read(
  broker: TestBroker,
  server: TestPostgres,
  topic: string,
  [processes, workers]: readonly [number, number],
  events = EVENTS,
): Promise<Reading> {
  const url = await server.createDatabase();
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const folder = await Deno.makeTempDir();
  const environment = {
    POSTGRES_URL: url,
    KAFKA_URL: broker.url,
    KAFKA_TOPIC: topic,
    KAFKA_GROUP: `scaling-${crypto.randomUUID()}`,
    WORKERS: String(workers),
    LOG_FORMAT: "json",
    DENO_NO_UPDATE_CHECK: "1",
  };
  const command = (args: readonly string[], dataDir: string) =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", V8_FLAGS, "src/main.ts", ...args],
      cwd: REPOSITORY,
      env: { ...environment, DATA_DIR: `${folder}/${dataDir}` },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    });
  const migrated = await command(["migrate"], "migrate").output();
  if (!migrated.success) throw new Error("tidemark migrate failed");
  let assignedAt = 0;
  const children = Array.from({ length: processes }, (_, n) => command(["run", "--no-http"], String(n)).spawn());
  const listening = children.map(async ({ stderr }) => {
    for await (const text of stderr.pipeThrough(new TextDecoderStream())) {
      if (assignedAt === 0 && text.includes('"partitions assigned"')) assignedAt = Date.now();
    }
  });
  try {
    const deadline = Date.now() + RUN_MS_MAX;
    // Without an event the cost of starting is what is asked for.
    if (events === 0) await new Promise((resolve) => setTimeout(resolve, START_MS));
    for (let done = 0; done < events;) {
      if (Date.now() > deadline) throw new Error(`${done} of ${events} after ${RUN_MS_MAX} ms`);
      await new Promise((resolve) => setTimeout(resolve, 50));
      const [row] = await sql<{ done: number }[]>`
        select coalesce(sum(counted + late + dead + null_records + skipped), 0)::float8 as done from stream_partition`;
      done = row!.done;
    }
    const seconds = (Date.now() - assignedAt) / 1_000;
    const cpu = children.reduce((sum, child) => sum + cpuSeconds(child.pid), 0);
    const peakMib = children.reduce((sum, child) => sum + peakMemoryMib(child.pid), 0);
    const [owners] = await sql<
      { n: number }[]
    >`select count(distinct instance)::int as n from commit_history where counted > 0`;
    return { seconds, cpu, peakMib, sharing: owners!.n };
  } finally {
    for (const child of children) child.kill("SIGTERM");
    await Promise.all(children.map((child) => child.status));
    await Promise.all(listening);
    await sql.end();
    await Deno.remove(folder, { recursive: true });
  }
}

await using broker = await startBroker();
await using server = await startPostgres({ settings: { max_wal_size: "4GB" } });
write(
  `${EVENTS.toLocaleString("en-US")} events, ${navigator.hardwareConcurrency} processors, load ${
    Deno.loadavg()[0]!.toFixed(1)
  }`,
);
await createTopic(broker, "scaling-start", { partitions: 12 });
const start = (await read(broker, server, "scaling-start", [1, 1], 0)).cpu;
write(`a start costs ${start.toFixed(2)} CPU-s, which is taken off below`);
write(
  "| partitions | processes | engines in each | that got records | events/s | service CPU-s per million | peak memory, MiB |",
);
write(
  "| ---------: | --------: | --------------: | ---------------: | -------: | ------------------------: | ---------------: |",
);
for (const partitions of PARTITIONS) {
  const topic = `scaling-${partitions}`;
  await fill(broker, topic, partitions);
  for (const shape of SHAPES) {
    const { seconds, cpu, peakMib, sharing } = await read(broker, server, topic, shape);
    const rate = Math.round(EVENTS / seconds).toLocaleString("en-US");
    const each = ((cpu - shape[0] * start) / EVENTS * 1e6).toFixed(2);
    write(`| ${partitions} | ${shape[0]} | ${shape[1]} | ${sharing} | ${rate} | ${each} | ${peakMib.toFixed(0)} |`);
  }
}
