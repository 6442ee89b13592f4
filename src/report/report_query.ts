// The parameters of the reports: one zod schema each, shared by HTTP and the command line, and the defaults that need a clock. No I/O.
import { z } from "zod";
import type { EpochMs } from "../shared/units.ts";
import { type Breakdown, BREAKDOWNS, isBreakdown } from "./breakdown.ts";
import { conditionsOf, type Filtered, parseFilter } from "./filter.ts";
import { CHANNELS } from "./referrer_channel.ts";
import { COMPARES } from "./report_types.ts";
import {
  addDays,
  countDays,
  isLocalDate,
  isTimeZone,
  LOCAL_DATE_MAX,
  LOCAL_DATE_MIN,
  type LocalDate,
  localDate,
} from "./time_zone.ts";

/** Longest range in days; the database functions accept twice as many, for the compared period. */
export const RANGE_DAYS_MAX = 1101;
/** Most points of one time series. */
const SERIES_POINTS_MAX = 10_000;
/** Most rows of an answer; exports read all pages. */
export const LIMIT_MAX = 1_000;
export const FORECAST_DAYS_MAX = 14;

const date = z.string().refine(isLocalDate, {
  error: `must be a date that exists, as YYYY-MM-DD, from ${LOCAL_DATE_MIN} to ${LOCAL_DATE_MAX}`,
});
/** A number, or text of digits: `Number` would also accept an empty text, blanks, `0x10` and `1e2`. */
const integer = (min: number, max: number) => {
  const error = `must be an integer from ${min} to ${max}`;
  const number = (given: unknown) => typeof given === "string" && /^\d{1,9}$/.test(given) ? Number(given) : given;
  return z.preprocess(number, z.int({ error }).min(min, { error }).max(max, { error }));
};
// Longer texts than a stored key cannot match anything. PostgreSQL takes no U+0000; a stored key has U+FFFD in its place.
const key = (what: string) =>
  z.string().max(4096).refine(isStorable, { error: "must not hold U+0000" }).optional().describe(
    what,
  );

const range = {
  from: date.optional().describe("First local day, inclusive. Default: six days before `to`."),
  to: date.optional().describe("Last local day, inclusive. Default: today."),
  tz: z.string().refine(isTimeZone, { error: "must be an IANA time zone" }).default("UTC")
    .describe("Time zone of the days, such as Europe/Berlin."),
};
const filter = {
  host: key("Only hits of this host."),
  referrer: key("Only hits with this referrer; empty for direct hits."),
  source: key("Only hits from this source, as `by=source` names it."),
  channel: z.enum(CHANNELS).optional().describe("Only hits that came through this channel."),
  country: key("Only hits from this country: its code or English name."),
  region: key("Only hits from this region; empty for places without one."),
  city: key("Only hits from this city; empty for places without one."),
  filter: z.string().max(16_384).refine(isStorable, { error: "must not hold U+0000" }).superRefine((text, context) => {
    const parsed = parseFilter(text);
    if (typeof parsed === "string") context.addIssue(parsed);
  }).optional().describe(
    'Conditions FIELD:OP:VALUE separated by ";", such as `host:is:www.example.com;referrer:not_contains:google`. OP is one of is, is_not, starts, not_starts, contains, not_contains. Conditions of the same FIELD and OP are alternatives; all others must be true together. A ";" in a value is written %3B, a "%" %25.',
  ),
};
const compare = z.enum(COMPARES).default("previous_period").describe(
  "The period that the range is compared with: the day before, the same weekdays before, as many days before, or the same days a year before. If the range is not over, that period ends after the same elapsed time.",
);
const traffic = z.enum(["all", "human", "bot"]).default("all").describe("Which hits are counted.");
const late = z.enum(["include", "exclude"]).default("exclude").describe(
  "Whether late records are counted; they may come after a number is final.",
);

export const contributionSchema = z.object({
  ...range,
  ...filter,
  traffic,
  late,
  place: z.enum(["city", "region", "country"]).default("city").describe("What a row counts."),
  compare,
  order: z.enum(["count_desc", "count_asc", "place"]).default("count_desc").describe("Order of rows; ties by place."),
  limit: integer(1, LIMIT_MAX).default(50).describe("Rows of one page."),
  cursor: z.string().max(2048).optional().describe("`next_cursor` of the page before."),
});

export const timeseriesSchema = z.object({
  ...range,
  ...filter,
  late,
  step: z.enum(["5min", "hour", "day", "week", "month"]).default("hour")
    .describe("Length of a bucket; 5min is one window if windows are longer, week begins on Monday."),
  compare,
});

