import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { type TopQuery, topQuery } from "../../src/report/report_query.ts";
import type { Bucket, Progress } from "../../src/report/report_types.ts";
import { originHits, shapeTop } from "../../src/report/top.ts";
import { DAY, epochMs } from "../../src/shared/units.ts";

const START = Date.UTC(2026, 10, 1);
const progress: Progress = {
  closedThrough: epochMs(START + DAY),
  finalThrough: epochMs(START + DAY),
  watermark: epochMs(START + DAY),
  quietSince: null,
  dataRevision: 3,
  windowSizeMs: 300_000,
  stoppedCode: null,
  firstEventTime: null,
  newestEventTime: null,
  retiredThrough: epochMs(-Infinity),
};
const day: Bucket = {
  start: epochMs(START),
  end: epochMs(START + DAY),
  hits: 100,
  botHits: 20,
  lateHits: 0,
  lateBotHits: 0,
  windowsExpected: 288,
  windowsClosed: 288,
  coverage: "full",
  unknown: false,
};

function queryOf(given: Record<string, string>): TopQuery {
  const result = topQuery({ from: "2026-11-01", to: "2026-11-01", ...given }, epochMs(START));
  assert(result.ok);
  return result.query;
}

Deno.test("shapeTop() ranks, and folds the rest and the already folded into one (other) row", () => {
  const keys = [
    { key: "a", hits: 40, botHits: 0 },
    { key: "(other)", hits: 30, botHits: 20 },
    { key: "b", hits: 20, botHits: 0 },
    { key: "c", hits: 10, botHits: 0 },
  ];
  const report = shapeTop(queryOf({ by: "host", limit: "2" }), { keys, totalRows: 4, days: [day], progress });
  assertEquals(report.rows.map(({ rank, label, count }) => [rank, label, count]), [[1, "a", 40], [2, "b", 20]]);
  assertEquals([report.other?.label, report.other?.count, report.other?.rank], ["(other)", 40, null]);
  assertAlmostEquals([...report.rows, report.other!].reduce((sum, row) => sum + row.percentage, 0), 100, 1e-9);
});

Deno.test("shapeTop() names places so that same-named cities differ", () => {
  const keys = [
    "US\x1eTexas\x1eParis",
    "FR\x1eÎle-de-France\x1eParis",
    "AU\x1e\x1e",
    "unknown\x1e\x1e",
    "DE\x1eBayern\x1e",
  ]
    .map((key) => ({ key, hits: 20, botHits: 4 }));
  const report = shapeTop(queryOf({ by: "city" }), { keys, totalRows: 5, days: [day], progress });
  assertEquals(report.rows.map(({ label }) => label), [
    "Paris, Texas, United States",
    "Paris, Île-de-France, France",
    "Australia",
    "(unknown)",
    "Bayern (region), Germany",
  ]);
  assertEquals(report.other, null);
});

Deno.test("shapeTop() counts what was asked for", () => {
  const keys = [{ key: "", hits: 60, botHits: 20 }];
  const humans = shapeTop(queryOf({ by: "referrer", traffic: "human" }), { keys, totalRows: 1, days: [day], progress });
  assertEquals(humans.rows.map(({ label, count, human, bot }) => [label, count, human, bot]), [[
    "(direct)",
    40,
    40,
    20,
  ]]);
  assertEquals([humans.total_count, humans.other?.count], [80, 40]);
});

Deno.test("originHits() adds referrers up by channel or source in order of the counted hits", () => {
  const referrers = [
    { key: "https://a.example/", hits: 5, botHits: 5 },
    { key: "https://b.example/", hits: 6, botHits: 5 },
    { key: "", hits: 9, botHits: 0 },
    { key: "https://www.bing.com/", hits: 1, botHits: 0 },
  ];
  assertEquals(originHits(referrers, new Set(), { by: "channel", traffic: "all" }), [
    { key: "referral", hits: 11, botHits: 10 },
    { key: "direct", hits: 9, botHits: 0 },
    { key: "search", hits: 1, botHits: 0 },
  ]);
  assertEquals(originHits(referrers, new Set(), { by: "channel", traffic: "human" }).map(({ key }) => key), [
    "direct",
    "referral",
    "search",
  ]);
});

const campaign = (...parts: string[]) => parts.join("\x1e");
const always = { since: epochMs(START), missing: [], counting: true };

Deno.test("shapeTop() keeps what names no page apart, without a rank; everything adds up to the hits", () => {
  const keys = [
    { key: "(asset)", hits: 50, botHits: 10 },
    { key: "/", hits: 20, botHits: 4 },
    { key: "/a", hits: 10, botHits: 0 },
    { key: "(other)", hits: 9, botHits: 0 },
    { key: "/b", hits: 6, botHits: 0 },
    { key: "(redirect)", hits: 5, botHits: 5 },
  ];
  const report = shapeTop(queryOf({ by: "page", limit: "2" }), {
    keys,
    totalRows: 3,
    days: [day],
    progress,
    breakdown: { total: 100, views: 45, time: always },
  });
  assertEquals(report.rows.map(({ rank, label, count }) => [rank, label, count]), [[1, "/", 20], [2, "/a", 10]]);
  assertEquals(report.reserved.map(({ rank, key, label, count, human }) => [rank, key, label, count, human]), [
    [null, "(asset)", "styles, scripts, images and other files", 50, 40],
    [null, "(redirect)", "redirects", 5, 0],
  ]);
  assertEquals([report.total_count, report.total_rows, report.other?.count], [100, 3, 15]);
  assertEquals(report.breakdown, {
    views: 45,
    counted_since: "2026-11-01T00:00:00.000Z",
    not_counted: [],
    counting: true,
  });
  const all = [...report.rows, ...report.reserved, report.other!];
  assertAlmostEquals(all.reduce((sum, row) => sum + row.percentage, 0), 100, 1e-9);
});

Deno.test("shapeTop() has null, not zero, for a range in which a breakdown was not counted", () => {
  const later = { since: epochMs(START + 3 * DAY), missing: [], counting: true };
  const report = shapeTop(queryOf({ by: "browser" }), {
    keys: [],
    totalRows: 0,
    days: [day],
    progress,
    breakdown: { total: 0, views: null, time: later },
  });
  assertEquals([report.total_count, report.rows, report.other], [null, [], null]);
  assertEquals([report.completeness.status, report.completeness.coverage], ["unknown", ["not_counted"]]);
  assertEquals(report.breakdown?.not_counted, [{
    start: "2026-11-01T00:00:00.000Z",
    end: "2026-11-02T00:00:00.000Z",
  }]);
});

Deno.test("shapeTop() names campaigns by their parts", () => {
  const keys = [campaign("news", "email", "spring"), campaign("shop", "", ""), "(none)"]
    .map((key) => ({ key, hits: 10, botHits: 0 }));
  const report = shapeTop(queryOf({ by: "campaign" }), {
    keys,
    totalRows: 2,
    days: [day],
    progress,
    breakdown: { total: 30, views: null, time: always },
  });
  assertEquals(report.rows.map(({ label }) => label), ["news / email / spring", "shop / – / –"]);
  assertEquals(report.reserved.map(({ label }) => label), ["without a campaign"]);
});
