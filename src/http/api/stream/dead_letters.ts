// /v1/dead-letters: dead letters by reason and position, and masked samples for operators. Reads the database.
import { createRoute, z } from "@hono/zod-openapi";
import { requireAdmin } from "../../server/auth.ts";
import { CURSOR_INT4, CURSOR_INT8, CURSOR_MICROS, decodeCursor, encodeCursor, pageOf } from "../../server/cursor.ts";
import {
  deadByReasonSchema,
  deadRangeSchema,
  deadSampleSchema,
  readDeadByReason,
  readDeadRanges,
  readDeadSamples,
} from "./dead_letters_query.ts";
import type { App, AppDeps } from "../../server/deps.ts";
import {
  certaintySchema,
  countSchema,
  cursorField,
  jsonResponses,
  limitField,
  nextCursorSchema,
  withIso,
} from "../schemas.ts";
import { integerField, queryOf } from "../../server/validation.ts";

const filter = {
  reason: z.string().regex(/^[a-z_]{1,40}$/, "must be a name such as bad_json").optional()
    .openapi({ description: "Only this reason.", example: "bad_json" }),
  partition: integerField(0, 1_000_000, "Only this partition.").optional(),
  limit: limitField,
  cursor: cursorField,
};

const listSchema = z.strictObject({
  total: countSchema.openapi({ description: "Dead letters of the whole stream, whatever the filter." }),
  certainty: certaintySchema,
  by_reason: z.array(deadByReasonSchema),
  ranges: z.array(deadRangeSchema),
  next_cursor: nextCursorSchema,
}).openapi("DeadLetters");

const samplesSchema = z.strictObject({
  samples: z.array(deadSampleSchema),
  next_cursor: nextCursorSchema,
}).openapi("DeadLetterSamples");

const listRoute = createRoute({
  method: "get",
  path: "/v1/dead-letters",
  tags: ["Pipeline"],
  summary: "Dead letters by reason, and where they lie",
  request: { query: queryOf(filter) },
  responses: jsonResponses(listSchema, "Counts, and one page of offset ranges, newest first."),
});
const samplesRoute = createRoute({
  method: "get",
  path: "/v1/dead-letters/samples",
  tags: ["Pipeline"],
  summary: "Masked samples of dead letters, newest first",
  description:
    "At most 100 per reason and hour are kept, for 30 days. Needs the admin token if API_ADMIN_TOKEN is set.",
  request: { query: queryOf(filter) },
  responses: jsonResponses(samplesSchema, "One page of samples."),
});

/** Registers both routes. */
export function registerDeadLetters(app: App, deps: AppDeps): void {
  const { database, settings: { queryTimeoutMs } } = deps;
  app.openapi(listRoute, async (c) => {
    const { reason, partition, limit, cursor } = c.req.valid("query");
    const after = decodeCursor("dead", [CURSOR_INT8], cursor);
    const [byReason, rows] = await Promise.all([
      readDeadByReason(database, queryTimeoutMs),
      readDeadRanges(database, { reason, partition, limit: limit + 1, after }, queryTimeoutMs),
    ]);
    const { page, next } = pageOf(rows, limit, (last) => encodeCursor("dead", [last.id]));
    return c.json({
      total: byReason.reduce((total, row) => total + row.records, 0),
      certainty: "provisional" as const,
      by_reason: byReason,
      ranges: page.map(({ id: _id, ...row }) => withIso(row, "seen_at")),
      next_cursor: next,
    }, 200);
  });
  app.openapi(samplesRoute, async (c) => {
    requireAdmin(c);
    const { reason, partition, limit, cursor } = c.req.valid("query");
    const after = decodeCursor("samples", [CURSOR_MICROS, CURSOR_INT4, CURSOR_INT8], cursor);
    const rows = await readDeadSamples(database, { reason, partition, limit: limit + 1, after }, queryTimeoutMs);
    const { page, next } = pageOf(
      rows,
      limit,
      (last) => encodeCursor("samples", [last.at, last.partition, last.offset]),
    );
    return c.json({
      samples: page.map(({ at: _at, ...row }) => withIso(row, "seen_at")),
      next_cursor: next,
    }, 200);
  });
}
