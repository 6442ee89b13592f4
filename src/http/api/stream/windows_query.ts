// Reads open and closed windows with their late hits, newest first. Reads the database.
import { z } from "@hono/zod-openapi";
import type { ReadDatabase } from "../../../shared/sql.ts";
import { at, ms } from "../../server/sql_time.ts";
import { certaintySchema, countSchema, maybeTimeSchema, type RowOf, timeSchema } from "../schemas.ts";

/** A window as the API shows it. */
export const windowSchema = z.strictObject({
  window_start: timeSchema,
  window_end: timeSchema.openapi({ description: "Exclusive." }),
  state: z.enum(["open", "closed"]),
  certainty: certaintySchema,
  hits: countSchema,
  bot_hits: countSchema,
  keys: countSchema.openapi({ description: "Rows of a closed window; of an open one an upper bound of them." }),
  folded_keys: countSchema.openapi({ description: "Keys beyond the cap, in the (other) row." }),
  late: countSchema.openapi({ description: "Stored late hits; they are not part of hits and may always rise." }),
  closed_at: maybeTimeSchema,
  closed_by: z.string().nullable(),
}).openapi("Window");

type Window = z.infer<typeof windowSchema>;
/** One window. `keys` of an open one counts those of several commits several times. */
export type WindowRow = RowOf<Omit<Window, "certainty">, "window_start" | "window_end" | "closed_at"> & {
  /** Whether records have confirmed its end, not only silence. */
  readonly confirmed: boolean;
};

interface WindowFilter {
  readonly state: Window["state"] | "all";
  /** Only windows that start before this time, epoch ms. */
  readonly before: number | null;
  /** Only the window that starts at this time, epoch ms. */
  readonly start?: number;
  readonly limit: number;
}

/** Windows with counted records. A window without any is neither open nor closed. */
export function readWindows(database: ReadDatabase, filter: WindowFilter, deadlineMs: number): Promise<WindowRow[]> {
  const { state, before, start, limit } = filter;
  return database.query(async (sql) => {
    const range = sql`${before === null ? sql`true` : sql`window_start < ${at(sql, before)}`}
      and ${start === undefined ? sql`true` : sql`window_start = ${at(sql, start)}`}`;
    return await sql<WindowRow[]>`
      with w as (
        (select window_start, window_end, 'closed' as state, hits, bot_hits, row_count as keys, folded_keys, closed_at, closed_by
         from tm.web_traffic_window where ${range} and ${state !== "open"} order by window_start desc limit ${limit})
        union all
        (select d.window_start, d.window_start + (select window_size_ms from tm.stream) * interval '1 millisecond', 'open',
                sum(d.hits), sum(d.bot_hits), sum(d.keys), 0, null, null
         from tm.open_delta d where ${range} and ${
      state !== "closed"
    } group by d.window_start order by d.window_start desc limit ${limit})
      )
      select ${ms(sql, "w.window_start")} as window_start, ${ms(sql, "w.window_end")} as window_end, w.state,
             w.hits::float8 as hits, w.bot_hits::float8 as bot_hits, w.keys::float8 as keys, w.folded_keys::float8 as folded_keys,
             (select coalesce(sum(l.num_hits), 0)::float8 from tm.late_web_traffic l where l.window_start = w.window_start) as late,
             ${ms(sql, "w.closed_at")} as closed_at, w.closed_by,
             w.window_end <= (select final_through from tm.stream_progress) as confirmed
      from w order by w.window_start desc limit ${limit}`;
  }, deadlineMs);
}
