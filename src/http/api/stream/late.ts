// /v1/late: records that came after their window had closed, by window. Reads the database.
import { createRoute, z } from "@hono/zod-openapi";
import { CURSOR_TIME, decodeCursor, encodeCursor, pageOf } from "../../server/cursor.ts";
import type { ReadDatabase } from "../../../shared/sql.ts";
import type { App, AppDeps } from "../../server/deps.ts";
import {
  certaintySchema,
  countSchema,
  cursorField,
  jsonResponses,
  limitField,
  nextCursorSchema,
  type RowOf,
  timeSchema,
  withIso,
} from "../schemas.ts";
import { at, ms } from "../../server/sql_time.ts";
import { queryOf } from "../../server/validation.ts";

const lateSchema = z.strictObject({
  certainty: certaintySchema,
  total: countSchema.openapi({ description: "Late records of the whole stream." }),
  dropped: countSchema.openapi({ description: "Of these, counted only (LATE_POLICY=drop)." }),
  retired: countSchema.openapi({ description: "Of these, dropped by retention." }),
  windows: z.array(z.strictObject({
    window_start: timeSchema,
    window_end: timeSchema,
    hits: countSchema,
    bot_hits: countSchema,
    rows: countSchema.openapi({ description: "Rows of late_web_traffic; several rows of one key add up." }),
  })),
  next_cursor: nextCursorSchema,
}).openapi("Late");

const route = createRoute({
  method: "get",
  path: "/v1/late",
  tags: ["Pipeline"],
  summary: "Late records by window, newest window first",
  request: { query: queryOf({ limit: limitField, cursor: cursorField }) },
  responses: jsonResponses(lateSchema, "Totals, and one page of windows."),
});

type LateTotals = Pick<z.infer<typeof lateSchema>, "total" | "dropped" | "retired">;
/** Late records of one window. */
export type LateWindow = RowOf<z.infer<typeof lateSchema>["windows"][number], "window_start" | "window_end">;

/** Registers the route. */
export function registerLate(app: App, deps: AppDeps): void {
  const { database, settings: { queryTimeoutMs } } = deps;
  app.openapi(route, async (c) => {
    const { limit, cursor } = c.req.valid("query");
    const after = decodeCursor("late", [CURSOR_TIME], cursor);
    const [totals, rows] = await Promise.all([
      readTotals(database, queryTimeoutMs),
      readLate(database, limit + 1, after === undefined ? null : Number(after[0]), queryTimeoutMs),
    ]);
    const { page, next } = pageOf(rows, limit, (last) => encodeCursor("late", [last.window_start]));
    return c.json({
      // Late records may come at any time.
      certainty: "provisional" as const,
      ...totals,
      windows: page.map((row) => withIso(row, "window_start", "window_end")),
      next_cursor: next,
    }, 200);
  });
}

async function readTotals(database: ReadDatabase, deadlineMs: number): Promise<LateTotals> {
  const [row] = await database.query((sql) =>
    sql<LateTotals[]>`
      select coalesce(sum(late), 0)::float8 as total, coalesce(sum(late_dropped), 0)::float8 as dropped,
             coalesce((select retired_late from tm.stream), 0)::float8 as retired
      from tm.stream_partition`, deadlineMs);
  return row!;
}

/** Late records by window, newest first, for windows before `before` (epoch ms). */
export function readLate(database: ReadDatabase, limit: number, before: number | null, deadlineMs: number) {
  return database.query((sql) =>
    sql<LateWindow[]>`
      select ${ms(sql, "l.window_start")} as window_start, ${
      ms(sql, "l.window_end")
    } as window_end, l.hits, l.bot_hits, l.rows
      from (
        select window_start, max(window_end) as window_end, sum(num_hits)::float8 as hits, sum(bot_hits)::float8 as bot_hits,
               count(*)::float8 as rows
        from tm.late_web_traffic where ${before === null ? sql`true` : sql`window_start < ${at(sql, before)}`}
        group by window_start order by window_start desc limit ${limit}
      ) l order by l.window_start desc`, deadlineMs);
}
