// Converts between the port's types and the JSON and rows of the store's SQL functions. Pure.
import { rulesJson } from "../../event/stream_rules.ts";
import { type EpochMs, epochMs, NEVER, type Offset, type PartitionId } from "../../shared/units.ts";
import type {
  Chunk,
  ChunkBreakdown,
  CloseOutcome,
  CommitPayload,
  NewPartition,
  PartitionRow,
  Salt,
  StoredState,
  StreamSettings,
} from "../port.ts";

/** The stream row with its partitions. */
export interface StateRow {
  readonly topic_id: string | null;
  readonly rules: string;
  readonly anchor: string;
  readonly closed_through: string;
  readonly stopped_code: string | null;
  readonly stopped_message: string | null;
  readonly server_now: string;
  /** {@link StoredPartition}s as JSON text; null without partitions. */
  readonly partitions: string | null;
}

interface StoredPartition {
  readonly partition: PartitionId;
  readonly commit_id: string;
  readonly next_offset: Offset;
  readonly first_offset: Offset;
  /** null = -infinity. */
  readonly watermark: EpochMs | null;
  readonly record_watermark: EpochMs | null;
  readonly max_window_end: EpochMs | null;
  readonly raised_at: EpochMs | null;
  readonly quiet_since: EpochMs | null;
  readonly retired: boolean;
}

export type CloseJson =
  | { state: "busy" }
  | { state: "nothing"; chunks?: number | null }
  | { state: "day_missing"; day: string }
  | { state: "crowded"; window_start: EpochMs }
  | {
    state: "closed";
    window_start: EpochMs;
    rows: number;
    hits: number;
    folded_keys: number;
    folded_values: number;
    chunks: number;
  };

export function closeOutcome(result: Exclude<CloseJson, { state: "day_missing" | "crowded" }>): CloseOutcome {
  if (result.state !== "closed") return { kind: result.state };
  const { window_start, rows, hits, folded_keys, folded_values, chunks } = result;
  return {
    kind: "closed",
    windowStart: window_start,
    rows,
    hits,
    foldedKeys: folded_keys,
    foldedValues: folded_values,
    chunks,
  };
}

export function storedState(row: StateRow): StoredState {
  return {
    topicId: row.topic_id,
    rules: row.rules,
    anchor: epochMs(Math.round(Number(row.anchor))),
    closedThrough: epochMs(Math.round(Number(row.closed_through))),
    stopped: row.stopped_code === null ? null : { code: row.stopped_code, message: row.stopped_message ?? "" },
    serverNow: epochMs(Math.floor(Number(row.server_now))),
    rows: (JSON.parse(row.partitions ?? "[]") as StoredPartition[]).map((p): PartitionRow => ({
      partition: p.partition,
      commitId: p.commit_id,
      nextOffset: p.next_offset,
      firstOffset: p.first_offset,
      watermark: p.watermark ?? NEVER,
      recordWatermark: p.record_watermark ?? NEVER,
      maxWindowEnd: p.max_window_end ?? NEVER,
      raisedAt: p.raised_at ?? NEVER,
      quietSince: p.quiet_since,
      retired: p.retired,
    })),
  };
}

export const streamJson = (s: StreamSettings) => ({
  source: s.source,
  topic: s.topic,
  topic_id: s.topicId,
  consumer_group: s.group,
  window_size_ms: s.windowSizeMs,
  referrer_granularity: s.referrerGranularity,
  key_bytes_max: s.keyBytesMax,
  offsets_count_records: s.offsetsCountRecords,
  anchor: s.anchor,
  rules: JSON.parse(rulesJson(s.rules)),
});

export const partitionsJson = (partitions: readonly NewPartition[]) =>
  partitions.map((p) => ({
    partition: p.partition,
    start_offset: p.startOffset,
    log_start: p.logStart,
    logs: p.logs?.map(({ name, foundBy }) => ({ name, found_by: foundBy })) ?? [],
  }));

/** JSON has no infinity: null means -infinity. */
const finite = (time: EpochMs) => Number.isFinite(time) ? time : null;

export const movesJson = (payload: CommitPayload) =>
  payload.moves.map((m) => ({
    partition: m.partition,
    old_commit_id: m.oldCommitId,
    old_next_offset: m.oldNextOffset,
    next_offset: m.nextOffset,
    watermark: finite(m.watermark),
    record_watermark: finite(m.recordWatermark),
    max_window_end: finite(m.maxWindowEnd),
    raised_at: Math.round(m.raisedAt),
    quiet_since: m.quietSince === null ? null : Math.round(m.quietSince),
    first_event_time: m.firstEventTime,
    newest_event_time: m.newestEventTime,
    counted: m.counted,
    late: m.late,
    late_dropped: m.lateDropped,
    dead: m.dead,
    null_records: m.nulls,
    skipped: m.skipped,
    idle_advances: m.idleAdvances.map((a) => [a.atOffset, a.watermark, Math.round(a.quietSince)]),
  }));

export const chunksJson = (payload: CommitPayload) =>
  payload.chunks.map((c, i) => ({
    n: i + 1,
    late: c.late,
    window_start: c.windowStart,
    hits: c.hits,
    bot_hits: c.botHits,
    keys: c.keys,
    mask: c.breakdown?.mask ?? null,
  }));

/** JSON text of the visitors of a commit; null without. */
export const visitorsJson = ({ visitors }: CommitPayload): string | null =>
  visitors.length === 0 ? null : JSON.stringify(visitors.map((v) => ({
    day: v.day,
    salt_id: v.saltId,
    hosts: v.hosts,
    host_ix: v.hostIx,
    updates: v.updates,
  })));

/** A row of `tidemark_salts_v1`, with the salt in hex. */
export interface SaltRow {
  readonly day: string;
  readonly id: string;
  readonly salt: string;
}

export const saltOf = ({ day, id, salt }: SaltRow): Salt => ({ day, id, salt: Uint8Array.fromHex(salt) });

export const deadJson = (dead: NonNullable<CommitPayload["dead"]>) => ({
  counts: dead.counts,
  ranges: dead.ranges.map((r) => ({
    partition: r.partition,
    reason: r.reason,
    first_offset: r.firstOffset,
    last_offset: r.lastOffset,
    first_line: r.firstLine,
    records: r.records,
    positions: r.runs && `{${r.runs.map(([first, last]) => `[${first},${last}]`).join()}}`,
  })),
  samples: dead.samples.map((s) => ({
    partition: s.partition,
    record_offset: s.recordOffset,
    line: s.line,
    reason: s.reason,
    payload_bytes: s.payloadBytes,
    payload: s.payload,
  })),
});

/** A text[] literal of a few texts of up to a megabyte each. */
export function textArray(texts: readonly (string | null)[]): string {
  return `{${
    texts.map((text) => text === null ? "null" : `"${/["\\]/.test(text) ? text.replace(/["\\]/g, "\\$&") : text}"`)
      .join()
  }}`;
}

/** A text[] literal with the arrays of numbers of all chunks. */
export const numberArrays = (chunks: readonly Chunk[], pick: (chunk: Chunk) => string): string =>
  `{${chunks.map((chunk) => `"{${pick(chunk)}}"`).join()}}`;

/** A text[] literal with the arrays of numbers of all breakdowns; null where a chunk has none. */
export const breakdownArrays = (chunks: readonly Chunk[], pick: (breakdown: ChunkBreakdown) => string): string =>
  `{${chunks.map(({ breakdown }) => breakdown === null ? "null" : `"{${pick(breakdown)}}"`).join()}}`;
