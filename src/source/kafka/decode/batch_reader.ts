// Turns one partition's record batches into runs of deliverable records, a bounded portion at a time. Decides which transactions are
// aborted and which batches are corrupt. It works when the engine polls, so batches that wait stay compressed. No I/O.
import { decodeLegacyBatch } from "./legacy.ts";
import { CODEC_NAMES, decompress, DecompressError } from "./codecs.ts";
import { crc32c } from "./crc32c.ts";
import { type AbortedTransaction, ATTRIBUTE, BATCH, readInt64, scanBatches } from "./fetch_decoder.ts";
import { messageOf } from "../../../shared/errors.ts";
import { framingFault, RecordBatchRun, type RecordBody } from "./record_run.ts";
import type { RecordRun } from "../../port.ts";

/** Bytes of records after which a portion ends. It bounds what the engine holds, however large the expanded response is. */
export const PORTION_BYTES = 8 * 1024 * 1024;

/** Why reading a partition cannot go on. */
export interface ReadFault {
  readonly code: "corrupt_batch" | "unsupported_codec";
  /** Offset of the batch. */
  readonly offset: number;
  readonly reason: string;
}

interface Portion {
  readonly from: number;
  /** The position after this portion. */
  readonly next: number;
  readonly runs: readonly RecordRun[];
  /** Bytes of the expanded runs; with a large last batch more than {@link PORTION_BYTES}. */
  readonly bytes: number;
}

/** The result of a fetch. */
interface FetchedRecords {
  /** The position that was asked for. */
  readonly from: number;
  readonly records: Uint8Array;
  readonly aborted: readonly AbortedTransaction[];
  /** Epoch ms when the fetch was sent: the record time of records without one. */
  readonly sentAt: number;
}

const MARKER_ABORT = 0;

/** Reads one partition's part of one fetch. Offsets are known at once; `read` decodes the records. */
export class BatchReader {
  /** Offset of the first batch, or −1 without one. */
  readonly firstOffset: number;
  /** The position after all complete batches. */
  readonly next: number;
  /** No further portion follows. */
  done = false;
  /** Set with `done` if a batch cannot be read. Everything before that batch has been returned. */
  fault: ReadFault | null;

  readonly #view: DataView;
  #end: number;
  readonly #pending: AbortedTransaction[];
  readonly #aborting = new Set<number>();
  #at = 0;
  /** Offset of the last record before `#at`, or −1. */
  #last = -1;
  #position: number;

  constructor(private readonly fetched: FetchedRecords, private readonly options: { readonly checkCrcs: boolean }) {
    const { records, from } = fetched;
    const scan = scanBatches(records, from);
    this.firstOffset = scan.firstOffset;
    this.next = scan.next;
    this.fault = scan.fault && { code: "corrupt_batch", ...scan.fault };
    this.#end = scan.completeBytes;
    this.#view = new DataView(records.buffer, records.byteOffset, records.byteLength);
    this.#pending = [...fetched.aborted].sort((a, b) => a.firstOffset - b.firstOffset);
    this.#position = from;
  }

