// The heads of text reports say how many hits came late, whether they are counted, and what breakdowns and visitors are worth.
import { assert, assertEquals } from "@std/assert";
import { BOTS, render, TOP, VISITORS } from "../../src/http/api/reports/report_answers.ts";

Deno.test("a text report says how many hits came late, and nothing where none did", () => {
  const head = (late_count: number, late: "include" | "exclude") =>
    BOTS.title(
      {
        query: { from: "2026-03-01", to: "2026-03-02", tz: "UTC", late },
        bot: 5,
        completeness: { status: "final", coverage: ["full"], degraded: [], late_count },
      } as unknown as Parameters<typeof BOTS.title>[0],
    );
  assert(head(0, "exclude").includes("5 hits, final;"), head(0, "exclude"));
  assert(head(3, "exclude").includes("5 hits, final, without 3 late ones (late=include counts them)"));
  assert(head(3, "include").includes("5 hits, final, 3 of them late"));
});

const certainty = { status: "final", coverage: ["full"], degraded: [], late_count: 0 };
type Top = Parameters<typeof TOP.title>[0];
type Visitors = Parameters<typeof VISITORS.title>[0];

/** A ranking of two pages, with files and the rest. */
function pages(marks: Partial<NonNullable<Top["breakdown"]>> = {}): Top {
  const row = (rank: number | null, label: string, count: number) => ({
    rank,
    key: label,
    label,
    count,
    human: count,
    bot: 0,
    percentage: count,
    status: "final",
    referrers: null,
  });
  return {
    query: { by: "page", from: "2026-03-01", to: "2026-03-02", tz: "UTC", late: "exclude" },
    total_count: 100,
    rows: [row(1, "/", 30), row(2, "/a,b", 10)],
    reserved: [row(null, "redirects", 50)],
    other: { ...row(null, "(other)", 10), key: null, human: null, bot: null },
    breakdown: { views: 50, counted_since: "2026-02-01T00:00:00.000Z", not_counted: [], counting: true, ...marks },
    completeness: certainty,
  } as unknown as Top;
}

Deno.test("a ranking of pages says how many hits viewed one, and when it was not counted", () => {
  assertEquals(
    TOP.title(pages()),
    "Top page 2026-03-01 to 2026-03-02 (UTC): 100 hits, final; 50 page views",
  );
  const missed = [
    { start: "2026-03-01T00:00:00.000Z", end: "2026-03-01T10:05:00.000Z" },
    { start: "2026-03-02T00:00:00.000Z", end: "2026-03-02T01:00:00.000Z" },
  ];
  assert(
    TOP.title(pages({ views: null, not_counted: missed, counting: false })).endsWith(
      "final; not counted 2026-03-01T00:00Z to 2026-03-01T10:05Z and 1 more (see BREAKDOWNS)",
    ),
  );
});

Deno.test("a ranking of pages has the hits without a page behind its rows, in every format", () => {
  const csv = render(pages(), "csv", TOP).split("\r\n");
  assertEquals(csv.slice(1, -1), [
    "1,/,30,30,0,30.00,final,full",
    '2,"/a,b",10,10,0,10.00,final,full',
    ",redirects,50,50,0,50.00,final,full",
    ",(other),10,,,10.00,final,full",
  ]);
  const text = render(pages(), "text", TOP).trimEnd().split("\n");
  assertEquals(text.slice(1).map((line) => line.split(/ {2,}/)[0]), ["/", "/a,b", "redirects", "(other)"]);
  // Only pages have bars.
  assertEquals(text.map((line) => line.includes("█")), [false, true, true, false, false]);
});

Deno.test("a report of visitors says that it counts UTC days, what its sum is, its error and what it leaves out", () => {
  const report = (visitors: number | null, coverage: string[], to = "2026-03-02") =>
    VISITORS.title({
      query: { from: "2026-03-01", to },
      visitors,
      standard_error_percent: 0.81,
      completeness: { ...certainty, coverage },
    } as unknown as Visitors);
  assertEquals(
    report(1234, ["full", "not_counted"]),
    "Visitors 2026-03-01 to 2026-03-02 (UTC days): 1,234 visitors, final (in part: not counted); the sum of the days; standard error 0.81 %; without bots and late records",
  );
  assertEquals(
    report(5, ["full"], "2026-03-01"),
    "Visitors 2026-03-01 to 2026-03-01 (UTC days): 5 visitors, final; standard error 0.81 %; without bots and late records",
  );
  assert(report(null, ["not_counted"]).includes(": unknown (not counted);"));
});
