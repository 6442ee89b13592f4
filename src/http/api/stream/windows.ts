// /v1/windows and /v1/windows/{start}/explain. Reads the database and snapshots.
import { createRoute, z } from "@hono/zod-openapi";
import { CURSOR_TIME, decodeCursor, encodeCursor, pageOf } from "../../server/cursor.ts";
import type { App, AppDeps } from "../../server/deps.ts";
import { holdSchema } from "./pipeline_schema.ts";
import { badField } from "../../server/problem.ts";
import {
  certaintySchema,
  cursorField,
  iso,
  isoAlways,
  jsonResponses,
  limitField,
  maybeTimeSchema,
  nextCursorSchema,
  orNull,
  timeSchema,
  withIso,
} from "../schemas.ts";
import { requireStream } from "./stream_rows.ts";
import { queryOf, timeField } from "../../server/validation.ts";
import { EXPLAIN_STATES, explainWindow } from "./window_explain.ts";
import { readWindows, type WindowRow, windowSchema } from "./windows_query.ts";

const listRoute = createRoute({
  method: "get",
  path: "/v1/windows",
  tags: ["Pipeline"],
  summary: "Windows, open and closed, newest first",
  request: {
    query: queryOf({ state: z.enum(["all", "open", "closed"]).default("all"), limit: limitField, cursor: cursorField }),
  },
  responses: jsonResponses(
    z.strictObject({ windows: z.array(windowSchema), next_cursor: nextCursorSchema }).openapi("Windows"),
    "One page of windows.",
  ),
});

const explainRoute = createRoute({
  method: "get",
  path: "/v1/windows/{start}/explain",
  tags: ["Pipeline"],
  summary: "Which partitions hold a window open, why, and what would close it",
  request: { params: z.strictObject({ start: timeField("Start of the window.") }), query: queryOf({}) },
  responses: jsonResponses(
    z.strictObject({
      window_start: timeSchema,
      window_end: timeSchema,
      now: timeSchema,
      state: z.enum(EXPLAIN_STATES),
      certainty: certaintySchema,
      summary: z.string(),
      closed_through: maybeTimeSchema,
      window: orNull(windowSchema),
      holders: z.array(z.strictObject({ ...holdSchema.shape, partition: z.int(), watermark: maybeTimeSchema })),
    }).openapi("WindowExplanation"),
    "The explanation.",
  ),
});

/** Registers both routes. */
export function registerWindows(app: App, deps: AppDeps): void {
  const { database, settings } = deps;
  app.openapi(listRoute, async (c) => {
    const { state, limit, cursor } = c.req.valid("query");
    const after = decodeCursor("windows", [CURSOR_TIME], cursor);
    const before = after === undefined ? null : Number(after[0]);
    const rows = await readWindows(database, { state, before, limit: limit + 1 }, settings.queryTimeoutMs);
    const { page, next } = pageOf(rows, limit, (last) => encodeCursor("windows", [last.window_start]));
    return c.json({ windows: page.map(windowView), next_cursor: next }, 200);
  });
  app.openapi(explainRoute, async (c) => {
    const { start } = c.req.valid("param");
    const state = await requireStream(database, settings.queryTimeoutMs);
    const size = state.stream.window_size_ms;
    if (start % size !== 0) {
      const floor = start - start % size;
      throw badField("start", "must be the start of a window", [isoAlways(floor), isoAlways(floor + size)]);
    }
    const [row] = await readWindows(database, { state: "all", before: null, start, limit: 1 }, settings.queryTimeoutMs);
    const now = deps.clock.now();
    const explanation = explainWindow({ start, row, state, snapshots: deps.snapshots(), now, settings });
    return c.json({
      window_start: isoAlways(start),
      window_end: isoAlways(start + size),
      now: isoAlways(now),
      state: explanation.state,
      certainty: row?.confirmed && row.state === "closed" ? "final" as const : "provisional" as const,
      summary: explanation.summary,
      closed_through: iso(state.stream.closed_through),
      window: row === undefined ? null : windowView(row),
      holders: explanation.holders.map((hold) => withIso(hold, "watermark", "closes_at")),
    }, 200);
  });
}

function windowView({ confirmed, ...row }: WindowRow) {
  return {
    ...withIso(row, "window_start", "window_end", "closed_at"),
    certainty: confirmed && row.state === "closed" ? "final" as const : "provisional" as const,
  };
}
