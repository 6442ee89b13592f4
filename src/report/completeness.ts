// What a number is worth: final or provisional, of how many windows, and with which holes. Pure.
import { HOUR, isoOrNull } from "../shared/units.ts";
import type { Bucket, Completeness, DayTotal, Progress, Traffic } from "./report_types.ts";
import { type LocalDate, localDate } from "./time_zone.ts";

/** Which part of a bucket is counted. */
export interface Counting {
  readonly traffic: Traffic;
  readonly late: "include" | "exclude";
}

/** The counted hits of one bucket, or null where they are unknown. */
export function bucketHits(bucket: Bucket, { traffic, late }: Counting): number | null {
  if (bucket.unknown) return null;
  const all = bucket.hits + (late === "include" ? bucket.lateHits : 0);
  const bots = bucket.botHits + (late === "include" ? bucket.lateBotHits : 0);
  return traffic === "bot" ? bots : traffic === "human" ? all - bots : all;
}

/** The sum over the known buckets; null where none is known. */
export function totalHits(buckets: readonly Bucket[], counting: Counting): number | null {
  const known = buckets.map((bucket) => bucketHits(bucket, counting)).filter((hits) => hits !== null);
  return known.length === 0 ? null : known.reduce((sum, hits) => sum + hits, 0);
}

/** What the numbers over `buckets` (in order of time) are worth. */
export function completenessOf(buckets: readonly Bucket[], progress: Progress): Completeness {
  const sum = (part: (bucket: Bucket) => number) => buckets.reduce((total, bucket) => total + part(bucket), 0);
  const end = buckets.at(-1)?.end ?? Infinity;
  return {
    status: end <= progress.finalThrough ? "final" : "provisional",
    watermark: isoOrNull(progress.watermark),
    quiet_since: progress.quietSince === null ? null : isoOrNull(progress.quietSince),
    windows_closed: sum((bucket) => bucket.windowsClosed),
    windows_expected: sum((bucket) => bucket.windowsExpected),
    late_count: sum((bucket) => bucket.lateHits),
    gap: buckets.some((bucket) => bucket.unknown),
  };
}

/** Whether all windows of the bucket are closed, so that a forecast may learn from it. */
export function isComplete(bucket: Bucket): boolean {
  return bucket.windowsClosed === bucket.windowsExpected;
}

/** Local days with their totals: zero where nothing came, null where it is unknown. */
export function dayTotals(days: readonly Bucket[], zone: string, counting: Counting, progress: Progress): DayTotal[] {
  return days.map((bucket) => ({
    day: localDate(bucket.start, zone),
    hours: (bucket.end - bucket.start) / HOUR,
    count: bucketHits(bucket, counting),
    completeness: completenessOf([bucket], progress),
  }));
}

/** The days from `from` to `to`, both inclusive, out of day buckets in order. */
export function daysBetween(days: readonly Bucket[], zone: string, from: LocalDate, to: LocalDate): Bucket[] {
  return days.filter((bucket) => {
    const day = localDate(bucket.start, zone);
    return day >= from && day <= to;
  });
}
