// Panels of breakdowns and the card of visitors without a browser: what they list, what they say where there are no numbers, and hostile names.
import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { type Breakdown, type CountedTime, isReserved } from "../../src/report/breakdown.ts";
import type { Bucket, Progress } from "../../src/report/report_types.ts";
import type { TimeseriesReport } from "../../src/report/timeseries.ts";
import { shapeTop, type TopReport } from "../../src/report/top.ts";
import { shapeVisitors } from "../../src/report/visitors.ts";
import { BREAKDOWN_PANELS, breakdownPanel } from "../../src/http/pages/overview/breakdown_view.tsx";
import type { OverviewInput } from "../../src/http/pages/overview/overview_input.ts";
import { visitorsCard, visitorsOfPoint } from "../../src/http/pages/overview/visitors_view.tsx";
import { pageQueries, pageState } from "../../src/http/pages/page_query.ts";
import { readerOf } from "../../src/http/pages/reader.ts";
import { DAY, epochMs } from "../../src/shared/units.ts";

const START = Date.parse("2026-01-05T00:00:00Z");
const PROGRESS: Progress = {
  closedThrough: epochMs(START + DAY),
  finalThrough: epochMs(START + DAY),
  watermark: epochMs(START + DAY),
  quietSince: null,
  dataRevision: 1,
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
  botHits: 0,
  lateHits: 0,
  lateBotHits: 0,
  windowsExpected: 288,
  windowsClosed: 288,
  coverage: "full",
  unknown: false,
};
const reader = readerOf("en-u-nu-latn", "UTC", epochMs(START + DAY));
const RANGE = "from=2026-01-05&to=2026-01-05&tz=UTC";
const ALWAYS: CountedTime = { since: epochMs(START), missing: [], counting: true };

function pageOf(search: string) {
  const state = pageState(new URL(`http://localhost/?${RANGE}${search}`));
  const parsed = pageQueries(state, { now: epochMs(START + DAY) });
  assert(parsed.ok);
  return { state, queries: parsed.queries };
}

/** A panel's text. `hits` by stored value; the rest of 100 hits has values that the list does not show. */
function panel(by: Breakdown, hits: Readonly<Record<string, number>>, { search = "", time = ALWAYS } = {}): string {
  const { state, queries } = pageOf(search);
  const keys = Object.entries(hits).map(([key, count]) => ({ key, hits: count, botHits: 0 }));
  const report = (): TopReport =>
    shapeTop(queries.breakdown!(by), {
      keys,
      totalRows: keys.filter(({ key }) => !isReserved(key)).length,
      days: [day],
      progress: PROGRESS,
      breakdown: { total: 100, views: by === "page" ? 45 : null, time },
    });
  const breakdowns = queries.breakdown === null ? null : { [by]: report() };
  const input = { data: { breakdowns }, queries, state, reader } as unknown as OverviewInput;
  return String(breakdownPanel(BREAKDOWN_PANELS.find((one) => one.by === by)!, input));
}

Deno.test("breakdownPanel() lists pages, folds what viewed none, and offers downloads of all rows", () => {
  const text = panel("page", { "/": 30, "/<script>": 15, "(asset)": 40, "(redirect)": 5 });
  assertMatch(text, /<h2>Pages<\/h2>/);
  assertMatch(text, /by=page&amp;limit=1000&amp;format=csv/);
  assertMatch(text, /&lt;script&gt;/);
  assertNotMatch(text, /<script>/);
  assertMatch(text, /45 hits \(45\.0%\) viewed no page/);
  assertMatch(text, /Shares are of all hits, not of page views/);
  assertMatch(text, /styles, scripts, images and other files<\/span> <span class="n soft">\s*40 \(40\.0%\)/);
  assertMatch(text, /all others/);
  // Not all filters exist here: a page is not a link that filters.
  assertNotMatch(text, /filter=page/);
});

