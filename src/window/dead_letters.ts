// Dead letters of one delta: exact counts, positions as ranges, a few masked samples; bounded whatever the topic holds. Pure.
import { DEAD_REASONS, type DeadReason } from "../event/types.ts";
import type { PartitionId } from "../shared/units.ts";

/** Ranges kept per partition and reason in one commit; beyond it neighbours merge into ranges that also cover other records. */
export const RANGES_PER_COMMIT_MAX = 16;
/** Samples kept per reason in one commit; the database keeps at most 100 a reason and hour. */
export const SAMPLES_PER_COMMIT_MAX = 5;

export interface DeadRange {
  readonly partition: PartitionId;
  readonly reason: DeadReason;
  /** Inclusive. */
  firstOffset: number;
  /** Inclusive. */
  lastOffset: number;
  records: number;
}

export interface DeadSample {
  readonly partition: PartitionId;
  readonly recordOffset: number;
  readonly reason: DeadReason;
  /** Size of the whole value in bytes. */
  readonly payloadBytes: number;
  /** Masked beginning: no address, header or query string. */
  readonly payload: string;
}

/** Turns a value into text that may be stored. */
export type Mask = (bytes: Uint8Array, start: number, end: number) => string;

/** Collects dead letters until the delta is frozen. */
export class DeadLetters {
  readonly #byPlace = new Map<number, { count: number; ranges: DeadRange[] }>();
  readonly #samples: DeadSample[] = [];
  readonly #samplesByReason = new Map<DeadReason, number>();
  readonly #mask: Mask;
  #count = 0;

  constructor(mask: Mask) {
    this.#mask = mask;
  }

  get count(): number {
    return this.#count;
  }

  /** Books the record at `offset` whose value is `bytes[start, end)`. */
  add(partition: PartitionId, reason: DeadReason, offset: number, bytes: Uint8Array, start: number, end: number): void {
    this.#count++;
    const place = partition * DEAD_REASONS.length + DEAD_REASONS.indexOf(reason);
    let entry = this.#byPlace.get(place);
    if (!entry) this.#byPlace.set(place, entry = { count: 0, ranges: [] });
    entry.count++;
    const last = entry.ranges.at(-1);
    if (last && (last.lastOffset === offset - 1 || entry.ranges.length >= RANGES_PER_COMMIT_MAX)) {
      last.lastOffset = offset;
      last.records++;
    } else {
      entry.ranges.push({ partition, reason, firstOffset: offset, lastOffset: offset, records: 1 });
    }
    const sampled = this.#samplesByReason.get(reason) ?? 0;
    if (sampled < SAMPLES_PER_COMMIT_MAX) {
      this.#samplesByReason.set(reason, sampled + 1);
      this.#samples.push({
        partition,
        recordOffset: offset,
        reason,
        payloadBytes: end - start,
        payload: this.#mask(bytes, start, end),
      });
    }
  }

  get ranges(): readonly DeadRange[] {
    return [...this.#byPlace.values()].flatMap((entry) => entry.ranges);
  }

  get counts(): readonly { readonly partition: PartitionId; readonly reason: DeadReason; readonly records: number }[] {
    return [...this.#byPlace.values()].map(({ count, ranges }) => ({
      partition: ranges[0]!.partition,
      reason: ranges[0]!.reason,
      records: count,
    }));
  }

  get samples(): readonly DeadSample[] {
    return this.#samples;
  }
}
