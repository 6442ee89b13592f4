// Dead letters of one delta: exact counts, positions as ranges, a few masked samples. Its size is bounded. Pure.
import { DEAD_REASONS, type DeadReason } from "../shared/dead_reasons.ts";
import type { PartitionId } from "../shared/units.ts";

/** Runs of dead letters kept per partition and reason in one commit. Later ones become one merged range, which also covers other records. */
const RUNS_PER_COMMIT_MAX = 2_000;
/** Samples kept per reason in one commit; the database keeps at most 100 a reason and hour. */
export const SAMPLES_PER_COMMIT_MAX = 5;

/** First and last offset of records that are all dead letters of one reason, both inclusive. */
type Run = [first: number, last: number];

/**
 * Where dead letters of one partition and reason are. Exact if `runs` is given or the records fill the range; otherwise merged: the range
 * also covers other records.
 */
export interface DeadRange {
  readonly partition: PartitionId;
  readonly reason: DeadReason;
  /** Inclusive. */
  readonly firstOffset: number;
  /** Inclusive. */
  readonly lastOffset: number;
  /** In a log of lines: number of the line at `firstOffset`, from 1; null if it is not known. */
  readonly firstLine: number | null;
  readonly records: number;
  /** Ascending; `null` if the records fill the range, or there were too many runs to keep. */
  readonly runs: readonly Readonly<Run>[] | null;
}

/** Dead letters of one partition and reason. */
interface Found {
  readonly partition: PartitionId;
  readonly reason: DeadReason;
  readonly firstLine: number | null;
  records: number;
  readonly runs: Run[];
  /** All dead letters behind the last run that is kept. */
  merged:
    | { readonly firstOffset: number; lastOffset: number; readonly firstLine: number | null; records: number }
    | null;
}

export interface DeadSample {
  readonly partition: PartitionId;
  readonly recordOffset: number;
  /** As in {@link DeadRange.firstLine}. */
  readonly line: number | null;
  readonly reason: DeadReason;
  /** Size of the whole value in bytes. */
  readonly payloadBytes: number;
  /** Masked beginning: no address, header or query string. */
  readonly payload: string;
}

interface DeadRecord {
  readonly partition: PartitionId;
  readonly reason: DeadReason;
  readonly offset: number;
  /** As in {@link DeadRange.firstLine}. */
  readonly line: number | null;
}

/** Turns a value into text that may be stored. */
export type Mask = (bytes: Uint8Array, start: number, end: number) => string;

/** Collects dead letters until the delta is frozen. */
export class DeadLetters {
  /** By partition and reason. */
  readonly #found = new Map<number, Found>();
  readonly #samples: DeadSample[] = [];
  readonly #samplesByReason = new Map<DeadReason, number>();
  #count = 0;

  constructor(private readonly mask: Mask) {}

  get count(): number {
    return this.#count;
  }

  /** Adds the record whose value is `bytes[start, end)`. */
  add({ partition, reason, offset, line }: DeadRecord, bytes: Uint8Array, start: number, end: number): void {
    this.#count++;
    const key = partition * DEAD_REASONS.length + DEAD_REASONS.indexOf(reason);
    let entry = this.#found.get(key);
    if (!entry) {
      this.#found.set(key, entry = { partition, reason, firstLine: line, records: 0, runs: [], merged: null });
    }
    entry.records++;
    const last = entry.runs.at(-1);
    if (entry.merged) {
      entry.merged.lastOffset = offset;
      entry.merged.records++;
    } else if (last?.[1] === offset - 1) last[1] = offset;
    else if (entry.runs.length < RUNS_PER_COMMIT_MAX) entry.runs.push([offset, offset]);
    else entry.merged = { firstOffset: offset, lastOffset: offset, firstLine: line, records: 1 };
    const sampled = this.#samplesByReason.get(reason) ?? 0;
    if (sampled < SAMPLES_PER_COMMIT_MAX) {
      this.#samplesByReason.set(reason, sampled + 1);
      this.#samples.push({
        partition,
        recordOffset: offset,
        line,
        reason,
        payloadBytes: end - start,
        payload: this.mask(bytes, start, end),
      });
    }
  }

  get ranges(): readonly DeadRange[] {
    return [...this.#found.values()].flatMap(({ partition, reason, firstLine, records, runs, merged }) => [
      {
        partition,
        reason,
        firstLine,
        firstOffset: runs[0]![0],
        lastOffset: runs.at(-1)![1],
        records: records - (merged?.records ?? 0),
        runs: runs.length > 1 ? runs : null,
      },
      ...(merged ? [{ partition, reason, ...merged, runs: null }] : []),
    ]);
  }

  get counts(): readonly { readonly partition: PartitionId; readonly reason: DeadReason; readonly records: number }[] {
    return [...this.#found.values()].map(({ partition, reason, records }) => ({ partition, reason, records }));
  }

  get samples(): readonly DeadSample[] {
    return this.#samples;
  }
}
