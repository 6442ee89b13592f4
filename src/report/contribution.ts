// Shapes the contribution report: who contributed how much, the days around it, and how certain each number is. Pure.
import type { Forecast } from "./forecast/forecast.ts";
import { comparisonOf, type ComparisonPeriod } from "./comparison.ts";
import { countryName } from "./country_names.ts";
import {
  bucketHits,
  completenessOf,
  type Counting,
  daysBetween,
  dayTotals,
  lastWindowEnd,
  statusOf,
  totalHits,
} from "./completeness.ts";
import { type ContributionCursor, type ContributionQuery, encodeContributionCursor } from "./report_query.ts";
import type { Bucket, Completeness, DayTotal, PlaceKind, PlaceNames, Progress, Status } from "./report_types.ts";
import type { EpochMs } from "../shared/units.ts";
import { addDays } from "./time_zone.ts";

/** A row of `contribution_report`. */
export interface ContributionFacts {
  readonly rank: number;
  readonly countryCode: string;
  readonly region: string;
  readonly city: string;
  readonly hits: number;
  /** Hits of the row's country in the range. */
  readonly countryHits: number;
  /** null if the day is unknown or not known yet. */
  readonly previousDay: number | null;
  readonly nextDay: number | null;
  readonly comparison: number | null;
}

/** Kinds of a day's number. */
type NextDayKind = "actual" | "forecast" | "unknown";

/** The forecast of the next day; wire shape. Hits are rounded; `low` to `high` is the 80 % interval. */
interface ForecastDetail {
  readonly low: number;
  readonly high: number;
  readonly method: string;
  readonly mase: number | null;
  readonly history_days: number;
  /** The same weekday a week before: its hits, and the forecast's difference from them; null if they are not known. */
  readonly week_before: number | null;
  readonly week_change: number | null;
}

/** One row; wire shape. */
export interface Contribution {
  /** Position in the whole report, from 1; null for `(other)`. */
  readonly rank: number | null;
  /** null for `(other)`. */
  readonly place: { readonly kind: PlaceKind } & PlaceNames | null;
  /** The row's own count; `city` is the row's name. */
  readonly city_contribution: { readonly city: string; readonly count: number };
  readonly country_contribution: { readonly country: string; readonly total_count: number } | null;
  /** Per cent of the range's total. */
  readonly percentage_contribution: number;
  readonly status: Status;
  readonly previous_day_contribution: number | null;
  readonly previous_day_status: Status;
  readonly next_day_contribution: number | null;
  readonly next_day_kind: NextDayKind;
  readonly next_day_status: Status;
  readonly forecast: ForecastDetail | null;
  /** Why the next day is unknown: gap, short_history, no_hits, too_far. */
  readonly next_day_reason: string | null;
  /** Next day − previous day; from a forecast if `next_day_kind` says so. */
  readonly forecasted_change: number | null;
  readonly comparison: { readonly count: number | null; readonly change: number | null };
}

/** The report; wire shape. */
export interface ContributionReport {
  readonly query: Omit<ContributionQuery, "cursor">;
  readonly total_count: number | null;
  readonly total_rows: number;
  readonly rows: readonly Contribution[];
  /** The sum of the rows that this page does not list, so that its percentages add up to 100; null if it lists all. */
  readonly other: Contribution | null;
  readonly total: Contribution | null;
  readonly next_cursor: string | null;
  readonly days: readonly DayTotal[];
  readonly comparison_period: ComparisonPeriod;
  /** Each number belongs to one of these periods. */
  readonly completeness: {
    readonly range: Completeness;
    readonly previous_day: Completeness;
    readonly next_day: Completeness;
    readonly comparison: Completeness;
  };
  readonly data_revision: number;
}

/** The data of the report. */
export interface ContributionInput {
  readonly query: ContributionQuery;
  readonly progress: Progress;
  /** Days in order of time, at least from the day before the range to the day after it. */
  readonly days: readonly Bucket[];
  /** Days of the compared period, cut at `until`. */
  readonly compared: readonly Bucket[];
  readonly until: EpochMs | null;
  /** One row more than `query.limit` if there are more. */
  readonly rows: readonly ContributionFacts[];
  readonly totalRows: number;
  /** Forecast of the next day by {@link placeKey}, `""` for the total; used if the next day is not known. */
  readonly forecasts: ReadonlyMap<string, NextDayForecast>;
}

