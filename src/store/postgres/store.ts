// The Store over PostgreSQL: each method is one call of one function of ddl/. Shell.
import { EXIT, NamedError, type StopCode, UsageError } from "../../shared/errors.ts";
import { rulesJson } from "../../event/stream_rules.ts";
import { type EpochMs, NEVER, type Offset, type PartitionId } from "../../shared/units.ts";
import {
  type CloseOutcome,
  type CommitOutcome,
  type CommitPayload,
  CompactionFailed,
  type NewPartition,
  type PartitionRow,
  type Store,
  type StoredState,
  type StreamSettings,
} from "../port.ts";
import { codeOf } from "../../shared/sql.ts";
import type { Database } from "./client.ts";

/**
 * An open window with this many chunks is compacted when nothing can be closed, so that its closing merges few. Fewer would write each key
 * more often; at 16 chunks of 20,000 keys a compaction takes half a CPU-second, and so does what is left for the closing.
 */
const COMPACT_CHUNKS = 16;

export interface PostgresStoreOptions {
  /** For commits alone, so that no other statement's fault throws their client away. */
  readonly commits: Database;
  /** For reading, joining and closing. */
  readonly database: Database;
  readonly instance: string;
  readonly maxKeysPerWindow: number;
  /** Bytes of a closed window's rows; left out: 256 MiB. */
  readonly maxWindowBytes?: number;
  readonly commitTimeoutMs: number;
  /** For everything that is quick when the server is well. */
  readonly readTimeoutMs?: number;
  /** Closing a window of a million keys takes seconds. */
  readonly closeTimeoutMs?: number;
}

interface StateRow {
  readonly topic_id: string | null;
  readonly rules: string;
  readonly anchor: string;
  readonly closed_through: string;
  readonly stopped_code: string | null;
  readonly stopped_message: string | null;
  readonly server_now: string;
  readonly partitions: readonly PartitionJson[] | null;
}

interface PartitionJson {
  readonly partition: number;
  readonly commit_id: string;
  readonly next_offset: number;
  readonly first_offset: number;
  /** Epoch milliseconds; null = -infinity. */
  readonly watermark: number | null;
  readonly record_watermark: number | null;
  readonly max_window_end: number | null;
  readonly raised_at: number | null;
  readonly quiet_since: number | null;
  readonly retired: boolean;
}

