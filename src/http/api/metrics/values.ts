// Sets the gauges and counters from snapshots of the engines and one read of the database. No I/O.
import type { GeoCounts, GeoState } from "../../../geo/geo_state.ts";
import type { PipelineSnapshot } from "../../../shared/snapshot.ts";
import { ENGINE_STEPS, type Steps, UPKEEP_STEPS } from "../../../shared/steps.ts";
import type { EpochMs } from "../../../shared/units.ts";
import type { Freshness } from "../stream/freshness.ts";
import type { Metrics } from "./catalogue.ts";
import type { StreamStats } from "../stream/stream_stats.ts";

/** Most partitions with labels of their own; the others are only in the sums. */
const PARTITION_LABELS_MAX = 64;
/** Most reasons with labels of their own. Tidemark has fewer; more can only come from a change of the tables by hand. */
const REASON_LABELS_MAX = 32;

const STEPS = [...ENGINE_STEPS, ...UPKEEP_STEPS];

/** Sets the metrics of this process's engines. */
export function setFromSnapshots(metrics: Metrics, snapshots: readonly PipelineSnapshot[], now: EpochMs): void {
  const sum = (pick: (s: PipelineSnapshot) => number) => snapshots.reduce((total, s) => total + pick(s), 0);
  const phase = metrics.gauge("tidemark_engine_phase");
  phase.clear();
  for (const s of snapshots) phase.set(1, { phase: s.phase });

  const records = metrics.counter("tidemark_records_total");
  for (
    const [result, key] of [
      ["counted", "counted"],
      ["late", "late"],
      ["dead", "dead"],
      ["null", "nulls"],
      ["skipped", "skipped"],
    ] as const
  ) {
    raise(records, sum((s) => s.totals[key]), { result });
  }
  raise(metrics.counter("tidemark_bytes_total"), sum((s) => s.totals.bytes));
  raise(metrics.counter("tidemark_rebalances_total"), sum((s) => s.totals.rebalances));
  raise(metrics.counter("tidemark_batches_split_total"), sum((s) => s.totals.batchesSplit));
  raise(metrics.counter("tidemark_commits_total"), sum((s) => s.totals.commits));
  raise(metrics.counter("tidemark_commits_fenced_total"), sum((s) => s.commit.fenced));
  raise(metrics.counter("tidemark_commits_unknown_total"), sum((s) => s.commit.unknownOutcomes));
  raise(metrics.counter("tidemark_windows_closed_total"), sum((s) => s.totals.windowsClosed));
  raise(metrics.counter("tidemark_breakdown_values_folded_total"), sum((s) => s.totals.valuesFolded));

  metrics.gauge("tidemark_pending_records").set(sum((s) => s.commit.pendingRecords));
  metrics.gauge("tidemark_pending_keys").set(sum((s) => s.commit.pendingKeys));
  const commits = snapshots.map((s) => s.commit);
  setIfAny(metrics, "tidemark_commit_last_duration_seconds", commits.map((c) => c.lastDurationMs), (ms) => ms / 1000);
  setIfAny(metrics, "tidemark_commit_age_seconds", commits.map((c) => c.lastAt), (at) => Math.max(0, now - at) / 1000);

  const partitions = snapshots.flatMap((s) => s.partitions);
  const lag = (p: typeof partitions[number]) => p.logEnd === null ? 0 : Math.max(0, p.logEnd - p.position);
  metrics.gauge("tidemark_partitions_owned").set(partitions.length);
  metrics.gauge("tidemark_lag_records").set(partitions.reduce((total, p) => total + lag(p), 0));
  const behind = partitions.filter((p) => lag(p) > 0 && Number.isFinite(p.lastEventTime));
  metrics.gauge("tidemark_lag_seconds").set(
    behind.reduce((most, p) => Math.max(most, (now - p.lastEventTime) / 1000), 0),
  );
  const lagRecords = metrics.gauge("tidemark_partition_lag_records");
  const watermarkLag = metrics.gauge("tidemark_partition_watermark_lag_seconds");
  lagRecords.clear();
  watermarkLag.clear();
  for (const p of partitions.slice(0, PARTITION_LABELS_MAX)) {
    lagRecords.set(lag(p), { partition: p.partition });
    if (Number.isFinite(p.watermark)) watermarkLag.set((now - p.watermark) / 1000, { partition: p.partition });
  }
}