/** A forecast, and the number of days from its history to the next day, which can be beyond its points. */
export interface NextDayForecast {
  readonly forecast: Forecast;
  readonly horizon: number;
  /** Hits of the day a week before the next day; null if they are not known. */
  readonly weekBefore: number | null;
}

/** Identifies a place of the query's kind among the forecasts, and in the database's dictionary. */
export function placeKey(
  kind: PlaceKind,
  { countryCode, region, city }: Pick<ContributionFacts, "countryCode" | "region" | "city">,
): string {
  return kind === "country"
    ? countryCode
    : kind === "region"
    ? `${countryCode}\x1e${region}`
    : `${countryCode}\x1e${region}\x1e${city}`;
}

/** Makes the report. */
export function shapeContributions(input: ContributionInput): ContributionReport {
  const { query, progress, days, totalRows, compared, until } = input;
  const { from, to, tz } = query;
  const range = daysBetween(days, tz, from, to);
  const previous = daysBetween(days, tz, addDays(from, -1), addDays(from, -1));
  const next = daysBetween(days, tz, addDays(to, 1), addDays(to, 1));
  const period = comparisonOf(query, { range, compared, until, progress });
  const counting: Counting = query;
  const nextClosed = next.length > 0 && next.every((day) => lastWindowEnd(day.end, progress) <= progress.closedThrough);
  const totals = {
    hits: totalHits(range, counting),
    previousDay: totalHits(previous, counting),
    nextDay: nextClosed ? totalHits(next, counting) : null,
    comparison: totalHits(compared, counting),
  };
  const context: RowContext = {
    query,
    total: totals.hits ?? 0,
    rangeStatus: completenessOf(range, progress).status,
    previousStatus: statusOf(previous, progress),
    nextStatus: statusOf(next, progress),
    previousKnown: totals.previousDay !== null,
    comparisonKnown: totals.comparison !== null,
    nextKnown: totals.nextDay !== null,
    nextUnknownReason: nextClosed ? "gap" : null,
    comparable: period.no_change_reason === null,
  };
  const page = input.rows.slice(0, query.limit);
  const rows = page.map((row) => shapeRow(row, context, input.forecasts.get(placeKey(query.place, row))));
  const last = page.at(-1);
  const total = totals.hits === null
    ? null
    : sumRow("(total)", { ...totals, hits: totals.hits }, context, input.forecasts.get(""));
  const { cursor: _cursor, ...echo } = query;
  return {
    query: echo,
    total_count: totals.hits,
    total_rows: totalRows,
    rows,
    other: totals.hits === null || rows.length === totalRows ? null : otherRow(rows, totals, context),
    total,
    next_cursor: last && input.rows.length > query.limit
      ? encodeContributionCursor(cursorAfter(last, query.order))
      : null,
    days: dayTotals(range, tz, counting, progress),
    comparison_period: period,
    completeness: {
      range: completenessOf(range, progress),
      previous_day: completenessOf(previous, progress),
      next_day: completenessOf(next, progress),
      comparison: completenessOf(compared, progress),
    },
    data_revision: progress.dataRevision,
  };
}

interface RowContext {
  readonly query: ContributionQuery;
  readonly total: number;
  readonly rangeStatus: Status;
  readonly previousStatus: Status;
  readonly nextStatus: Status;
  /** Whether the day is known: then a row that the day lacks had 0 hits. */
  readonly previousKnown: boolean;
  readonly comparisonKnown: boolean;
  readonly nextKnown: boolean;
  /** Set if the next day is over, so that a missing number means a gap and not the future. */
  readonly nextUnknownReason: string | null;
  readonly comparable: boolean;
}

type Sums = Pick<ContributionFacts, "previousDay" | "nextDay" | "comparison"> & { readonly hits: number };

function shapeRow(row: ContributionFacts, context: RowContext, ahead: NextDayForecast | undefined): Contribution {
  const country = countryName(row.countryCode);
  const kind = context.query.place;
  const names = { country_code: row.countryCode, country, region: row.region, city: row.city };
  return {
    rank: row.rank,
    place: { kind, ...names },
    city_contribution: { city: rowName(kind, names), count: row.hits },
    country_contribution: { country, total_count: row.countryHits },
    ...numbers(knownSums(row, context), context, ahead),
  };
}

