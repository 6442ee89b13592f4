// Plans `tidemark resume`: one step for each partition, from the stored rows and the present log. Pure.
import type { PartitionRow, StoredState } from "../store/port.ts";
import {
  type DurationMs,
  type EpochMs,
  epochMs,
  NEVER,
  type Offset,
  offset,
  type PartitionId,
} from "../shared/units.ts";
import type { StopCode } from "../shared/errors.ts";
import type { LogIdentity, PartitionBounds } from "../source/port.ts";
import { windowStart } from "../window/tumbling.ts";

/** Lost records, as they will be stored. */
interface Gap {
  /** This partition's fault; the stream may have stopped for another partition's. */
  readonly reason: StopCode;
  /** First lost offset; equal to `toOffset` if the number of lost records is unknown. */
  readonly fromOffset: Offset;
  /** Exclusive. */
  readonly toOffset: Offset;
  /** Earliest event time that may be missing; NEVER if nothing was read of the partition. */
  readonly fromTime: EpochMs;
  /** Latest event time that may be missing. */
  readonly toTime: EpochMs;
}

/** A step for one partition. The database refuses it if the stored row is no longer `row`. */
export interface ResumeStep {
  readonly partition: PartitionId;
  /**
   * keep: continue at the stored position · skip: continue at the log's start, after lost offsets · rewind: continue at the end of a
   * truncated log · restart: continue at the start of a recreated log · retire: the partition is gone and no longer holds windows open ·
   * revive: a retired partition is back.
   */
  readonly kind: "keep" | "skip" | "rewind" | "restart" | "retire" | "revive";
  readonly row: PartitionRow;
  readonly nextOffset: Offset;
  readonly retired: boolean;
  readonly gap: Gap | null;
}

interface ResumeFacts {
  readonly stored: StoredState;
  readonly log: LogIdentity;
  readonly windowSize: DurationMs;
  /** The first event after a gap can be this much older than the last one in it. */
  readonly watermarkDelay: DurationMs;
  readonly now: EpochMs;
  /** Time of the first event at the position at which a partition would continue, if there is one. */
  readonly firstEventTimes: ReadonlyMap<PartitionId, EpochMs>;
}

/** Whether the stored positions belong to another log. */
export function isRecreated(stored: StoredState, log: LogIdentity): boolean {
  return stored.topicId !== null && log.topicId !== null && stored.topicId !== log.topicId;
}

/** Where a partition continues. */
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
    // If the recreated log ever gets this partition, it begins at 0: the old position belongs to the old log.
    const nextOffset = recreated ? offset(0) : old;
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
    ? epochMs(Math.min(facts.now, facts.firstEventTimes.get(partition)! + facts.watermarkDelay))
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
  // The records lost above the log's end have been counted. How many others were written there since, and when, is unknown.
  if (nextOffset < old) {
    return {
      ...step,
      kind: "rewind",
      nextOffset,
      gap: gap(facts, row, "position_beyond_end", nextOffset, old, facts.now),
    };
  }
  // Nothing is lost: records of windows that have closed meanwhile count as late.
  if (row.retired) return { ...step, kind: "revive", nextOffset, gap: null };
  return { ...step, kind: "keep", nextOffset, gap: null };
}

/** Records of windows before the watermark's would have been late, so what may be missing begins with the watermark's window. */
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
  return { reason, fromOffset, toOffset, fromTime, toTime: epochMs(Math.max(fromTime, toTime)) };
}
