// Shapes totals over time: humans and bots side by side, gaps as gaps. Pure.
import { isoOrNull } from "../shared/units.ts";
import { bucketHits, completenessOf, statusOf, totalHits } from "./completeness.ts";
import type { BotsQuery, TimeseriesQuery } from "./report_query.ts";
import type { Bucket, Completeness, Coverage, Progress, Status } from "./report_types.ts";
import { type LocalDate, localDate } from "./time_zone.ts";

/** One point; wire shape. The interval is [start, end) in UTC; counts are null where they are unknown. */
export interface SeriesPoint {
  readonly start: string;
  readonly end: string;
  readonly human: number | null;
  readonly bot: number | null;
  readonly total: number | null;
  readonly late_count: number;
  readonly status: Status;
  readonly gap: boolean;
  readonly coverage: Coverage;
}

/** The report; wire shape. */
export interface TimeseriesReport {
  readonly query: TimeseriesQuery;
  readonly points: readonly SeriesPoint[];
  readonly total: { readonly human: number | null; readonly bot: number | null; readonly total: number | null };
  readonly completeness: Completeness;
  readonly data_revision: number;
}

/** Shapes a time series; intervals at the end that have not begun are left out. */
export function shapeTimeseries(
  query: TimeseriesQuery,
  buckets: readonly Bucket[],
  progress: Progress,
): TimeseriesReport {
  // A partition that is ahead has late records of windows that another one still holds open.
  const hasBegun = ({ hits, lateHits, windowsClosed, unknown, coverage }: Bucket) =>
    hits > 0 || lateHits > 0 || windowsClosed > 0 || (unknown && coverage !== "after_newest");
  const begun = buckets.slice(0, buckets.findLastIndex(hasBegun) + 1);
  return {
    query,
    points: begun.map((bucket) => point(bucket, query, progress)),
    total: totals(begun, query),
    completeness: completenessOf(buckets, progress),
    data_revision: progress.dataRevision,
  };
}

function point(bucket: Bucket, { late }: Pick<TimeseriesQuery, "late">, progress: Progress): SeriesPoint {
  return {
    start: isoOrNull(bucket.start)!,
    end: isoOrNull(bucket.end)!,
    human: bucketHits(bucket, { traffic: "human", late }),
    bot: bucketHits(bucket, { traffic: "bot", late }),
    total: bucketHits(bucket, { traffic: "all", late }),
    late_count: bucket.lateHits,
    status: statusOf([bucket], progress),
    gap: bucket.coverage === "gap" || bucket.coverage === "not_kept",
    coverage: bucket.coverage,
  };
}

function totals(buckets: readonly Bucket[], { late }: Pick<TimeseriesQuery, "late">) {
  const of = (traffic: "human" | "bot" | "all") => totalHits(buckets, { traffic, late });
  return { human: of("human"), bot: of("bot"), total: of("all") };
}

/** Humans beside bots; wire shape. Shares are per cent of all hits, null where there are none. */
export interface BotsReport {
  readonly query: BotsQuery;
  readonly human: number | null;
  readonly bot: number | null;
  readonly total: number | null;
  readonly bot_share: number | null;
  readonly days: readonly {
    readonly day: LocalDate;
    readonly human: number | null;
    readonly bot: number | null;
    readonly total: number | null;
    readonly bot_share: number | null;
    readonly status: Status;
    readonly coverage: Coverage;
  }[];
  readonly completeness: Completeness;
  readonly data_revision: number;
}

/** Shapes day buckets into the share of bots. */
export function shapeBots(query: BotsQuery, days: readonly Bucket[], progress: Progress): BotsReport {
  const whole = totals(days, query);
  return {
    query,
    ...whole,
    bot_share: share(whole.bot, whole.total),
    days: days.map((bucket) => {
      const { human, bot, total, status, coverage } = point(bucket, query, progress);
      const day = localDate(bucket.start, query.tz);
      return { day, human, bot, total, bot_share: share(bot, total), status, coverage };
    }),
    completeness: completenessOf(days, progress),
    data_revision: progress.dataRevision,
  };
}

function share(part: number | null, whole: number | null): number | null {
  return part === null || !whole ? null : 100 * part / whole;
}