export const topSchema = z.object({
  ...range,
  ...filter,
  traffic,
  late,
  by: z.enum(["host", "referrer", "source", "channel", "country", "region", "city", ...BREAKDOWNS]).default("host")
    .describe(
      "What is ranked; a source is all referrers of one site, such as Google; your own hosts are separate. page, browser, os, device, campaign and entry_channel are counted by host alone: with them, host is the only filter.",
    ),
  limit: integer(1, LIMIT_MAX).default(10).describe("Rows; the others are one row `(other)`."),
});

export const visitorsSchema = z.object({
  from: range.from.describe("First UTC day, inclusive. Default: six days before `to`."),
  to: range.to.describe("Last UTC day, inclusive. Default: today."),
  tz: z.enum(["UTC"]).default("UTC").describe("Visitors are counted by UTC day."),
  host: filter.host,
  filter: filter.filter.describe("Conditions on the host, such as `host:starts:www.`; as in the other reports."),
  traffic: z.enum(["human"]).default("human").describe("Bots are not visitors."),
  late: z.enum(["exclude"]).default("exclude").describe("Late records are in no count of visitors."),
});

export const botsSchema = z.object({ ...range, ...filter, late });

export const forecastSchema = z.object({
  tz: range.tz,
  of: z.enum(["total", "country", "city"]).default("total").describe("What is forecast."),
  days: integer(1, FORECAST_DAYS_MAX).default(7).describe("Days ahead, after the last complete one."),
  traffic,
  late,
  limit: integer(1, 100).default(10).describe(
    "How many countries or cities: those with most hits in the last 28 days.",
  ),
});

/** A resolved range: both ends inclusive, in order, at most {@link RANGE_DAYS_MAX} days. */
interface Range {
  readonly from: LocalDate;
  readonly to: LocalDate;
}
/** Parameters whose range may be left out. */
interface Unranged {
  readonly from?: LocalDate | undefined;
  readonly to?: LocalDate | undefined;
  readonly tz: string;
}
export type ContributionQuery = Readonly<z.output<typeof contributionSchema>> & Range;
export type TimeseriesQuery = Readonly<z.output<typeof timeseriesSchema>> & Range;
export type TopQuery = Readonly<z.output<typeof topSchema>> & Range;
/** A ranking of a breakdown. */
export type BreakdownQuery = TopQuery & { readonly by: Breakdown };
export type VisitorsQuery = Readonly<z.output<typeof visitorsSchema>> & Range;
export type BotsQuery = Readonly<z.output<typeof botsSchema>> & Range;
export type ForecastQuery = Readonly<z.output<typeof forecastSchema>>;

/** A wrong parameter; `allowed` is empty if the values cannot be listed. */
export interface QueryProblem {
  readonly field: string;
  readonly message: string;
  readonly allowed: readonly string[];
}

/** A query, or all its problems. */
export type QueryResult<Q> =
  | { readonly ok: true; readonly query: Q }
  | { readonly ok: false; readonly problems: readonly QueryProblem[] };

/** Parameters as they come from a URL or from flags. */
export type Parameters = Readonly<Record<string, string | number | undefined>>;

/** The allowed values of a field that zod does not list. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  from: ["YYYY-MM-DD"],
  to: ["YYYY-MM-DD"],
  tz: ["UTC", "an IANA time zone such as Europe/Berlin"],
  cursor: ["next_cursor of the page before"],
};

export const contributionQuery = (given: Parameters, now: EpochMs): QueryResult<ContributionQuery> =>
  ranged(contributionSchema, given, now);
export const botsQuery = (given: Parameters, now: EpochMs): QueryResult<BotsQuery> => ranged(botsSchema, given, now);
export const forecastQuery = (given: Parameters): QueryResult<ForecastQuery> => checked(forecastSchema, given);

/** Refuses filters that a breakdown does not know. */
export function topQuery(given: Parameters, now: EpochMs): QueryResult<TopQuery> {
  const result = ranged(topSchema, given, now);
  return result.ok && isBreakdown(result.query.by) ? hostsOnly(result.query, `by=${result.query.by} is`) : result;
}

export function visitorsQuery(given: Parameters, now: EpochMs): QueryResult<VisitorsQuery> {
  const result = ranged(visitorsSchema, given, now);
  return result.ok ? hostsOnly(result.query, "visitors are") : result;
}

