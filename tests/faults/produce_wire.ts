// Sends record batches to one broker over its wire protocol: kafkajs' producer takes 40 µs a record, this about 2. Shell: one TCP connection.
// Formats: Kafka protocol guide, Produce v7 and record batch v2 (KIP-98).
import zlib from "node:zlib";
import lz4 from "lz4js";
import snappy from "snappyjs";
import type { GeneratedRecord } from "./generator.ts";

/** Compression of a batch, by its number in the record format. */
export const CODECS = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;
export type Codec = keyof typeof CODECS;

const PRODUCE = 0;
const PRODUCE_VERSION = 7;
const ACKS_LEADER = 1;
/** All replicas in sync must have taken a batch before it is acknowledged. */
export const ACKS_ALL = -1;
const BATCH_HEADER_BYTES = 61;
/** Attributes to records: what the checksum covers. */
const CRC_FROM = 21;
const RECORD_OVERHEAD_MAX = 32;

/** Errors that pass: unknown topic or partition, leader not available, not the leader, timed out, not enough replicas before and after. */
const PASSING_ERRORS = new Set([3, 5, 6, 7, 19, 20]);

/** The broker will never take this batch. */
export class RefusedError extends Error {
  constructor(partition: number, code: number) {
    super(`The broker refused a batch of partition ${partition}: error ${code}`);
  }
}

/** One connection to a broker that leads every partition that is sent through it. Not for concurrent use. */
export class WireProducer {
  #correlation = 0;

  private constructor(readonly connection: Deno.TcpConn, readonly acks: number) {}

  static async connect(
    url: string,
    { acks = ACKS_LEADER, signal }: { readonly acks?: number; readonly signal?: AbortSignal } = {},
  ): Promise<WireProducer> {
    const at = url.lastIndexOf(":");
    const connection = await Deno.connect({
      hostname: url.slice(0, at),
      port: Number(url.slice(at + 1)),
      ...(signal && { signal }),
    });
    connection.setNoDelay(true);
    return new WireProducer(connection, acks);
  }

  /** Sends one batch a partition. @throws Error where the broker refuses, or the connection breaks: then it is not known what arrived */
  async send(topic: string, records: readonly GeneratedRecord[], codec: Codec = "none"): Promise<void> {
    if (records.length === 0) return;
    const byPartition = new Map<number, GeneratedRecord[]>();
    for (const record of records) {
      const list = byPartition.get(record.partition);
      if (list) list.push(record);
      else byPartition.set(record.partition, [record]);
    }
    const batches = [...byPartition].map(([partition, list]) => ({ partition, bytes: encodeBatch(list, codec) }));
    await this.sendBatches(topic, batches);
  }

  /** Sends batches as they are. */
  async sendBatches(topic: string, batches: readonly { partition: number; bytes: Uint8Array }[]): Promise<void> {
    const name = new TextEncoder().encode(topic);
    const size = 4 + 8 + 2 + 2 + 2 + 4 + 4 + 2 + name.length + 4 +
      batches.reduce((sum, { bytes }) => sum + 8 + bytes.length, 0);
    const request = new Uint8Array(size);
    const view = new DataView(request.buffer);
    let at = 0;
    const int16 = (value: number) => (view.setInt16(at, value), at += 2);
    const int32 = (value: number) => (view.setInt32(at, value), at += 4);
    const raw = (bytes: Uint8Array) => (request.set(bytes, at), at += bytes.length);
    int32(size - 4);
    int16(PRODUCE);
    int16(PRODUCE_VERSION);
    int32(++this.#correlation);
    int16(-1); // client id
    int16(-1); // transactional id
    int16(this.acks);
    int32(30_000);
    int32(1);
    int16(name.length);
    raw(name);
    int32(batches.length);
    for (const { partition, bytes } of batches) {
      int32(partition);
      int32(bytes.length);
      raw(bytes);
    }
    await writeAll(this.connection, request);
    this.#check(await this.#response());
  }

  close(): void {
    this.connection.close();
  }

  async #response(): Promise<DataView> {
    const head = await readExactly(this.connection, 4);
    return new DataView((await readExactly(this.connection, new DataView(head.buffer).getInt32(0))).buffer);
  }

  #check(view: DataView): void {
    let at = 4;
    const topics = view.getInt32(at);
    at += 4;
    for (let t = 0; t < topics; t++) {
      at += 2 + view.getInt16(at);
      const partitions = view.getInt32(at);
      at += 4;
      for (let p = 0; p < partitions; p++) {
        const error = view.getInt16(at + 4);
        if (error !== 0 && !PASSING_ERRORS.has(error)) throw new RefusedError(view.getInt32(at), error);
        if (error !== 0) throw new Error(`Partition ${view.getInt32(at)} is not ready: error ${error}`);
        at += 4 + 2 + 8 + 8 + 8;
      }
    }
  }
}

