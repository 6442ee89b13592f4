// What the running pipeline shows of itself: read-only values for health, metrics and pages. No I/O.
import type { DeadReason } from "./dead_reasons.ts";
import type { EngineStep, Steps } from "./steps.ts";
import type { EpochMs, Offset, PartitionId } from "./units.ts";

/** One owned partition as this instance sees it now. */
export interface PartitionSnapshot {
  readonly partition: PartitionId;
  /** Next record to read, uncommitted progress included. */
  readonly position: Offset;
  /** Next offset of the last commit. */
  readonly committed: Offset;
  /** Log end offset of the last fetch, or null before the first one. */
  readonly logEnd: Offset | null;
  readonly lastStable: Offset | null;
  /** `-Infinity` before the first record. */
  readonly watermark: EpochMs;
  /** Highest event time that was counted; `-Infinity` before the first one. */
  readonly lastEventTime: EpochMs;
  /** Our clock when a batch last moved the position, or a fetch last showed that there is nothing more. */
  readonly progressAt: EpochMs;
  readonly quietSince: EpochMs | null;
  /** flowing = assigned and read; loading = position being loaded; contested = given up until the group confirms it. */
  readonly state: "flowing" | "loading" | "contested";
}

/** Dead letters of one reason. */
export interface StoredDead {
  records: number;
  /** The first one; `line` from 1 in a log of lines, null where it is not known. */
  readonly first: { readonly partition: PartitionId; readonly offset: number; readonly line: number | null };
}

/** What became of the records that one engine has committed since the start of this process. */
export interface StoredTotals {
  counted: number;
  late: number;
  dead: number;
  nulls: number;
  /** In the order in which the reasons were first met. */
  readonly byReason: Partial<Record<DeadReason, StoredDead>>;
}

/** What one engine has done since the start of this process; committed or not. */
interface EngineTotals {
  records: number;
  bytes: number;
  counted: number;
  late: number;
  dead: number;
  nulls: number;
  skipped: number;
  rebalances: number;
  /** Batches of which a part filled the delta. */
  batchesSplit: number;
  commits: number;
  windowsClosed: number;
  readonly stored: StoredTotals;
}

export const noTotals = (): EngineTotals => ({
  records: 0,
  bytes: 0,
  counted: 0,
  late: 0,
  dead: 0,
  nulls: 0,
  skipped: 0,
  rebalances: 0,
  batchesSplit: 0,
  commits: 0,
  windowsClosed: 0,
  stored: { counted: 0, late: 0, dead: 0, nulls: 0, byReason: {} },
});

/** State of one engine, taken between two steps of its loop. */
export interface PipelineSnapshot {
  readonly instance: string;
  readonly source: "kafka" | "file" | "demo";
  readonly topic: string;
  readonly startedAt: EpochMs;
  readonly now: EpochMs;
  /** starting: not assigned yet · running · waiting: a server is away · stopped: by a named error · stopping: shutting down. */
  readonly phase: "starting" | "running" | "waiting" | "stopped" | "stopping";
  /** In words, why the phase is not `running`; null when it is. */
  readonly reason: string | null;
  /** Stable error name when `phase` is stopped or waiting, e.g. `data_gap`, `postgres_unavailable`. */
  readonly reasonCode: string | null;
  readonly generation: number;
  readonly partitions: readonly PartitionSnapshot[];
  readonly store: {
    readonly reachable: boolean;
    readonly lastError: string | null;
    readonly lastSuccessAt: EpochMs | null;
  };
  readonly commit: {
    readonly lastAt: EpochMs | null;
    readonly lastDurationMs: number | null;
    readonly lastKeys: number | null;
    readonly pendingRecords: number;
    readonly pendingKeys: number;
    readonly inFlight: boolean;
    readonly fenced: number;
    readonly unknownOutcomes: number;
  };
  /** How commits, closings and compactions of this engine are doing. */
  readonly steps: Steps<EngineStep>;
  readonly totals: Readonly<EngineTotals>;
  /** How much was read of what there was to read, in one unit; null where that cannot be told. */
  readonly reading: { readonly done: number; readonly total: number } | null;
}
