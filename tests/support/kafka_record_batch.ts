// Encodes Kafka record batches (format v2), legacy messages and Fetch v11 responses, byte by byte, independently of the decoder under test.
import { Buffer } from "node:buffer";
import zlib from "node:zlib";
import lz4 from "lz4js";
import snappy from "snappyjs";

/** One record. Without a delta, offsets count up from the batch's base. */
export interface RecordSpec {
  readonly value: string | Uint8Array | null;
  readonly key?: string | Uint8Array | null;
  /** Delta to the batch's base timestamp, ms. */
  readonly timeDelta?: number;
  readonly offsetDelta?: number;
  readonly headers?: readonly (readonly [string, string])[];
}

/** A batch, and the faults that a test can put into it. */
export interface BatchSpec {
  readonly baseOffset: number;
  readonly records: readonly RecordSpec[];
  readonly codec?: number;
  /** Snappy only: raw instead of xerial framing. */
  readonly rawSnappy?: boolean;
  readonly baseTimestamp?: number;
  readonly maxTimestamp?: number;
  readonly appendTime?: boolean;
  readonly producerId?: number;
  readonly transactional?: boolean;
  readonly control?: boolean;
  readonly lastOffsetDelta?: number;
  readonly count?: number;
  /** Replaces the encoded records before compression. */
  readonly body?: Uint8Array;
  readonly badCrc?: boolean;
}

const utf8 = (text: string) => new TextEncoder().encode(text);
const bytesOf = (value: string | Uint8Array) => typeof value === "string" ? utf8(value) : value;

/** A zigzag base-128 number. */
export function varint(value: number): Uint8Array {
  let n = (BigInt(value) << 1n) ^ (BigInt(value) >> 63n);
  const out: number[] = [];
  do {
    const low = Number(n & 127n);
    n >>= 7n;
    out.push(n > 0n ? low | 128 : low);
  } while (n > 0n);
  return Uint8Array.from(out);
}

const int64 = (value: number) => {
  const out = Buffer.alloc(8);
  out.writeBigInt64BE(BigInt(value));
  return out;
};
const int32 = (value: number) => {
  const out = Buffer.alloc(4);
  out.writeInt32BE(value);
  return out;
};
const int16 = (value: number) => {
  const out = Buffer.alloc(2);
  out.writeInt16BE(value);
  return out;
};
const field = (value: string | Uint8Array | null | undefined) =>
  value === null || value === undefined ? [varint(-1)] : [varint(bytesOf(value).length), bytesOf(value)];

/** The body of one record with its length. */
export function encodeRecord(spec: RecordSpec, index: number): Uint8Array {
  const headers = spec.headers ?? [];
  const body = Buffer.concat([
    Uint8Array.of(0),
    varint(spec.timeDelta ?? 0),
    varint(spec.offsetDelta ?? index),
    ...field(spec.key),
    ...field(spec.value),
    varint(headers.length),
    ...headers.flatMap(([name, value]) => [...field(name), ...field(value)]),
  ]);
  return Buffer.concat([varint(body.length), body]);
}

/** The bit-by-bit CRC-32C: the slow twin of the one under test. */
export const slowCrc32c = (bytes: Uint8Array): number => slowCrc(bytes, 0x82f63b78);
/** The CRC-32 of the old formats (zip's). */
const slowCrc32 = (bytes: Uint8Array): number => slowCrc(bytes, 0xedb88320);

function slowCrc(bytes: Uint8Array, polynomial: number): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ polynomial : crc >>> 1;
  }
  return ~crc >>> 0;
}

/** Compresses as producers do. */
export function compress(codec: number, body: Uint8Array, rawSnappy = false): Uint8Array {
  switch (codec) {
    case 1:
      return zlib.gzipSync(body);
    case 2: {
      const block = snappy.compress(new Uint8Array(body)) as Uint8Array;
      const magic = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0);
      return rawSnappy ? block : Buffer.concat([magic, int32(1), int32(1), int32(block.length), block]);
    }
    case 3:
      return lz4.compress(body);
    case 4:
      return zlib.zstdCompressSync(body);
    default:
      return body;
  }
}

