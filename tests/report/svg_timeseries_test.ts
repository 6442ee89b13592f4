import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { svgTimeseries, tickTimes } from "../../src/report/chart/svg_timeseries.ts";
import type { SeriesPoint } from "../../src/report/timeseries.ts";

const HOUR = 3_600_000;
const hours = (from: string, count: number) => Array.from({ length: count }, (_, i) => Date.parse(from) + i * HOUR);
const iso = (times: readonly number[]) => times.map((time) => new Date(time).toISOString().slice(0, 16));

Deno.test("tickTimes() names midnights of the zone, also over a change of clocks", () => {
  const week = hours("2026-03-25T23:00Z", 7 * 24);
  assertEquals(iso(tickTimes(week, "Europe/Berlin", 10)).slice(0, 5), [
    "2026-03-25T23:00",
    "2026-03-26T23:00",
    "2026-03-27T23:00",
    "2026-03-28T23:00",
    "2026-03-29T22:00",
  ]);
});

Deno.test("tickTimes() names round hours of a short series, and never more than asked for", () => {
  assertEquals(iso(tickTimes(hours("2026-01-01T00:00Z", 24), "UTC", 10)), [
    "2026-01-01T00:00",
    "2026-01-01T03:00",
    "2026-01-01T06:00",
    "2026-01-01T09:00",
    "2026-01-01T12:00",
    "2026-01-01T15:00",
    "2026-01-01T18:00",
    "2026-01-01T21:00",
  ]);
  assertEquals(tickTimes(hours("2026-01-01T00:00Z", 90 * 24), "UTC", 8).length, 8);
  assertEquals(tickTimes([], "UTC", 8), []);
});

Deno.test("svgTimeseries() draws visitors as a line with a break where they are unknown, and only where they are given", () => {
  const points = ["2026-01-01", "2026-01-02", "2026-01-03"].map((day): SeriesPoint => ({
    start: `${day}T00:00:00.000Z`,
    end: new Date(Date.parse(day) + 24 * HOUR).toISOString(),
    human: 10,
    bot: 2,
    total: 12,
    late_count: 0,
    status: "final",
    gap: false,
    coverage: "full",
    previous: null,
  }));
  const known: Readonly<Record<string, number>> = { "2026-01-01": 4, "2026-01-03": 40 };
  const svg = svgTimeseries(points, {
    tz: "UTC",
    title: "t",
    visitors: ({ start }) => known[start.slice(0, 10)] ?? null,
  });
  // Two strokes that begin anew.
  assertMatch(svg, /<path class="visitors"[^>]* d="M[^M]*M[^M]*"\/>/);
  assertNotMatch(svg, /NaN|undefined|class="prev"/);
  assertNotMatch(svgTimeseries(points, { tz: "UTC", title: "t" }), /class="visitors"/);
});
