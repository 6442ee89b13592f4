// What an interval's numbers rest on: before, across and after the stream, gaps and retired days, in zones of half hours.
import { assertEquals } from "@std/assert";
import {
  closingLags,
  completenessOf,
  cover,
  type Interval,
  statusOf,
  totalHits,
} from "../../src/report/completeness.ts";
import type { Bucket, Progress } from "../../src/report/report_types.ts";
import { dayStart } from "../../src/report/time_zone.ts";
import { DAY, epochMs, HOUR, MINUTE } from "../../src/shared/units.ts";

const WINDOW = 5 * MINUTE;
const FIRST = Date.parse("2026-01-05T10:02:00Z"), NEWEST = Date.parse("2026-01-07T18:59:59Z");
const PROGRESS: Progress = {
  closedThrough: epochMs(NEWEST),
  finalThrough: epochMs(Date.parse("2026-01-07T18:55:00Z")),
  watermark: epochMs(NEWEST),
  quietSince: null,
  dataRevision: 1,
  windowSizeMs: WINDOW,
  stoppedCode: null,
  firstEventTime: epochMs(FIRST),
  newestEventTime: epochMs(NEWEST),
  retiredThrough: epochMs(-Infinity),
};

/** A day of `zone` as the database answers it: windows of all time are "closed" up to closed-through. */
function day(date: string, zone = "UTC", more: Partial<Interval> = {}): Interval {
  const start = dayStart(date, zone), end = epochMs(start + DAY);
  const closed = Math.floor((Math.min(end, PROGRESS.closedThrough) - start) / WINDOW);
  return { start, end, windowsExpected: 288, windowsClosed: Math.max(0, closed), unknown: false, ...more };
}

const bucket = (interval: Interval, progress = PROGRESS): Bucket => ({
  ...interval,
  ...cover(interval, progress),
  hits: 0,
  botHits: 0,
  lateHits: 0,
  lateBotHits: 0,
});

Deno.test("cover() cuts time into before the stream, its first day, its days, and after its newest event", () => {
  const cases = [
    ["2025-10-01", "before_first", true, 0, 0],
    ["2026-01-04", "before_first", true, 0, 0],
    // 10:00 to 24:00, from the window of the first event on.
    ["2026-01-05", "partial", false, 168, 168],
    ["2026-01-06", "full", false, 288, 288],
    ["2026-01-07", "full", false, 288, 227],
    ["2026-01-08", "after_newest", true, 288, 0],
    ["2030-01-01", "after_newest", true, 288, 0],
  ] as const;
  for (const [date, coverage, unknown, expected, closed] of cases) {
    assertEquals(
      cover(day(date), PROGRESS),
      { coverage, unknown, windowsExpected: expected, windowsClosed: closed },
      date,
    );
  }
});

Deno.test("cover() goes by instants, so that zones of half and quarter hours come out right", () => {
  // 2026-01-05 in Kolkata ends at 18:30 UTC; in Kathmandu the day that ends at 18:15 UTC holds the first event as well.
  assertEquals(cover(day("2026-01-05", "Asia/Kolkata"), PROGRESS).coverage, "partial");
  assertEquals(cover(day("2026-01-05", "Asia/Kathmandu"), PROGRESS).windowsExpected, (8 * 60 + 15) / 5);
  assertEquals(cover(day("2026-01-08", "Asia/Kolkata"), PROGRESS).coverage, "full");
  assertEquals(cover(day("2026-01-09", "Asia/Kolkata"), PROGRESS).coverage, "after_newest");
});

Deno.test("cover() tells a data gap from rows that retention dropped, and marks what is answered by kept sums", () => {
  const retired = { ...PROGRESS, retiredThrough: epochMs(Date.parse("2026-01-07T00:00:00Z")) };
  assertEquals(cover(day("2026-01-06", "UTC", { unknown: true }), PROGRESS).coverage, "gap");
  assertEquals(cover(day("2026-01-06", "UTC", { unknown: true }), retired).coverage, "not_kept");
  // Records that are gone are missing also where nothing was read behind them.
  assertEquals(cover(day("2026-01-08", "UTC", { unknown: true }), PROGRESS).coverage, "gap");
  assertEquals(cover(day("2026-01-06"), retired), { ...cover(day("2026-01-06"), PROGRESS), coverage: "retired" });
  assertEquals(cover(day("2026-01-04", "UTC", { unknown: true }), retired).coverage, "before_first");
});

Deno.test("cover() says nothing of before and after where no event is known", () => {
  const none = { ...PROGRESS, firstEventTime: null, newestEventTime: null };
  for (const date of ["2000-01-01", "2040-01-01"]) assertEquals(cover(day(date), none).coverage, "full");
});

Deno.test("completenessOf() is unknown where every day is, and never counts windows before the stream", () => {
  const ninety = Array.from(
    { length: 90 },
    (_, i) => bucket(day(new Date(FIRST - (90 - i) * DAY).toISOString().slice(0, 10))),
  );
  const before = completenessOf(ninety, PROGRESS);
  assertEquals([before.status, before.windows_closed, before.windows_expected, before.gap], ["unknown", 0, 0, false]);
  assertEquals(totalHits(ninety, { traffic: "all", late: "exclude" }), null);
  const across = completenessOf([...ninety, bucket(day("2026-01-05")), bucket(day("2026-01-06"))], PROGRESS);
  assertEquals([across.status, across.coverage, across.windows_expected], [
    "final",
    ["full", "partial", "before_first"],
    456,
  ]);
  const after = completenessOf([bucket(day("2026-01-07")), bucket(day("2026-01-08"))], PROGRESS);
  assertEquals([after.status, after.coverage], ["provisional", ["full", "after_newest"]]);
});

Deno.test("closingLags() while more than one window could be closed", () => {
  assertEquals(closingLags(PROGRESS), false);
  assertEquals(closingLags({ ...PROGRESS, closedThrough: epochMs(NEWEST - HOUR) }), true);
});

Deno.test("statusOf() of a day waits for the last window that starts in it, which may end after it", () => {
  const kolkata = bucket(day("2026-01-06", "Asia/Kolkata"));
  const at = (ms: number) => statusOf([kolkata], { finalThrough: epochMs(kolkata.end + ms), windowSizeMs: HOUR });
  // The day ends at 18:30 UTC, the window of its last half hour at 19:00.
  assertEquals([at(0), at(HOUR / 2 - 1), at(HOUR / 2)], ["provisional", "provisional", "final"]);
});