/** A record batch of format v2. */
export function encodeBatch(spec: BatchSpec): Uint8Array {
  const codec = spec.codec ?? 0;
  const plain = spec.body ?? Buffer.concat(spec.records.map(encodeRecord));
  const deltas = spec.records.map(({ offsetDelta }, i) => offsetDelta ?? i);
  const attributes = codec | (spec.appendTime ? 8 : 0) | (spec.transactional || spec.control ? 16 : 0) |
    (spec.control ? 32 : 0);
  const checked = Buffer.concat([
    int16(attributes),
    int32(spec.lastOffsetDelta ?? Math.max(0, ...deltas)),
    int64(spec.baseTimestamp ?? 1_000_000),
    int64(spec.maxTimestamp ?? spec.baseTimestamp ?? 1_000_000),
    int64(spec.producerId ?? -1),
    int16(0), // producer epoch
    int32(0), // base sequence
    int32(spec.count ?? spec.records.length),
    compress(codec, plain, spec.rawSnappy),
  ]);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE((slowCrc32c(checked) ^ (spec.badCrc ? 1 : 0)) >>> 0);
  const rest = Buffer.concat([int32(0), Uint8Array.of(2), crc, checked]);
  return Buffer.concat([int64(spec.baseOffset), int32(rest.length), rest]);
}

/** The marker that ends a transaction: a control batch of one record. */
export function encodeMarker(spec: { baseOffset: number; producerId: number; type: "abort" | "commit" }): Uint8Array {
  return encodeBatch({
    baseOffset: spec.baseOffset,
    producerId: spec.producerId,
    control: true,
    records: [{ key: Buffer.concat([int16(0), int16(spec.type === "abort" ? 0 : 1)]), value: new Uint8Array(6) }],
  });
}

/** A message of format 0 or 1. With `codec` it is a compressed wrapper, and `value` is the inner set. */
export function encodeLegacyMessage(
  spec: {
    offset: number;
    magic: 0 | 1;
    value: Uint8Array | null;
    key?: Uint8Array;
    timestamp?: number;
    codec?: number;
    /** Whether the broker set the wrapper's time (LogAppendTime). */
    appendTime?: boolean;
    badCrc?: boolean;
  },
): Uint8Array {
  const codec = spec.codec ?? 0;
  const value = spec.value === null ? null : compress(codec, spec.value);
  const checked = Buffer.concat([
    Uint8Array.of(spec.magic, codec | (spec.appendTime ? 8 : 0)),
    ...(spec.magic === 1 ? [int64(spec.timestamp ?? -1)] : []),
    ...(spec.key === undefined ? [int32(-1)] : [int32(spec.key.length), spec.key]),
    ...(value === null ? [int32(-1)] : [int32(value.length), value]),
  ]);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE((slowCrc32(checked) ^ (spec.badCrc ? 1 : 0)) >>> 0);
  const message = Buffer.concat([crc, checked]);
  return Buffer.concat([int64(spec.offset), int32(message.length), message]);
}

/** One partition of a response. */
export interface PartitionSpec {
  readonly partition: number;
  readonly errorCode?: number;
  readonly logEnd?: number;
  readonly lastStable?: number;
  readonly logStart?: number;
  readonly aborted?: readonly { readonly producerId: number; readonly firstOffset: number }[];
  readonly records?: Uint8Array;
}

/** A Fetch v11 response body. */
export function encodeFetchResponse(topic: string, partitions: readonly PartitionSpec[]): Uint8Array {
  return Buffer.concat([
    int32(7), // throttle time
    int16(0),
    int32(0),
    int32(1),
    int16(utf8(topic).length),
    utf8(topic),
    int32(partitions.length),
    ...partitions.flatMap((part) => [
      int32(part.partition),
      int16(part.errorCode ?? 0),
      int64(part.logEnd ?? 0),
      int64(part.lastStable ?? part.logEnd ?? 0),
      int64(part.logStart ?? 0),
      int32(part.aborted?.length ?? -1),
      ...(part.aborted ?? []).flatMap(({ producerId, firstOffset }) => [int64(producerId), int64(firstOffset)]),
      int32(-1),
      int32(part.records?.length ?? -1),
      part.records ?? new Uint8Array(0),
    ]),
  ]);
}
