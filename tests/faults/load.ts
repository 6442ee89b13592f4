// Sends a generated load to a broker, and reads topics back for the oracle through plain kafkajs. Shell.
import { CompressionCodecs, CompressionTypes } from "kafkajs";
import { Buffer } from "node:buffer";
import zlib from "node:zlib";
import lz4 from "lz4js";
import snappy from "snappyjs";
import { withAdmin } from "../support/kafka_topics.ts";
import { brokerClient, type TestBroker } from "../support/kafka_broker.ts";
import { generate, type GeneratedRecord, type LoadPlan } from "./generator.ts";
import type { LoggedRecord } from "./oracle.ts";
import { type Codec, RefusedError, WireProducer } from "./produce_wire.ts";

/** How a load is sent. */
export interface SendOptions {
  /** First and last record (exclusive) of the plan; all of it by default. */
  readonly from?: number;
  readonly to?: number;
  /** Records per second; as fast as possible by default. */
  readonly rate?: number;
  readonly codec?: Codec;
  /** Stops sending when aborted; what was sent stays. */
  readonly signal?: AbortSignal;
  /** A {@link PatientSender} by default. */
  readonly sender?: new (broker: TestBroker, topic: string, signal?: AbortSignal) => Sender;
}

/** Sends batches in order. */
export interface Sender {
  /** Returns whether the records are in: false when the signal came first. */
  send(records: readonly GeneratedRecord[], codec?: Codec): Promise<boolean>;
  close(): void;
}

const CHUNK = 4_000;
const BROKER_AWAY_MS_MAX = 300_000;

/** Sends records to one topic; a broker that is away is awaited. What was under way when it went may be in the log twice. */
export class PatientSender implements Sender {
  #producer: WireProducer | undefined;

  constructor(readonly broker: TestBroker, readonly topic: string, readonly signal?: AbortSignal) {}

  async send(records: readonly GeneratedRecord[], codec: Codec = "none"): Promise<boolean> {
    for (const deadline = performance.now() + BROKER_AWAY_MS_MAX;;) {
      try {
        this.#producer ??= await WireProducer.connect(this.broker.url);
        await this.#producer.send(this.topic, records, codec);
        return true;
      } catch (error) {
        this.close();
        if (this.signal?.aborted) return false;
        if (error instanceof RefusedError || performance.now() > deadline) throw error;
        await pause(300);
      }
    }
  }

  close(): void {
    this.#producer?.close();
    this.#producer = undefined;
  }
}

/** Sends records of the plan in order. Returns the number of the record after the last one sent. */
export async function sendLoad(
  broker: TestBroker,
  topic: string,
  plan: LoadPlan,
  options: SendOptions = {},
): Promise<number> {
  const { from = 0, to = plan.events, rate = Infinity, codec = "none", signal, sender: Sends = PatientSender } =
    options;
  const startedAt = performance.now();
  const sender = new Sends(broker, topic, signal);
  let at = from;
  try {
    while (at < to && !signal?.aborted) {
      const end = Math.min(to, at + CHUNK, at + Math.max(1, Math.ceil(rate / 10)));
      const records: GeneratedRecord[] = [];
      for (let n = at; n < end; n++) records.push(generate(plan, n));
      if (!await sender.send(records, codec)) return at;
      at = end;
      await pause((at - from) / rate * 1000 - (performance.now() - startedAt));
    }
    return at;
  } finally {
    sender.close();
  }
}

// kafkajs knows gzip alone; its own decoding, not Tidemark's, reads for the oracle.
const unpack = (decompress: (bytes: Uint8Array) => Uint8Array) => () => ({
  compress: () => Promise.reject(new Error("the oracle only reads")),
  decompress: (bytes: Uint8Array) => Promise.resolve(Buffer.from(decompress(bytes))),
});
CompressionCodecs[CompressionTypes.Snappy] = unpack((bytes) => snappy.uncompress(bytes));
CompressionCodecs[CompressionTypes.LZ4] = unpack((bytes) => lz4.decompress(bytes));
CompressionCodecs[CompressionTypes.ZSTD] = unpack((bytes) => zlib.zstdDecompressSync(bytes));

/** Bounds of each partition: first offset and log end offset. */
export async function topicBounds(
  broker: TestBroker,
  topic: string,
): Promise<{ partition: number; low: number; high: number }[]> {
  const offsets = await withAdmin(broker, (admin) => admin.fetchTopicOffsets(topic));
  return offsets.map((o) => ({ partition: o.partition, low: Number(o.low), high: Number(o.high) }))
    .sort((a, b) => a.partition - b.partition);
}

/**
 * Hands every record of the topic to `visit`, in order within each partition, and awaits `afterBatch` after each batch. The log must not
 * grow meanwhile, and the last offset of each partition must be a record (not a transaction marker).
 */
export async function readTopic(
  broker: TestBroker,
  topic: string,
  visit: (record: LoggedRecord) => void,
  afterBatch?: () => Promise<void>,
): Promise<void> {
  const bounds = await topicBounds(broker, topic);
  const open = new Map(bounds.filter(({ low, high }) => high > low).map(({ partition, high }) => [partition, high]));
  if (open.size === 0) return;
  const consumer = brokerClient(broker).consumer({
    groupId: `oracle-${crypto.randomUUID()}`,
    maxBytesPerPartition: 2 * 1024 * 1024,
    maxWaitTimeInMs: 100,
  });
  await consumer.connect();
  try {
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    const done = Promise.withResolvers<void>();
    let moved = performance.now();
    const watchdog = setInterval(() => {
      if (performance.now() - moved > 60_000) {
        done.reject(new Error(`${topic} could not be read to its end: ${[...open]}`));
      }
    }, 1_000);
    try {
      await consumer.run({
        autoCommit: false,
        eachBatch: async ({ batch }) => {
          moved = performance.now();
          const end = open.get(batch.partition);
          if (end === undefined) return;
          for (const { offset, value, timestamp } of batch.messages) {
            visit({ partition: batch.partition, offset: Number(offset), value, recordTime: Number(timestamp) });
          }
          try {
            await afterBatch?.();
          } catch (error) {
            done.reject(error); // kafkajs would try the batch again
          }
          if (Number(batch.lastOffset()) + 1 >= end) open.delete(batch.partition);
          if (open.size === 0) done.resolve();
        },
      });
      await done.promise;
    } finally {
      clearInterval(watchdog);
    }
  } finally {
    await consumer.disconnect();
  }
}

/** Waits; not at all where `ms` is not positive. */
export const pause = (ms: number): Promise<void> =>
  ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : Promise.resolve();
