// `deno task bench:scaling`: the same topic read by one, two and three processes, with few and many partitions. Starts a broker and a PostgreSQL
// of its own. What to look at: CPU-seconds per million events stay what they are, whoever shares the work; the rate is bounded by the
// processors of the machine, which broker, database and services share here.
import postgres from "postgres";
import type { GeneratedRecord } from "../tests/faults/generator.ts";
import { WireProducer } from "../tests/faults/produce_wire.ts";
import { startBroker, type TestBroker } from "../tests/support/kafka_broker.ts";
import { createTopic } from "../tests/support/kafka_topics.ts";
import { startPostgres, type TestPostgres } from "../tests/support/postgres.ts";
import { REPOSITORY } from "../tests/support/process.ts";
import { DemoGenerator } from "../src/source/demo_generator.ts";
import { epochMs, offset } from "../src/shared/units.ts";
import { cpuSeconds, numberFlag, write } from "./support.ts";

const EVENTS = numberFlag("events", 1_000_000);
const PARTITIONS = [4, 12, 48];
const PROCESSES = [1, 2, 3];
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

/** Reads a topic of so many events with so many processes; times from the first commit to the last. */
async function read(broker: TestBroker, server: TestPostgres, topic: string, processes: number, events = EVENTS) {
  const url = await server.createDatabase();
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const folder = await Deno.makeTempDir();
  const environment = {
    POSTGRES_URL: url,
    KAFKA_URL: broker.url,
    KAFKA_TOPIC: topic,
    KAFKA_GROUP: `scaling-${crypto.randomUUID()}`,
    LOG_LEVEL: "error",
    DENO_NO_UPDATE_CHECK: "1",
  };
  const run = (args: readonly string[], dataDir: string) =>
    new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--v8-flags=--max-semi-space-size=4,--expose-gc,--no-concurrent-array-buffer-sweeping",
        "src/main.ts",
        ...args,
      ],
      cwd: REPOSITORY,
      env: { ...environment, DATA_DIR: `${folder}/${dataDir}` },
      stdin: "null",
      stdout: "null",
    });
  const migrated = await run(["migrate"], "migrate").output();
  if (!migrated.success) throw new Error("tidemark migrate failed");
  const children = Array.from({ length: processes }, (_, n) => run(["run", "--no-http"], String(n)).spawn());
  try {
    let first = 0, done = 0;
    const deadline = Date.now() + RUN_MS_MAX;
    // Without an event the cost of starting is what is asked for.
    if (events === 0) await new Promise((resolve) => setTimeout(resolve, START_MS));
    while (done < events && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const [row] = await sql<{ done: number }[]>`
        select coalesce(sum(counted + late + dead + null_records + skipped), 0)::float8 as done from stream_partition`;
      done = row!.done;
      if (first === 0 && done > 0) first = Date.now();
    }
    if (done !== events) throw new Error(`${done} of ${events} after ${RUN_MS_MAX} ms`);
    const seconds = (Date.now() - first) / 1_000;
    const cpu = children.reduce((sum, child) => sum + cpuSeconds(child.pid), 0);
    const [owners] = await sql<
      { n: number }[]
    >`select count(distinct instance)::int as n from commit_history where counted > 0`;
    return { seconds, cpu, sharing: owners!.n };
  } finally {
    for (const child of children) child.kill("SIGTERM");
    await Promise.all(children.map((child) => child.status));
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
const start = (await read(broker, server, "scaling-start", 1, 0)).cpu;
write(`a start costs ${start.toFixed(2)} CPU-s, which is taken off below`);
write(
  "| partitions | processes | that got records | events/s, first to last commit | service CPU-s per million |",
);
write(
  "| ---------- | --------- | ---------------- | ------------------------------ | ------------------------------------------ |",
);
for (const partitions of PARTITIONS) {
  const topic = `scaling-${partitions}`;
  await fill(broker, topic, partitions);
  for (const processes of PROCESSES) {
    const { seconds, cpu, sharing } = await read(broker, server, topic, processes);
    const rate = Math.round(EVENTS / Math.max(seconds, 0.05)).toLocaleString("en-US");
    write(
      `| ${partitions} | ${processes} | ${sharing} | ${rate} | ${
        ((cpu - processes * start) / EVENTS * 1e6).toFixed(2)
      } |`,
    );
  }
}
