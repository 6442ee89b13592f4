// Shapes that the reports share: what the database answers, and what a report says about its own completeness. No I/O.
import type { EpochMs } from "../shared/units.ts";
import type { LocalDate } from "./time_zone.ts";

/** How far the stream was when the report was read. */
export interface Progress {
  /** `-Infinity` where nothing was closed yet. */
  readonly closedThrough: EpochMs;
  /** The same as far as records confirm it; numbers of windows that end at or before it are final. */
  readonly finalThrough: EpochMs;
  readonly watermark: EpochMs;
  readonly quietSince: EpochMs | null;
  /** Changes whenever closed data changes. */
  readonly dataRevision: number;
  /** Length of a window in ms. */
  readonly windowSizeMs: number;
  /** Event time of the first and the newest record; null where it is not known. */
  readonly firstEventTime: EpochMs | null;
  readonly newestEventTime: EpochMs | null;
  /** Rows of windows that start before it were dropped by retention. */
  readonly retiredThrough: EpochMs;
  /** Steps that have failed for longer than half a minute, as in `closing_failing`; absent = none. */
  readonly failing?: readonly string[];
  /** Named error for which the stream is stopped, or null. */
  readonly stoppedCode: string | null;
}

/** Totals of one interval [start, end): a local day, an hour or a window. Late records are beside, not in, the hits. */
export interface Bucket {
  readonly start: EpochMs;
  readonly end: EpochMs;
  readonly hits: number;
  readonly botHits: number;
  readonly lateHits: number;
  readonly lateBotHits: number;
  readonly windowsExpected: number;
  readonly windowsClosed: number;
  /** What its numbers rest on; see {@link UNKNOWN_COVERAGE} for those that say nothing. */
  readonly coverage: Coverage;
  /** Its numbers say nothing: they are in no sum. */
  readonly unknown: boolean;
}

/**
 * What the numbers of an interval rest on:
 * full: on all of its time · partial: the stream began in it · retired: on the sums that retention keeps ·
 * before_first: it is over before the first event · after_newest: it begins after the newest event ·
 * gap: records of it are missing for good · not_kept: it needs rows that retention has dropped.
 */
export const COVERAGES = ["full", "partial", "retired", "before_first", "after_newest", "gap", "not_kept"] as const;
export type Coverage = typeof COVERAGES[number];

/** Coverage under which a number says nothing, a zero least of all. */
export const UNKNOWN_COVERAGE: ReadonlySet<Coverage> = new Set(["before_first", "after_newest", "gap", "not_kept"]);

/** Which hits are counted. */
export type Traffic = "all" | "human" | "bot";
export type PlaceKind = "city" | "region" | "country";
export const COMPARES = ["previous_day", "same_weekday", "previous_period", "previous_year"] as const;
export type Compare = typeof COMPARES[number];
/** Whether a number can still change; unknown: there is none. */
export type Status = "final" | "provisional" | "unknown";

/** What a number is worth; wire shape. Times are ISO 8601 in UTC. */
export interface Completeness {
  readonly status: Status;
  /** Time up to which all partitions were read; null before the first record. */
  readonly watermark: string | null;
  /** Start of a silence that no later record has confirmed yet, or null. */
  readonly quiet_since: string | null;
  readonly windows_closed: number;
  readonly windows_expected: number;
  /** Late records of the period, whether they are counted here or not. */
  readonly late_count: number;
  /** True where records are missing for good, or their rows were dropped: those days are in no sum. */
  readonly gap: boolean;
  /** Everything that occurs in the period, in the order of {@link COVERAGES}. */
  readonly coverage: readonly Coverage[];
  /** Failing steps on which it depends that these numbers become final, as in `closing_failing`; empty where they are. */
  readonly degraded: readonly string[];
}

/** One local day of a report; wire shape. */
export interface DayTotal {
  readonly day: LocalDate;
  /** Length in hours: 23 or 25 where the clocks change. */
  readonly hours: number;
  /** null where the day is unknown. */
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
