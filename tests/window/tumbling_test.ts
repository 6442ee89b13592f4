import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { type DurationMs, MINUTE } from "../../src/shared/units.ts";
import { isLate, utcDay, windowEnd, windowStart } from "../../src/window/tumbling.ts";

const FIVE = 5 * MINUTE as DurationMs;
const at = (iso: string) => Date.parse(iso);

Deno.test("windowStart() and windowEnd() hold the instant at the boundaries", () => {
  const table: [string, string, string][] = [
    ["2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z", "2026-01-01T00:05:00.000Z"],
    ["2026-01-01T00:04:59.999Z", "2026-01-01T00:00:00.000Z", "2026-01-01T00:05:00.000Z"],
    ["2026-01-01T00:05:00.000Z", "2026-01-01T00:05:00.000Z", "2026-01-01T00:10:00.000Z"],
    ["1969-12-31T23:59:59.999Z", "1969-12-31T23:55:00.000Z", "1970-01-01T00:00:00.000Z"],
  ];
  for (const [time, start, end] of table) {
    assertEquals(windowStart(at(time), FIVE), at(start), time);
    assertEquals(windowEnd(at(time), FIVE), at(end), time);
  }
});

Deno.test("windowStart() tiles time without gap or overlap", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -1e13, max: 1e13 }),
      fc.constantFrom(1_000, 60_000, 300_000, 86_400_000),
      (time, size) => {
        const start = windowStart(time, size as DurationMs);
        return start <= time && time < start + size && start % size === 0;
      },
    ),
  );
});

Deno.test("isLate() begins when the watermark reaches the window's end", () => {
  const end = at("2026-01-01T00:05:00.000Z");
  assertEquals(isLate(end, end - 1), false);
  assertEquals(isLate(end, end), true);
  assertEquals(isLate(end, end + 1), true);
  assertEquals(isLate(end, -Infinity), false);
});

Deno.test("utcDay() is the day in UTC", () => {
  assertEquals(utcDay(at("2026-03-01T00:00:00.000Z")), "2026-03-01");
  assertEquals(utcDay(at("2026-02-28T23:59:59.999Z")), "2026-02-28");
});
