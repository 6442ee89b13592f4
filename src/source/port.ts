// The port between a log of records and the engine. A source reads; it does not interpret records and does not store positions. No I/O.
import type { EpochMs, Offset, PartitionId } from "../shared/units.ts";
import type { StreamStopped } from "../shared/errors.ts";

/**
 * Called once per delivered record, in offset order.
 *
 * @param bytes buffer that holds the value; valid only during the call
 * @param start first byte of the value in `bytes`
 * @param end one past the last byte; -1 if the value is null (a tombstone)
 * @param offset the record's position
 * @param recordTime record time in epoch ms by the log: the batch's maximum timestamp (LogAppendTime), base + delta
 *   (CreateTime), the time of reading (files). The engine caps it at its own clock.
 */
export type RecordVisitor = (bytes: Uint8Array, start: number, end: number, offset: number, recordTime: number) => void;

/** A run of records that can be walked without an object per record. */
export interface RecordRun {
  /** Visits the records at or above `from`. */
  walk(from: Offset, visit: RecordVisitor): void;
  /** In a log of lines: number of the line that is visited now, from 1; NaN if it is not known. */
  readonly line?: number;
}

/**
 * One partition's part of one fetch. An empty one (`runs` empty, `next === from`) is reported too: it proves that the partition is caught up.
 */
export interface FetchedBatch {
  readonly partition: PartitionId;
  /** The position that was requested (inclusive). */
  readonly from: Offset;
  /** The position after this batch. Everything in [from, next) is delivered, or absent for good (control, aborted, compacted). */
  readonly next: Offset;
  /** First offset that the log still holds. */
  readonly logStart: Offset;
  /** Log end offset: one past the last record, open transactions included. Never the last stable offset. */
  readonly logEnd: Offset;
  /** Last stable offset: below it no transaction is open. Equal to `logEnd` if the source has no transactions. */
  readonly lastStable: Offset;
  /** Our clock just before the fetch was sent. */
  readonly sentAt: EpochMs;
  /** Valid until the next poll, which reuses their memory. */
  readonly runs: readonly RecordRun[];
  /** Host of records without one, given by the path of a log file; default: the setting's. */
  readonly host?: string;
}

/** Result of a poll. Events come in the order in which they happened. */
export type SourceEvent =
  /** The group (or lease) gave us exactly these partitions. All are paused until `resume` with the same generation. */
  | { readonly kind: "assigned"; readonly generation: number; readonly partitions: readonly PartitionId[] }
  /** Membership is gone; an `assigned` follows once it is back. */
  | { readonly kind: "lost"; readonly generation: number; readonly reason: string }
  | { readonly kind: "batch"; readonly generation: number; readonly batch: FetchedBatch }
  /** Nothing happened within the wait. */
  | { readonly kind: "timeout" }
  /** The log cannot be read on without an operator (data gap, topic recreated, corrupt batch, …). */
  | { readonly kind: "stopped"; readonly error: StreamStopped }
  /**
   * The source cannot reach its server and tries again. `reason` is one line for readiness; `code` names the error (default
   * `source_unavailable`), `action` says what to do.
   */
  | { readonly kind: "unavailable"; readonly reason: string; readonly code?: string; readonly action?: string };

/** Bounds of one partition's log. */
export interface PartitionBounds {
  readonly partition: PartitionId;
  readonly logStart: Offset;
  readonly logEnd: Offset;
  /** Names of the log files that are this partition, to be stored with it; absent if the source numbers its partitions. */
  readonly logs?: readonly { readonly name: string; readonly foundBy: string }[];
  /** Format of the lines of these logs, where one was found. */
  readonly format?: string | null;
}

/** Identity of the log: stored with the positions and compared at every join. */
export interface LogIdentity {
  /** Topic id (KIP-516) in hex, or the generator's id; `null` if the broker has none, and for files, which are identified by name. */
  readonly topicId: string | null;
  /** All partitions of the topic, owned or not, with their bounds. */
  readonly partitions: readonly PartitionBounds[];
}

/**
 * A readable log. One loop drives it. While `poll` is pending, only `publish`, `confirmedAt` and `close` are called.
 *
 * An implementation guarantees:
 * - after `resume(g, positions)` each partition in `positions` delivers batches that begin at that position and follow each other without
 *   gap or repeat, until the next `assigned`, `lost` or `resume` of that partition;
 * - batches fetched under an older generation, or before a newer `resume` of the partition, are never delivered;
 * - while the engine does not poll, it holds a bounded number of fetched batches and keeps its membership.
 */
export interface Source {
  readonly kind: "kafka" | "file" | "demo";
  /** Starts joining; `poll` reports the result. Throws UsageError if the settings can never work. */
  open(signal: AbortSignal): Promise<void>;
  /** Reads the log's identity and current bounds. Rejects with Unavailable. */
  identify(): Promise<LogIdentity>;
  poll(maxWaitMs: number): Promise<SourceEvent>;
  /**
   * Called once, before `open`. Records may gather at the log until the time that `until` returns, by our clock, so that they come in few,
   * full batches; after that time they are wanted at once. A source may leave this method out.
   */
  gatherBy?(until: () => EpochMs): void;
  /** Sets positions and starts these partitions; the others of the assignment stay paused. Ignored if `generation` is not the current one. */
  resume(generation: number, positions: ReadonlyMap<PartitionId, Offset>): void;
  /** Our clock when the last *successful* confirmation of membership in the current generation was sent (heartbeat, lease renewal). */
  confirmedAt(): EpochMs;
  /** Our clock when the topic id (or file identity) was last found unchanged. If that is too old, the engine calls `identify` before a commit. */
  identityCheckedAt(): EpochMs;
  /** Bytes read and bytes on disk; without this method, progress is computed from offsets. */
  progress?(): { readonly done: number; readonly total: number } | null;
  /** Publishes committed positions for lag tools only; failures are ignored. */
  publish(positions: ReadonlyMap<PartitionId, Offset>): Promise<void>;
  /** Leaves the group and disconnects within `deadlineMs`. Never rejects. */
  close(deadlineMs: number): Promise<void>;
}

/** A source that can begin again. The engine reads from one of these. */
export interface RenewableSource extends Source {
  /** Called after a stopped stream was resumed: the next `poll` begins with a new membership, and earlier faults are not reported again. */
  renew(): void;
}
