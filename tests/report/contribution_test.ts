// Goal: row shaping is right. Method: the worked example of the system that Tidemark replaces, then small invented days.
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import {
  type ContributionFacts,
  type ContributionInput,
  placeKey,
  shapeContributions,
} from "../../src/report/contribution.ts";
import { comparisonPeriod } from "../../src/report/comparison.ts";
import { daysBetween } from "../../src/report/completeness.ts";
import { forecast } from "../../src/report/forecast/forecast.ts";
import { type ContributionQuery, contributionQuery } from "../../src/report/report_query.ts";
import type { Bucket, Progress } from "../../src/report/report_types.ts";
import { textBars } from "../../src/report/text/text_bars.ts";
import { addDays, countDays, dayStart } from "../../src/report/time_zone.ts";
import { epochMs } from "../../src/shared/units.ts";

const NOW = epochMs(Date.UTC(2026, 10, 20, 12));

export function queryOf(given: Record<string, string>): ContributionQuery {
  const result = contributionQuery(given, NOW);
  assert(result.ok);
  return result.query;
}

function progress(closedThrough: number, finalThrough = closedThrough): Progress {
  return {
    closedThrough: epochMs(closedThrough),
    finalThrough: epochMs(finalThrough),
    watermark: epochMs(closedThrough),
    quietSince: null,
    dataRevision: 7,
    windowSizeMs: 300_000,
    stoppedCode: null,
    firstEventTime: null,
    newestEventTime: null,
    retiredThrough: epochMs(-Infinity),
  };
}

/** Day buckets from the day `from` on, all closed through `closed`. */
function dayBuckets(from: string, hits: readonly (number | null)[], closed: number, zone = "UTC"): Bucket[] {
  return hits.map((count, i) => {
    const start = dayStart(addDays(from, i), zone);
    const end = dayStart(addDays(from, i + 1), zone);
    const windows = (end - start) / 300_000;
    return {
      start,
      end,
      hits: count ?? 0,
      botHits: 0,
      lateHits: 0,
      lateBotHits: 0,
      windowsExpected: windows,
      windowsClosed: Math.max(0, Math.min(windows, Math.floor((closed - start) / 300_000))),
      coverage: count === null ? "gap" as const : "full" as const,
      unknown: count === null,
    };
  });
}

function facts(
  rank: number,
  countryCode: string,
  city: string,
  hits: number,
  more: Partial<ContributionFacts> = {},
): ContributionFacts {
  return {
    rank,
    countryCode,
    region: "",
    city,
    hits,
    countryHits: hits,
    previousDay: 0,
    nextDay: null,
    comparison: 0,
    ...more,
  };
}

// City, count, country, country's total, previous day, next day, forecasted change, percentage.
const EXAMPLE: [string, number, string, number, number, number, number, number][] = [
  ["Sydney", 1500, "AU", 3000, 1400, 1600, 200, 15],
  ["Melbourne", 1200, "AU", 3000, 1150, 1250, 100, 12],
  ["Brisbane", 1000, "AU", 3000, 1050, 1100, 50, 10],
  ["New York", 900, "US", 2000, 800, 950, 150, 9],
  ["Los Angeles", 800, "US", 2000, 750, 850, 100, 8],
  ["Toronto", 750, "CA", 1500, 700, 800, 100, 7.5],
  ["Vancouver", 700, "CA", 1500, 650, 750, 100, 7],
  ["San Francisco", 650, "US", 2000, 600, 700, 100, 6.5],
  ["Chicago", 600, "US", 2000, 550, 650, 100, 6],
  ["Montreal", 550, "CA", 1500, 500, 600, 100, 5.5],
];

/** The report, with the days of the compared period taken from the days around the range. */
function shape(given: Omit<ContributionInput, "compared" | "until"> & Partial<ContributionInput>) {
  const { from, to } = comparisonPeriod(given.query);
  return shapeContributions({ compared: daysBetween(given.days, given.query.tz, from, to), until: null, ...given });
}

function example(given: Record<string, string> = {}): Omit<ContributionInput, "compared" | "until"> {
  const closed = Date.UTC(2026, 10, 18);
  return {
    query: queryOf({ from: "2026-11-16", to: "2026-11-16", limit: "10", ...given }),
    progress: progress(closed),
    days: dayBuckets("2026-11-15", [9_000, 10_000, 11_000], closed),
    rows: EXAMPLE.map(([city, hits, country, countryHits, previousDay, nextDay], i) =>
      facts(i + 1, country, city, hits, { countryHits, previousDay, nextDay, comparison: previousDay })
    ),
    totalRows: 25,
    forecasts: new Map(),
  };
}

