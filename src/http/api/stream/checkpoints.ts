// /v1/checkpoints: the position of each partition, and the history of commits. Reads the database.
import { createRoute, z } from "@hono/zod-openapi";
import type { ReadDatabase } from "../../../shared/sql.ts";
import { CURSOR_MICROS, CURSOR_UUID, decodeCursor, encodeCursor, pageOf } from "../../server/cursor.ts";
import type { App, AppDeps } from "../../server/deps.ts";
import {
  countSchema,
  cursorField,
  iso,
  jsonResponses,
  limitField,
  maybeTimeSchema,
  nextCursorSchema,
  type RowOf,
  timeSchema,
  withIso,
} from "../schemas.ts";
import { atMicros, micros, ms } from "../../server/sql_time.ts";
import { requireStream } from "./stream_rows.ts";
import { queryOf } from "../../server/validation.ts";

const checkpointsSchema = z.strictObject({
  closed_through: maybeTimeSchema,
  data_revision: countSchema,
  partitions: z.array(z.strictObject({
    partition: z.int(),
    commit_id: z.string(),
    next_offset: countSchema,
    watermark: maybeTimeSchema,
    retired: z.boolean(),
    updated_at: timeSchema,
  })),
}).openapi("Checkpoints");

const commitSchema = z.strictObject({
  commit_id: z.string(),
  committed_at: timeSchema,
  instance: z.string(),
  reason: z.string(),
  duration_ms: z.number().min(0).openapi({ description: "Time in the database function." }),
  counted: countSchema,
  late: countSchema,
  dead: countSchema,
  null_records: countSchema,
  skipped: countSchema,
  keys: countSchema,
  windows: countSchema,
  partitions: z.array(z.strictObject({
    partition: z.int(),
    from: countSchema,
    to: countSchema.openapi({ description: "Exclusive." }),
    watermark: maybeTimeSchema,
    quiet: z.boolean(),
  })),
}).openapi("Commit");

const historySchema = z.strictObject({ commits: z.array(commitSchema), next_cursor: nextCursorSchema })
  .openapi("CheckpointHistory");

const currentRoute = createRoute({
  method: "get",
  path: "/v1/checkpoints",
  tags: ["Pipeline"],
  summary: "Committed position of each partition",
  request: { query: queryOf({}) },
  responses: jsonResponses(checkpointsSchema, "Positions of this moment."),
});
const historyRoute = createRoute({
  method: "get",
  path: "/v1/checkpoints/history",
  tags: ["Pipeline"],
  summary: "Commits of the last 7 days, newest first",
  request: { query: queryOf({ limit: limitField, cursor: cursorField }) },
  responses: jsonResponses(historySchema, "One page of commits."),
});

type Commit = z.infer<typeof commitSchema>;
/** A row of commit_history; `at` is its time in epoch microseconds, as text. */
type CommitRow = RowOf<Omit<Commit, "partitions">, "committed_at"> & {
  readonly at: string;
  readonly partitions: readonly RowOf<Commit["partitions"][number], "watermark">[];
};

/** Registers both routes. */
export function registerCheckpoints(app: App, deps: AppDeps): void {
  const { database, settings } = deps;
  app.openapi(currentRoute, async (c) => {
    const state = await requireStream(database, settings.queryTimeoutMs);
    return c.json({
      closed_through: iso(state.stream.closed_through),
      data_revision: state.stream.data_revision,
      partitions: state.partitions.map(({ partition, commit_id, next_offset, watermark, retired, updated_at }) =>
        withIso({ partition, commit_id, next_offset, watermark, retired, updated_at }, "watermark", "updated_at")
      ),
    }, 200);
  });
  app.openapi(historyRoute, async (c) => {
    const { limit, cursor } = c.req.valid("query");
    const after = decodeCursor("commits", [CURSOR_MICROS, CURSOR_UUID], cursor);
    const rows = await readHistory(database, limit + 1, after, settings.queryTimeoutMs);
    const { page, next } = pageOf(rows, limit, (last) => encodeCursor("commits", [last.at, last.commit_id]));
    return c.json({ commits: page.map(commitView), next_cursor: next }, 200);
  });
}

/** Commits, newest first, after the given (microseconds, id). */
function readHistory(database: ReadDatabase, limit: number, after: readonly string[] | undefined, deadlineMs: number) {
  return database.query((sql) =>
    sql<CommitRow[]>`
      select ${micros(sql, "h.committed_at")} as at, h.commit_id, ${
      ms(sql, "h.committed_at")
    } as committed_at, h.instance, h.reason,
             h.duration_ms, h.counted::float8 as counted, h.late::float8 as late, h.dead::float8 as dead,
             h.null_records::float8 as null_records, h.skipped::float8 as skipped, h.keys::float8 as keys, h.windows, h.partitions
      from tm.commit_history h
      where ${
      after === undefined
        ? sql`true`
        : sql`(h.committed_at, h.commit_id) < (${atMicros(sql, after[0]!)}, ${after[1]!}::uuid)`
    }
      order by h.committed_at desc, h.commit_id desc
      limit ${limit}`, deadlineMs);
}

function commitView({ at: _cursor, partitions, ...row }: CommitRow) {
  return { ...withIso(row, "committed_at"), partitions: partitions.map((moved) => withIso(moved, "watermark")) };
}
