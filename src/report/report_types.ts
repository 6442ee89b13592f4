// Shapes that the reports share: what the database answers, and what a report says about its own completeness. No I/O.
import type { EpochMs } from "../shared/units.ts";
import type { LocalDate } from "./time_zone.ts";

/** Names of a place; wire shape. */
export interface PlaceNames {
  readonly country_code: string;
  readonly country: string;
  readonly region: string;
  readonly city: string;
}

/** Progress of the stream when the report was read. */
export interface Progress {
  /** `-Infinity` before the first closing. */
  readonly closedThrough: EpochMs;
  /** The part of it that records confirm. Numbers of windows that end at or before it are final. */
  readonly finalThrough: EpochMs;
  readonly watermark: EpochMs;
  readonly quietSince: EpochMs | null;
  /** Changes whenever closed data changes. */
  readonly dataRevision: number;
  /** Length of a window in ms. */
  readonly windowSizeMs: number;
  /** Event time of the first and the newest record; null if it is not known. */
  readonly firstEventTime: EpochMs | null;
  readonly newestEventTime: EpochMs | null;
  /** Retention has dropped rows of windows that start before it. */
  readonly retiredThrough: EpochMs;
  /** Steps that have failed for longer than half a minute, as in `closing_failing`; absent = none. */
  readonly failing?: readonly string[];
  /** Named error for which the stream is stopped, or null. */
  readonly stoppedCode: string | null;
}

/** Totals of one interval [start, end): a local day, an hour or a window. The hits do not include late records. */
export interface Bucket {
  readonly start: EpochMs;
  readonly end: EpochMs;
  readonly hits: number;
  readonly botHits: number;
  readonly lateHits: number;
  readonly lateBotHits: number;
  readonly windowsExpected: number;
  readonly windowsClosed: number;
  /** Which part of it the numbers cover; {@link UNKNOWN_COVERAGE} lists the kinds without numbers. */
  readonly coverage: Coverage;
  /** Its numbers are unknown and in no sum. */
  readonly unknown: boolean;
}

/**
 * Which part of an interval its numbers cover:
 * full: on all of its time · partial: the stream began in it · retired: on the sums that retention keeps ·
 * before_first: it is over before the first event · after_newest: it begins after the newest event ·
 * gap: records of it are missing for good · not_kept: it needs rows that retention has dropped ·
 * not_counted: its windows were counted without this breakdown, or without visitors.
 */
export const COVERAGES = [
  "full",
  "partial",
  "retired",
  "before_first",
  "after_newest",
  "gap",
  "not_kept",
  "not_counted",
] as const;
export type Coverage = typeof COVERAGES[number];

/** Kinds of coverage for which a number is unknown; it is not shown as zero. */
export const UNKNOWN_COVERAGE: ReadonlySet<Coverage> = new Set([
  "before_first",
  "after_newest",
  "gap",
  "not_kept",
  "not_counted",
]);

/** Which hits are counted. */
export type Traffic = "all" | "human" | "bot";
export type PlaceKind = "city" | "region" | "country";
export const COMPARES = ["previous_day", "same_weekday", "previous_period", "previous_year"] as const;
export type Compare = typeof COMPARES[number];
/** Whether a number can still change; unknown: there is none. */
export type Status = "final" | "provisional" | "unknown";

/** The certainty of a number; wire shape. Times are ISO 8601 in UTC. */
export interface Completeness {
  readonly status: Status;
  /** All partitions were read up to this time; null before the first record. */
  readonly watermark: string | null;
  /** Start of a silence that no later record has confirmed yet, or null. */
  readonly quiet_since: string | null;
  readonly windows_closed: number;
  readonly windows_expected: number;
  /** Late records of the period, counted here or not. */
  readonly late_count: number;
  /** Whether records are lost or their rows were dropped. Those days are in no sum. */
  readonly gap: boolean;
  /** All kinds of coverage in the period, in the order of {@link COVERAGES}. */
  readonly coverage: readonly Coverage[];
  /** Failing steps that keep these numbers from becoming final, as in `closing_failing`; empty if they are final. */
  readonly degraded: readonly string[];
}

/** One local day of a report; wire shape. */
export interface DayTotal {
  readonly day: LocalDate;
  /** Length in hours: 23 or 25 when the clocks change. */
  readonly hours: number;
  /** null if the day is unknown. */
  readonly count: number | null;
  readonly completeness: Completeness;
}

/** A city on a map; degrees. */
export interface MapPoint {
  readonly label: string;
  readonly count: number;
  readonly longitude: number;
  readonly latitude: number;
}