Deno.test("shapeContributions() shapes the worked example", () => {
  const report = shape(example());
  assertEquals(report.total_count, 10_000);
  EXAMPLE.forEach(([city, count, , countryTotal, previous, next, change, percentage], i) => {
    const row = report.rows[i]!;
    assertEquals(row.city_contribution, { city, count });
    assertEquals(row.country_contribution?.total_count, countryTotal);
    assertEquals(row.percentage_contribution, percentage);
    assertEquals(row.previous_day_contribution, previous);
    assertEquals(row.next_day_contribution, next);
    assertEquals(row.next_day_kind, "actual");
    assertEquals(row.forecasted_change, change);
    assertEquals(row.status, "final");
  });
  assertEquals(report.rows.map((row) => row.country_contribution?.country).slice(2, 6), [
    "Australia",
    "United States",
    "United States",
    "Canada",
  ]);
});

Deno.test("shapeContributions() adds (other) so that the percentages add to 100", () => {
  const { rows, other } = shape(example());
  assertEquals(other?.city_contribution, { city: "(other)", count: 1350 });
  assertEquals(other?.previous_day_contribution, 9_000 - 8_150);
  assertEquals(other?.next_day_contribution, 11_000 - 9_250);
  assertAlmostEquals([...rows, other!].reduce((sum, row) => sum + row.percentage_contribution, 0), 100, 1e-9);
});

Deno.test("textBars() draws the chart of the worked example", async () => {
  const { rows } = shape(example());
  const chart = textBars(rows.map((row) => ({
    label: row.city_contribution.city,
    count: row.city_contribution.count,
    percentage: row.percentage_contribution,
  })));
  assertEquals(chart + "\n", await Deno.readTextFile(new URL("../golden/report_contributions.txt", import.meta.url)));
});

Deno.test("shapeContributions() marks the next day as forecast where it is not over", () => {
  // Three weeks of a steady weekly rhythm before a Tuesday that is not over.
  const rhythm = [70, 80, 90, 100, 110, 40, 30];
  const hits = [...rhythm, ...rhythm, ...rhythm, ...rhythm, 50];
  const from = "2026-10-20";
  const closed = Date.UTC(2026, 10, 17, 12);
  const days = dayBuckets(from, hits, closed);
  const learnt = forecast([...rhythm, ...rhythm, ...rhythm, ...rhythm], 2);
  const row = facts(1, "AU", "Sydney", 30, { previousDay: 40 });
  const report = shape({
    query: queryOf({ from: "2026-11-16", to: "2026-11-16" }),
    progress: progress(closed),
    days,
    rows: [row],
    totalRows: 1,
    forecasts: new Map([["", { forecast: learnt, horizon: 1, weekBefore: null }], [placeKey("city", row), {
      forecast: learnt,
      horizon: 1,
      weekBefore: null,
    }]]),
  });
  const [shaped] = report.rows;
  assertEquals(shaped?.next_day_kind, "forecast");
  assertEquals(shaped?.next_day_status, "provisional");
  assertEquals(shaped?.next_day_contribution, 70);
  assertEquals(shaped?.forecasted_change, 30);
  assert(shaped!.forecast!.low <= 70 && shaped!.forecast!.high >= 70);
  assertEquals(report.completeness.next_day.status, "provisional");
  assertEquals(report.completeness.next_day.windows_closed, 144);
  assertEquals(report.completeness.next_day.windows_expected, 288);
  assertEquals(report.other, null);
});

Deno.test("shapeContributions() gives no number after a short history, and says why", () => {
  const closed = Date.UTC(2026, 10, 17);
  const row = facts(1, "AU", "Sydney", 30, { previousDay: 40 });
  const report = shape({
    query: queryOf({ from: "2026-11-16", to: "2026-11-16" }),
    progress: progress(closed),
    days: dayBuckets("2026-11-14", [20, 40, 30, 0], closed),
    rows: [row],
    totalRows: 1,
    forecasts: new Map([[placeKey("city", row), {
      forecast: forecast([20, 40, 30], 1),
      horizon: 1,
      weekBefore: null,
    }]]),
  });
  assertEquals(report.rows[0]?.next_day_contribution, null);
  assertEquals(report.rows[0]?.next_day_reason, "short_history");
  assertEquals(report.rows[0]?.forecasted_change, null);
});

