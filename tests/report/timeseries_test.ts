import { assert, assertEquals } from "@std/assert";
import { type BotsQuery, botsQuery, type TimeseriesQuery, timeseriesQuery } from "../../src/report/report_query.ts";
import type { Bucket, Progress } from "../../src/report/report_types.ts";
import { shapeBots, shapeTimeseries } from "../../src/report/timeseries.ts";
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

Deno.test("shapeTimeseries() splits humans and bots, leaves gaps null and the future out", () => {
  const report = shapeTimeseries(series("exclude"), BUCKETS, PROGRESS);
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
  const report = shapeTimeseries(series("include"), BUCKETS, PROGRESS);
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
  });
  assertEquals(shapeTimeseries(series("exclude"), BUCKETS, PROGRESS).completeness.late_count, 8);
});

Deno.test("shapeTimeseries() goes on to a bucket that holds nothing but late records", () => {
  const last = bucket(3, { hits: 0, botHits: 0, windowsClosed: 0 });
  const report = shapeTimeseries(series("include"), [bucket(2), last, bucket(4, { hits: 0, lateHits: 0 })], PROGRESS);
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