  /** The next portion: at least one batch, if one is left. Check `fault` when `done`. */
  read(): Portion {
    const from = this.#position, runs: RecordRun[] = [];
    let bytes = 0;
    while (this.#at < this.#end && bytes < PORTION_BYTES) {
      const size = BATCH.prefixBytes + this.#view.getInt32(this.#at + BATCH.lengthAt);
      const base = readInt64(this.#view, this.#at);
      const legacy = this.fetched.records[this.#at + BATCH.magicAt]! < 2;
      try {
        const run = legacy ? this.#legacy(size) : this.#batch(base, size);
        if (run !== null) {
          runs.push(run.run);
          bytes += run.bytes;
        }
      } catch (error) {
        if (!(error instanceof Unreadable)) throw error;
        this.fault = { code: error.code, offset: base, reason: error.message };
        this.#end = this.#at;
        break;
      }
      const last = legacy ? base : base + this.#view.getInt32(this.#at + BATCH.lastOffsetDeltaAt);
      this.#position = Math.max(this.#position, last + 1);
      this.#last = last;
      this.#at += size;
    }
    this.done = this.#at >= this.#end;
    return { from, next: this.#position, runs, bytes };
  }

  /** One batch of format v2, or `null` if none of its records is to be delivered. */
  #batch(base: number, size: number): { run: RecordRun; bytes: number } | null {
    const { records } = this.fetched, view = this.#view, at = this.#at, end = at + size;
    if (this.options.checkCrcs && view.getUint32(at + BATCH.crcAt) !== crc32c(records, at + BATCH.attributesAt, end)) {
      throw new Unreadable("corrupt_batch", "its checksum does not match");
    }
    const attributes = view.getInt16(at + BATCH.attributesAt);
    const lastOffsetDelta = view.getInt32(at + BATCH.lastOffsetDeltaAt), count = view.getInt32(at + BATCH.countAt);
    if (count < 0 || count > lastOffsetDelta + 1) {
      throw new Unreadable("corrupt_batch", `it claims ${count} records in ${lastOffsetDelta + 1} offsets`);
    }
    if (this.#hidden(attributes, base + lastOffsetDelta, end) || count === 0) return null;
    const codec = attributes & ATTRIBUTE.codec;
    const body = codec === 0
      ? { bytes: records, start: at + BATCH.headerBytes, end }
      : expand(codec, records.subarray(at + BATCH.headerBytes, end));
    const appendTime = (attributes & ATTRIBUTE.appendTime) !== 0;
    const stamp = readInt64(view, at + (appendTime ? BATCH.maxTimestampAt : BATCH.baseTimestampAt));
    const whole: RecordBody = {
      ...body,
      baseOffset: base,
      lastOffsetDelta,
      count,
      timestamp: stamp < 0 ? this.fetched.sentAt : stamp,
      appendTime: appendTime || stamp < 0,
    };
    const fault = framingFault(whole);
    if (fault !== null) throw new Unreadable("corrupt_batch", fault);
    return { run: new RecordBatchRun(whole), bytes: body.end - body.start };
  }

  /**
   * Whether a batch is a control batch or part of an aborted transaction. A producer's records are aborted from the first offset that the
   * response names up to its abort marker (the rule of the Java consumer). Several producers may be in that state at once, and only a
   * control batch ends it.
   */
  #hidden(attributes: number, lastOffset: number, end: number): boolean {
    while (this.#pending.length > 0 && this.#pending[0]!.firstOffset <= lastOffset) {
      this.#aborting.add(this.#pending.shift()!.producerId);
    }
    const producer = readInt64(this.#view, this.#at + BATCH.producerIdAt);
    if ((attributes & ATTRIBUTE.control) !== 0) {
      if (this.#aborting.has(producer) && this.#marker(end) === MARKER_ABORT) this.#aborting.delete(producer);
      return true;
    }
    return (attributes & ATTRIBUTE.transactional) !== 0 && this.#aborting.has(producer);
  }

  /** The type in a control record's key (int16 version, int16 type). */
  #marker(end: number): number {
    const { records } = this.fetched;
    let p = this.#at + BATCH.headerBytes;
    const skipNumber = () => {
      while (p < end && records[p++]! > 127);
    };
    skipNumber(); // length
    p++; // attributes
    skipNumber(); // timestamp delta
    skipNumber(); // offset delta
    skipNumber(); // key length
    if (p + 4 > end) throw new Unreadable("corrupt_batch", "its control record has no key");
    return this.#view.getInt16(p + 2);
  }

  #legacy(size: number): { run: RecordRun; bytes: number } {
    const { records, sentAt } = this.fetched;
    try {
      const run = decodeLegacyBatch(records.subarray(this.#at, this.#at + size), {
        readAt: sentAt,
        after: this.#last,
        checkCrcs: this.options.checkCrcs,
      });
      return { run, bytes: run.bytes };
    } catch (cause) {
      throw new Unreadable("corrupt_batch", messageOf(cause), { cause });
    }
  }
}

/** A batch that cannot be read. The reader turns it into its `fault`. */
class Unreadable extends Error {
  constructor(readonly code: ReadFault["code"], message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

function expand(codec: number, body: Uint8Array): { bytes: Uint8Array; start: number; end: number } {
  if (CODEC_NAMES[codec] === undefined) {
    throw new Unreadable("unsupported_codec", `it is compressed with codec ${codec}, which this version does not know`);
  }
  try {
    const bytes = decompress(codec, body);
    return { bytes, start: 0, end: bytes.length };
  } catch (cause) {
    if (!(cause instanceof DecompressError)) throw cause;
    throw new Unreadable("corrupt_batch", cause.message, { cause });
  }
}
