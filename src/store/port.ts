// The port between the engine and the database, and the guarantees that an implementor owes. No I/O.
import type { DeadRange, DeadSample } from "../window/dead_letters.ts";
import type { IdleAdvance, PartitionRow } from "../window/tracker.ts";
import type { StreamRules } from "../event/stream_rules.ts";
import type { DeadReason } from "../event/types.ts";
import type { EpochMs, Offset, PartitionId } from "../shared/units.ts";
import { messageOf, type StopCode } from "../shared/errors.ts";

export type { IdleAdvance, PartitionRow } from "../window/tracker.ts";

/** The settings that a stream keeps for life; a start with other values is refused. */
export interface FixedSettings {
  readonly source: "kafka" | "file" | "demo";
  readonly topic: string;
  readonly group: string;
  readonly windowSizeMs: number;
  readonly referrerGranularity: "raw" | "origin" | "domain";
  readonly keyBytesMax: number;
}

/** What a stream is made with. */
export interface StreamSettings extends FixedSettings {
  readonly topicId: string | null;
  readonly offsetsCountRecords: boolean;
  /** Rules with which a new stream begins. A stream that is there keeps its own: the caller compares (`checkRules`). */
  readonly rules: StreamRules;
  /** Where the demo generator counts from; stored at the first start, read back later. */
  readonly anchor: EpochMs;
}

/** Stream row, partition rows and the server's clock, read in one snapshot. */
export interface StoredState {
  /** The rules that hold from the stored positions on, as `rulesJson` writes them: of the same snapshot as the rows. */
  readonly rules: string;
  readonly topicId: string | null;
  readonly anchor: EpochMs;
  readonly closedThrough: EpochMs;
  readonly stopped: { readonly code: string; readonly message: string } | null;
  readonly rows: readonly PartitionRow[];
  /** PostgreSQL's clock when it answered. */
  readonly serverNow: EpochMs;
}

/** A partition that may need a row: where a first start begins, and where its log begins. */
export interface NewPartition {
  readonly partition: PartitionId;
  /** Offset by `START_AT`; used where the stream has no partition yet. */
  readonly startOffset: Offset;
  /** Log start; used for partitions added later. */
  readonly logStart: Offset;
  /** Names of the log files that are this partition: stored with it, and refused where another one has them. */
  readonly logs?: readonly { readonly name: string; readonly foundBy: string }[];
}

/** What one commit does to one partition row. */
export interface PartitionMove {
  readonly partition: PartitionId;
  readonly oldCommitId: string;
  readonly oldNextOffset: Offset;
  readonly nextOffset: Offset;
  readonly watermark: EpochMs;
  readonly recordWatermark: EpochMs;
  readonly maxWindowEnd: EpochMs;
  readonly raisedAt: EpochMs;
  readonly quietSince: EpochMs | null;
  /** Lowest and highest event time of counted and late records since the row was loaded; `null` where there was none. */
  readonly firstEventTime: EpochMs | null;
  readonly newestEventTime: EpochMs | null;
  readonly counted: number;
  readonly late: number;
  readonly lateDropped: number;
  readonly dead: number;
  readonly nulls: number;
  readonly skipped: number;
  /** Watermarks raised by silence since the old row, in order. */
  readonly idleAdvances: readonly IdleAdvance[];
}

/** Keys of one window in one commit, self-contained: indexes point into its own dictionaries (1-based). */
export interface Chunk {
  readonly late: boolean;
  readonly windowStart: EpochMs;
  readonly hits: number;
  readonly botHits: number;
  readonly keys: number;
  /** Texts, each ended by U+001F; a place is country, region and city separated by U+001E. */
  readonly hosts: string;
  readonly referrers: string;
  readonly places: string;
  /** Comma-separated numbers, one for each key. */
  readonly hostIx: string;
  readonly referrerIx: string;
  readonly placeIx: string;
  readonly keyHits: string;
  readonly keyBotHits: string;
}

/** Why a commit is made. */
export type CommitReason = "interval" | "size" | "rebalance" | "idle" | "end" | "shutdown";

/** A frozen delta. Resent unchanged for as long as its outcome is unknown. */
export interface CommitPayload {
  /** Fresh random 128-bit id, never a counter. */
  readonly commitId: string;
  readonly reason: CommitReason;
  /** Ascending by partition. */
  readonly moves: readonly PartitionMove[];
  readonly chunks: readonly Chunk[];
  readonly dead: {
    readonly counts: readonly {
      readonly partition: PartitionId;
      readonly reason: DeadReason;
      readonly records: number;
    }[];
    readonly ranges: readonly DeadRange[];
    readonly samples: readonly DeadSample[];
  } | null;
  readonly records: number;
  readonly keys: number;
}

/**
 * What a commit came to. Neither `fenced` nor `unknown` says by itself whether the payload is in the database: a statement that was given up
 * may still arrive, and a reply may be lost. The rows decide (`judgeOutcome`).
 */
export type CommitOutcome =
  | { readonly kind: "committed" }
  | { readonly kind: "fenced" }
  | { readonly kind: "unknown"; readonly cause: Error };

/** What a tick of the closer did. */
export type CloseOutcome =
  | {
    readonly kind: "closed";
    readonly windowStart: EpochMs;
    readonly rows: number;
    readonly hits: number;
    readonly foldedKeys: number;
    readonly chunks: number;
  }
  /** Nothing to close. */
  | { readonly kind: "nothing" }
  /** Another instance is closing. */
  | { readonly kind: "busy" };

/** An open window could not be compacted: it is still closed later, only more slowly. */
export class CompactionFailed extends Error {
  override readonly name = "CompactionFailed";
  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
  }
}

/**
 * The stream's state in a database.
 *
 * Guarantees an implementor owes:
 * - `commit` is atomic, and takes effect only where every row still holds the old id *and* the old offset (compare-and-swap);
 * - `close` closes one window at most, once, and only when every partition's committed watermark has reached its end;
 * - `read` is one snapshot; every method settles within its deadline, also when the server is frozen;
 * - `close` rejects with {@link CompactionFailed} where nothing was left to close and only that failed;
 * - every rejection of `read`, `join`, `close` and `stop` leaves the state as it was or as the call would have left it.
 *   A rejection with a NamedError of exit code `usage` is final; everything else may be tried again.
 */
export interface Store {
  /** Creates the stream and missing partition rows. @throws UsageError where the stream was made with other settings. */
  join(settings: StreamSettings, partitions: readonly NewPartition[]): Promise<void>;
  /** `null` before the first join. */
  read(): Promise<StoredState | null>;
  commit(payload: CommitPayload): Promise<CommitOutcome>;
  close(): Promise<CloseOutcome>;
  /** Records a named error in the stream row, so that every instance stops until an operator resumes it. */
  stop(code: StopCode, message: string): Promise<void>;
}
