// Decides whether this process makes progress, and writes the reasons. Pure.
import { durationText } from "../../shared/quantities.ts";
import type { PartitionSnapshot, PipelineSnapshot } from "../../shared/snapshot.ts";
import type { StepName, Steps, StepState, UpkeepStep } from "../../shared/steps.ts";
import { type DurationMs, type EpochMs, HOUR } from "../../shared/units.ts";

interface ReadinessInputs {
  /** Empty in `tidemark serve`. */
  readonly snapshots: readonly PipelineSnapshot[];
  readonly now: EpochMs;
  readonly progressTimeoutMs: DurationMs;
  /** Absent in `tidemark serve`. */
  readonly upkeep?: Steps<UpkeepStep> | undefined;
  /** Steps that other processes have stored; absent or empty if they were not read, or if none is recent. */
  readonly elsewhere?: readonly RecordedStep[] | undefined;
  /** Why the database does not answer the API; null if it does. */
  readonly databaseProblem: string | null;
}

/** A step of another process: a row of `stream_step`. */
export interface RecordedStep {
  readonly step: StepName;
  readonly instance: string;
  readonly state: StepState;
  /** When it was written. */
  readonly at: EpochMs;
}

/** A reason for a red readiness. */
export interface ReadinessReason {
  /** Stable snake_case name. */
  readonly code: string;
  readonly reason: string;
}

interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly ReadinessReason[];
  /** Failing steps that do not stop counting. Another instance would fail in the same way, so readiness stays green. */
  readonly degraded: readonly ReadinessReason[];
}

/** A step may wait this long for another one or for a lock. */
const WAITING_MS_MAX = HOUR;

/** Most partitions in a reason; of the rest only the number is given. */
const NAMED_MAX = 5;

/** Ready = PostgreSQL answers, and every engine is assigned, not stopped, and makes progress or is at the log's end in each of its partitions. */
export function readiness(inputs: ReadinessInputs): Readiness {
  const reasons: ReadinessReason[] = [];
  if (inputs.databaseProblem !== null) reasons.push({ code: "postgres_unavailable", reason: inputs.databaseProblem });
  for (const snapshot of inputs.snapshots) {
    for (const found of engineReasons(snapshot, inputs)) {
      // The engine and the API usually lose the database together: one reason is enough.
      if (!reasons.some((known) => known.code === found.code && found.code === "postgres_unavailable")) {
        reasons.push(found);
      }
    }
  }
  return { ready: reasons.length === 0, reasons, degraded: degradedSteps(inputs) };
}

/** The steps as the beginning of a sentence. */
const STEP_SAYS: Readonly<Record<StepName, string>> = {
  commit: "commits have",
  closing: "closing of windows has",
  compaction: "compaction of open windows has",
  roll_up: "roll-ups have",
  retention: "retention has",
  upkeep: "upkeep of tables has",
  notify: "sending of reports and alerts has",
};

/** Text about a failing step: what, since when, why, and what to do. */
export function stepInWords(step: StepName, { state, since, problem }: StepState, now: EpochMs): string {
  const what = `${STEP_SAYS[step]} ${state === "failing" ? "failed" : "waited"}`;
  const why = problem ? `${problem.message.replace(/\.$/, "")}. ${problem.action}` : "the reason is not known.";
  return `${what} since ${new Date(since).toISOString()} (${durationText(now - since)}): ${why}`;
}

function degradedSteps(
  { snapshots, upkeep, elsewhere = [], now, progressTimeoutMs }: ReadinessInputs,
): ReadinessReason[] {
  const compactions = snapshots.map(({ steps }) => ["compaction", steps.compaction] as const);
  const all: readonly (readonly [StepName, StepState])[] = [
    ...compactions,
    ...Object.entries(upkeep ?? {}) as [UpkeepStep, StepState][],
  ];
  const here = all.flatMap(([step, state]) => stepFault(step, state, now, progressTimeoutMs) ?? []);
  // Failures of other processes do not make this one unready.
  const there = elsewhere.flatMap(({ step, instance, state, at }) => {
    const fault = stepFault(step, state, at, progressTimeoutMs);
    return fault === null ? [] : [{ ...fault, reason: `instance ${instance}: ${fault.reason}` }];
  });
  return [...here, ...there];
}

/** What is wrong with a step, or null. A closing that hangs gives no error, but its last success is too old. */
export function stepFault(
  step: StepName,
  state: StepState,
  now: EpochMs,
  progressTimeoutMs: DurationMs,
): ReadinessReason | null {
  const bound = state.state === "failing" ? progressTimeoutMs : WAITING_MS_MAX;
  if (state.state !== "ok" && now - state.since > bound) {
    return { code: `${step}_${state.state}`, reason: stepInWords(step, state, now) };
  }
  const silent = now - (state.lastSuccessAt ?? state.since);
  if (step !== "closing" || state.state !== "ok" || silent <= progressTimeoutMs) return null;
  const reason =
    `a closing of windows has run for ${durationText(silent)} without an answer: another session may hold a ` +
    "lock on our tables. End that session (pg_stat_activity, pg_blocking_pids); closing then goes on by itself.";
  return { code: "closing_stuck", reason };
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
      return [
        ...storeReasons(snapshot, inputs),
        ...stepReasons(snapshot, inputs),
        ...partitionReasons(snapshot, inputs),
      ];
  }
}

function storeReasons(snapshot: PipelineSnapshot, { now, progressTimeoutMs }: ReadinessInputs): ReadinessReason[] {
  const { steps } = snapshot;
  if (!snapshot.store.reachable) {
    return [{ code: "postgres_unavailable", reason: "PostgreSQL does not answer the pipeline" }];
  }
  const { lastAt, pendingRecords } = snapshot.commit;
  const since = lastAt ?? snapshot.startedAt;
  if (pendingRecords > 0 && now - since > progressTimeoutMs) {
    const reason = `${pendingRecords} records wait for a commit; the last one was ${durationText(now - since)} ago`;
    const { commit } = steps;
    const why = commit.state === "failing" ? `. The ${stepInWords("commit", commit, now)}` : "";
    return [{ code: "commits_stuck", reason: reason + why }];
  }
  return [];
}

/** Without closings, counts do not reach the reports. */
function stepReasons(
  { steps, store }: PipelineSnapshot,
  { now, progressTimeoutMs }: ReadinessInputs,
): ReadinessReason[] {
  const fault = stepFault("closing", steps.closing, now, progressTimeoutMs);
  // The reason about the database is enough.
  if (fault?.code === "closing_stuck") return store.reachable ? [fault] : [];
  return fault === null ? [] : [{ code: "closing_failing", reason: fault.reason }];
}

function partitionReasons(snapshot: PipelineSnapshot, { now, progressTimeoutMs }: ReadinessInputs): ReadinessReason[] {
  const stuck = snapshot.partitions.filter((p) => now - p.progressAt > progressTimeoutMs);
  const named = stuck.slice(0, NAMED_MAX).map((p) => ({
    code: "partition_stuck",
    reason: `partition ${p.partition} has not moved for ${durationText(now - p.progressAt)}: ${stateInWords(p)}`,
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
