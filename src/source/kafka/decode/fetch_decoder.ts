// Decodes a Fetch v11 response into one entry per partition, with the record batches still as bytes. Pure.
//
// It replaces kafkajs' own decoder (see fetch_hook.ts), which makes several objects per record, checks no checksum, delivers some aborted
// records and hides error codes. batch_reader.ts decodes the records when the engine polls.

/** An aborted transaction that overlaps the fetched range: its producer and first offset. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

/** One partition's part of a fetch response. Offsets are exact to 2^53. */
export interface PartitionResponse {
  readonly partition: number;
  /** Kafka error code, 0 = none. */
  readonly errorCode: number;
  /** Kafka's high watermark; −1 with an error. */
  readonly logEnd: number;
  readonly lastStable: number;
  readonly logStart: number;
  readonly aborted: readonly AbortedTransaction[];
  /** The record batches as sent; the last one may be cut off. A view of the response. */
  readonly records: Uint8Array;
}

export interface FetchResponse {
  readonly throttleMs: number;
  readonly errorCode: number;
  readonly sessionId: number;
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly PartitionResponse[] }[];
}

/** The bytes are not a Fetch v11 response at all. */
export class MalformedResponse extends Error {
  override readonly name = "MalformedResponse";
}

const text = new TextDecoder();

/**
 * Decodes the body of a Fetch v11 response (after the correlation id).
 *
 * @throws MalformedResponse if a length or count points outside the response
 */
export function decodeFetchResponse(raw: Uint8Array): FetchResponse {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  let p = 0;
  /** Moves over `size` bytes and returns where they started. */
  const take = (size: number): number => {
    if (!(size >= 0 && p + size <= raw.length)) throw new MalformedResponse(`The response ends within a field at ${p}`);
    const at = p;
    p += size;
    return at;
  };
  const int16 = () => view.getInt16(take(2));
  const int32 = () => view.getInt32(take(4));
  const int64 = () => readInt64(view, take(8));
  /** A count of elements of at least `size` bytes each; the check keeps a broken count from causing endless work. */
  const count = (size: number): number => {
    const n = int32();
    if (n > (raw.length - p) / size) throw new MalformedResponse(`The response holds no ${n} elements at ${p}`);
    return Math.max(n, 0); // −1 means null
  };
  const throttleMs = int32(), errorCode = int16(), sessionId = int32();
  const topics = Array.from({ length: count(6) }, () => {
    const name = take(int16());
    const topic = text.decode(raw.subarray(name, p));
    const partitions = Array.from({ length: count(42) }, (): PartitionResponse => {
      const partition = int32(), error = int16(), logEnd = int64(), lastStable = int64(), logStart = int64();
      const aborted = Array.from({ length: count(16) }, () => ({ producerId: int64(), firstOffset: int64() }));
      take(4); // preferred read replica: never set, because no rack is sent
      const size = Math.max(int32(), 0);
      const start = take(size);
      return { partition, errorCode: error, logEnd, lastStable, logStart, aborted, records: raw.subarray(start, p) };
    });
    return { topic, partitions };
  });
  return { throttleMs, errorCode, sessionId, topics };
}

/** A signed 64-bit integer, exact to 2^53. Two 32-bit halves take a tenth of the time of a BigInt. */
export function readInt64(view: DataView, at: number): number {
  return view.getInt32(at) * 4294967296 + view.getUint32(at + 4);
}

/** Sizes and positions in a record batch of format v2 (Kafka protocol, "Record Batch"). */
export const BATCH = {
  /** Offset and length; the length counts what follows. */
  prefixBytes: 12,
  headerBytes: 61,
  lengthAt: 8,
  magicAt: 16,
  crcAt: 17,
  attributesAt: 21,
  lastOffsetDeltaAt: 23,
  baseTimestampAt: 27,
  maxTimestampAt: 35,
  producerIdAt: 43,
  countAt: 57,
} as const;

/** Bits of a batch's attributes. */
export const ATTRIBUTE = { codec: 7, appendTime: 8, transactional: 16, control: 32 } as const;

/** Bytes up to and including the magic, and the shortest legacy message's length field. */
const MAGIC_END = 17, LEGACY_LENGTH_MIN = 14;

/** The batch headers of one partition's records. */
interface BatchScan {
  /** Offset of the first batch, or −1 without one. */
  readonly firstOffset: number;
  /** The position after the last complete batch; `from` without one. */
  readonly next: number;
  /** Bytes that hold complete batches; the rest is a batch that was cut off. */
  readonly completeBytes: number;
  /** Why reading cannot go on after the complete batches, or `null`. */
  readonly fault: { readonly offset: number; readonly reason: string } | null;
}

/** Reads the batch headers of one partition's records, which were fetched from position `from`. */
export function scanBatches(records: Uint8Array, from: number): BatchScan {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  let p = 0, next = from, firstOffset = -1, last = -1;
  const result = (reason?: string): BatchScan => ({
    firstOffset,
    next,
    completeBytes: p,
    fault: reason === undefined ? null : { offset: next, reason },
  });
  while (p + MAGIC_END <= records.length) {
    const base = readInt64(view, p), length = view.getInt32(p + BATCH.lengthAt), magic = records[p + BATCH.magicAt]!;
    if (magic > 2) return result(`unknown record format ${magic}`);
    const shortest = magic === 2 ? BATCH.headerBytes - BATCH.prefixBytes : LEGACY_LENGTH_MIN;
    if (length < shortest) return result(`a batch of ${length} bytes is too short for its header`);
    if (p + BATCH.prefixBytes + length > records.length) break;
    const delta = magic === 2 ? view.getInt32(p + BATCH.lastOffsetDeltaAt) : 0;
    if (base <= last || delta < 0 || !Number.isSafeInteger(base + delta)) {
      return result(`a batch claims offsets ${base} to ${base + delta} after ${last}`);
    }
    last = base + delta;
    if (firstOffset < 0) firstOffset = base;
    if (last >= next) next = last + 1;
    p += BATCH.prefixBytes + length;
  }
  return result();
}