/** Sets how long each step has been failing: of several engines, the longest. */
export function setFromSteps(metrics: Metrics, boards: readonly Partial<Steps>[], now: EpochMs): void {
  const gauge = metrics.gauge("tidemark_step_failing_seconds");
  gauge.clear();
  for (const step of STEPS) {
    const states = boards.flatMap((board) => board[step] ?? []);
    const failing = states.map(({ state, since }) => state === "failing" ? Math.max(0, now - since) / 1000 : 0);
    if (failing.length > 0) gauge.set(Math.max(...failing), { step });
  }
}

/** Sets the metrics from the database. If it does not answer, they are left out: an old number would mislead. */
export function setFromDatabase(metrics: Metrics, stats: StreamStats | null, now: EpochMs): void {
  const names = [
    "tidemark_watermark_lag_seconds",
    "tidemark_freshness_seconds",
    "tidemark_data_revision",
    "tidemark_stream_stopped",
    "tidemark_stream_records",
    "tidemark_dead_letters",
    "tidemark_windows_open",
    "tidemark_windows_closed",
    "tidemark_windows_folded",
    "tidemark_keys_folded",
    "tidemark_data_gaps",
  ] as const;
  for (const name of names) metrics.gauge(name).clear();
  if (stats === null) return;
  if (stats.watermark !== null) metrics.gauge("tidemark_watermark_lag_seconds").set((now - stats.watermark) / 1000);
  if (stats.closed_through !== null) {
    metrics.gauge("tidemark_freshness_seconds").set((now - stats.closed_through) / 1000);
  }
  metrics.gauge("tidemark_data_revision").set(stats.data_revision);
  const code = stats.stopped_code;
  metrics.gauge("tidemark_stream_stopped").set(code === null ? 0 : 1, code === null ? {} : { code: label(code) });
  for (const result of ["counted", "late", "dead", "null", "skipped"] as const) {
    metrics.gauge("tidemark_stream_records").set(stats[result], { result });
  }
  for (const { reason, records } of stats.dead_by_reason.slice(0, REASON_LABELS_MAX)) {
    metrics.gauge("tidemark_dead_letters").set(records, { reason: label(reason) });
  }
  metrics.gauge("tidemark_windows_open").set(stats.windows_open);
  metrics.gauge("tidemark_windows_closed").set(stats.windows_closed);
  metrics.gauge("tidemark_windows_folded").set(stats.windows_folded);
  metrics.gauge("tidemark_keys_folded").set(stats.keys_folded);
  metrics.gauge("tidemark_data_gaps").set(stats.data_gaps);
}

/** Sets the share of windows that were visible in time; no series before one was due. */
export function setFromFreshness(metrics: Metrics, freshness: Freshness | null): void {
  const gauge = metrics.gauge("tidemark_windows_fresh_ratio");
  gauge.clear();
  if (freshness !== null && freshness.due > 0) gauge.set(freshness.fresh / freshness.due);
}

/** Sets the age of the address databases. */
export function setFromGeo(metrics: Metrics, geo: GeoState | null, now: EpochMs): void {
  const built = geo?.files.map((file) => file.buildTime) ?? [];
  setIfAny(metrics, "tidemark_geo_database_age_seconds", built, (at) => (now - at) / 1000);
}

/** Sets the results of address lookups. */
export function setFromGeoCounts(metrics: Metrics, counts: GeoCounts): void {
  const lookups = metrics.counter("tidemark_geo_lookups_total");
  raise(lookups, counts.located - counts.walked, { result: "cached" });
  raise(lookups, counts.walked, { result: "walked" });
  raise(metrics.counter("tidemark_geo_misses_total"), counts.missed);
}

/** Sets the largest of several values; without a value there is no series. */
function setIfAny(
  metrics: Metrics,
  name: "tidemark_commit_last_duration_seconds" | "tidemark_commit_age_seconds" | "tidemark_geo_database_age_seconds",
  values: readonly (number | null)[],
  convert: (value: number) => number,
): void {
  const gauge = metrics.gauge(name);
  gauge.clear();
  const known = values.flatMap((value) => value === null ? [] : [convert(value)]);
  if (known.length > 0) gauge.set(Math.max(...known));
}

/** Raises a counter to a total that an engine keeps. A restarted engine begins at 0; the counter then waits until the total passes it. */
function raise(counter: ReturnType<Metrics["counter"]>, total: number, labels: Readonly<Record<string, string>> = {}) {
  counter.inc(Math.max(0, total - counter.value(labels)), labels);
}

/** A label value from the database: a name, never free text. */
function label(text: string): string {
  return /^[a-z][a-z0-9_]{0,39}$/.test(text) ? text : "other";
}
