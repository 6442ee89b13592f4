// Decides how certain a number is: final or provisional, over how many windows, and with which gaps. Pure.
import { type EpochMs, epochMs, HOUR, isoOrNull } from "../shared/units.ts";
import {
  type Bucket,
  type Completeness,
  type Coverage,
  COVERAGES,
  type DayTotal,
  type Progress,
  type Status,
  type Traffic,
  UNKNOWN_COVERAGE,
} from "./report_types.ts";
import { type LocalDate, localDate } from "./time_zone.ts";

/** The kind of hits that is counted. */
export interface Counting {
  readonly traffic: Traffic;
  readonly late: "include" | "exclude";
}

/** Texts about coverage: why there is no number, or which time it covers. */
export const COVERAGE_SAYS: Readonly<Record<Coverage, string>> = {
  full: "",
  partial: "since the first event",
  retired: "from the sums that retention keeps",
  before_first: "before the first event",
  after_newest: "after the newest event",
  gap: "records are missing",
  not_kept: "rows were dropped by retention",
  not_counted: "not counted",
};

/** Start of the first event's window and end of the newest event's; infinite where it is not known. */
export function readTime(
  { firstEventTime, newestEventTime, windowSizeMs }: Pick<
    Progress,
    "firstEventTime" | "newestEventTime" | "windowSizeMs"
  >,
): { readonly first: number; readonly newestEnd: number } {
  const windowOf = (time: EpochMs) => Math.floor(time / windowSizeMs) * windowSizeMs;
  return {
    first: firstEventTime === null ? -Infinity : windowOf(firstEventTime),
    newestEnd: newestEventTime === null ? Infinity : windowOf(newestEventTime) + windowSizeMs,
  };
}

/** Windows of an interval, and whether the database lacks their rows: by a data gap, or because they were dropped. */
export type Interval = Pick<Bucket, "start" | "end" | "windowsExpected" | "windowsClosed" | "unknown">;

/**
 * Decides the coverage of an interval. Windows before the first event's are neither expected nor closed. If the first or newest event is
 * unknown, because nothing was read yet, no interval is before or after it.
 */
export function cover(
  { start, end, windowsExpected, windowsClosed, unknown }: Interval,
  progress: Pick<Progress, "firstEventTime" | "newestEventTime" | "retiredThrough" | "windowSizeMs">,
): Pick<Bucket, "coverage" | "unknown" | "windowsExpected" | "windowsClosed"> {
  const { retiredThrough, windowSizeMs } = progress, { first, newestEnd } = readTime(progress);
  const retired = start < retiredThrough;
  const coverage: Coverage = end <= first
    ? "before_first"
    : start >= newestEnd && (retired || !unknown)
    ? "after_newest"
    : unknown
    ? retired ? "not_kept" : "gap"
    : start < first
    ? "partial"
    : retired
    ? "retired"
    : "full";
  const before = Math.min(windowsExpected, Math.max(0, Math.ceil((Math.min(first, end) - start) / windowSizeMs)));
  return {
    coverage,
    unknown: UNKNOWN_COVERAGE.has(coverage),
    windowsExpected: windowsExpected - before,
    windowsClosed: Math.max(0, windowsClosed - before),
  };
}

/** End of the last window that starts before `end`: a window belongs to the interval in which it starts, and may end after it. */
export function lastWindowEnd(end: EpochMs, { windowSizeMs }: Pick<Progress, "windowSizeMs">): EpochMs {
  return epochMs(Math.ceil(end / windowSizeMs) * windowSizeMs);
}

/** Whether the numbers of the buckets, which are in order of time, can still change. */
export function statusOf(
  buckets: readonly Bucket[],
  progress: Pick<Progress, "finalThrough" | "windowSizeMs">,
): Status {
  if (buckets.length > 0 && buckets.every(({ unknown }) => unknown)) return "unknown";
  const end = buckets.at(-1)?.end ?? epochMs(Infinity);
  return lastWindowEnd(end, progress) <= progress.finalThrough ? "final" : "provisional";
}

/** Whether windows are overdue, so that numbers of closed windows will change. */
export function closingLags({ watermark, closedThrough, windowSizeMs }: Progress): boolean {
  return watermark - closedThrough >= 2 * windowSizeMs;
}

/** The counted hits of one bucket, or null if they are unknown. */
export function bucketHits(bucket: Bucket, { traffic, late }: Counting): number | null {
  if (bucket.unknown) return null;
  const all = bucket.hits + (late === "include" ? bucket.lateHits : 0);
  const bots = bucket.botHits + (late === "include" ? bucket.lateBotHits : 0);
  return traffic === "bot" ? bots : traffic === "human" ? all - bots : all;
}

/** The sum over the known buckets; null if none is known. */
export function totalHits(buckets: readonly Bucket[], counting: Counting): number | null {
  const known = buckets.map((bucket) => bucketHits(bucket, counting)).filter((hits) => hits !== null);
  return known.length === 0 ? null : known.reduce((sum, hits) => sum + hits, 0);
}

/** Certainty of the numbers over `buckets`, which are in order of time. */
export function completenessOf(buckets: readonly Bucket[], progress: Progress): Completeness {
  const sum = (part: (bucket: Bucket) => number) => buckets.reduce((total, bucket) => total + part(bucket), 0);
  const found = new Set(buckets.map(({ coverage }) => coverage));
  const status = statusOf(buckets, progress);
  return {
    status,
    watermark: isoOrNull(progress.watermark),
    quiet_since: progress.quietSince === null ? null : isoOrNull(progress.quietSince),
    windows_closed: sum((bucket) => bucket.windowsClosed),
    windows_expected: sum((bucket) => bucket.windowsExpected),
    late_count: sum((bucket) => bucket.lateHits),
    gap: found.has("gap") || found.has("not_kept"),
    coverage: COVERAGES.filter((coverage) => found.has(coverage)),
    degraded: status === "final" ? [] : progress.failing ?? [],
  };
}

/** Whether all windows of the bucket are closed, so that a forecast may learn from it. */
export function isComplete(bucket: Bucket): boolean {
  return bucket.windowsClosed === bucket.windowsExpected;
}

/** Local days with their totals: zero without hits, null if unknown. */
export function dayTotals(days: readonly Bucket[], zone: string, counting: Counting, progress: Progress): DayTotal[] {
  return days.map((bucket) => ({
    day: localDate(bucket.start, zone),
    hours: (bucket.end - bucket.start) / HOUR,
    count: bucketHits(bucket, counting),
    completeness: completenessOf([bucket], progress),
  }));
}

/** The days from `from` to `to`, both inclusive, of ordered day buckets. */
export function daysBetween(days: readonly Bucket[], zone: string, from: LocalDate, to: LocalDate): Bucket[] {
  return days.filter((bucket) => {
    const day = localDate(bucket.start, zone);
    return day >= from && day <= to;
  });
}