Deno.test("breakdownPanel() shows all rows with a search and an export where they are asked for", () => {
  const many = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`/${i}`, 1]));
  const short = panel("page", many);
  assertMatch(short, /<a href="\/\?[^"]*all=page#pages">\s*Show all/);
  assertNotMatch(short, /data-search/);
  const whole = panel("page", many, { search: "&all=page" });
  assertMatch(whole, /Fewer rows/);
  assertMatch(whole, /<table class="ranking" id="rows-page">/);
  assertMatch(whole, /data-search="rows-page".*data-export="rows-page"/s);
  assertMatch(whole, /role="region" aria-label="Pages"/);
  assertEquals(whole.match(/<th scope="row">/g)?.length, 13);
});

Deno.test("breakdownPanel() leaves hits from the same host out of the entry channels, and says how many they are", () => {
  const text = panel("entry_channel", { internal: 60, direct: 30, search: 10 });
  assertMatch(text, /From pages of the same host: 60\s+\(60\.0%\)\. They are not entries/);
  assertNotMatch(text, />internal</);
  assertNotMatch(text, /Show all/);
});

Deno.test("breakdownPanel() says why it has no numbers", () => {
  const later = { since: epochMs(START + 2 * DAY), missing: [], counting: true };
  const never = { since: null, missing: [], counting: false };
  const noon = { since: epochMs(START + DAY / 2), missing: [], counting: true };
  assertMatch(panel("browser", {}, { time: later }), /Not counted in older windows, before [^.]*00:00\./);
  assertMatch(panel("browser", {}, { time: never }), /Not counted\. Switched off by BREAKDOWNS \(clients\)/);
  assertMatch(
    panel("campaign", { "(none)": 100 }),
    /No campaigns in this range\..*100 hits \(100\.0%\) name no campaign/s,
  );
  assertMatch(panel("page", { "(asset)": 100 }), /No page views in this range/);
  assertMatch(panel("device", {}), /No hits in this range/);
  // A part of the range has numbers.
  assertMatch(panel("os", { Linux: 100 }, { time: noon }), /Linux.*Not counted in older windows, before [^.]*12:00\./s);
  const filtered = panel("page", {}, { search: "&filter=host:is:a;country:is:DE" });
  assertMatch(filtered, /Not available with this filter: pages are counted by host alone/);
  assertMatch(filtered, /filter=host%3Ais%3Aa"/);
});

Deno.test("visitorsCard() says what its sum is worth, and never shows a zero for what was not counted", () => {
  const { queries } = pageOf("");
  const report = (state: "closed" | "not_counted", visitors: number | null) =>
    shapeVisitors(queries.visitors!, {
      buckets: [day],
      facts: [{ day: "2026-01-05", visitors, state }],
      time: { since: null, counting: false },
      progress: PROGRESS,
    });
  const card = visitorsCard(reader, queries, report("closed", 41.7))!;
  assertEquals([String(card.value), card.note], ["42", "UTC day; ±0.81\u00a0%; without bots and late records"]);
  const off = visitorsCard(reader, queries, report("not_counted", null))!;
  assertMatch(String(off.value), />not counted</);
  assertMatch(off.note, /switched off by BREAKDOWNS/);
  assertEquals(visitorsCard(reader, queries, null), null);
  assertEquals(visitorsCard(reader, pageOf("&traffic=bot").queries, null), null);
  assertMatch(visitorsCard(reader, pageOf("&filter=country:is:DE").queries, null)!.note, /counted by host alone/);
});

Deno.test("visitorsOfPoint() has visitors of UTC days alone", () => {
  const { queries } = pageOf("");
  const report = shapeVisitors(queries.visitors!, {
    buckets: [day],
    facts: [{ day: "2026-01-05", visitors: 7, state: "closed" }],
    time: { since: null, counting: true },
    progress: PROGRESS,
  });
  const series = (step: string, tz: string) => ({ query: { step, tz } }) as unknown as TimeseriesReport;
  const point = { start: "2026-01-05T00:00:00.000Z" } as Parameters<NonNullable<ReturnType<typeof visitorsOfPoint>>>[0];
  assertEquals(visitorsOfPoint(series("day", "UTC"), report)?.(point), 7);
  assertEquals(visitorsOfPoint(series("hour", "UTC"), report), null);
  assertEquals(visitorsOfPoint(series("day", "Europe/Berlin"), report), null);
  assertEquals(visitorsOfPoint(series("day", "UTC"), null), null);
});
