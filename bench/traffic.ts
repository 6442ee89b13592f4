// Events in memory as a broker would hand them out, for benchmarks without one. Pure: the same plan gives the same bytes.
import { encodeBatch } from "../tests/faults/produce_wire.ts";
import { seeded } from "./support.ts";

export const WINDOW_MS = 300_000;
/** Start of the first window of every plan. */
export const FIRST_WINDOW = Date.UTC(2026, 2, 1, 10);
/** The Java producer's default. */
const BATCH_BYTES = 16 * 1024;

/** What the traffic looks like. */
export interface TrafficPlan {
  readonly seed: number;
  readonly partitions: number;
  /** Distinct (host, referrer, place) that events are drawn from, evenly. */
  readonly keys: number;
  /** Size of one value. */
  readonly valueBytes: number;
  /** Windows that are open at the same time; events fall into them at random. */
  readonly windows: number;
  /** Values that a producer puts into one batch, in bytes; by default as many as the Java client. */
  readonly batchBytes?: number;
}

/** Records of one partition, back to back as in a fetch, and where they lie in its log. */
export interface PartitionBytes {
  readonly partition: number;
  readonly from: number;
  readonly next: number;
  readonly bytes: Uint8Array;
}

const AGENTS = [
  "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101",
  "Mozilla/5.0 (Windows NT 10.0; Win64) Chrome/126.0.0.0",
  "Googlebot/2.1 (+http://www.google.com/bot.html)",
];
const ADDRESSES = 100_000;
const utf8 = new TextEncoder();

/** Number of distinct places in a plan; address number a lies in place a modulo this. */
export const placesOf = ({ keys }: Pick<TrafficPlan, "keys">): number => {
  const { hosts, referrers } = sites(keys);
  return Math.max(1, Math.round(keys / (hosts * referrers)));
};

const sites = (keys: number) => keys < 20_000 ? { hosts: 20, referrers: 10 } : { hosts: 200, referrers: 100 };

/** An endless log, made slice by slice so that a million keys need no gigabyte. */
export class Traffic {
  readonly #random: () => number;
  readonly #next: number[];

  constructor(readonly plan: TrafficPlan) {
    this.#random = seeded(plan.seed);
    this.#next = new Array(plan.partitions).fill(0);
  }

  /** The next `events` events, spread over the partitions in turn. */
  slice(events: number): PartitionBytes[] {
    const { partitions } = this.plan;
    const values: Uint8Array[][] = Array.from({ length: partitions }, () => []);
    for (let i = 0; i < events; i++) values[i % partitions]!.push(this.#value());
    return values.map((list, partition) => {
      const from = this.#next[partition]!;
      this.#next[partition] = from + list.length;
      return {
        partition,
        from,
        next: from + list.length,
        bytes: batches(list, from, this.plan.batchBytes ?? BATCH_BYTES),
      };
    });
  }

  /** The same events again, behind those that were given out last: only the batches' offsets change. */
  again(slice: readonly PartitionBytes[]): PartitionBytes[] {
    return slice.map(({ partition, from, next, bytes }) => {
      const begin = this.#next[partition]!, moved = BigInt(begin - from);
      this.#next[partition] = begin + next - from;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let at = 0; at < bytes.length; at += 12 + view.getInt32(at + 8)) {
        view.setBigInt64(at, view.getBigInt64(at) + moved);
      }
      return { partition, from: begin, next: begin + next - from, bytes };
    });
  }

  #value(): Uint8Array {
    const { keys, valueBytes, windows } = this.plan;
    const below = (n: number) => Math.floor(this.#random() * n);
    const { hosts, referrers } = sites(keys);
    const places = placesOf(this.plan);
    const host = below(hosts), referrer = below(referrers), place = below(places);
    const address = place + places * below(Math.max(1, Math.floor(ADDRESSES / places)));
    const time = FIRST_WINDOW + below(windows) * WINDOW_MS + below(WINDOW_MS);
    const head =
      `{"host":"www.site-${host}.example.com","referrer":"${referrer === 0 ? "" : `https://r${referrer}.example/`}",` +
      `"ip":"11.${address >>> 16 & 255}.${address >>> 8 & 255}.${address & 255}","user_agent":"${
        AGENTS[below(AGENTS.length)]
      }",`;
    const tail = `"event_time":"${new Date(time).toISOString()}"}`;
    // What is not read is still looked at: it fills the value up to its size.
    const filler = valueBytes - head.length - tail.length - 10;
    return utf8.encode(
      head + (filler > 0 ? `"url":"/${"abcdefghi-".repeat(filler / 10 + 1).slice(0, filler - 1)}",` : "") + tail,
    );
  }
}

function batches(values: readonly Uint8Array[], from: number, batchBytes: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let records: { partition: number; recordTime: number; value: Uint8Array }[] = [], bytes = 0, base = from;
  const flush = () => {
    if (records.length === 0) return;
    const batch = encodeBatch(records);
    // The broker gives a batch its offsets; the checksum does not cover them.
    new DataView(batch.buffer).setBigInt64(0, BigInt(base));
    parts.push(batch);
    base += records.length;
    records = [];
    bytes = 0;
  };
  for (const value of values) {
    records.push({ partition: 0, recordTime: FIRST_WINDOW + 12 * WINDOW_MS, value });
    bytes += value.length;
    if (bytes >= batchBytes) flush();
  }
  flush();
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
