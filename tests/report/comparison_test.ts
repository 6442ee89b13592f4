// What a range is compared with, and when the two are too unlike for a change.
import { assertEquals } from "@std/assert";
import { comparisonOf, comparisonPeriod } from "../../src/report/comparison.ts";
import type { Bucket, Compare, Coverage } from "../../src/report/report_types.ts";
import { epochMs } from "../../src/shared/units.ts";

const DAY = 86_400_000;
const AT = Date.UTC(2026, 10, 1);

function days(...coverage: Coverage[]): Bucket[] {
  return coverage.map((one, i) => ({
    start: epochMs(AT + i * DAY),
    end: epochMs(AT + (i + 1) * DAY),
    hits: 1,
    botHits: 0,
    lateHits: 0,
    lateBotHits: 0,
    windowsExpected: 288,
    windowsClosed: 288,
    coverage: one,
    unknown: one !== "full" && one !== "partial" && one !== "retired",
  }));
}

Deno.test("comparisonPeriod() names the days before by each way to compare, also over a leap day", () => {
  const table: [Compare, string, string, string, string][] = [
    ["previous_period", "2026-11-10", "2026-11-12", "2026-11-07", "2026-11-09"],
    ["previous_day", "2026-11-10", "2026-11-12", "2026-11-09", "2026-11-09"],
    ["same_weekday", "2026-11-03", "2026-11-11", "2026-10-20", "2026-10-28"],
    ["previous_year", "2026-11-10", "2026-11-12", "2025-11-10", "2025-11-12"],
    ["previous_year", "2024-02-29", "2024-02-29", "2023-02-28", "2023-02-28"],
    ["previous_year", "2025-02-27", "2025-03-02", "2024-02-27", "2024-03-01"],
  ];
  for (const [compare, from, to, first, last] of table) {
    assertEquals(comparisonPeriod({ compare, from, to }), { from: first, to: last }, `${compare} ${from}`);
  }
});

Deno.test("comparisonOf() gives no change where one of the two is not known", () => {
  const query = { compare: "previous_period", from: "2026-11-02", to: "2026-11-03" } as const;
  const reason = (range: Coverage[], compared: Coverage[], firstEventTime: number | null = null) =>
    comparisonOf(query, {
      range: days(...range),
      compared: days(...compared),
      until: null,
      progress: { firstEventTime: firstEventTime === null ? null : epochMs(firstEventTime) },
    }).no_change_reason;
  assertEquals(reason(["full", "full"], ["full", "retired"]), null);
  assertEquals(reason(["full", "after_newest"], ["full"]), null);
  assertEquals(reason(["full", "full"], ["before_first", "full"]), "not_covered");
  assertEquals(reason(["full", "gap"], ["full", "full"]), "not_covered");
  assertEquals(reason(["full", "full"], ["not_kept", "full"]), "not_covered");
  assertEquals(reason(["full", "full"], []), "not_covered");
  assertEquals(reason(["after_newest"], ["full"]), "not_covered");
  // A log that begins ten minutes after midnight is as good as whole, one that begins at noon is not.
  assertEquals(reason(["full", "full"], ["partial", "full"], AT + 600_000), null);
  assertEquals(reason(["full", "full"], ["partial", "full"], AT + DAY / 2), "not_covered");
});
