// The decisions of exactly-once: the outcome of a commit, moved positions, faults of positions, when to commit. Pure.
import type { CommitPayload, PartitionRow, StoredState, StreamSettings } from "./port.ts";
import { positionFault, topicRecreated } from "../shared/faults.ts";
import type { LogIdentity } from "../source/port.ts";
import { StreamStopped } from "../shared/errors.ts";
import type { DeltaBounds } from "../window/delta.ts";
import type { Offset, PartitionId } from "../shared/units.ts";

/** The outcome of a payload, by the rows that are stored now. */
export type Verdict =
  /** Every row holds the payload's id. */
  | { readonly kind: "committed" }
  /** Every row is as the payload expects it: send the identical payload again. */
  | { readonly kind: "unchanged" }
  /** Another instance has moved these partitions: drop what was counted. */
  | { readonly kind: "fenced"; readonly partitions: readonly PartitionId[] };

/**
 * Judges a payload whose outcome is unknown, or that was fenced. A payload that is sent twice is fenced by its own first sending.
 * If one row holds the payload and another row has moved on since, the verdict is fenced: the counts are read again from the rows.
 */
export function judgeOutcome(payload: CommitPayload, rows: readonly PartitionRow[]): Verdict {
  const byPartition = new Map(rows.map((row) => [row.partition, row]));
  let committed = 0, unchanged = 0;
  const moved: PartitionId[] = [];
  for (const move of payload.moves) {
    const row = byPartition.get(move.partition);
    if (row?.commitId === payload.commitId) committed++;
    else if (row && !row.retired && row.commitId === move.oldCommitId && row.nextOffset === move.oldNextOffset) {
      unchanged++;
    } else moved.push(move.partition);
  }
  if (committed === payload.moves.length) return { kind: "committed" };
  if (unchanged === payload.moves.length) return { kind: "unchanged" };
  return { kind: "fenced", partitions: moved };
}

/** Partitions whose stored row is not the expected one. Call it only while no commit is in flight. */
export function movedPartitions(
  expected: Iterable<
    { readonly partition: PartitionId; readonly expected: { readonly commitId: string; readonly nextOffset: Offset } }
  >,
  rows: readonly PartitionRow[],
): PartitionId[] {
  const byPartition = new Map(rows.map((row) => [row.partition, row]));
  const moved: PartitionId[] = [];
  for (const { partition, expected: { commitId, nextOffset } } of expected) {
    const row = byPartition.get(partition);
    if (!row || row.commitId !== commitId || row.nextOffset !== nextOffset) moved.push(partition);
  }
  return moved;
}

/**
 * Checks that the log holds the stored positions.
 *
 * @throws StreamStopped with the name of the fault; the caller stops the stream
 */
export function checkLog(settings: StreamSettings, stored: StoredState, log: LogIdentity): void {
  if (stored.topicId !== null && log.topicId !== null && stored.topicId !== log.topicId) {
    throw topicRecreated(settings.topic, stored.topicId, log.topicId);
  }
  const bounds = new Map(log.partitions.map((p) => [p.partition, p]));
  for (const row of stored.rows) {
    const log = bounds.get(row.partition);
    if (row.retired) {
      if (!log) continue;
      throw new StreamStopped(
        "partition_returned",
        `${settings.topic} has partition ${row.partition} again, which an operator had retired. The stream does not read retired partitions.`,
        "`tidemark resume --accept-gap` reads it again.",
      );
    }
    if (!log) {
      throw new StreamStopped(
        "partitions_removed",
        `${settings.topic} has no partition ${row.partition} any more, but the stream has read it up to offset ${row.nextOffset}.`,
        "`tidemark resume --accept-gap` retires partitions that are gone, so that they no longer hold windows open.",
      );
    }
    const fault = positionFault(settings.topic, row.nextOffset, log);
    if (fault !== null) throw fault;
  }
}

/** Inputs of the decision whether to commit now. */
interface CommitPressure {
  readonly dirty: boolean;
  /** Whether the delta has reached one of its bounds. */
  readonly full: boolean;
  readonly sinceLastCommitMs: number;
  /** Whether a partition's log end is far ahead of its position (see `EngineState.catchingUp`). */
  readonly catchingUp: boolean;
  /** Whether a reader has asked for committed data lately, or nothing was committed yet. */
  readonly watched: boolean;
}

export interface CommitLimits extends DeltaBounds {
  readonly intervalMs: number;
  /** Interval while the stream is not watched: fewer, fuller chunks cost the database less. */
  readonly unwatchedIntervalMs: number;
  /** Interval while catching up: so long that most windows are written once. */
  readonly catchUpIntervalMs: number;
  /** Values of a host that one dimension of a chunk names; default: all. */
  readonly chunkValuesMax?: number;
}

/** Time between two commits, ms. */
export function commitInterval(
  { catchingUp, watched }: Pick<CommitPressure, "catchingUp" | "watched">,
  limits: Pick<CommitLimits, "intervalMs" | "unwatchedIntervalMs" | "catchUpIntervalMs">,
): number {
  if (catchingUp) return limits.catchUpIntervalMs;
  return watched ? limits.intervalMs : limits.unwatchedIntervalMs;
}

/** Why to commit now, or `null` to wait. */
export function commitDue(
  pressure: CommitPressure,
  limits: Pick<CommitLimits, "intervalMs" | "unwatchedIntervalMs" | "catchUpIntervalMs">,
): "interval" | "size" | null {
  if (!pressure.dirty) return null;
  if (pressure.full) return "size";
  return pressure.sinceLastCommitMs >= commitInterval(pressure, limits) ? "interval" : null;
}
