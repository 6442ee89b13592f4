// Walks the records of one record batch (format v2) over its bytes. Pure.
//
// Hot path: kafkajs spends three quarters of a fetch on an object, several buffers and a 64-bit number object per record; here a record
// costs no allocation. `framingFault` checks the framing before anything is delivered, because a fault in the middle of a walk would leave
// half a batch counted. The walk can then trust the bytes.
import type { Offset } from "../../../shared/units.ts";
import type { RecordRun, RecordVisitor } from "../../port.ts";

/** The records of one batch, and the base of their deltas. */
export interface RecordBody {
  readonly bytes: Uint8Array;
  /** First byte of the first record, and one past the last record's last byte. */
  readonly start: number;
  readonly end: number;
  /** Offset of the batch; a record's is base + delta. */
  readonly baseOffset: number;
  /** The largest offset delta that the batch header states. */
  readonly lastOffsetDelta: number;
  readonly count: number;
  /** The batch's base timestamp in epoch ms; with `appendTime` the time of every record. */
  readonly timestamp: number;
  /** The broker stamped the whole batch (LogAppendTime), or no record has a time of its own: deltas are not added. */
  readonly appendTime: boolean;
}

/** One batch of records. */
export class RecordBatchRun implements RecordRun {
  constructor(private readonly body: RecordBody) {}

  walk(from: Offset, visit: RecordVisitor): void {
    const { bytes: b, start, count, baseOffset, timestamp, appendTime } = this.body;
    let p = start, x = 0, v = 0, s = 0;
    for (let i = 0; i < count; i++) {
      x = b[p++]!, v = x & 127, s = 7;
      for (; x > 127; s += 7) x = b[p++]!, v |= (x & 127) << s;
      const next = p + (v >>> 1);
      p++; // attributes: Kafka defines none for records
      const time = p;
      x = b[p++]!, v = x & 127, s = 7;
      for (; x > 127; s += 7) x = b[p++]!, v |= (x & 127) << s;
      // `v` holds 32 bits only, so a delta of more than four bytes (18 hours) is read again at full width.
      const delta = appendTime ? 0 : s <= 28 ? (v >>> 1) ^ -(v & 1) : wideDelta(b, time);
      x = b[p++]!, v = x & 127, s = 7;
      for (; x > 127; s += 7) x = b[p++]!, v |= (x & 127) << s;
      const offset = baseOffset + (v >>> 1);
      x = b[p++]!, v = x & 127, s = 7;
      for (; x > 127; s += 7) x = b[p++]!, v |= (x & 127) << s;
      if ((v & 1) === 0) p += v >>> 1; // key; an odd number is a negative length: no key
      x = b[p++]!, v = x & 127, s = 7;
      for (; x > 127; s += 7) x = b[p++]!, v |= (x & 127) << s;
      if (offset >= from) visit(b, p, (v & 1) === 0 ? p + (v >>> 1) : -1, offset, timestamp + delta);
      p = next;
    }
  }
}

/** A zigzag number of up to ten bytes at `p`, exact to 2^53. */
function wideDelta(bytes: Uint8Array, p: number): number {
  let value = 0, scale = 1, x = 0;
  do {
    x = bytes[p++]!;
    value += (x & 127) * scale;
    scale *= 128;
  } while (x > 127);
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

/**
 * The fault in the framing of a batch's records, or `null`. After `null` the walk stays within [start, end) and visits exactly `count`
 * records, with ascending offsets within [baseOffset, baseOffset + lastOffsetDelta].
 */
export function framingFault(body: RecordBody): string | null {
  const { bytes: b, end, count, lastOffsetDelta } = body;
  let p = body.start, x = 0, v = 0, s = 0, previous = -1;
  for (let i = 0; i < count; i++) {
    x = b[p++]!, v = x & 127, s = 7;
    for (; x > 127 && s < 35; s += 7) x = b[p++]!, v |= (x & 127) << s;
    const next = p + (v >>> 1);
    if (x > 127 || (v & 1) !== 0 || next > end) return `record ${i} overruns its batch`;
    p++;
    for (s = 0; (x = b[p++]!) > 127 && s < 70; s += 7);
    if (x > 127) return `record ${i} has an endless timestamp`;
    x = b[p++]!, v = x & 127, s = 7;
    for (; x > 127 && s < 35; s += 7) x = b[p++]!, v |= (x & 127) << s;
    const offsetDelta = v >>> 1;
    if (x > 127 || (v & 1) !== 0 || offsetDelta <= previous || offsetDelta > lastOffsetDelta) {
      return `record ${i} has an offset out of order`;
    }
    previous = offsetDelta;
    x = b[p++]!, v = x & 127, s = 7;
    for (; x > 127 && s < 35; s += 7) x = b[p++]!, v |= (x & 127) << s;
    if ((v & 1) === 0) p += v >>> 1;
    if (x > 127 || p > next) return `the key of record ${i} overruns it`;
    x = b[p++]!, v = x & 127, s = 7;
    for (; x > 127 && s < 35; s += 7) x = b[p++]!, v |= (x & 127) << s;
    if ((v & 1) === 0) p += v >>> 1;
    if (x > 127 || p > next) return `the value of record ${i} overruns it`;
    p = next;
  }
  return p === end ? null : `${end - p} bytes follow the last record`;
}
