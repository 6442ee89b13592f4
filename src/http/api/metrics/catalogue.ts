// The table of all metrics of /metrics, for the registry and the documentation. No I/O.
import type { CounterMetric, Gauge, Histogram, Registry } from "../../../shared/metrics.ts";

export interface MetricSpec {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** Names of the labels; their values come from code, or are few and checked. */
  readonly labels: readonly string[];
  /** Histograms only: upper bounds of the buckets. Default: durations from a millisecond to a minute. */
  readonly bounds?: readonly number[];
}

/** A window is visible a watermark delay (1 min) after its end at the earliest, and an idle timeout later if traffic has stopped. */
const VISIBLE_SECONDS = [5, 15, 30, 60, 62, 65, 70, 80, 90, 120, 150, 180, 240, 300, 600, 1800, 3600];

/** By name. Names are stable, because dashboards and alerts use them. `_total` counts since the start of this process. */
export const METRICS_CATALOGUE = {
  tidemark_build_info: { type: "gauge", help: "Always 1; the label says which version runs.", labels: ["version"] },
  tidemark_ready: { type: "gauge", help: "1 when /readyz is green.", labels: [] },
  tidemark_step_failing_seconds: {
    type: "gauge",
    help: "How long a step of this process has been failing; 0 while it is not.",
    labels: ["step"],
  },
  tidemark_postgres_up: { type: "gauge", help: "1 when PostgreSQL answered the last probe.", labels: [] },

  tidemark_engine_phase: { type: "gauge", help: "1 for the phase that the pipeline is in.", labels: ["phase"] },
  tidemark_records_total: {
    type: "counter",
    help: "Records read by this process, by what became of them.",
    labels: ["result"],
  },
  tidemark_bytes_total: { type: "counter", help: "Bytes of records read by this process.", labels: [] },
  tidemark_rebalances_total: { type: "counter", help: "Assignments that this process was given.", labels: [] },
  tidemark_batches_split_total: {
    type: "counter",
    help:
      "Batches of which a part filled a delta (MAX_DELTA_KEYS, MAX_DELTA_BYTES, MAX_DICTIONARY_BYTES): the rest went into the next commit.",
    labels: [],
  },
  tidemark_commits_total: { type: "counter", help: "Commits made by this process.", labels: [] },
  tidemark_commits_fenced_total: {
    type: "counter",
    help: "Commits refused because another instance had moved a partition.",
    labels: [],
  },
  tidemark_commits_unknown_total: { type: "counter", help: "Commits whose outcome had to be looked up.", labels: [] },
  tidemark_windows_closed_total: { type: "counter", help: "Windows closed by this process.", labels: [] },
  tidemark_breakdown_values_folded_total: {
    type: "counter",
    help:
      "Pages, clients and campaigns of a host beyond BREAKDOWN_VALUES_MAX that were summed in (other), in windows closed by this process.",
    labels: [],
  },
  tidemark_window_visible_seconds: {
    type: "histogram",
    help:
      "From the end of a window until its rows were visible; windows closed by this process that ended after it started.",
    labels: [],
    bounds: VISIBLE_SECONDS,
  },
  tidemark_commit_duration_seconds: { type: "histogram", help: "Duration of the commits of this process.", labels: [] },
  tidemark_commit_keys_total: {
    type: "counter",
    help: "Dirty rows: keys (window, host, referrer, place) that the commits of this process wrote.",
    labels: [],
  },
  tidemark_commit_last_duration_seconds: { type: "gauge", help: "Duration of the last commit.", labels: [] },
  tidemark_commit_age_seconds: { type: "gauge", help: "Time since the last commit of this process.", labels: [] },
  tidemark_pending_records: { type: "gauge", help: "Records counted in memory and not yet committed.", labels: [] },
  tidemark_pending_keys: { type: "gauge", help: "Keys in memory and not yet committed.", labels: [] },
  tidemark_partitions_owned: { type: "gauge", help: "Partitions that this process reads.", labels: [] },
  tidemark_lag_records: {
    type: "gauge",
    help: "Records between position and log end, over all owned partitions.",
    labels: [],
  },
  tidemark_lag_seconds: {
    type: "gauge",
    help: "Age of the newest event read, in the owned partition that is furthest behind; 0 when caught up.",
    labels: [],
  },
  tidemark_partition_lag_records: {
    type: "gauge",
    help: "Records between position and log end; the first 64 owned partitions.",
    labels: ["partition"],
  },
  tidemark_partition_watermark_lag_seconds: {
    type: "gauge",
    help: "Age of the watermark; the first 64 owned partitions.",
    labels: ["partition"],
  },

  tidemark_watermark_lag_seconds: {
    type: "gauge",
    help: "Age of the lowest watermark of all partitions of the stream.",
    labels: [],
  },
  tidemark_freshness_seconds: {
    type: "gauge",
    help: "Age of closed-through: how old the newest closed numbers are.",
    labels: [],
  },
  tidemark_data_revision: { type: "gauge", help: "Rises whenever closed numbers change.", labels: [] },
  tidemark_stream_stopped: {
    type: "gauge",
    help: "1 while the stream is stopped, with the name of the error.",
    labels: ["code"],
  },
  tidemark_stream_records: {
    type: "gauge",
    help: "Records of the whole stream in the ledger, by what became of them.",
    labels: ["result"],
  },
  tidemark_dead_letters: { type: "gauge", help: "Dead letters of the whole stream, by reason.", labels: ["reason"] },
  tidemark_windows_open: { type: "gauge", help: "Windows with counted records that are not closed yet.", labels: [] },
  tidemark_windows_closed: { type: "gauge", help: "Closed windows that the table holds.", labels: [] },
  tidemark_windows_folded: {
    type: "gauge",
    help:
      "Of those, windows that had more keys than MAX_KEYS_PER_WINDOW or MAX_WINDOW_BYTES allow: the rest is their row (other).",
    labels: [],
  },
  tidemark_keys_folded: {
    type: "gauge",
    help: "Keys that are folded into rows (other), over the closed windows that the table holds.",
    labels: [],
  },
  tidemark_freshness_objective_seconds: {
    type: "gauge",
    help: "FRESHNESS_OBJECTIVE: how soon after its end a window's rows should be visible.",
    labels: [],
  },
  tidemark_windows_fresh_ratio: {
    type: "gauge",
    help:
      "Share of the stream's windows of the last 24 hours that were visible within the objective; history from before its first start is left out.",
    labels: [],
  },
  tidemark_deliveries: {
    type: "gauge",
    help: "Reports and alerts of the last 400 days, by what became of them: sent, pending, failed.",
    labels: ["state"],
  },
  tidemark_data_gaps: { type: "gauge", help: "Data gaps that an operator accepted.", labels: [] },
  tidemark_geo_database_age_seconds: {
    type: "gauge",
    help: "Age of the oldest address database file in use.",
    labels: [],
  },
  tidemark_geo_lookups_total: {
    type: "counter",
    help: "Addresses looked up by this process: answered by the cache, or by a walk of the database.",
    labels: ["result"],
  },
  tidemark_geo_misses_total: {
    type: "counter",
    help: "Addresses without a place: missing in the record, or not in the database.",
    labels: [],
  },

  tidemark_http_requests_total: { type: "counter", help: "Requests answered.", labels: ["method", "route", "status"] },
  tidemark_http_request_duration_seconds: { type: "histogram", help: "Time until an answer began.", labels: ["route"] },
  tidemark_http_rate_limited_total: {
    type: "counter",
    help: "Requests refused because their sender asks too often.",
    labels: [],
  },
  tidemark_http_event_clients: { type: "gauge", help: "Clients of /v1/events.", labels: [] },
} as const satisfies Readonly<Record<string, MetricSpec>>;

type MetricName = keyof typeof METRICS_CATALOGUE;
type NameOf<T extends MetricSpec["type"]> = {
  [N in MetricName]: (typeof METRICS_CATALOGUE)[N]["type"] extends T ? N : never;
}[MetricName];

/** The families of the catalogue in a registry, made at first use. */
export class Metrics {
  constructor(readonly registry: Registry) {
    for (const name of Object.keys(METRICS_CATALOGUE) as MetricName[]) {
      const { type, help, bounds }: MetricSpec = METRICS_CATALOGUE[name];
      if (type === "histogram") registry.histogram(name, help, bounds);
      else if (type === "counter") registry.counter(name, help);
      else registry.gauge(name, help);
    }
  }
  counter(name: NameOf<"counter">): CounterMetric {
    return this.registry.counter(name, METRICS_CATALOGUE[name].help);
  }
  gauge(name: NameOf<"gauge">): Gauge {
    return this.registry.gauge(name, METRICS_CATALOGUE[name].help);
  }
  histogram(name: NameOf<"histogram">): Histogram {
    const { help, bounds }: MetricSpec = METRICS_CATALOGUE[name];
    return this.registry.histogram(name, help, bounds);
  }
}
