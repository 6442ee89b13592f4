// `deno task bench clients [--events N] [--rounds N]`: what the way from the broker to a record's bytes costs with our decoding over kafkajs,
// with kafkajs alone, and with @platformatic/kafka. Each reading is a process of its own, in turn. Needs Java; takes the rivals from npm. Shell.
import { systemClock } from "../src/shared/clock.ts";
import { type Offset, type PartitionId, partitionId } from "../src/shared/units.ts";
import { messageOf } from "../src/shared/errors.ts";
import { silentLog } from "../src/shared/log.ts";
import { createKafkaSource } from "../src/source/kafka/source.ts";
import { type Codec, WireProducer } from "../tests/faults/produce_wire.ts";
import { startBroker } from "../tests/support/kafka_broker.ts";
import { createTopic } from "../tests/support/kafka_topics.ts";
import { cpuSeconds, median, numberFlag, peakMemoryMib, textFlag, write } from "./support.ts";

/** Exact version of the rival: not in deno.json, since the program does not use it. */
const RIVAL = "npm:@platformatic/kafka@2.12.1";
const PARTITIONS = 4;
const VALUE_BYTES = 340;
const PER_REQUEST = 4_000;
const MAX_BYTES_PER_PARTITION = 1024 * 1024;

interface Reading {
  readonly records: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly cpu: number;
  readonly peakMib: number;
}

/** Reads `events` records of the topic and adds up the lengths of their values. */
type Reader = (url: string, topic: string, events: number) => Promise<{ records: number; bytes: number }>;

const READERS: Readonly<Record<string, Reader>> = {
  async tidemark(url, topic, events) {
    let records = 0, bytes = 0;
    const source = createKafkaSource({
      connection: { brokers: [url], clientId: "tidemark-bench", tls: null, sasl: null },
      topic,
      group: crypto.randomUUID(),
      clock: systemClock,
      log: silentLog,
    });
    await source.open(new AbortController().signal);
    while (records < events) {
      const event = await source.poll(200);
      if (event.kind === "assigned") {
        const positions = new Map<PartitionId, Offset>();
        for (const { partition, logStart } of (await source.identify()).partitions) {
          positions.set(partitionId(partition), logStart);
        }
        source.resume(event.generation, positions);
      } else if (event.kind === "batch") {
        for (const run of event.batch.runs) {
          run.walk(event.batch.from, (_, start, end) => {
            records++;
            bytes += end - start;
          });
        }
      }
    }
    return { records, bytes };
  },
  async kafkajs(url, topic, events) {
    const { Kafka, logLevel } = await import("kafkajs");
    let records = 0, bytes = 0;
    const consumer = new Kafka({ brokers: [url], logLevel: logLevel.NOTHING }).consumer({
      groupId: crypto.randomUUID(),
      maxBytesPerPartition: MAX_BYTES_PER_PARTITION,
    });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    const done = Promise.withResolvers<void>();
    await consumer.run({
      eachBatch: ({ batch }) => {
        for (const { value } of batch.messages) {
          records++;
          bytes += value?.length ?? 0;
        }
        if (records >= events) done.resolve();
        return Promise.resolve();
      },
    });
    await done.promise;
    return { records, bytes };
  },
  async platformatic(url, topic, events) {
    const { Consumer } = await import(RIVAL);
    let records = 0, bytes = 0;
    const consumer = new Consumer({ groupId: crypto.randomUUID(), clientId: "bench", bootstrapBrokers: [url] });
    const stream = await consumer.consume({
      topics: [topic],
      mode: "earliest",
      autocommit: false,
      maxBytes: MAX_BYTES_PER_PARTITION,
      highWaterMark: 16_384,
    });
    for await (const message of stream) {
      records++;
      bytes += message.value.length;
      if (records >= events) break;
    }
    return { records, bytes };
  },
};

/** Fills a topic with JSON-like values of one size. */
async function fill(url: string, topic: string, events: number, codec: Codec): Promise<void> {
  const producer = await WireProducer.connect(url);
  const filler = "/shop/item?colour=blue&size=42&ref=mail ".repeat(20);
  try {
    for (let from = 0; from < events; from += PER_REQUEST) {
      const records = Array.from({ length: Math.min(PER_REQUEST, events - from) }, (_, i) => ({
        partition: (from + i) % PARTITIONS,
        value: new TextEncoder().encode(`{"n":${from + i},"url":"${filler}`.slice(0, VALUE_BYTES)),
        recordTime: Date.now(),
      }));
      await producer.send(topic, records, codec);
    }
  } finally {
    producer.close();
  }
}

/** One reading in a process of its own. */
async function reading(name: string, url: string, topic: string, events: number): Promise<Reading> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-lock", "--quiet", "--v8-flags=--max-semi-space-size=4", import.meta.filename!]
      .concat(["--read", name, "--url", url, "--topic", topic, "--events", String(events)]),
    stdin: "null",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`${name} failed`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

async function read(name: string): Promise<void> {
  const startedAt = performance.now(), before = cpuSeconds(Deno.pid);
  const counted = await READERS[name]!(textFlag("url")!, textFlag("topic")!, numberFlag("events", 0));
  const seconds = (performance.now() - startedAt) / 1000;
  write(JSON.stringify({
    ...counted,
    seconds,
    cpu: cpuSeconds(Deno.pid) - before,
    peakMib: peakMemoryMib(Deno.pid),
  }));
  Deno.exit(0);
}

async function compare(): Promise<void> {
  const events = numberFlag("events", 1_000_000), rounds = numberFlag("rounds", 3);
  await using broker = await startBroker();
  write(
    `${events.toLocaleString("en")} records of ${VALUE_BYTES} bytes, ${PARTITIONS} partitions, medians of ${rounds}\n`,
  );
  write("| codec | client | CPU-s per million | records/s | peak MiB |\n| --- | --- | --- | --- | --- |");
  for (const codec of ["none", "lz4", "zstd"] as const) {
    const topic = `clients_${codec}`;
    await createTopic(broker, topic, { partitions: PARTITIONS });
    await fill(broker.url, topic, events, codec);
    const readings: Record<string, Reading[]> = {};
    const failed: Record<string, string> = {};
    for (let round = 0; round < rounds; round++) {
      for (const name of Object.keys(READERS)) {
        if (name in failed) continue;
        try {
          (readings[name] ??= []).push(await reading(name, broker.url, topic, events));
        } catch (error) {
          failed[name] = messageOf(error);
        }
      }
    }
    for (const [name, list] of Object.entries(readings).filter(([name]) => !(name in failed))) {
      const { records, bytes } = list[0]!;
      if (list.some((one) => one.records !== records || one.bytes !== bytes)) write(`${name}: readings differ`);
      const of = (pick: (one: Reading) => number) => median(list.map(pick));
      const cells = [of(({ cpu }) => cpu / records * 1e6).toFixed(2), Math.round(of((one) => records / one.seconds))];
      write(`| ${codec} | ${name} | ${cells[0]} | ${cells[1]} | ${of(({ peakMib }) => peakMib).toFixed(0)} |`);
    }
    for (const name of Object.keys(failed)) write(`| ${codec} | ${name} | refused or failed | | |`);
  }
}

const name = textFlag("read");
if (name === undefined) await compare();
else await read(name);