function knownSums(row: ContributionFacts, { previousKnown, nextKnown, comparisonKnown }: RowContext): Sums {
  return {
    hits: row.hits,
    previousDay: previousKnown ? row.previousDay : null,
    nextDay: nextKnown ? row.nextDay : null,
    comparison: comparisonKnown ? row.comparison : null,
  };
}

/** Name of a row; a place without a name gets the name of its region or country. */
function rowName(
  kind: PlaceKind,
  { country, region, city }: { country: string; region: string; city: string },
): string {
  const named = kind === "city" ? city : kind === "region" ? region : country;
  if (named !== "") return named;
  return kind === "city" && region !== ""
    ? `${region} (no city)`
    : country.startsWith("(")
    ? country
    : `${country} (no ${kind})`;
}

/** A row that is not a place. */
function sumRow(city: string, sums: Sums, context: RowContext, ahead: NextDayForecast | undefined): Contribution {
  return {
    rank: null,
    place: null,
    city_contribution: { city, count: sums.hits },
    country_contribution: null,
    ...numbers(sums, context, ahead),
  };
}

function otherRow(
  rows: readonly Contribution[],
  totals: Omit<Sums, "hits"> & { hits: number | null },
  context: RowContext,
): Contribution {
  const rest = (whole: number | null, part: (row: Contribution) => number | null) =>
    whole === null ? null : whole - rows.reduce((sum, row) => sum + (part(row) ?? 0), 0);
  return sumRow(
    "(other)",
    {
      hits: rest(totals.hits, (row) => row.city_contribution.count) ?? 0,
      previousDay: rest(totals.previousDay, (row) => row.previous_day_contribution),
      nextDay: rest(totals.nextDay, (row) => row.next_day_contribution),
      comparison: rest(totals.comparison, (row) => row.comparison.count),
    },
    context,
    undefined,
  );
}

function numbers(sums: Sums, context: RowContext, ahead: NextDayForecast | undefined) {
  const next = nextDay(sums.nextDay, context, ahead);
  const change = (later: number | null, earlier: number | null) =>
    later === null || earlier === null ? null : later - earlier;
  return {
    percentage_contribution: context.total > 0 ? 100 * sums.hits / context.total : 0,
    status: context.rangeStatus,
    previous_day_contribution: sums.previousDay,
    previous_day_status: sums.previousDay === null ? "unknown" as const : context.previousStatus,
    ...next,
    forecasted_change: change(next.next_day_contribution, sums.previousDay),
    comparison: { count: sums.comparison, change: context.comparable ? change(sums.hits, sums.comparison) : null },
  };
}

function nextDay(actual: number | null, context: RowContext, ahead: NextDayForecast | undefined) {
  const unknown = (reason: string | null) => ({
    next_day_contribution: null,
    next_day_kind: "unknown" as const,
    next_day_status: "unknown" as const,
    forecast: null,
    next_day_reason: reason,
  });
  if (actual !== null) {
    return {
      ...unknown(null),
      next_day_contribution: actual,
      next_day_kind: "actual" as const,
      next_day_status: context.nextStatus,
    };
  }
  if (context.nextUnknownReason !== null || ahead === undefined) return unknown(context.nextUnknownReason);
  const { forecast, horizon, weekBefore } = ahead;
  if (forecast.kind === "none") return unknown(forecast.reason);
  const point = forecast.points[horizon - 1];
  if (!point) return unknown("too_far");
  const { count } = point;
  return {
    next_day_contribution: count,
    next_day_kind: "forecast" as const,
    next_day_status: "provisional" as const,
    forecast: {
      low: point.low,
      high: point.high,
      method: forecast.method,
      mase: forecast.mase,
      history_days: forecast.historyDays,
      week_before: weekBefore,
      week_change: weekBefore === null ? null : count - weekBefore,
    },
    next_day_reason: null,
  };
}

/** The sort key of `contribution_report`, after which the next page begins. */
function cursorAfter(row: ContributionFacts, order: ContributionQuery["order"]): ContributionCursor {
  const first = order === "count_desc" ? -row.hits : order === "count_asc" ? row.hits : 0;
  return [first, row.countryCode, row.region, row.city];
}

/** Hits of one day, for series that the forecast learns from: null if unknown. */
export function historyOf(days: readonly Bucket[], counting: Counting): (number | null)[] {
  return days.map((day) => bucketHits(day, counting));
}
