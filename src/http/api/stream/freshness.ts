// Computes the share of the last day's windows that met the freshness objective. Reads the database.
import type { ReadDatabase } from "../../../shared/sql.ts";

/** Windows of the last 24 hours that ended after the stream was made. Older windows are a backlog and do not count. */
export interface Freshness {
  /** Windows that should be visible by now. */
  readonly due: number;
  /** Those of them whose rows were visible within the objective. */
  readonly fresh: number;
}

/** Counts closed windows by the time of their closing, and overdue open windows with records; null if no stream was started yet. */
export async function readFreshness(
  database: ReadDatabase,
  options: { readonly objectiveMs: number; readonly deadlineMs: number },
): Promise<Freshness | null> {
  const [row] = await database.query((sql) =>
    sql<Freshness[]>`
      select count(due.window_end)::float8 as due, count(*) filter (where due.fresh)::float8 as fresh
      from tm.stream s
      cross join lateral (
        select s.window_size_ms * interval '1 millisecond' as size, ${options.objectiveMs}::float8 * interval '1 millisecond' as objective
      ) o
      left join lateral (
        select w.window_end, w.closed_at - w.window_end <= o.objective as fresh
        from tm.web_traffic_window w where w.window_start >= now() - interval '24 hours'
        union all
        select d.window_start + o.size, false from (select distinct window_start from tm.open_delta) d
        where d.window_start >= now() - interval '24 hours' and d.window_start + o.size + o.objective < now()
      ) due on due.window_end > s.created_at
      group by s.only_row`, options.deadlineMs);
  return row ?? null;
}
