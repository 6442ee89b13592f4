// Schemas of the reports' JSON answers, for the OpenAPI document; src/report makes the values. No I/O.
import { z } from "@hono/zod-openapi";
import { breakdownMarksSchema } from "../../../report/breakdown.ts";
import { COMPARES, COVERAGES } from "../../../report/report_types.ts";
import { visitorDaySchema } from "../../../report/visitors.ts";
import { countSchema, maybeTimeSchema, nextCursorSchema, orNull, timeSchema } from "../schemas.ts";

const maybeCount = countSchema.nullable().openapi({ description: "null if it is unknown." });
const statusOrUnknown = z.enum(["final", "provisional", "unknown"]);
const coverage = z.enum(COVERAGES).openapi({
  description:
    "full: all of its time; partial: the stream began in it; retired: from the sums that retention keeps; before_first, after_newest: no event is that old or that new; gap: records are missing for good; not_kept: needs rows that retention dropped; not_counted: counted without this breakdown, or without visitors. The last five are unknown, never zero.",
});
const day = z.string().openapi({ format: "date", example: "2026-01-31" });
const percentage = z.number().min(0).max(100);

const completenessSchema = z.strictObject({
  status: statusOrUnknown,
  watermark: maybeTimeSchema,
  quiet_since: maybeTimeSchema,
  windows_closed: countSchema,
  windows_expected: countSchema,
  late_count: countSchema,
  gap: z.boolean().openapi({ description: "Records are missing for good, or their rows were dropped: in no sum." }),
  coverage: z.array(coverage).openapi({ description: "All kinds that occur in the period." }),
  degraded: z.array(z.string()).openapi({
    description: "Failing steps that keep these numbers from becoming final; empty if they are final.",
    example: ["closing_failing"],
  }),
}).openapi("Completeness");

const placeSchema = z.strictObject({
  kind: z.enum(["city", "region", "country"]),
  country_code: z.string().openapi({ description: "ISO code, or unknown, private, invalid.", example: "AU" }),
  country: z.string().openapi({ example: "Australia" }),
  region: z.string().openapi({ example: "New South Wales" }),
  city: z.string().openapi({ example: "Sydney" }),
});

const contributionSchema = z.strictObject({
  rank: z.int().min(1).nullable(),
  place: placeSchema.nullable().openapi({ description: "null for (other)." }),
  city_contribution: z.strictObject({ city: z.string().openapi({ example: "Sydney" }), count: countSchema }),
  country_contribution: z.strictObject({ country: z.string(), total_count: countSchema }).nullable(),
  percentage_contribution: percentage.openapi({ description: "Per cent of the range's total." }),
  status: statusOrUnknown,
  previous_day_contribution: maybeCount,
  previous_day_status: statusOrUnknown,
  next_day_contribution: maybeCount,
  next_day_kind: z.enum(["actual", "forecast", "unknown"]),
  next_day_status: statusOrUnknown,
  forecast: z.strictObject({
    low: z.number(),
    high: z.number(),
    method: z.string(),
    mase: z.number().nullable(),
    history_days: countSchema,
    week_before: maybeCount,
    week_change: z.number().nullable(),
  }).nullable().openapi({
    description:
      "Only if the next day is not known yet. low to high is the 80 % interval; week_before is the same weekday a week before, week_change the forecast's difference from it.",
  }),
  next_day_reason: z.string().nullable(),
  forecasted_change: z.number().nullable().openapi({
    description: "Next day - previous day. These are two different weekdays, of which one may be busier.",
  }),
  comparison: z.strictObject({ count: maybeCount, change: z.number().nullable() }),
}).openapi("Contribution");

const comparisonPeriodSchema = z.strictObject({
  kind: z.enum(COMPARES),
  from: day,
  to: day,
  until: maybeTimeSchema.openapi({
    description: "If the range is not over: where the compared period ends, after the same elapsed time.",
  }),
  no_change_reason: z.enum(["not_same_length", "not_covered"]).nullable().openapi({
    description: "Why no change is given: the periods differ in length, or less than 95 % of one of them is known.",
  }),
}).openapi("ComparisonPeriod");

/** The query with its defaults. */
const querySchema = z.record(z.string(), z.union([z.string(), z.number()]));

