// Reads the totals of the stream for /metrics and the pipeline page in one cheap statement. Reads the database.
import { failingFragment } from "../../../report/report_sql.ts";
import type { ReadDatabase } from "../../../shared/sql.ts";
import { ms } from "../../server/sql_time.ts";

/** Totals of the stream; times in epoch ms, null before the first record. */
export interface StreamStats {
  readonly closed_through: number | null;
  readonly final_through: number | null;
  readonly quiet_since: number | null;
  readonly watermark: number | null;
  readonly data_revision: number;
  readonly stopped_code: string | null;
  readonly counted: number;
  readonly late: number;
  readonly dead: number;
  readonly null: number;
  readonly skipped: number;
  readonly dead_by_reason: readonly { readonly reason: string; readonly records: number }[];
  readonly windows_open: number;
  readonly windows_closed: number;
  /** Closed windows with more keys than MAX_KEYS_PER_WINDOW, and the keys that were folded into `(other)`. */
  readonly windows_folded: number;
  readonly keys_folded: number;
  readonly data_gaps: number;
  /** Failing steps that affect reports. */
  readonly failing: readonly string[];
}

/** Reads the totals; null if no stream was started yet. */
export async function readStreamStats(database: ReadDatabase, deadlineMs: number): Promise<StreamStats | null> {
  const [row] = await database.query((sql) =>
    sql<StreamStats[]>`
      select ${ms(sql, "p.closed_through")} as closed_through, ${ms(sql, "p.final_through")} as final_through,
             ${ms(sql, "p.quiet_since")} as quiet_since, ${ms(sql, "p.watermark")} as watermark,
             p.data_revision::float8 as data_revision, p.stopped_code,
             t.counted, t.late, t.dead, t.null, t.skipped,
             coalesce((select jsonb_agg(jsonb_build_object('reason', d.reason, 'records', d.records) order by d.records desc, d.reason)
               from (select reason, sum(records) as records from tm.dead_letter_count group by reason) d), '[]') as dead_by_reason,
             (select count(distinct window_start)::float8 from tm.open_delta) as windows_open,
             w.windows_closed, w.windows_folded, w.keys_folded,
             (select count(*)::float8 from tm.data_gap) as data_gaps,
             ${failingFragment(sql)} as failing
      from tm.stream_progress p
      cross join (
        select coalesce(sum(counted), 0)::float8 as counted, coalesce(sum(late), 0)::float8 as late,
               coalesce(sum(dead), 0)::float8 as dead, coalesce(sum(null_records), 0)::float8 as null,
               coalesce(sum(skipped), 0)::float8 as skipped
        from tm.stream_partition
      ) t
      cross join (
        select count(*)::float8 as windows_closed, count(*) filter (where folded_keys > 0)::float8 as windows_folded,
               coalesce(sum(folded_keys), 0)::float8 as keys_folded
        from tm.web_traffic_window
      ) w`, deadlineMs);
  return row ?? null;
}
