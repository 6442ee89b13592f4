// One owned partition: its row as last read, the position and watermark in memory, and the counts since. Pure.
import { type EpochMs, epochMs, NEVER, type Offset, type PartitionId } from "../shared/units.ts";

/** One partition's row as stored. */
export interface PartitionRow {
  readonly partition: PartitionId;
  readonly commitId: string;
  readonly nextOffset: Offset;
  readonly firstOffset: Offset;
  readonly watermark: EpochMs;
  readonly recordWatermark: EpochMs;
  readonly maxWindowEnd: EpochMs;
  readonly raisedAt: EpochMs;
  readonly quietSince: EpochMs | null;
  readonly retired: boolean;
}

/** A watermark that silence raised. Stored, because with the log it decides which records are late: a replay needs it. */
export interface IdleAdvance {
  /** Next offset when it was raised: it applies to records at or above this offset. */
  readonly atOffset: Offset;
  readonly watermark: EpochMs;
  readonly quietSince: EpochMs;
}

/** Records of one partition since its row was read, by result. */
export interface Tally {
  counted: number;
  late: number;
  lateDropped: number;
  dead: number;
  nulls: number;
  skipped: number;
}

export const emptyTally = (): Tally => ({ counted: 0, late: 0, lateDropped: 0, dead: 0, nulls: 0, skipped: 0 });

/** Mutable state of one partition between commits. */
export class Tracker {
  readonly partition: PartitionId;
  /** The row that the next commit expects: as read, or as the commit in flight leaves it. */
  expected: { commitId: string; nextOffset: Offset };
  /** Next record to read. */
  position: Offset;
  watermark: EpochMs;
  recordWatermark: EpochMs;
  maxWindowEnd: EpochMs;
  raisedAt: EpochMs;
  quietSince: EpochMs | null;
  tally = emptyTally();
  /** Watermarks raised by silence since the last freeze. */
  idleAdvances: IdleAdvance[] = [];
  /** Of counted and late records since the row was loaded. */
  firstEventTime = epochMs(Infinity);
  lastEventTime: EpochMs = NEVER;
  /** For the snapshot only. */
  logEnd: Offset | null = null;
  lastStable: Offset | null = null;
  progressAt: EpochMs;
  committed: Offset;

  constructor(row: PartitionRow, now: EpochMs) {
    this.partition = row.partition;
    this.expected = { commitId: row.commitId, nextOffset: row.nextOffset };
    this.position = row.nextOffset;
    this.committed = row.nextOffset;
    this.watermark = row.watermark;
    this.recordWatermark = row.recordWatermark;
    this.maxWindowEnd = row.maxWindowEnd;
    this.raisedAt = row.raisedAt;
    this.quietSince = row.quietSince;
    this.progressAt = now;
  }

  /** Whether a commit would change the row. */
  get dirty(): boolean {
    return this.position !== this.expected.nextOffset || this.idleAdvances.length > 0;
  }
}
