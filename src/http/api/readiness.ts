// Whether this process makes progress, in words. Pure.
import type { PartitionSnapshot, PipelineSnapshot } from "../../shared/snapshot.ts";
import type { DurationMs, EpochMs } from "../../shared/units.ts";

export interface ReadinessInputs {
  /** Empty where only the API runs. */
  readonly snapshots: readonly PipelineSnapshot[];
  readonly now: EpochMs;
  readonly progressTimeoutMs: DurationMs;
  /** Why the database does not answer the API; null when it does. */
  readonly databaseProblem: string | null;
}

/** One reason for a red readiness. */
export interface ReadinessReason {
  /** Stable snake_case name. */
  readonly code: string;
  readonly reason: string;
}

export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly ReadinessReason[];
}

/** At most this many partitions are named; the rest is a number. */
const NAMED_MAX = 5;

/** Ready = PostgreSQL answers and every engine is assigned, not stopped, and moves or is caught up in each of its partitions. */
export function readiness(inputs: ReadinessInputs): Readiness {
  const reasons: ReadinessReason[] = [];
  if (inputs.databaseProblem !== null) reasons.push({ code: "postgres_unavailable", reason: inputs.databaseProblem });
  for (const snapshot of inputs.snapshots) {
    for (const found of engineReasons(snapshot, inputs)) {
      // The engine and the API usually lose the database together: once is enough.
      if (!reasons.some((known) => known.code === found.code && found.code === "postgres_unavailable")) {
        reasons.push(found);
      }
    }
  }
  return { ready: reasons.length === 0, reasons };
}

function engineReasons(snapshot: PipelineSnapshot, inputs: ReadinessInputs): ReadinessReason[] {
  const words = (fallback: string) => snapshot.reason ?? fallback;
  switch (snapshot.phase) {
    case "starting":
      return [{ code: snapshot.reasonCode ?? "not_assigned", reason: words("no partitions are assigned yet") }];
    case "waiting":
      return [{ code: snapshot.reasonCode ?? "waiting", reason: words("a server does not answer") }];
    case "stopped":
      return [{ code: snapshot.reasonCode ?? "stopped", reason: words("the stream is stopped") }];
    case "stopping":
      return [{ code: "stopping", reason: words("this process is shutting down") }];
    case "running":
      return [...storeReasons(snapshot, inputs), ...partitionReasons(snapshot, inputs)];
  }
}

function storeReasons(snapshot: PipelineSnapshot, { now, progressTimeoutMs }: ReadinessInputs): ReadinessReason[] {
  if (!snapshot.store.reachable) {
    return [{ code: "postgres_unavailable", reason: "PostgreSQL does not answer the pipeline" }];
  }
  const { lastAt, pendingRecords } = snapshot.commit;
  const since = lastAt ?? snapshot.startedAt;
  if (pendingRecords > 0 && now - since > progressTimeoutMs) {
    const reason = `${pendingRecords} records wait for a commit; the last one was ${seconds(now - since)} ago`;
    return [{ code: "commits_stuck", reason }];
  }
  return [];
}

function partitionReasons(snapshot: PipelineSnapshot, { now, progressTimeoutMs }: ReadinessInputs): ReadinessReason[] {
  const stuck = snapshot.partitions.filter((p) => now - p.progressAt > progressTimeoutMs);
  const named = stuck.slice(0, NAMED_MAX).map((p) => ({
    code: "partition_stuck",
    reason: `partition ${p.partition} has not moved for ${seconds(now - p.progressAt)}: ${stateInWords(p)}`,
  }));
  const more = stuck.length - named.length;
  return more > 0 ? [...named, { code: "partition_stuck", reason: `and ${more} more partitions` }] : named;
}

function stateInWords(partition: PartitionSnapshot): string {
  switch (partition.state) {
    case "loading":
      return "its position is being loaded";
    case "contested":
      return "another instance has moved it, and the group has not given it back";
    case "flowing":
      return partition.logEnd === null
        ? "no fetch has been answered"
        : `${Math.max(0, partition.logEnd - partition.position)} records are left to read`;
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
