// The data of the pipeline page: the stream, its partitions and what holds each, engines, files and settings. Pure.
import type { GeoState } from "../../../geo/geo_state.ts";
import type { PartitionSnapshot, PipelineSnapshot } from "../../../shared/snapshot.ts";
import { MINUTE } from "../../../shared/units.ts";
import type { AppSettings } from "../../server/deps.ts";
import { iso, isoAlways } from "../schemas.ts";
import type { PartitionLog } from "./log_names.ts";
import type { StreamPartition, StreamRow, StreamState } from "./stream_rows.ts";
import { effectiveWatermark, holdOf } from "./watermark_hold.ts";

/** Live view of a partition by its number, over all engines of this process. */
export function livePartitions(snapshots: readonly PipelineSnapshot[]): ReadonlyMap<number, PartitionSnapshot> {
  return new Map(snapshots.flatMap((s) => s.partitions.map((p) => [p.partition, p] as const)));
}

/** A stream that has not changed for this long, and that no engine of this process reads, is shown as ended. */
const ENDED_AFTER_MS = 10 * MINUTE;

export function streamView(row: StreamRow, isRead: boolean, now: number) {
  return {
    state: isRead || now - (row.updated_at ?? row.created_at) < ENDED_AFTER_MS ? "live" as const : "ended" as const,
    first_event_time: iso(row.first_event_time),
    newest_event_time: iso(row.newest_event_time),
    source: row.source,
    topic: row.topic,
    topic_id: row.topic_id,
    topic_id_known: row.topic_id !== null,
    consumer_group: row.consumer_group,
    window_size_ms: row.window_size_ms,
    referrer_granularity: row.referrer_granularity,
    created_at: isoAlways(row.created_at),
    closed_through: iso(row.closed_through),
    final_through: iso(row.final_through),
    quiet_since: iso(row.quiet_since),
    watermark: iso(row.watermark),
    data_revision: row.data_revision,
    retired_through: iso(row.retired_through),
    data_gaps: row.data_gaps,
    stopped: row.stopped_code === null
      ? null
      : { code: row.stopped_code, message: row.stopped_message ?? "", at: iso(row.stopped_at) },
  };
}

/** One partition. `held_by`: why its watermark has not closed the newest window with a record. */
export function partitionView(
  row: StreamPartition,
  live: PartitionSnapshot | undefined,
  state: StreamState,
  now: number,
  settings: AppSettings,
  logs: ReadonlyMap<number, readonly PartitionLog[]>,
) {
  const watermark = effectiveWatermark(row, live);
  const lag = live === undefined || live.logEnd === null ? null : Math.max(0, live.logEnd - live.position);
  const target = state.stream.max_window_end;
  const { watermarkDelayMs, idleTimeoutMs } = settings;
  const held = target === null
    ? null
    : holdOf({ row, live, stoppedCode: state.stream.stopped_code, target, now, watermarkDelayMs, idleTimeoutMs });
  return {
    partition: row.partition,
    logs: [...logs.get(row.partition) ?? []],
    owned: live !== undefined,
    state: row.retired ? "retired" as const : live?.state ?? "elsewhere" as const,
    first_offset: row.first_offset,
    next_offset: row.next_offset,
    position: live?.position ?? null,
    log_end: live?.logEnd ?? null,
    last_stable: live?.lastStable ?? null,
    lag_records: lag,
    // The age of the last record read; 0 at the log's end, where no record waits, even if the last one is old.
    lag_seconds: live === undefined || lag === null
      ? null
      : lag === 0
      ? 0
      : Number.isFinite(live.lastEventTime)
      ? Math.max(0, (now - live.lastEventTime) / 1000)
      : null,
    watermark: Number.isFinite(watermark) ? isoAlways(watermark) : null,
    committed_watermark: iso(row.watermark),
    quiet_since: iso(row.quiet_since),
    held_by: held === null ? null : { ...held, closes_at: iso(held.closes_at) },
    counted: row.counted,
    late: row.late,
    dead: row.dead,
    null_records: row.null_records,
    skipped: row.skipped,
    updated_at: isoAlways(row.updated_at),
  };
}

export function engineView(s: PipelineSnapshot) {
  return {
    instance: s.instance,
    phase: s.phase,
    reason: s.reason,
    reason_code: s.reasonCode,
    started_at: isoAlways(s.startedAt),
    generation: s.generation,
    partitions: s.partitions.map((p) => p.partition),
    store: {
      reachable: s.store.reachable,
      last_success_at: iso(s.store.lastSuccessAt),
    },
    commit: {
      last_at: iso(s.commit.lastAt),
      last_duration_ms: s.commit.lastDurationMs,
      last_keys: s.commit.lastKeys,
      pending_records: s.commit.pendingRecords,
      pending_keys: s.commit.pendingKeys,
      in_flight: s.commit.inFlight,
      fenced: s.commit.fenced,
      unknown_outcomes: s.commit.unknownOutcomes,
    },
    totals: {
      records: s.totals.records,
      bytes: s.totals.bytes,
      counted: s.totals.counted,
      late: s.totals.late,
      dead: s.totals.dead,
      null_records: s.totals.nulls,
      skipped: s.totals.skipped,
      rebalances: s.totals.rebalances,
      commits: s.totals.commits,
      windows_closed: s.totals.windowsClosed,
    },
  };
}

export function geoView(geo: GeoState) {
  return {
    origin: geo.origin,
    loaded_at: iso(geo.loadedAt),
    last_error: geo.lastError,
    files: geo.files.map((file) => ({
      name: file.name,
      type: file.type,
      families: [...file.families],
      built_at: isoAlways(file.buildTime),
      age_days: file.ageDays,
      size_bytes: file.sizeBytes,
      broken_records: file.brokenRecords,
      attribution: file.attribution === null
        ? null
        : { text: file.attribution.text, url: file.attribution.url, licence: file.attribution.licence },
    })),
  };
}