/** A record batch without producer id: the broker gives it its offsets. */
export function encodeBatch(records: readonly GeneratedRecord[], codec: Codec = "none"): Uint8Array {
  const baseTime = records[0]!.recordTime;
  let bound = 0;
  for (const { value } of records) bound += RECORD_OVERHEAD_MAX + (value?.length ?? 0);
  const body = new Uint8Array(bound);
  const head = new Uint8Array(RECORD_OVERHEAD_MAX);
  let at = 0;
  let maxTime = baseTime;
  for (let i = 0; i < records.length; i++) {
    const { value, recordTime } = records[i]!;
    if (recordTime > maxTime) maxTime = recordTime;
    let h = 1; // attributes
    head[0] = 0;
    h = varint(head, h, recordTime - baseTime);
    h = varint(head, h, i);
    h = varint(head, h, -1); // key
    h = varint(head, h, value === null ? -1 : value.length);
    at = varint(body, at, h + (value?.length ?? 0) + 1);
    body.set(head.subarray(0, h), at);
    at += h;
    if (value !== null) {
      body.set(value, at);
      at += value.length;
    }
    body[at++] = 0; // headers
  }
  return frameBatch({
    packed: compress(body.subarray(0, at), codec),
    codec,
    records: records.length,
    baseTime,
    maxTime,
  });
}

/** The batch around a body that is compressed already (or only says so). */
export function frameBatch(
  { packed, codec, records, baseTime, maxTime }: {
    readonly packed: Uint8Array;
    readonly codec: Codec;
    readonly records: number;
    readonly baseTime: number;
    readonly maxTime: number;
  },
): Uint8Array {
  const batch = new Uint8Array(BATCH_HEADER_BYTES + packed.length);
  const view = new DataView(batch.buffer);
  view.setInt32(8, batch.length - 12);
  view.setInt32(12, -1); // leader epoch
  view.setInt8(16, 2); // magic
  view.setInt16(21, CODECS[codec]);
  view.setInt32(23, records - 1);
  view.setBigInt64(27, BigInt(baseTime));
  view.setBigInt64(35, BigInt(maxTime));
  view.setBigInt64(43, -1n); // producer id
  view.setInt16(51, -1);
  view.setInt32(53, -1);
  view.setInt32(57, records);
  batch.set(packed, BATCH_HEADER_BYTES);
  view.setUint32(17, crc32c(batch.subarray(CRC_FROM)));
  return batch;
}

function compress(bytes: Uint8Array, codec: Codec): Uint8Array {
  switch (codec) {
    case "none":
      return bytes;
    case "gzip":
      return zlib.gzipSync(bytes);
    case "snappy":
      return snappy.compress(bytes);
    case "lz4": {
      const frame = lz4.compress(bytes);
      // Kafka wants frames that call their blocks independent; lz4js' only block is. Third: the header's checksum.
      frame.set([0x60, 0x70, 0x73], 4);
      return frame;
    }
    case "zstd":
      return zlib.zstdCompressSync(bytes);
  }
}

/** Writes a zigzag base-128 number; returns the position after it. */
function varint(out: Uint8Array, at: number, value: number): number {
  let rest = value < 0 ? -2 * value - 1 : 2 * value;
  while (rest >= 128) {
    out[at++] = rest % 128 | 128;
    rest = Math.floor(rest / 128);
  }
  out[at++] = rest;
  return at;
}

/** Tables of CRC-32C (Castagnoli), eight bytes a step ("slicing by 8", Kounavis and Berry 2005). */
const TABLES = (() => {
  const tables = Array.from({ length: 8 }, () => new Int32Array(256));
  for (let i = 0; i < 256; i++) {
    let c = i;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
    tables[0]![i] = c;
  }
  for (let i = 0; i < 256; i++) {
    for (let t = 1; t < 8; t++) {
      const c = tables[t - 1]![i]!;
      tables[t]![i] = (c >>> 8) ^ tables[0]![c & 255]!;
    }
  }
  return tables;
})();

function crc32c(bytes: Uint8Array): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES as [
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  let crc = -1;
  let i = 0;
  for (; i + 8 <= bytes.length; i += 8) {
    crc ^= bytes[i]! | bytes[i + 1]! << 8 | bytes[i + 2]! << 16 | bytes[i + 3]! << 24;
    crc = t7[crc & 255]! ^ t6[(crc >>> 8) & 255]! ^ t5[(crc >>> 16) & 255]! ^ t4[crc >>> 24]! ^
      t3[bytes[i + 4]!]! ^ t2[bytes[i + 5]!]! ^ t1[bytes[i + 6]!]! ^ t0[bytes[i + 7]!]!;
  }
  for (; i < bytes.length; i++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[i]!) & 255]!;
  return (crc ^ -1) >>> 0;
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
}

async function readExactly(connection: Deno.TcpConn, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(size);
  for (let done = 0; done < size;) {
    const count = await connection.read(bytes.subarray(done));
    if (count === null) throw new Error("The broker closed the connection");
    done += count;
  }
  return bytes;
}
