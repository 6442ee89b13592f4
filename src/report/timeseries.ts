// Shapes totals over time: humans and bots, and the period they are compared with. Unknown numbers stay null. Pure.
import { type EpochMs, isoOrNull } from "../shared/units.ts";
import { type Compared, comparisonOf, type ComparisonPeriod, comparisonShift } from "./comparison.ts";
import { bucketHits, completenessOf, statusOf, totalHits } from "./completeness.ts";
import type { BotsQuery, TimeseriesQuery } from "./report_query.ts";
import {
  type Bucket,
  type Completeness,
  type Coverage,
  type Progress,
  type Status,
  UNKNOWN_COVERAGE,
} from "./report_types.ts";
import { addDays, dayStart, type LocalDate, localDate } from "./time_zone.ts";

/** Hits of an interval; null if they are unknown. */
interface Split {
  readonly human: number | null;
  readonly bot: number | null;
  readonly total: number | null;
}

/** One point; wire shape. The interval is [start, end) in UTC; counts are null if they are unknown. */
export interface SeriesPoint extends Split {
  readonly start: string;
  readonly end: string;
  readonly late_count: number;
  readonly status: Status;
  readonly gap: boolean;
  readonly coverage: Coverage;
  /** The interval of the compared period after the same elapsed time, all of it; null if that period has none. */
  readonly previous: Split | null;
}

/** The report; wire shape. */
export interface TimeseriesReport {
  readonly query: TimeseriesQuery;
  readonly points: readonly SeriesPoint[];
  readonly total: Split;
  readonly comparison_period: ComparisonPeriod;
  /** The compared period over the same elapsed time, and the range's difference from it. */
  readonly comparison: Split & { readonly change: Split };
  readonly completeness: Completeness;
  readonly data_revision: number;
}

/** The data of the report; buckets are in order of time. */
export interface TimeseriesInput {
  readonly buckets: readonly Bucket[];
  /** The compared period in the same steps, all of it. */
  readonly previous: readonly Bucket[];
  /** Days of the compared period, cut at `until`. */
  readonly compared: readonly Bucket[];
  readonly until: EpochMs | null;
  readonly progress: Progress;
}

const NONE: Split = { human: null, bot: null, total: null };

/** Makes a time series, without intervals that have not begun. */
export function shapeTimeseries(query: TimeseriesQuery, input: TimeseriesInput): TimeseriesReport {
  const { compared, until, progress } = input;
  // A partition that is ahead can have late records of windows that another partition still holds open.
  const hasBegun = ({ hits, lateHits, windowsClosed, unknown, coverage }: Bucket) =>
    hits > 0 || lateHits > 0 || windowsClosed > 0 || (unknown && coverage !== "after_newest");
  const days = input.buckets.slice(0, input.buckets.findLastIndex(hasBegun) + 1);
  const place = placing(query);
  const groups = Map.groupBy(days, (bucket) => place(bucket, 0));
  const previous = Map.groupBy(input.previous, (bucket) => place(bucket, comparisonShift(query)));
  const period = comparisonOf(query, { range: input.buckets, compared, until, progress });
  const total = totals(days, query), before = totals(compared, query);
  return {
    query,
    points: [...groups].map(([key, parts]) => {
      const earlier = previous.get(key);
      return point(joined(parts), query, progress, earlier === undefined ? null : totals(earlier, query));
    }),
    total,
    comparison_period: period,
    comparison: { ...before, change: period.no_change_reason === null ? difference(total, before) : NONE },
    completeness: completenessOf(input.buckets, progress),
    data_revision: progress.dataRevision,
  };
}

/**
 * Identifies a bucket of the range, and a bucket of the compared period moved by `shift` days: the local day and the time since its start, or the
 * week or month for these steps.
 */
function placing(
  { tz, step }: Pick<TimeseriesQuery, "tz" | "step"> & Compared,
): (bucket: Bucket, shift: number) => string {
  const starts = new Map<LocalDate, EpochMs>();
  return ({ start }, shift) => {
    const own = localDate(start, tz);
    const day = shift === 0 ? own : addDays(own, shift);
    if (step === "month") return day.slice(0, 7);
    if (step === "week") return addDays(day, -((new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7));
    let midnight = starts.get(own);
    if (midnight === undefined) starts.set(own, midnight = dayStart(own, tz));
    return `${day} ${start - midnight}`;
  };
}

/** Joins neighbouring buckets; the sum is known if a part is. */
function joined(parts: readonly Bucket[]): Bucket {
  const [first] = parts;
  if (parts.length === 1) return first!;
  const sum = (part: (bucket: Bucket) => number, from = parts) =>
    from.reduce((total, bucket) => total + part(bucket), 0);
  const known = parts.filter(({ unknown }) => !unknown);
  const lacks = parts.find(({ coverage }) => coverage === "gap" || coverage === "not_kept");
  return {
    start: first!.start,
    end: parts.at(-1)!.end,
    hits: sum(({ hits }) => hits, known),
    botHits: sum(({ botHits }) => botHits, known),
    lateHits: sum(({ lateHits }) => lateHits),
    lateBotHits: sum(({ lateBotHits }) => lateBotHits, known),
    windowsExpected: sum(({ windowsExpected }) => windowsExpected),
    windowsClosed: sum(({ windowsClosed }) => windowsClosed),
    unknown: known.length === 0,
    coverage: known.length === 0
      ? lacks?.coverage ?? first!.coverage
      : parts.some(({ coverage }) => UNKNOWN_COVERAGE.has(coverage) && coverage !== "after_newest")
      ? "partial"
      : known[0]!.coverage,
  };
}

function point(
  bucket: Bucket,
  { late }: Pick<TimeseriesQuery, "late">,
  progress: Progress,
  previous: Split | null = null,
): SeriesPoint {
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
    previous,
  };
}

function totals(buckets: readonly Bucket[], { late }: Pick<TimeseriesQuery, "late">): Split {
  const of = (traffic: "human" | "bot" | "all") => totalHits(buckets, { traffic, late });
  return { human: of("human"), bot: of("bot"), total: of("all") };
}

function difference(a: Split, b: Split): Split {
  const of = (name: keyof Split) => a[name] === null || b[name] === null ? null : a[name] - b[name];
  return { human: of("human"), bot: of("bot"), total: of("total") };
}

interface BotSplit extends Split {
  /** Per cent of all hits; null without hits. */
  readonly bot_share: number | null;
}

/** Hits of humans and of bots; wire shape. */
export interface BotsReport extends BotSplit {
  readonly query: BotsQuery;
  readonly days: readonly (BotSplit & {
    readonly day: LocalDate;
    readonly status: Status;
    readonly coverage: Coverage;
  })[];
  readonly completeness: Completeness;
  readonly data_revision: number;
}

/** Makes the report of bots from day buckets. */
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

/** Percentage of `whole`; null if a number is unknown or `whole` is 0. */
export function share(part: number | null, whole: number | null): number | null {
  return part === null || !whole ? null : 100 * part / whole;
}
