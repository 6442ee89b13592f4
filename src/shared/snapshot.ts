// The state of a running pipeline for health, metrics and pages: read-only values. No I/O.
import type { DeadReason } from "./dead_reasons.ts";
import type { EngineStep, Steps } from "./steps.ts";
import type { EpochMs, Offset, PartitionId } from "./units.ts";

/** One owned partition. */
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
  /** Our clock when a batch last moved the position, or a fetch last reached the log's end. */
  readonly progressAt: EpochMs;
  readonly quietSince: EpochMs | null;
  /** flowing = assigned and read; loading = its position is read; contested = given up until the group confirms it. */
  readonly state: "flowing" | "loading" | "contested";
}

/** Dead letters of one reason. */
export interface StoredDead {
  records: number;
  /** The first one. `line`: in a log of lines, from 1; null if it is not known. */
  readonly first: { readonly partition: PartitionId; readonly offset: number; readonly line: number | null };
}

/** Records that one engine has committed since the start of this process, by result. */
export interface StoredTotals {
  counted: number;
  late: number;
  dead: number;
  nulls: number;
  /** In the order of the reasons' first occurrence. */
  readonly byReason: Partial<Record<DeadReason, StoredDead>>;
}

/** Totals of one engine since the start of this process, committed or not. */
interface EngineTotals {
  records: number;
  bytes: number;
  counted: number;
  late: number;
  dead: number;
  nulls: number;
  skipped: number;
  rebalances: number;
  /** Batches that did not fit into one delta. */
  batchesSplit: number;
  commits: number;
  windowsClosed: number;
  /** Pairs of host and value that the closings folded into `(other)`. */
  valuesFolded: number;
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
  valuesFolded: 0,
  stored: { counted: 0, late: 0, dead: 0, nulls: 0, byReason: {} },
});

/** State of one engine, taken between two steps of its loop. */
export interface PipelineSnapshot {
  readonly instance: string;
  readonly source: "kafka" | "file" | "demo";
  readonly topic: string;
  readonly startedAt: EpochMs;
  readonly now: EpochMs;
  /** starting: no partitions yet · running · waiting: for a server · stopped: by a named error · stopping: shutting down. */
  readonly phase: "starting" | "running" | "waiting" | "stopped" | "stopping";
  /** Why the phase is not `running`; null if it is. */
  readonly reason: string | null;
  /** Stable error name if `phase` is stopped or waiting, e.g. `data_gap`, `postgres_unavailable`. */
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
  /** States of commits, closings and compactions of this engine. */
  readonly steps: Steps<EngineStep>;
  readonly totals: Readonly<EngineTotals>;
  /** Progress of reading, both numbers in the same unit; null if it is not known. */
  readonly reading: { readonly done: number; readonly total: number } | null;
}
