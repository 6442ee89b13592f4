// What `tidemark resume` would do: from the stored rows and the log that is there now to one step for each partition. Pure.
import type { PartitionRow, StoredState } from "../store/port.ts";
import { type DurationMs, type EpochMs, NEVER, type Offset, type PartitionId } from "../shared/units.ts";
import type { StopCode } from "../shared/errors.ts";
import type { LogIdentity, PartitionBounds } from "../source/port.ts";
import { windowStart } from "../window/tumbling.ts";

/** Records that are gone, as they will be written down. */
interface Gap {
  /** What is wrong with this partition: the stream may be stopped by another's fault. */
  readonly reason: StopCode;
  /** First lost offset, inclusive; equal to `toOffset` where it cannot be known how many are lost. */
  readonly fromOffset: Offset;
  /** Exclusive. */
  readonly toOffset: Offset;
  /** Earliest event time that may be missing; NEVER where nothing was ever read of the partition. */
  readonly fromTime: EpochMs;
  /** Latest event time that may be missing. */
  readonly toTime: EpochMs;
}

/** What becomes of one partition. The stored row is the compare: a step for another row is refused by the database. */
export interface ResumeStep {
  readonly partition: PartitionId;
  /**
   * keep: goes on from its position · skip: over lost offsets to the log's start · rewind: back to the end of a truncated log ·
   * restart: at the start of a recreated log · retire: is no more and holds no window open · revive: was retired and is back.
   */
  readonly kind: "keep" | "skip" | "rewind" | "restart" | "retire" | "revive";
  readonly row: PartitionRow;
  readonly nextOffset: Offset;
  readonly retired: boolean;
  readonly gap: Gap | null;
}

/** What the plan rests on. */
interface ResumeFacts {
  readonly stored: StoredState;
  readonly log: LogIdentity;
  readonly windowSize: DurationMs;
  /** How far events may be out of order: the first event behind a gap may be this much older than the last one in it. */
  readonly watermarkDelay: DurationMs;
  readonly now: EpochMs;
  /** Event time of the first readable record at the position that a step leads to; absent where there is none yet. */
  readonly firstEventTimes: ReadonlyMap<PartitionId, EpochMs>;
}

/** Whether the log is another one than the one that the positions belong to. */
export function isRecreated(stored: StoredState, log: LogIdentity): boolean {
  return stored.topicId !== null && log.topicId !== null && stored.topicId !== log.topicId;
}

/** Where a partition would go on, gap or not: needed before the first event behind a gap can be looked at. */
export function resumePosition(row: PartitionRow, bounds: PartitionBounds, recreated: boolean): Offset {
  if (recreated || row.nextOffset < bounds.logStart) return bounds.logStart;
  return row.nextOffset > bounds.logEnd ? bounds.logEnd : row.nextOffset;
}

/** One step for every stored row, retired ones included, ascending by partition. */
export function planResume(facts: ResumeFacts): ResumeStep[] {
  const { stored, log } = facts;
  const bounds = new Map(log.partitions.map((entry) => [entry.partition, entry]));
  const recreated = isRecreated(stored, log);
  return [...stored.rows].sort((a, b) => a.partition - b.partition).map((row) =>
    planStep(row, bounds.get(row.partition), recreated, facts)
  );
}

function planStep(
  row: PartitionRow,
  bounds: PartitionBounds | undefined,
  recreated: boolean,
  facts: ResumeFacts,
): ResumeStep {
  const { partition, nextOffset: old } = row;
  const step = { partition, row, retired: false };
  if (bounds === undefined) {
    // Of a recreated log it would begin at 0, should it ever be added: an old position must not be taken for one in the new log.
    const nextOffset = (recreated ? 0 : old) as Offset;
    if (row.retired) return { ...step, kind: "keep", nextOffset, retired: true, gap: null };
    return {
      ...step,
      kind: "retire",
      nextOffset,
      retired: true,
      gap: gap(facts, row, "partitions_removed", old, old, facts.now),
    };
  }
  const nextOffset = resumePosition(row, bounds, recreated);
  const until = facts.firstEventTimes.has(partition)
    ? Math.min(facts.now, facts.firstEventTimes.get(partition)! + facts.watermarkDelay) as EpochMs
    : facts.now;
  if (recreated) {
    return {
      ...step,
      kind: row.retired ? "revive" : "restart",
      nextOffset,
      gap: gap(facts, row, "topic_recreated", old, old, until),
    };
  }
  if (nextOffset > old) {
    return { ...step, kind: "skip", nextOffset, gap: gap(facts, row, "data_gap", old, nextOffset, until) };
  }
  // What was lost above the log's end was counted before; what was written there since is not known, nor when it was.
  if (nextOffset < old) {
    return {
      ...step,
      kind: "rewind",
      nextOffset,
      gap: gap(facts, row, "position_beyond_end", nextOffset, old, facts.now),
    };
  }
  // Nothing is lost: what was closed without it counts as late.
  if (row.retired) return { ...step, kind: "revive", nextOffset, gap: null };
  return { ...step, kind: "keep", nextOffset, gap: null };
}

/** Records below the watermark's window would have been late: the earliest that may be missing from the table is that window's start. */
function gap(
  facts: ResumeFacts,
  row: PartitionRow,
  reason: StopCode,
  fromOffset: Offset,
  toOffset: Offset,
  toTime: EpochMs,
): Gap {
  const fromTime = Number.isFinite(row.recordWatermark)
    ? windowStart(row.recordWatermark, facts.windowSize)
    : Number.isFinite(row.watermark)
    ? windowStart(row.watermark, facts.windowSize)
    : NEVER;
  return { reason, fromOffset, toOffset, fromTime, toTime: Math.max(fromTime, toTime) as EpochMs };
}