/** The query if all its conditions are on the host; else a problem for each parameter that names something else. */
function hostsOnly<Q extends Filtered>(query: Q, counted: string): QueryResult<Q> {
  const others = [...new Set(conditionsOf(query).map(({ field }) => field))].filter((field) => field !== "host");
  if (others.length === 0) return { ok: true, query };
  const short = others.filter((field) => query[field] !== undefined);
  const long = others.filter((field) => !short.includes(field));
  const why = `${counted} counted by host alone`;
  return {
    ok: false,
    problems: [
      ...short.map((field) => ({ field, message: `must be left out: ${why}`, allowed: ["host"] })),
      ...(long.length === 0 ? [] : [{
        field: "filter",
        message: `must not hold conditions on ${long.join(", ")}: ${why}`,
        allowed: ["host"],
      }]),
    ],
  };
}

/** Refuses a series of more than {@link SERIES_POINTS_MAX} points. */
export function timeseriesQuery(given: Parameters, now: EpochMs): QueryResult<TimeseriesQuery> {
  const result = ranged(timeseriesSchema, given, now);
  if (!result.ok) return result;
  const { from, to, step } = result.query;
  const perDay = { "5min": 288, hour: 24, day: 1, week: 1, month: 1 }[step];
  const daysMax = Math.min(RANGE_DAYS_MAX, Math.floor(SERIES_POINTS_MAX / perDay));
  return countDays(from, to) <= daysMax
    ? result
    : failed("from", `must be at most ${daysMax} days before \`to\` with step=${step}`, [
      `${addDays(to, 1 - daysMax)} to ${to}`,
    ]);
}

function checked<Q>(schema: z.ZodType<Q>, given: Parameters): QueryResult<Q> {
  const result = schema.safeParse(given);
  if (result.success) return { ok: true, query: result.data };
  return {
    ok: false,
    problems: result.error.issues.map((issue) => {
      const field = issue.path.join(".") || (issue.code === "unrecognized_keys" ? issue.keys.join(", ") : "query");
      const listed = issue.code === "invalid_value" ? issue.values.map(String) : ALLOWED[field] ?? [];
      const message = issue.code === "invalid_value" ? `must be one of ${listed.join(", ")}` : issue.message;
      return { field, message, allowed: listed };
    }),
  };
}

/** The checked parameters with a resolved range. */
function ranged<Q extends Unranged>(schema: z.ZodType<Q>, given: Parameters, now: EpochMs): QueryResult<Q & Range> {
  const result = checked(schema, given);
  if (!result.ok) return result;
  const to = result.query.to ?? localDate(now, result.query.tz);
  const sixBefore = addDays(to, -6);
  const from = result.query.from ?? (sixBefore < LOCAL_DATE_MIN ? LOCAL_DATE_MIN : sixBefore);
  const days = countDays(from, to);
  if (days < 1) return failed("from", `must not be after \`to\` (${to})`, [`a date up to ${to}`]);
  if (days > RANGE_DAYS_MAX) {
    return failed("from", `must be at most ${RANGE_DAYS_MAX} days before \`to\``, [
      `${addDays(to, 1 - RANGE_DAYS_MAX)} to ${to}`,
    ]);
  }
  return { ok: true, query: { ...result.query, from, to } };
}

function failed(
  field: string,
  message: string,
  allowed: readonly string[],
): { ok: false; problems: readonly QueryProblem[] } {
  return { ok: false, problems: [{ field, message, allowed }] };
}

/** The end of a page of contributions: the row's first sort key, country, region and city. */
export type ContributionCursor = readonly [sortKey: number, countryCode: string, region: string, city: string];

/** Whether PostgreSQL can hold the text. */
function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** Text for `next_cursor`. */
export function encodeContributionCursor(cursor: ContributionCursor): string {
  return new TextEncoder().encode(JSON.stringify(cursor)).toBase64({ alphabet: "base64url", omitPadding: true });
}

/** The cursor, or a problem if it is not one of ours. */
export function decodeContributionCursor(text: string): ContributionCursor | QueryProblem {
  const bad: QueryProblem = {
    field: "cursor",
    message: "is not one that this report gave out",
    allowed: ALLOWED.cursor ?? [],
  };
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(text, { alphabet: "base64url" })));
    const parsed = z.tuple([z.int(), z.string(), z.string(), z.string()]).safeParse(value);
    // Every letter must be the same: PostgreSQL's JSON refuses U+0000 and lone surrogates, and no stored place has one.
    const ours = parsed.success && parsed.data.every((part) => typeof part === "number" || isStorable(part)) &&
      encodeContributionCursor(parsed.data) === text;
    return ours ? parsed.data : bad;
  } catch (error) {
    if (error instanceof SyntaxError) return bad;
    throw error;
  }
}
