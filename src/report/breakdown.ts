// Breakdowns: hits by page, browser, system, device, campaign and entry channel. Decides how a stored value is split and named, which values name
// nothing, and in which time a dimension was not counted. Pure.
import { z } from "zod";
import { type EpochMs, epochMs, isoOrNull } from "../shared/units.ts";
import { completenessOf, readTime } from "./completeness.ts";
import { type Bucket, type Completeness, COVERAGES, type Progress } from "./report_types.ts";

/** Rankings that are counted by host and value alone: of the filters, they take hosts. */
export const BREAKDOWNS = ["page", "browser", "os", "device", "campaign", "entry_channel"] as const;
export type Breakdown = typeof BREAKDOWNS[number];

export const isBreakdown = (by: string): by is Breakdown => (BREAKDOWNS as readonly string[]).includes(by);

/** Where a breakdown is stored: its dimension, the part of the value that it counts (null: all of it), and its name in the setting `BREAKDOWNS`. */
interface Stored {
  readonly dimension: 1 | 2 | 3 | 4;
  readonly part: 0 | 1 | 2 | null;
  readonly setting: "pages" | "clients" | "campaigns";
}

export const STORED: Readonly<Record<Breakdown, Stored>> = {
  page: { dimension: 1, part: null, setting: "pages" },
  browser: { dimension: 2, part: 0, setting: "clients" },
  os: { dimension: 2, part: 1, setting: "clients" },
  device: { dimension: 2, part: 2, setting: "clients" },
  campaign: { dimension: 3, part: null, setting: "campaigns" },
  entry_channel: { dimension: 4, part: null, setting: "campaigns" },
};

/** Between the parts of a stored client (browser, system, device) and of a stored campaign (source, medium, name). */
const PART_END = "\x1e";
/** The value of folded names: those below the cap of an hour and host. */
export const FOLDED = "(other)";

const WORDS: ReadonlyMap<string, string> = new Map([
  ["(asset)", "styles, scripts, images and other files"],
  ["(not GET)", "requests other than GET"],
  ["(redirect)", "redirects"],
  ["(error)", "errors"],
  ["(no path)", "requests without a path"],
  ["(path too long)", "paths that are too long"],
  ["(none)", "without a campaign"],
  ["(bot)", "bots"],
  ["(unknown)", "not recognised"],
  ["(retired)", "of days whose names are deleted"],
]);

/** Stored values that name no page, client or campaign. No name can be one of them: pages begin with a slash, campaigns hold U+001E, the rest are closed lists. */
export const RESERVED: readonly string[] = [...WORDS.keys()];

export const isReserved = (key: string): boolean => WORDS.has(key);

/** The part of a stored value that `by` counts. A value without parts, such as `(other)`, is the same in each. */
export function partOf(by: Breakdown, value: string): string {
  const { part } = STORED[by];
  return part === null || !value.includes(PART_END) ? value : value.split(PART_END)[part] || "(unknown)";
}

/** Hits of one value. */
export interface ValueHits {
  readonly key: string;
  readonly hits: number;
  readonly botHits: number;
}

/** Adds stored values up by their part. Hits and sums stay the same in every part. */
export function partHits(by: Breakdown, values: readonly ValueHits[]): ValueHits[] {
  const sums = new Map<string, { hits: number; botHits: number }>();
  for (const { key, hits, botHits } of values) {
    const part = partOf(by, key);
    const sum = sums.get(part);
    if (sum === undefined) sums.set(part, { hits, botHits });
    else {
      sum.hits += hits;
      sum.botHits += botHits;
    }
  }
  return [...sums].map(([key, sum]) => ({ key, ...sum }));
}

/** A value in words. Of a campaign: `source / medium / name`, with a dash for a part that is missing. */
export function breakdownLabel(by: Breakdown, key: string): string {
  const words = WORDS.get(key);
  if (words !== undefined) return words;
  if (by !== "campaign" || !key.includes(PART_END)) return key;
  return key.split(PART_END).map((part) => part || "–").join(" / ");
}

/** An interval of time; the end is exclusive. */
interface Span {
  readonly start: EpochMs;
  readonly end: EpochMs;
}

/** When a dimension was counted. */
export interface CountedTime {
  /** Start of the first window that counted it; null if none has. */
  readonly since: EpochMs | null;
  /** Windows since then that did not, in order of time. */
  readonly missing: readonly Span[];
  /** Whether the newest closed window counted it. */
  readonly counting: boolean;
}

/** The part of `span` in which the stream has read events. */
function readPart({ start, end }: Span, progress: Progress): Span {
  const { first, newestEnd } = readTime(progress);
  return { start: epochMs(Math.max(start, first)), end: epochMs(Math.min(end, newestEnd)) };
}

/** The times within `days` (in order, without gaps between them) in which events were read and the dimension was not counted, in order. */
export function notCounted(days: readonly Bucket[], { since, missing }: CountedTime, progress: Progress): Span[] {
  const first = days[0], last = days.at(-1);
  if (first === undefined || last === undefined) return [];
  const read = readPart({ start: first.start, end: last.end }, progress);
  const before = { start: read.start, end: since ?? read.end };
  const found: Span[] = [];
  for (const span of [before, ...missing]) {
    const start = epochMs(Math.max(span.start, read.start)), end = epochMs(Math.min(span.end, read.end));
    if (start >= end) continue;
    const previous = found.at(-1);
    if (previous !== undefined && previous.end >= start) {
      found[found.length - 1] = { start: previous.start, end: epochMs(Math.max(previous.end, end)) };
    } else found.push({ start, end });
  }
  return found;
}

/** The days, with those unknown of which no part was counted. */
export function countedDays(days: readonly Bucket[], spans: readonly Span[], progress: Progress): Bucket[] {
  return days.map((day) => {
    const read = readPart(day, progress);
    const missed = spans.some(({ start, end }) => start <= read.start && end >= read.end);
    return missed && !day.unknown ? { ...day, coverage: "not_counted", unknown: true } : day;
  });
}

/** Certainty of numbers over days of {@link countedDays}: a part of a day that was not counted is named as well. */
export function countedCompleteness(
  days: readonly Bucket[],
  spans: readonly Span[],
  progress: Progress,
): Completeness {
  const all = completenessOf(days, progress);
  if (spans.length === 0) return all;
  return { ...all, coverage: COVERAGES.filter((one) => one === "not_counted" || all.coverage.includes(one)) };
}

const time = z.string().describe("RFC 3339 in UTC.");

/** What a ranking of a breakdown says about itself; wire shape. */
export const breakdownMarksSchema = z.strictObject({
  views: z.int().min(0).nullable().describe(
    "Of pages: the hits that viewed one, the sum over all values that begin with a slash; else null.",
  ),
  counted_since: time.nullable().describe("Start of the first window that counted it; null if none has."),
  not_counted: z.array(z.strictObject({ start: time, end: time })).describe(
    "Times of the range in which events were read without it; ends are exclusive. No number covers them.",
  ),
  counting: z.boolean().describe(
    "Whether the newest closed window counted it. If not, BREAKDOWNS of the counting process leaves it out, or an older program counts.",
  ),
});
export type BreakdownMarks = Readonly<z.infer<typeof breakdownMarksSchema>>;

/** The marks of a ranking. @param views of pages, else null */
export function marksOf(
  { since, counting }: CountedTime,
  spans: readonly Span[],
  views: number | null,
): BreakdownMarks {
  return {
    views,
    counted_since: since === null ? null : isoOrNull(since),
    not_counted: spans.map(({ start, end }) => ({ start: isoOrNull(start)!, end: isoOrNull(end)! })),
    counting,
  };
}
