// Chooses the period that a range is compared with, and decides whether the two can be compared. Pure.
import { type EpochMs, isoOrNull } from "../shared/units.ts";
import { type Bucket, type Compare, type Progress, UNKNOWN_COVERAGE } from "./report_types.ts";
import { addDays, addYears, countDays, type LocalDate } from "./time_zone.ts";

/** A range and its compared period. */
export interface Compared {
  readonly compare: Compare;
  readonly from: LocalDate;
  readonly to: LocalDate;
}

/** Days from the compared period to the range. */
export function comparisonShift({ compare, from, to }: Compared): number {
  const days = countDays(from, to);
  switch (compare) {
    case "previous_day":
    case "previous_period":
      return days;
    case "same_weekday":
      return Math.ceil(days / 7) * 7;
    case "previous_year":
      return countDays(addYears(from, -1), from) - 1;
  }
}

/** First and last day of the compared period, both inclusive: one day for `previous_day`, else as many as the range has. */
export function comparisonPeriod(query: Compared): { from: LocalDate; to: LocalDate } {
  if (query.compare === "previous_day") return { from: addDays(query.from, -1), to: addDays(query.from, -1) };
  const shift = comparisonShift(query);
  return { from: addDays(query.from, -shift), to: addDays(query.to, -shift) };
}

/** The compared period of a range; wire shape. */
export interface ComparisonPeriod {
  readonly kind: Compare;
  readonly from: LocalDate;
  readonly to: LocalDate;
  /** If the range is not over: the end of the compared period, after the same elapsed time; else null. */
  readonly until: string | null;
  /** Why no change is given: not_same_length, not_covered; null if one is. */
  readonly no_change_reason: "not_same_length" | "not_covered" | null;
}

/** Least part of the time of both periods that must be known. */
const COVERED_MIN = 0.95;

/**
 * The compared period in words of the API.
 *
 * @param range buckets of the range, in order of time
 * @param compared buckets of the compared period, cut at `until`
 */
export function comparisonOf(
  query: Compared,
  { range, compared, until, progress }: {
    readonly range: readonly Bucket[];
    readonly compared: readonly Bucket[];
    readonly until: EpochMs | null;
    readonly progress: Pick<Progress, "firstEventTime">;
  },
): ComparisonPeriod {
  const begun = range.filter(({ coverage }) => coverage !== "after_newest");
  const covered = Math.min(coveredPart(begun, progress), coveredPart(compared, progress));
  return {
    kind: query.compare,
    ...comparisonPeriod(query),
    until: until === null ? null : isoOrNull(until),
    // Several days are not compared with one.
    no_change_reason: query.compare === "previous_day" && query.from !== query.to
      ? "not_same_length"
      : covered < COVERED_MIN
      ? "not_covered"
      : null,
  };
}

/** Known part of the time of some buckets, 0 to 1; 0 without buckets. */
function coveredPart(buckets: readonly Bucket[], { firstEventTime }: Pick<Progress, "firstEventTime">): number {
  let known = 0, all = 0;
  for (const { start, end, coverage } of buckets) {
    all += end - start;
    if (!UNKNOWN_COVERAGE.has(coverage)) {
      known += end - Math.max(start, coverage === "partial" ? firstEventTime ?? start : start);
    }
  }
  return all === 0 ? 0 : known / all;
}