Deno.test("shapeContributions() shows a day without rows as zero and a day with a gap as unknown", () => {
  const closed = Date.UTC(2026, 10, 20);
  const report = shape({
    query: queryOf({ from: "2026-11-15", to: "2026-11-18" }),
    progress: progress(closed, Date.UTC(2026, 10, 18)),
    days: dayBuckets("2026-11-14", [null, 10, 0, null, 20, null], closed),
    rows: [facts(1, "AU", "Sydney", 30, { previousDay: null })],
    totalRows: 1,
    forecasts: new Map(),
  });
  assertEquals(report.days.map((day) => day.count), [10, 0, null, 20]);
  assertEquals(report.days.map((day) => day.completeness.status), ["final", "final", "unknown", "provisional"]);
  assertEquals(report.total_count, 30);
  assertEquals(report.completeness.range.gap, true);
  assertEquals(report.completeness.range.status, "provisional");
  const [row] = report.rows;
  assertEquals([row?.previous_day_contribution, row?.previous_day_status], [null, "unknown"]);
  assertEquals([row?.next_day_contribution, row?.next_day_status, row?.next_day_reason], [null, "unknown", "gap"]);
});

Deno.test("shapeContributions() knows no total where every day is unknown", () => {
  const closed = Date.UTC(2026, 10, 20);
  const report = shape({
    query: queryOf({ from: "2026-11-16", to: "2026-11-16" }),
    progress: progress(closed),
    days: dayBuckets("2026-11-15", [1, null, 1], closed),
    rows: [],
    totalRows: 0,
    forecasts: new Map(),
  });
  assertEquals([report.total_count, report.total, report.other], [null, null, null]);
  assertEquals(report.days.map((day) => day.count), [null]);
});

Deno.test("shapeContributions() gives days of 23 and 25 hours their windows", () => {
  const closed = Date.UTC(2027, 0, 1);
  for (const [day, hours] of [["2026-03-29", 23], ["2026-10-25", 25]] as const) {
    const report = shape({
      query: queryOf({ from: day, to: day, tz: "Europe/Berlin" }),
      progress: progress(closed),
      days: dayBuckets(addDays(day, -1), [1, 2, 3], closed, "Europe/Berlin"),
      rows: [],
      totalRows: 0,
      forecasts: new Map(),
    });
    assertEquals(report.days[0]?.hours, hours);
    assertEquals(report.completeness.range.windows_expected, hours * 12);
    assertEquals(report.total_count, 2);
  }
});

Deno.test("shapeContributions() compares with the period that was asked for", () => {
  const closed = Date.UTC(2026, 10, 20);
  const hits = Array.from({ length: 30 }, (_, i) => i);
  const table: [string, string, string][] = [
    ["previous_day", "2026-11-09", "2026-11-09"],
    ["same_weekday", "2026-11-03", "2026-11-05"],
    ["previous_period", "2026-11-07", "2026-11-09"],
  ];
  for (const [compare, from, to] of table) {
    const report = shape({
      query: queryOf({ from: "2026-11-10", to: "2026-11-12", compare }),
      progress: progress(closed),
      days: dayBuckets("2026-11-01", hits.slice(0, 20), closed),
      rows: [facts(1, "AU", "Sydney", 30, { comparison: 10 })],
      totalRows: 1,
      forecasts: new Map(),
    });
    assertEquals(
      report.comparison_period,
      {
        kind: compare,
        from,
        to,
        until: null,
        no_change_reason: compare === "previous_day" ? "not_same_length" : null,
      } as typeof report.comparison_period,
    );
    // One day does not compare with three.
    assertEquals(report.rows[0]?.comparison.change, compare === "previous_day" ? null : 20);
    assertEquals(
      report.total?.comparison.count,
      hits.slice(countDays("2026-11-01", from) - 1, countDays("2026-11-01", to)).reduce((a, b) => a + b),
    );
  }
});

Deno.test("shapeContributions() gives a cursor only where more rows follow", () => {
  const rows = example().rows;
  assertEquals(shape(example({ limit: "10" })).next_cursor, null);
  const report = shape({ ...example({ limit: "9" }), rows });
  assertEquals(report.rows.length, 9);
  assert(report.next_cursor !== null);
  assertEquals(report.other?.city_contribution.count, 1350 + 550);
});
