// /v1/ledger: what became of every offset, and whether the sums agree. Reads the database.
import { createRoute, z } from "@hono/zod-openapi";
import { DAY } from "../../../shared/units.ts";
import type { App, AppDeps } from "../../server/deps.ts";
import { booked, imbalances, sum } from "./ledger_balance.ts";
import { type DeepRange, type LedgerPartition, readLedger } from "./ledger_query.ts";
import { badField } from "../../server/problem.ts";
import {
  certaintySchema,
  countSchema,
  iso,
  isoAlways,
  jsonResponses,
  maybeTimeSchema,
  timeSchema,
} from "../schemas.ts";
import { streamMissing } from "./stream_rows.ts";
import { queryOf, timeField } from "../../server/validation.ts";

/** Longest range of rows that are added up again. 31 days take seconds. */
const DEEP_RANGE_DAYS_MAX = 31;

const query = queryOf({
  deep: z.enum(["true", "false"]).default("false").openapi({
    example: "true",
    description:
      "Re-add the rows and breakdowns of the closed windows in [from, to), the open deltas and the late tables.",
  }),
  from: timeField("First window to re-add, inclusive; with deep=true.").optional(),
  to: timeField(`End of the range, exclusive; at most ${DEEP_RANGE_DAYS_MAX} days after from.`)
    .openapi({ example: "2026-02-01T00:00:00Z" }).optional(),
});

const partitionSchema = z.strictObject({
  partition: z.int(),
  first_offset: countSchema,
  next_offset: countSchema,
  offsets: countSchema.openapi({ description: "next_offset - first_offset" }),
  booked: countSchema.openapi({ description: "counted + late + dead + null + skipped" }),
  counted: countSchema,
  late: countSchema,
  dead: countSchema,
  null_records: countSchema,
  skipped: z.int().openapi({
    description: "Negative if offsets were used twice, after an accepted truncation or recreation of the topic.",
  }),
  retired: z.boolean(),
  balanced: z.boolean(),
});

const ledgerSchema = z.strictObject({
  balanced: z.boolean(),
  certainty: certaintySchema,
  checked_at: timeSchema,
  closed_through: maybeTimeSchema,
  data_revision: z.int(),
  offsets_count_records: z.boolean().openapi({
    description: "false if offsets are bytes (files): then offsets are not compared with records.",
  }),
  stream: z.strictObject({
    counted: countSchema,
    closed: countSchema.openapi({ description: "Hits of closed windows." }),
    closed_windows: countSchema,
    open: countSchema.openapi({ description: "Hits of open deltas." }),
    open_windows: countSchema,
    retired: countSchema.openapi({ description: "Hits of days that retention dropped." }),
    difference: z.int().openapi({ description: "counted - (closed + open + retired); 0 when balanced." }),
    late: countSchema,
    dead: countSchema,
  }),
  deep: z.strictObject({
    from: timeSchema,
    to: timeSchema,
    windows_checked: countSchema,
    windows_without_digest: countSchema.openapi({
      description:
        "Windows that were closed by a version without digests: their rows are added up, but a change that keeps the sums is not found.",
    }),
    late_stored: countSchema,
  }).nullable(),
  partitions: z.array(partitionSchema),
  imbalances: z.array(z.strictObject({
    kind: z.enum(["stream", "partition", "window", "late", "breakdown"]),
    partition: z.int().nullable(),
    window_start: maybeTimeSchema,
    expected: z.int(),
    found: z.int(),
    message: z.string(),
  })).openapi({ description: "Every equation that does not hold; at most 100 windows are named." }),
}).openapi("Ledger");

const route = createRoute({
  method: "get",
  path: "/v1/ledger",
  tags: ["Pipeline"],
  summary: "What became of every offset",
  description:
    "next_offset - first_offset = counted + late + dead + null + skipped for each partition, and counted = closed + open + retired for the stream, added up in one snapshot. With it anyone can check exactly-once.",
  request: { query },
  responses: jsonResponses(ledgerSchema, "The sums; `balanced` says whether they agree."),
});

/** Registers the route. */
export function registerLedger(app: App, deps: AppDeps): void {
  app.openapi(route, async (c) => {
    const range = deepRange(c.req.valid("query"));
    const { queryTimeoutMs, deepQueryTimeoutMs } = deps.settings;
    const sums = await readLedger(deps.database, range, range === null ? queryTimeoutMs : deepQueryTimeoutMs);
    if (sums === null) throw streamMissing();
    const wrong = imbalances(sums);
    const counted = sum(sums.partitions, (p) => p.counted);
    return c.json({
      balanced: wrong.length === 0,
      // The sums of a running stream change with each commit.
      certainty: "provisional" as const,
      checked_at: isoAlways(sums.now),
      closed_through: iso(sums.closed_through),
      data_revision: sums.data_revision,
      offsets_count_records: sums.offsets_count_records,
      stream: {
        counted,
        closed: sums.closed_hits,
        closed_windows: sums.closed_windows,
        open: sums.open_hits,
        open_windows: sums.open_windows,
        retired: sums.retired_hits,
        difference: counted - sums.closed_hits - sums.open_hits - sums.retired_hits,
        late: sum(sums.partitions, (p) => p.late),
        dead: sum(sums.partitions, (p) => p.dead),
      },
      deep: range === null || sums.deep === null ? null : {
        from: isoAlways(range.from),
        to: isoAlways(range.to),
        windows_checked: sums.deep.windows_checked,
        windows_without_digest: sums.deep.windows_without_digest,
        late_stored: sums.deep.late_stored,
      },
      partitions: sums.partitions.map((p) => partitionView(p, wrong.every((w) => w.partition !== p.partition))),
      imbalances: wrong,
    }, 200);
  });
}

function partitionView(row: LedgerPartition, balanced: boolean) {
  const { late_dropped: _dropped, dead_by_reason: _byReason, ...shown } = row;
  return { ...shown, offsets: row.next_offset - row.first_offset, booked: booked(row), balanced };
}

function deepRange(given: z.output<typeof query>): DeepRange | null {
  const { deep, from, to } = given;
  if (deep === "false") {
    if (from !== undefined || to !== undefined) {
      throw badField("deep", "must be true if from or to is given", ["true"]);
    }
    return null;
  }
  if (from === undefined) throw badField("from", "is required with deep=true");
  if (to === undefined) throw badField("to", "is required with deep=true");
  if (to <= from) throw badField("to", "must be after from");
  if (to - from > DEEP_RANGE_DAYS_MAX * DAY) {
    throw badField("to", `must be at most ${DEEP_RANGE_DAYS_MAX} days after from`, [
      `up to ${isoAlways(from + DEEP_RANGE_DAYS_MAX * DAY)}`,
    ]);
  }
  return { from, to };
}