/** Makes the Store of one schema. */
export function createPostgresStore(options: PostgresStoreOptions): Store {
  const { commits, database, instance, maxKeysPerWindow, commitTimeoutMs } = options;
  const readTimeoutMs = options.readTimeoutMs ?? 5_000;
  const closeTimeoutMs = options.closeTimeoutMs ?? 60_000;
  const maxWindowBytes = options.maxWindowBytes ?? 2 ** 28;

  return {
    async join(settings, partitions) {
      try {
        await database.query(
          (sql) =>
            sql`select tm.tidemark_join_v2(${JSON.stringify(streamJson(settings))}::text::jsonb, ${
              JSON.stringify(partitionsJson(partitions))
            }::text::jsonb)`,
          readTimeoutMs,
        );
      } catch (error) {
        if (codeOf(error) !== "TM003") throw error;
        throw settingsDiffer((error as Error).message);
      }
    },

    async read() {
      const [row] = await database.query((sql) =>
        sql<StateRow[]>`
          select s.topic_id, coalesce(to_jsonb(s) ->> 'rules', '{"version": 1}') as rules, extract(epoch from s.anchor) * 1000 as anchor, extract(epoch from s.closed_through) * 1000 as closed_through,
                 s.stopped_code, s.stopped_message, extract(epoch from clock_timestamp()) * 1000 as server_now,
                 (select jsonb_agg(jsonb_build_object(
                    'partition', p.partition, 'commit_id', p.commit_id, 'next_offset', p.next_offset, 'first_offset', p.first_offset,
                    'watermark', tm.tidemark_ms_v1(p.watermark), 'record_watermark', tm.tidemark_ms_v1(p.record_watermark),
                    'max_window_end', tm.tidemark_ms_v1(p.max_window_end), 'raised_at', tm.tidemark_ms_v1(p.raised_at),
                    'quiet_since', tm.tidemark_ms_v1(p.quiet_since), 'retired', p.retired) order by p.partition)
                  from tm.stream_partition p)::text as partitions
          from tm.stream s`.then((rows) =>
          rows.map((r) => ({
            ...r,
            partitions: JSON.parse(r.partitions as unknown as string ?? "[]") as PartitionJson[],
          }))
        ), readTimeoutMs);
      return row ? storedState(row) : null;
    },

    async commit(payload) {
      try {
        await commits.query((sql) => {
          const { chunks } = payload;
          const list = (pick: (chunk: CommitPayload["chunks"][number]) => string) => textArray(chunks.map(pick));
          const numbers = (pick: (chunk: CommitPayload["chunks"][number]) => string) =>
            `{${chunks.map((chunk) => `"{${pick(chunk)}}"`).join()}}`;
          return sql`select tm.tidemark_commit_v2(
            ${payload.commitId}::uuid, ${instance}, ${payload.reason}, ${
            JSON.stringify(movesJson(payload))
          }::text::jsonb, ${JSON.stringify(chunksJson(payload))}::text::jsonb,
            ${list((c) => c.hosts)}::text::text[], ${list((c) => c.referrers)}::text::text[], ${
            list((c) => c.places)
          }::text::text[],
            ${numbers((c) => c.hostIx)}::text::text[], ${numbers((c) => c.referrerIx)}::text::text[], ${
            numbers((c) => c.placeIx)
          }::text::text[],
            ${numbers((c) => c.keyHits)}::text::text[], ${numbers((c) => c.keyBotHits)}::text::text[],
            ${payload.dead ? JSON.stringify(deadJson(payload.dead)) : null}::text::jsonb)`;
        }, commitTimeoutMs);
        return { kind: "committed" };
      } catch (error) {
        return commitOutcome(error);
      }
    },

    async close() {
      for (;;) {
        const done = await database.query(
          (sql) =>
            sql<
              { done: string }[]
            >`select tm.tidemark_close_v2(${instance}, ${maxKeysPerWindow}::text::bigint, ${maxWindowBytes}::text::bigint)::text as done`,
          closeTimeoutMs,
        );
        const result = JSON.parse(done[0]!.done) as CloseJson;
        if (result.state === "nothing" && (result.chunks ?? 0) >= COMPACT_CHUNKS) {
          try {
            await database.query(
              (sql) => sql`select tm.tidemark_compact_v1(${COMPACT_CHUNKS}::text::integer)`,
              closeTimeoutMs,
            );
          } catch (error) {
            throw new CompactionFailed(error);
          }
        }
        if (result.state !== "day_missing") return closeOutcome(result);
        await database.query((sql) => sql`select tm.tidemark_ensure_day_v2(${result.day}::text::date)`, readTimeoutMs);
      }
    },

    async stop(code: StopCode, message: string) {
      await database.query(
        (sql) =>
          sql`update tm.stream set stopped_code = ${code}, stopped_message = ${message}, stopped_at = now() where stopped_code is null`,
        readTimeoutMs,
      );
    },
  };
}

/** The refusal of settings with which this stream was not made. */
export function settingsDiffer(differences: string): UsageError {
  return new UsageError(
    [`This schema holds a stream with other settings: ${differences}`],
    "Use the old settings, or another POSTGRES_SCHEMA (and KAFKA_GROUP) for a second stream.",
    "stream_settings_differ",
  );
}

