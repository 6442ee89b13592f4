// The port between a log of records and the engine. A source reads; it never decides what a record means and never stores a position.
import type { EpochMs, Offset, PartitionId } from "../shared/units.ts";
import type { StreamStopped } from "../shared/errors.ts";

/**
 * Called once per delivered record, in offset order.
 *
 * @param bytes buffer that holds the value; valid only during the call: copy what is kept
 * @param start first byte of the value in `bytes`
 * @param end one past the last byte, or -1 where the value is null (a tombstone)
 * @param offset the record's position
 * @param recordTime record time in epoch ms as the log states it: the batch's maximum timestamp (LogAppendTime), base + delta
 *   (CreateTime), the time of reading (files). The engine caps it at its own clock.
 */
export type RecordVisitor = (bytes: Uint8Array, start: number, end: number, offset: number, recordTime: number) => void;

/** A run of records that can be walked without allocating one object a record. */
export interface RecordRun {
  /** Visits the records at or above `from`. */
  walk(from: Offset, visit: RecordVisitor): void;
  /** In a log of lines: number of the line of the record that is being visited, from 1; NaN where it is not known. */
  readonly line?: number;
}

/**
 * One partition's part of one fetch. An empty one (`runs` empty, `next === from`) is reported too: it is what proves that a partition
 * is caught up.
 */
export interface FetchedBatch {
  readonly partition: PartitionId;
  /** The position that was asked for (inclusive). */
  readonly from: Offset;
  /** The position after this batch; everything in [from, next) is delivered, or absent for good (control, aborted, compacted). */
  readonly next: Offset;
  /** First offset that the log still holds. */
  readonly logStart: Offset;
  /** Log end offset: one past the last record, open transactions included. Never the last stable offset. */
  readonly logEnd: Offset;
  /** Last stable offset: below it no transaction is open. Equal to `logEnd` where the source knows no transactions. */
  readonly lastStable: Offset;
  /** Our clock just before the fetch was sent. */
  readonly sentAt: EpochMs;
  /** Good until the next poll: their memory is used again. */
  readonly runs: readonly RecordRun[];
  /** Host of records that name none (a log file whose path says so); absent: the setting's. */
  readonly host?: string;
}

/** What a poll returns. Events come in the order in which they happened. */
export type SourceEvent =
  /** The group (or lease) gave us these partitions; all are paused until `resume` with the same generation. Replaces what we had. */
  | { readonly kind: "assigned"; readonly generation: number; readonly partitions: readonly PartitionId[] }
  /** Membership is gone; an `assigned` follows once it is back. */
  | { readonly kind: "lost"; readonly generation: number; readonly reason: string }
  | { readonly kind: "batch"; readonly generation: number; readonly batch: FetchedBatch }
  /** Nothing happened within the wait. */
  | { readonly kind: "timeout" }
  /** The log cannot be read any further without an operator (data gap, topic recreated, corrupt batch, …). */
  | { readonly kind: "stopped"; readonly error: StreamStopped }
  /**
   * The source is trying to reach its server; `reason` is one line for readiness. `code` names the error, `action` says what to do about it:
   * `source_unavailable` and a word in general where they are missing.
   */
  | { readonly kind: "unavailable"; readonly reason: string; readonly code?: string; readonly action?: string };

/** Bounds of one partition's log. */
export interface PartitionBounds {
  readonly partition: PartitionId;
  readonly logStart: Offset;
  readonly logEnd: Offset;
  /** Names of the log files that are this partition, to be stored with it; absent where partitions have numbers of their own. */
  readonly logs?: readonly { readonly name: string; readonly foundBy: string }[];
}

/** What identifies the log: stored with the positions and compared at every join. */
export interface LogIdentity {
  /** KIP-516 topic id in hex, or the generator's own id; `null` where the broker knows none, and for files, which are known by their names. */
  readonly topicId: string | null;
  /** All partitions of the topic, owned or not, with their bounds. */
  readonly partitions: readonly PartitionBounds[];
}

/**
 * A readable log. The engine drives it from one loop; it is single-threaded, and no method is called while `poll` of the same caller
 * is pending except `publish`, `confirmedAt` and `close`.
 *
 * Guarantees an implementor owes:
 * - after `resume(g, positions)` each partition in `positions` delivers batches whose `from` chain starts at that position, without gap
 *   or repeat, until the next `assigned`, `lost` or `resume` of that partition;
 * - batches fetched under an older generation, or before a newer `resume` of the partition, are never delivered;
 * - not polling is back-pressure: at most a bounded number of fetched batches is held, and membership is kept alive meanwhile.
 */
export interface Source {
  readonly kind: "kafka" | "file" | "demo";
  /** Starts joining; `poll` reports what comes of it. Throws UsageError where the settings can never work. */
  open(signal: AbortSignal): Promise<void>;
  /** Reads the log's identity and bounds now. Rejects with Unavailable. */
  identify(): Promise<LogIdentity>;
  poll(maxWaitMs: number): Promise<SourceEvent>;
  /**
   * Called once, before `open`: records may gather at the log until the time that `until` returns, by our clock, so that they come in few,
   * full batches; a time that has passed: they are wanted at once. Where it is missing the source does as it likes.
   */
  gatherBy?(until: () => EpochMs): void;
  /** Sets positions and lets these partitions flow; the others of the assignment stay paused. Ignored when `generation` is stale. */
  resume(generation: number, positions: ReadonlyMap<PartitionId, Offset>): void;
  /** Our clock when the last *successful* confirmation of membership in the current generation was sent (heartbeat, lease renewal). */
  confirmedAt(): EpochMs;
  /** Our clock when the topic id (or file identity) was last seen to be unchanged; the engine asks `identify` before a commit when it is old. */
  identityCheckedAt(): EpochMs;
  /** How much was read of what is there, in bytes on disk; where it is missing offsets say it. */
  progress?(): { readonly done: number; readonly total: number } | null;
  /** Publishes committed positions for lag tools only; failures are ignored. */
  publish(positions: ReadonlyMap<PartitionId, Offset>): Promise<void>;
  /** Leaves the group and disconnects within `deadlineMs`. Never rejects. */
  close(deadlineMs: number): Promise<void>;
}

/** A source that can begin anew: what the engine reads from. */
export interface RenewableSource extends Source {
  /**
   * Called after an operator has resumed a stopped stream: the next `poll` begins with a fresh membership, and nothing that was found
   * before is reported again.
   */
  renew(): void;
}
