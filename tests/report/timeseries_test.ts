import { assert, assertEquals } from "@std/assert";
import { type BotsQuery, botsQuery, type TimeseriesQuery, timeseriesQuery } from "../../src/report/report_query.ts";
import type { Bucket, Progress } from "../../src/report/report_types.ts";
import { shapeBots, shapeTimeseries, type TimeseriesInput } from "../../src/report/timeseries.ts";
import { epochMs, HOUR } from "../../src/shared/units.ts";

const START = Date.UTC(2026, 10, 1);
const PROGRESS: Progress = {
  closedThrough: epochMs(START + 3 * HOUR),
  finalThrough: epochMs(START + 2 * HOUR),
  watermark: epochMs(START + 3 * HOUR),
  quietSince: epochMs(START + 2 * HOUR),
  dataRevision: 3,
  windowSizeMs: 300_000,
  stoppedCode: null,
  firstEventTime: null,
  newestEventTime: null,
  retiredThrough: epochMs(-Infinity),
};

function bucket(hour: number, more: Partial<Bucket> = {}): Bucket {
  return {
    start: epochMs(START + hour * HOUR),
    end: epochMs(START + (hour + 1) * HOUR),
    hits: 10,
    botHits: 4,
    lateHits: 2,
    lateBotHits: 1,
    windowsExpected: 12,
    windowsClosed: Math.max(0, Math.min(12, 12 * (3 - hour))),
    coverage: more.unknown ? "gap" : "full",
    unknown: false,
    ...more,
  };
}

const BUCKETS = [
  bucket(0),
  bucket(1, { unknown: true }),
  bucket(2),
  bucket(3),
  bucket(4, { hits: 0, botHits: 0, lateHits: 0, lateBotHits: 0 }),
];

function series(late: string): TimeseriesQuery {
  const result = timeseriesQuery({ from: "2026-11-01", to: "2026-11-01", late }, epochMs(START));
  assert(result.ok);
  return result.query;
}

/** What the report is made of, beside nothing to compare with. */
const input = (buckets: readonly Bucket[], more: Partial<TimeseriesInput> = {}): TimeseriesInput => ({
  buckets,
  previous: [],
  compared: [],
  until: null,
  progress: PROGRESS,
  ...more,
});

Deno.test("shapeTimeseries() splits humans and bots, leaves gaps null and the future out", () => {
  const report = shapeTimeseries(series("exclude"), input(BUCKETS));
  assertEquals(report.points.map(({ human, bot, total, status, gap }) => [human, bot, total, status, gap]), [
    [6, 4, 10, "final", false],
    [null, null, null, "unknown", true],
    [6, 4, 10, "provisional", false],
    [6, 4, 10, "provisional", false],
  ]);
  assertEquals(report.total, { human: 18, bot: 12, total: 30 });
  assertEquals([report.completeness.gap, report.completeness.windows_closed, report.completeness.windows_expected], [
    true,
    36,
    60,
  ]);
  assertEquals(report.completeness.quiet_since, "2026-11-01T02:00:00.000Z");
});

Deno.test("shapeTimeseries() adds late records where they are asked for, and counts them always", () => {
  const report = shapeTimeseries(series("include"), input(BUCKETS));
  assertEquals(report.points[0], {
    start: "2026-11-01T00:00:00.000Z",
    end: "2026-11-01T01:00:00.000Z",
    human: 7,
    bot: 5,
    total: 12,
    late_count: 2,
    status: "final",
    gap: false,
    coverage: "full",
    previous: null,
  });
  assertEquals(shapeTimeseries(series("exclude"), input(BUCKETS)).completeness.late_count, 8);
});

Deno.test("shapeTimeseries() goes on to a bucket that holds nothing but late records", () => {
  const last = bucket(3, { hits: 0, botHits: 0, windowsClosed: 0 });
  const report = shapeTimeseries(series("include"), input([bucket(2), last, bucket(4, { hits: 0, lateHits: 0 })]));
  assertEquals(report.points.map(({ total }) => total), [12, 2]);
  assertEquals(report.total.total, 14);
});

Deno.test("shapeBots() gives the share of bots, none where nothing came", () => {
  const result = botsQuery({ from: "2026-11-01", to: "2026-11-01" }, epochMs(START));
  assert(result.ok);
  const query: BotsQuery = result.query;
  const report = shapeBots(
    query,
    [bucket(0), bucket(1, { hits: 0, botHits: 0 }), bucket(2, { unknown: true })],
    PROGRESS,
  );
  assertEquals([report.human, report.bot, report.total, report.bot_share], [6, 4, 10, 40]);
  assertEquals(report.days.map(({ total, bot_share }) => [total, bot_share]), [[10, 40], [0, null], [null, null]]);
});

Deno.test("shapeTimeseries() sets each point beside the one after the same time of its day, and adds weeks and months up", () => {
  const day = (date: string, hits: number, more: Partial<Bucket> = {}): Bucket => {
    const start = Date.parse(`${date}T00:00:00Z`);
    return bucket(0, {
      start: epochMs(start),
      end: epochMs(start + 24 * HOUR),
      hits,
      botHits: 0,
      lateHits: 0,
      ...more,
    });
  };
  const asked = (step: string) => {
    const result = timeseriesQuery({ from: "2026-10-31", to: "2026-11-02", step }, epochMs(START));
    assert(result.ok);
    return result.query;
  };
  const days = [day("2026-10-31", 1), day("2026-11-01", 2, { unknown: true, coverage: "gap" }), day("2026-11-02", 4)];
  const previous = [day("2026-10-28", 10), day("2026-10-29", 20), day("2026-10-30", 40)];
  const compared = [previous[0]!, previous[1]!, day("2026-10-30", 15)];
  const given = input(days, { previous, compared, until: epochMs(Date.parse("2026-10-30T09:00:00Z")) });
  const report = shapeTimeseries(asked("day"), given);
  assertEquals(report.points.map(({ total, previous }) => [total, previous?.total]), [[1, 10], [null, 20], [4, 40]]);
  assertEquals(report.comparison.total, 45);
  // Of three days one is not known.
  assertEquals([report.comparison_period.no_change_reason, report.comparison.change.total], ["not_covered", null]);
  const points = (step: string) =>
    shapeTimeseries(asked(step), given).points.map((
      { start, total, gap, coverage, previous },
    ) => [start.slice(0, 10), total, gap, coverage, previous?.total]);
  assertEquals(points("week"), [["2026-10-31", 1, false, "partial", 30], ["2026-11-02", 4, false, "full", 40]]);
  assertEquals(points("month"), [["2026-10-31", 1, false, "full", 10], ["2026-11-01", 4, false, "partial", 60]]);
});
