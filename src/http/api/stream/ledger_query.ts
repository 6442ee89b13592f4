// Reads all sums of the ledger in ONE statement, and so in one snapshot: a commit between two reads would look like a loss.
import type { ReadDatabase, Sql } from "../../../shared/sql.ts";
import { at, ms } from "../../server/sql_time.ts";
import type { PartitionCounts } from "./stream_rows.ts";

/** Range of windows whose rows are added up again: epoch ms, `[from, to)`. */
export interface DeepRange {
  readonly from: number;
  readonly to: number;
}

export interface LedgerPartition extends PartitionCounts {
  readonly partition: number;
  readonly first_offset: number;
  readonly next_offset: number;
  /** Sum of the dead letters over all reasons. */
  readonly dead_by_reason: number;
  readonly retired: boolean;
}

/** A closed window whose rows differ from the sums of its closing, or by equal sums from its digest; null for a missing side. */
export interface LedgerWindow {
  readonly window_start: number;
  readonly booked_rows: number | null;
  readonly booked_hits: number | null;
  readonly booked_bot_hits: number | null;
  readonly found_rows: number | null;
  readonly found_hits: number | null;
  readonly found_bot_hits: number | null;
}

/** An open chunk whose keys do not add up to its sum. */
interface LedgerChunk {
  readonly window_start: number;
  readonly booked_hits: number;
  readonly found_hits: number;
}

/** What does not hold of breakdowns and visitors, see `tidemark_breakdown_faults_v1`. */
export interface LedgerBreakdownFault {
  readonly what: "window" | "digest" | "host" | "chunk" | "late" | "sketch" | "salt";
  /** Of a sketch or salt: start of its day; null for late records. */
  readonly window_start: number | null;
  readonly dimension: number | null;
  readonly expected: number | null;
  readonly found: number | null;
}

interface LedgerDeep {
  readonly windows_checked: number;
  /** Of these, windows that an older version closed: only their sums are compared. */
  readonly windows_without_digest: number;
  readonly windows_wrong: readonly LedgerWindow[];
  readonly chunks_wrong: readonly LedgerChunk[];
  /** Sum over the whole late table. */
  readonly late_stored: number;
  readonly breakdowns_wrong: readonly LedgerBreakdownFault[];
}

/** All sums of one moment. */
export interface LedgerSums {
  readonly now: number;
  readonly offsets_count_records: boolean;
  readonly closed_through: number | null;
  readonly data_revision: number;
  readonly closed_windows: number;
  readonly closed_hits: number;
  readonly open_windows: number;
  readonly open_hits: number;
  readonly retired_hits: number;
  readonly retired_late: number;
  /** Windows that are both closed and open, epoch ms: their closing left deltas behind. */
  readonly both: readonly number[];
  readonly partitions: readonly LedgerPartition[];
  readonly deep: LedgerDeep | null;
}

/** Most wrong windows in an answer. */
const NAMED_MAX = 100;

/** Reads the sums; null if no stream was started yet. */
export async function readLedger(
  database: ReadDatabase,
  deep: DeepRange | null,
  deadlineMs: number,
): Promise<LedgerSums | null> {
  const [row] = await database.query((sql) =>
    sql<LedgerSums[]>`
      select ${ms(sql, "clock.now")} as now, s.offsets_count_records, ${ms(sql, "s.closed_through")} as closed_through,
             s.data_revision::float8 as data_revision,
             s.retired_hits::float8 as retired_hits, s.retired_late::float8 as retired_late,
             c.closed_windows, c.closed_hits, o.open_windows, o.open_hits,
             coalesce((select jsonb_agg(tm.tidemark_ms_v1(w.window_start) order by w.window_start)
               from (select window_start from tm.web_traffic_window w where exists
                 (select from tm.open_delta d where d.window_start = w.window_start) order by 1 limit ${NAMED_MAX}) w), '[]') as both,
             p.partitions, ${deep === null ? sql`null::jsonb` : deepSums(sql, deep)} as deep
      from tm.stream s
      cross join (select statement_timestamp() as now) clock
      cross join (select count(*)::float8 as closed_windows, coalesce(sum(hits), 0)::float8 as closed_hits from tm.web_traffic_window) c
      cross join (select count(distinct window_start)::float8 as open_windows, coalesce(sum(hits), 0)::float8 as open_hits from tm.open_delta) o
      cross join (
        select coalesce(jsonb_agg(jsonb_build_object(
          'partition', t.partition, 'first_offset', t.first_offset, 'next_offset', t.next_offset, 'counted', t.counted,
          'late', t.late, 'late_dropped', t.late_dropped, 'dead', t.dead, 'null_records', t.null_records, 'skipped', t.skipped,
          'dead_by_reason', coalesce(d.records, 0), 'retired', t.retired) order by t.partition), '[]') as partitions
        from tm.stream_partition t
        left join (select partition, sum(records) as records from tm.dead_letter_count group by partition) d using (partition)
      ) p`, deadlineMs);
  return row ?? null;
}

/** Adds up the rows again. Also finds rows without a closed window, and closed windows without rows. */
function deepSums(sql: Sql, { from, to }: DeepRange) {
  const range = sql`window_start >= ${at(sql, from)} and window_start < ${at(sql, to)}`;
  return sql`(
    with booked as (select * from tm.web_traffic_window where ${range}),
    -- The tables of retired days may stay for a while: their windows are booked as retired.
    found as (
      select * from tm.tidemark_found_windows_v1(greatest(${at(sql, from)}, (select retired_through from tm.stream)), ${
    at(sql, to)
  })
    ), wrong as (
      select window_start, b.row_count as booked_rows, b.hits as booked_hits, b.bot_hits as booked_bot_hits,
             f.row_count as found_rows, f.hits as found_hits, f.bot_hits as found_bot_hits
      from booked b full join found f using (window_start)
      where (b.row_count, b.hits, b.bot_hits) is distinct from (f.row_count, f.hits, f.bot_hits) or b.digest <> f.digest
      order by window_start limit ${NAMED_MAX}
    ), chunk as (
      select d.window_start, d.hits as booked_hits, (select coalesce(sum(h), 0) from unnest(d.key_hits) h) as found_hits from tm.open_delta d
    )
    select jsonb_build_object(
      'windows_checked', (select count(*) from booked),
      'windows_without_digest', (select count(*) from booked where digest is null),
      'windows_wrong', coalesce((select jsonb_agg(to_jsonb(w) || jsonb_build_object('window_start',
        tm.tidemark_ms_v1(w.window_start)) order by w.window_start) from wrong w), '[]'),
      'chunks_wrong', coalesce((select jsonb_agg(to_jsonb(k) || jsonb_build_object('window_start',
        tm.tidemark_ms_v1(k.window_start)) order by k.window_start) from (
          select * from chunk where booked_hits <> found_hits order by window_start limit ${NAMED_MAX}) k), '[]'),
      'late_stored', (select coalesce(sum(num_hits), 0) from tm.late_web_traffic),
      'breakdowns_wrong', coalesce((select jsonb_agg(to_jsonb(b) || jsonb_build_object('window_start', tm.tidemark_ms_v1(b.window_start))
        order by b.window_start, b.dimension, b.what) from (
          select * from tm.tidemark_breakdown_faults_v1(${at(sql, from)}, ${at(sql, to)}) f
          order by f.window_start, f.dimension, f.what limit ${NAMED_MAX}) b), '[]'))
  )`;
}
