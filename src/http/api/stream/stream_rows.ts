// Reads the stream row and its partitions in one statement. Reads the database.
import type { ReadDatabase } from "../../../shared/sql.ts";
import { HttpProblem } from "../../server/problem.ts";
import { ms } from "../../server/sql_time.ts";

/** The stream row with its progress; times in epoch ms, null for "not yet". */
export interface StreamRow {
  readonly source: "kafka" | "file" | "demo";
  readonly topic: string;
  readonly topic_id: string | null;
  readonly consumer_group: string;
  readonly window_size_ms: number;
  readonly referrer_granularity: string;
  readonly offsets_count_records: boolean;
  readonly created_at: number;
  readonly closed_through: number | null;
  readonly final_through: number | null;
  readonly quiet_since: number | null;
  readonly watermark: number | null;
  readonly max_window_end: number | null;
  readonly data_revision: number;
  readonly retired_through: number | null;
  readonly stopped_code: string | null;
  readonly stopped_message: string | null;
  readonly stopped_at: number | null;
  readonly data_gaps: number;
  readonly first_event_time: number | null;
  readonly newest_event_time: number | null;
  /** When a partition's row last changed. */
  readonly updated_at: number | null;
}

/** Records of one partition by result. */
export interface PartitionCounts {
  readonly counted: number;
  readonly late: number;
  readonly late_dropped: number;
  readonly dead: number;
  readonly null_records: number;
  readonly skipped: number;
}

/** One partition row. */
export interface StreamPartition extends PartitionCounts {
  readonly partition: number;
  readonly commit_id: string;
  readonly first_offset: number;
  readonly next_offset: number;
  readonly watermark: number | null;
  readonly record_watermark: number | null;
  readonly max_window_end: number | null;
  readonly raised_at: number;
  readonly quiet_since: number | null;
  readonly retired: boolean;
  readonly updated_at: number;
}

export interface StreamState {
  readonly stream: StreamRow;
  readonly partitions: readonly StreamPartition[];
}

/** Reads the stream and its partitions in one snapshot; null if no stream was started yet. */
export async function readStream(database: ReadDatabase, deadlineMs: number): Promise<StreamState | null> {
  const [row] = await database.query((sql) =>
    sql<(StreamRow & { readonly partitions: readonly StreamPartition[] })[]>`
      select s.source, s.topic, s.topic_id, s.consumer_group, s.window_size_ms::float8 as window_size_ms, s.referrer_granularity,
             s.offsets_count_records, ${ms(sql, "s.created_at")} as created_at,
             ${ms(sql, "g.closed_through")} as closed_through, ${ms(sql, "g.final_through")} as final_through,
             ${ms(sql, "g.quiet_since")} as quiet_since, ${ms(sql, "g.watermark")} as watermark,
             ${ms(sql, "g.max_window_end")} as max_window_end, s.data_revision::float8 as data_revision,
             ${ms(sql, "s.retired_through")} as retired_through, s.stopped_code, s.stopped_message,
             ${ms(sql, "s.stopped_at")} as stopped_at, (select count(*)::float8 from tm.data_gap) as data_gaps,
             ${ms(sql, "e.first_event_time")} as first_event_time, ${
      ms(sql, "e.newest_event_time")
    } as newest_event_time,
             (select tm.tidemark_ms_v1(max(t.updated_at))::float8 from tm.stream_partition t) as updated_at,
             coalesce((select jsonb_agg(jsonb_build_object(
               'partition', t.partition, 'commit_id', t.commit_id, 'first_offset', t.first_offset, 'next_offset', t.next_offset,
               'watermark', tm.tidemark_ms_v1(t.watermark), 'record_watermark', tm.tidemark_ms_v1(t.record_watermark),
               'max_window_end', tm.tidemark_ms_v1(t.max_window_end), 'raised_at', tm.tidemark_ms_v1(t.raised_at),
               'quiet_since', tm.tidemark_ms_v1(t.quiet_since), 'counted', t.counted, 'late', t.late, 'late_dropped', t.late_dropped,
               'dead', t.dead, 'null_records', t.null_records, 'skipped', t.skipped, 'retired', t.retired,
               'updated_at', tm.tidemark_ms_v1(t.updated_at)) order by t.partition) from tm.stream_partition t), '[]') as partitions
      from tm.stream s cross join tm.stream_progress g cross join tm.stream_span e`, deadlineMs);
  if (row === undefined) return null;
  const { partitions, ...stream } = row;
  return { stream, partitions };
}

/** The problem of a route that has no answer before the first start. */
export function streamMissing(): HttpProblem {
  return new HttpProblem(
    "stream_missing",
    "No stream was started in this database yet. Start one with `tidemark run` or `tidemark dev`.",
  );
}

/** As {@link readStream}. @throws HttpProblem `stream_missing` if no stream was started yet */
export async function requireStream(database: ReadDatabase, deadlineMs: number): Promise<StreamState> {
  const state = await readStream(database, deadlineMs);
  if (state === null) throw streamMissing();
  return state;
}