/** Errors after which the database certainly holds nothing new are judged like those after which the outcome is unknown: the rows decide. */
function commitOutcome(error: unknown): CommitOutcome {
  switch (codeOf(error)) {
    case "TM001":
      return { kind: "fenced" };
    case "TM002":
      throw new NamedError(
        "wrong_isolation_level",
        (error as Error).message,
        EXIT.usage,
        "Remove the default isolation level from the pooler in front of PostgreSQL.",
      );
    case "42883": // undefined function
    case "42P01": // undefined table
      throw new NamedError(
        "schema_missing",
        (error as Error).message,
        EXIT.usage,
        "Run `tidemark migrate` against this schema.",
      );
    default:
      return { kind: "unknown", cause: error instanceof Error ? error : new Error(String(error)) };
  }
}

type CloseJson =
  | { state: "busy" }
  | { state: "nothing"; chunks?: number | null }
  | { state: "day_missing"; day: string }
  | { state: "closed"; window_start: number; rows: number; hits: number; folded_keys: number; chunks: number };

function closeOutcome(result: Exclude<CloseJson, { state: "day_missing" }>): CloseOutcome {
  if (result.state !== "closed") return { kind: result.state };
  const { window_start, rows, hits, folded_keys, chunks } = result;
  return { kind: "closed", windowStart: window_start as EpochMs, rows, hits, foldedKeys: folded_keys, chunks };
}

function storedState(row: StateRow): StoredState {
  return {
    topicId: row.topic_id,
    rules: row.rules,
    anchor: Math.round(Number(row.anchor)) as EpochMs,
    closedThrough: Math.round(Number(row.closed_through)) as EpochMs,
    stopped: row.stopped_code === null ? null : { code: row.stopped_code, message: row.stopped_message ?? "" },
    serverNow: Math.floor(Number(row.server_now)) as EpochMs,
    rows: (row.partitions ?? []).map((p): PartitionRow => ({
      partition: p.partition as PartitionId,
      commitId: p.commit_id,
      nextOffset: p.next_offset as Offset,
      firstOffset: p.first_offset as Offset,
      watermark: (p.watermark ?? NEVER) as EpochMs,
      recordWatermark: (p.record_watermark ?? NEVER) as EpochMs,
      maxWindowEnd: (p.max_window_end ?? NEVER) as EpochMs,
      raisedAt: (p.raised_at ?? NEVER) as EpochMs,
      quietSince: p.quiet_since as EpochMs | null,
      retired: p.retired,
    })),
  };
}

const streamJson = (s: StreamSettings) => ({
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

const partitionsJson = (partitions: readonly NewPartition[]) =>
  partitions.map((p) => ({ partition: p.partition, start_offset: p.startOffset, log_start: p.logStart }));

/** JSON knows no infinity: null means it. */
const finite = (time: EpochMs) => Number.isFinite(time) ? time : null;

const movesJson = (payload: CommitPayload) =>
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

const chunksJson = (payload: CommitPayload) =>
  payload.chunks.map((c, i) => ({
    n: i + 1,
    late: c.late,
    window_start: c.windowStart,
    hits: c.hits,
    bot_hits: c.botHits,
    keys: c.keys,
  }));

const deadJson = (dead: NonNullable<CommitPayload["dead"]>) => ({
  counts: dead.counts,
  ranges: dead.ranges.map((r) => ({
    partition: r.partition,
    reason: r.reason,
    first_offset: r.firstOffset,
    last_offset: r.lastOffset,
    records: r.records,
    positions: r.runs && `{${r.runs.map(([first, last]) => `[${first},${last}]`).join()}}`,
  })),
  samples: dead.samples.map((s) => ({
    partition: s.partition,
    record_offset: s.recordOffset,
    reason: s.reason,
    payload_bytes: s.payloadBytes,
    payload: s.payload,
  })),
});

/** A text[] literal. postgres.js would escape element by element; these are a few elements of up to a megabyte. */
function textArray(texts: readonly string[]): string {
  return `{${texts.map((text) => `"${/["\\]/.test(text) ? text.replace(/["\\]/g, "\\$&") : text}"`).join()}}`;
}
