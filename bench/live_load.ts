// Live traffic at a given rate: ready-made record batches whose event times are set just before sending, so that the sender costs next to
// nothing beside the service that is measured. Shell: one TCP connection.
import { RecordBatchRun } from "../src/source/kafka/decode/record_run.ts";
import { crc32c } from "../src/source/kafka/decode/crc32c.ts";
import type { Offset } from "../src/shared/units.ts";
import { WireProducer } from "../tests/faults/produce_wire.ts";
import { seeded } from "./support.ts";
import { Traffic, type TrafficPlan } from "./traffic.ts";

const TICK_MS = 100;
/** Where fields of a record batch lie (Kafka record format v2). */
const BATCH = { lengthAt: 8, crcAt: 17, attributesAt: 21, baseTimeAt: 27, maxTimeAt: 35, countAt: 57, headerBytes: 61 };
/** `…T12:34:56.789Z"}` ends each value of the traffic. */
const TIME_BYTES = 24, AFTER_TIME_BYTES = 2;
/** Events are up to this old when they are sent. */
const DISORDER_MS = 900;
const VARIANTS = 8;

/** Batches of one partition, ready to be sent at any time. */
class Stock {
  readonly #batches: { bytes: Uint8Array; view: DataView; times: Int32Array; ages: Int32Array }[] = [];
  #at = 0;

  constructor(bytes: Uint8Array, random: () => number) {
    for (let at = 0; at < bytes.length;) {
      const size = 12 + new DataView(bytes.buffer, bytes.byteOffset + at).getInt32(BATCH.lengthAt);
      const batch = bytes.slice(at, at + size), view = new DataView(batch.buffer), times: number[] = [];
      view.setBigInt64(0, 0n);
      const count = view.getInt32(BATCH.countAt);
      new RecordBatchRun({
        bytes: batch,
        start: BATCH.headerBytes,
        end: size,
        baseOffset: 0,
        lastOffsetDelta: count - 1,
        count,
        timestamp: 0,
        appendTime: true,
      }).walk(0 as Offset, (_, _start, end) => times.push(end - AFTER_TIME_BYTES - TIME_BYTES));
      const ages = Int32Array.from(times, () => Math.floor(random() * DISORDER_MS));
      ages[0] = 0;
      this.#batches.push({ bytes: batch, view, times: Int32Array.from(times), ages });
      at += size;
    }
  }

  /** At least `events` events as if they had just happened, back to back; how many they are. */
  take(events: number, now: number): { bytes: Uint8Array[]; events: number } {
    const taken: Uint8Array[] = [];
    let left = events;
    while (left > 0) {
      const { bytes, view, times, ages } = this.#batches[this.#at++ % this.#batches.length]!;
      const texts = new Map<number, Uint8Array>();
      for (let i = 0; i < times.length; i++) {
        const time = now - ages[i]!;
        let text = texts.get(time);
        if (!text) texts.set(time, text = new TextEncoder().encode(new Date(time).toISOString()));
        bytes.set(text, times[i]!);
      }
      view.setBigInt64(BATCH.baseTimeAt, BigInt(now));
      view.setBigInt64(BATCH.maxTimeAt, BigInt(now));
      view.setUint32(BATCH.crcAt, crc32c(bytes, BATCH.attributesAt, bytes.length));
      taken.push(bytes);
      left -= times.length;
    }
    return { bytes: taken, events: events - left };
  }
}

/** When each partition's log held an event of at least this time (all by the clock of this process). */
export interface Passed {
  readonly eventTime: number;
  readonly at: number;
  /** Events sent so far. */
  readonly sent: number;
}

/** A sender. `run` may be called again. */
export class LiveLoad {
  readonly #stocks: Stock[];

  constructor(readonly url: string, readonly topic: string, readonly plan: TrafficPlan) {
    const traffic = new Traffic(plan), random = seeded(plan.seed);
    this.#stocks = traffic.slice(plan.partitions * VARIANTS * 1_000).map(({ bytes }) => new Stock(bytes, random));
  }

  /** Sends at `rate` events/s until the signal aborts or `events` are sent; tells after each tick what all partitions hold. */
  async run(
    options: { rate: number; events?: number; signal?: AbortSignal; onPassed?: (passed: Passed) => void },
  ): Promise<number> {
    const { rate, events = Infinity, signal, onPassed } = options;
    const producer = await WireProducer.connect(this.url);
    const startedAt = performance.now();
    let sent = 0;
    try {
      while (!signal?.aborted && sent < events) {
        const due = Math.min(events, Math.ceil(rate * (performance.now() - startedAt + TICK_MS) / 1000)) - sent;
        const now = Date.now();
        const share = Math.ceil(due / this.#stocks.length);
        if (share > 0) {
          const lists = this.#stocks.map((stock) => stock.take(Math.min(share, 20_000), now));
          // One batch a partition and request: the broker wants exactly one.
          const longest = Math.max(...lists.map(({ bytes }) => bytes.length));
          for (let i = 0; i < longest; i++) {
            await producer.sendBatches(
              this.topic,
              lists.flatMap(({ bytes }, partition) => bytes[i] ? [{ partition, bytes: bytes[i]! }] : []),
            );
          }
          sent += lists.reduce((sum, list) => sum + list.events, 0);
          onPassed?.({ eventTime: now, at: Date.now(), sent });
        }
        const ahead = sent / rate * 1000 - (performance.now() - startedAt);
        if (ahead > 0) await new Promise((resolve) => setTimeout(resolve, Math.min(ahead, TICK_MS)));
      }
    } finally {
      producer.close();
    }
    return sent;
  }
}
