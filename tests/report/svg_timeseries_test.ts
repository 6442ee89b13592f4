import { assertEquals } from "@std/assert";
import { tickTimes } from "../../src/report/chart/svg_timeseries.ts";

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
