// The port between the engine and the database, and the guarantees that an implementation must give. No I/O.
import type { DeadRange, DeadSample } from "../window/dead_letters.ts";
import type { IdleAdvance, PartitionRow, Tally } from "../window/tracker.ts";
import type { StreamRules } from "../event/stream_rules.ts";
import type { DeadReason } from "../shared/dead_reasons.ts";
import type { EpochMs, Offset, PartitionId } from "../shared/units.ts";
import { messageOf, type StopCode } from "../shared/errors.ts";

export type { IdleAdvance, PartitionRow } from "../window/tracker.ts";

/** Settings that never change for a stream. A start with other values is refused. */
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
  /** Rules of a new stream. An existing stream keeps its own, which the caller compares (`checkRules`). */
  readonly rules: StreamRules;
  /** Time of the demo generator's first event; stored at the first start, read back later. */
  readonly anchor: EpochMs;
}

/** Stream row, partition rows and the server's clock, read in one snapshot. */
export interface StoredState {
  /** The rules that apply from the stored positions on, as `rulesJson` writes them. */
  readonly rules: string;
  readonly topicId: string | null;
  readonly anchor: EpochMs;
  readonly closedThrough: EpochMs;
  readonly stopped: { readonly code: string; readonly message: string } | null;
  readonly rows: readonly PartitionRow[];
  /** PostgreSQL's clock when it answered. */
  readonly serverNow: EpochMs;
}

/** A partition that may need a row. */
export interface NewPartition {
  readonly partition: PartitionId;
  /** Where reading begins by `START_AT`, if the stream has no partition yet. */
  readonly startOffset: Offset;
  /** Where reading begins in partitions that are added later. */
  readonly logStart: Offset;
  /** Names of the log files that are this partition. They are stored with it; a name that belongs to another partition is refused. */
  readonly logs?: readonly { readonly name: string; readonly foundBy: string }[];
}

/** The change of one partition row by one commit: the new row, and the records since the old one by result. */
export interface PartitionMove extends Omit<PartitionRow, "commitId" | "firstOffset" | "retired">, Readonly<Tally> {
  readonly oldCommitId: string;
  readonly oldNextOffset: Offset;
  /** Lowest and highest event time of counted and late records since the row was loaded; `null` without such records. */
  readonly firstEventTime: EpochMs | null;
  readonly newestEventTime: EpochMs | null;
  /** Watermarks raised by silence since the old row, in order. */
  readonly idleAdvances: readonly IdleAdvance[];
}

/**
 * The hits of a chunk by host and value, once for each dimension in `mask`. Each of these dimensions adds up to the chunk's hits and bot hits.
 * The lists hold the dimensions one after the other, in order of their numbers.
 */
export interface ChunkBreakdown {
  /** Sum of `DIMENSION_BITS` that are counted; not 0. */
  readonly mask: number;
  /** Texts of the values of all dimensions, each ended by U+001F. A text may occur once in each dimension. */
  readonly values: string;
  /** Four comma-separated numbers: pairs in dimensions 1; 1 and 2; 1 to 3; 1 to 4. A dimension that is not in `mask` has no pair. */
  readonly ends: string;
  /** Comma-separated numbers, one for each pair: 1-based positions in the chunk's `hosts` and in `values`, then hits. */
  readonly hostIx: string;
  readonly valueIx: string;
  readonly hits: string;
  readonly botHits: string;
}

/** Keys of one window in one commit. Its indexes (1-based) refer to its own dictionaries. */
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
  /** `null` without breakdowns. */
  readonly breakdown: ChunkBreakdown | null;
}

/** Visitors of one UTC day in one commit, as updates of sketches. Late records and bots have no part in them. */
export interface VisitorUpdates {
  /** UTC day of the windows' starts, `2026-01-31`. */
  readonly day: string;
  /** Id of the salt by which they were hashed ({@link Salt}). */
  readonly saltId: string;
  /** Texts of the hosts, each ended by U+001F. */
  readonly hosts: string;
  /** Comma-separated numbers, one for each update: 1-based position in `hosts`, and register × 64 + rank. */
  readonly hostIx: string;
  readonly updates: string;
}

/** The key of a day's hashes of visitors. */
export interface Salt {
  readonly day: string;
  readonly id: string;
  /** 16 bytes. */
  readonly salt: Uint8Array;
}

export type CommitReason = "interval" | "size" | "rebalance" | "idle" | "end" | "shutdown";

/** A frozen delta. While its outcome is unknown it is sent again unchanged. */
export interface CommitPayload {
  /** Fresh random 128-bit id, never a counter. */
  readonly commitId: string;
  readonly reason: CommitReason;
  /** Ascending by partition. */
  readonly moves: readonly PartitionMove[];
  readonly chunks: readonly Chunk[];
  /** At most one a day, ascending by day. */
  readonly visitors: readonly VisitorUpdates[];
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
 * The result of one statement. After `fenced` and `unknown` the payload may be stored or not: a statement that missed its deadline may still
 * arrive, and a reply may be lost. The rows decide (`judgeOutcome`).
 */
export type CommitOutcome =
  | { readonly kind: "committed" }
  | { readonly kind: "fenced" }
  /** Nothing was stored, because a day has another salt than that of the payload. Drop what was counted, and the salts. */
  | { readonly kind: "salt_differs" }
  | { readonly kind: "unknown"; readonly cause: Error };

/** The result of one call of `close`. */
export type CloseOutcome =
  | {
    readonly kind: "closed";
    readonly windowStart: EpochMs;
    readonly rows: number;
    readonly hits: number;
    readonly foldedKeys: number;
    /** Pairs of host and value that were folded into `(other)` of the window's breakdowns. */
    readonly foldedValues: number;
    readonly chunks: number;
  }
  /** Nothing to close. */
  | { readonly kind: "nothing" }
  /** Another instance is closing. */
  | { readonly kind: "busy" };

/** An open window could not be compacted. It is still closed later, but more slowly. */
export class CompactionFailed extends Error {
  override readonly name = "CompactionFailed";
  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
  }
}

/**
 * The stream's state in a database.
 *
 * An implementation guarantees:
 * - `commit` is atomic, and takes effect only if every row still holds the old id *and* the old offset (compare-and-swap);
 * - `close` closes at most one window, once, and only when every partition's committed watermark has reached its end;
 * - `read` is one snapshot; every method settles within its deadline, even if the server is frozen;
 * - `close` rejects with {@link CompactionFailed} if no window could be closed and the compaction failed;
 * - after a rejection of `read`, `join`, `close` or `stop` the state is as before the call, or as after a successful one.
 *   A rejection with a NamedError of exit code `usage` is final; everything else may be tried again.
 */
export interface Store {
  /** Creates the stream and missing partition rows. @throws UsageError if the stream was made with other settings. */
  join(settings: StreamSettings, partitions: readonly NewPartition[]): Promise<void>;
  /** `null` before the first join. */
  read(): Promise<StoredState | null>;
  commit(payload: CommitPayload): Promise<CommitOutcome>;
  /**
   * The salts of these UTC days (`2026-01-31`), made where a day has none yet. A closed day has none and is left out: the caller's positions
   * have moved then.
   */
  salts(days: readonly string[]): Promise<readonly Salt[]>;
  close(): Promise<CloseOutcome>;
  /** Stores a named error in the stream row, so that every instance stops until an operator resumes the stream. */
  stop(code: StopCode, message: string): Promise<void>;
}
