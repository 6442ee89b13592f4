// Shapes that the reports share: what the database answers, and what a report says about its own completeness. Types only.
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
  /** Records of it are missing for good, or the rows that an answer needs were retired. */
  readonly unknown: boolean;
}

/** Which hits are counted. */
export type Traffic = "all" | "human" | "bot";
export type PlaceKind = "city" | "region" | "country";
export type Compare = "previous_day" | "same_weekday" | "previous_period";
export type Order = "count_desc" | "count_asc" | "place";

/** Whether a number can still change. */
export type Status = "final" | "provisional";

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
  /** True where days of the period are unknown: they are in no sum. */
  readonly gap: boolean;
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