export const contributionsSchema = z.strictObject({
  query: querySchema,
  total_count: maybeCount,
  total_rows: countSchema,
  rows: z.array(contributionSchema),
  other: orNull(contributionSchema).openapi({ description: "All that the page does not list." }),
  total: orNull(contributionSchema),
  next_cursor: nextCursorSchema,
  days: z.array(z.strictObject({
    day,
    hours: z.number().openapi({ description: "23 or 25 on days when the clocks change." }),
    count: maybeCount,
    completeness: completenessSchema,
  })),
  comparison_period: comparisonPeriodSchema,
  completeness: z.strictObject({
    range: completenessSchema,
    previous_day: completenessSchema,
    next_day: completenessSchema,
    comparison: completenessSchema,
  }),
  data_revision: countSchema,
}).openapi("ContributionReport");

const split = { human: maybeCount, bot: maybeCount, total: maybeCount };

export const timeseriesReportSchema = z.strictObject({
  query: querySchema,
  points: z.array(z.strictObject({
    start: timeSchema,
    end: timeSchema.openapi({ description: "Exclusive." }),
    ...split,
    late_count: countSchema,
    status: statusOrUnknown,
    gap: z.boolean(),
    coverage,
    previous: z.strictObject(split).nullable().openapi({
      description: "The interval of the compared period after the same elapsed time.",
    }),
  })),
  total: z.strictObject(split),
  comparison_period: comparisonPeriodSchema,
  comparison: z.strictObject({
    ...split,
    change: z.strictObject({
      human: z.number().nullable(),
      bot: z.number().nullable(),
      total: z.number().nullable(),
    }),
  }).openapi({ description: "The compared period over the same elapsed time, and the range's difference from it." }),
  completeness: completenessSchema,
  data_revision: countSchema,
}).openapi("TimeseriesReport");

const share = percentage.nullable();

export const botsReportSchema = z.strictObject({
  query: querySchema,
  ...split,
  bot_share: share,
  days: z.array(z.strictObject({ day, ...split, bot_share: share, status: statusOrUnknown, coverage })),
  completeness: completenessSchema,
  data_revision: countSchema,
}).openapi("BotsReport");

const topRowSchema = z.strictObject({
  rank: z.int().min(1).nullable(),
  key: z.string().nullable().openapi({ description: "The stored text. Hostile: escape it." }),
  label: z.string(),
  count: countSchema,
  human: maybeCount,
  bot: maybeCount,
  percentage,
  status: statusOrUnknown,
  referrers: z.array(z.strictObject({ key: z.string(), count: countSchema })).nullable().openapi({
    description: "Of a source: its referrers with most hits. Hostile: escape them.",
  }),
}).openapi("TopRow");

export const topReportSchema = z.strictObject({
  query: querySchema,
  total_count: maybeCount,
  total_rows: countSchema,
  rows: z.array(topRowSchema),
  reserved: z.array(topRowSchema).openapi({
    description:
      "Of page, browser, os, device and campaign: hits that name none, by the reason, such as (asset), (redirect), (bot), (none). They have no rank. rows, reserved and other add up to total_count.",
  }),
  other: orNull(topRowSchema),
  breakdown: orNull(breakdownMarksSchema).openapi({
    description: "Of page, browser, os, device, campaign and entry_channel: what was counted when; else null.",
  }),
  completeness: completenessSchema,
  data_revision: countSchema,
}).openapi("TopReport");

export const visitorsReportSchema = z.strictObject({
  query: querySchema,
  visitors: maybeCount.openapi({
    description: "The sum of the known days: who visits on two days counts twice. null if no day is known.",
  }),
  standard_error_percent: z.number().openapi({ description: "Of each day's estimate." }),
  days: z.array(visitorDaySchema),
  counted_since: maybeTimeSchema.openapi({
    description: "Start of the first window that counted visitors. A day has a number if all its windows counted them.",
  }),
  counting: z.boolean().openapi({ description: "Whether the newest closed window counted visitors." }),
  completeness: completenessSchema,
  data_revision: countSchema,
}).openapi("VisitorsReport");

export const forecastReportSchema = z.strictObject({
  query: querySchema,
  last_complete_day: day.nullable(),
  interval: z.number().min(0).max(1),
  series: z.array(z.strictObject({
    label: z.string(),
    place: placeSchema.omit({ kind: true }).nullable().openapi({ description: "null for the total." }),
    method: z.string().nullable(),
    reason: z.string().nullable().openapi({ description: "Why there is no forecast." }),
    mase: z.number().nullable(),
    relative_error: z.number().nullable(),
    history_days: countSchema,
    history: z.array(z.strictObject({ day, count: maybeCount })),
    days: z.array(z.strictObject({ day, count: z.number(), low: z.number(), high: z.number() })),
  })),
  completeness: completenessSchema,
  data_revision: countSchema,
}).openapi("ForecastReport");
