// What a page's URL says, and the links that change it.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { epochMs } from "../../src/shared/units.ts";
import {
  carriedState,
  changedFilterHref,
  DIRECT,
  downloadHref,
  filterHref,
  hostsHref,
  pageConditions,
  pageHref,
  pageQueries,
  pageState,
  placeConditions,
} from "../../src/http/pages/page_query.ts";
import { presetRange, RANGES } from "../../src/http/pages/page_ranges.ts";
import { contributionSchema, topSchema } from "../../src/report/report_query.ts";

const NOW = epochMs(Date.UTC(2026, 2, 29, 22, 30));
const stateOf = (search: string) => pageState(new URL(`http://localhost/${search}`));

function queriesOf(search: string, more: Partial<Parameters<typeof pageQueries>[1]> = {}) {
  const result = pageQueries(stateOf(search), { now: NOW, ...more });
  assert(result.ok, JSON.stringify(result));
  return result.queries;
}

Deno.test("pageQueries() moves its presets with the clock, in the reader's zone", () => {
  const { contribution, series, range } = queriesOf("");
  assertEquals([contribution.from, contribution.to, series.step, range], ["2026-03-23", "2026-03-29", "hour", "7d"]);
  assertEquals(queriesOf("?range=today&tz=Asia/Tokyo").contribution.from, "2026-03-30");
  assertEquals(queriesOf("?range=yesterday").series.step, "5min");
  assertEquals(queriesOf("?from=2025-01-01&to=2025-12-31").series.step, "week");
  assertEquals(queriesOf("?range=28d&step=month").series.step, "month");
  assertEquals(queriesOf("?range=90d").series.step, "day");
});

Deno.test("pageQueries() takes dates over a preset, and says which one is shown", () => {
  const { contribution, range } = queriesOf("?range=28d&from=2026-01-01&to=2026-01-02");
  assertEquals([contribution.from, contribution.to, range], ["2026-01-01", "2026-01-02", null]);
});

Deno.test("presetRange() follows the calendar", () => {
  const table = [
    ["today", "2026-03-31", "2026-03-31", "2026-03-31"],
    ["yesterday", "2026-03-01", "2026-02-28", "2026-02-28"],
    ["7d", "2026-03-03", "2026-02-25", "2026-03-03"],
    ["28d", "2026-03-28", "2026-03-01", "2026-03-28"],
    ["90d", "2026-03-31", "2026-01-01", "2026-03-31"],
    ["month", "2026-03-31", "2026-03-01", "2026-03-31"],
    ["last_month", "2024-03-31", "2024-02-01", "2024-02-29"],
    ["last_month", "2026-01-05", "2025-12-01", "2025-12-31"],
    ["year", "2026-03-31", "2026-01-01", "2026-03-31"],
  ] as const;
  for (const [name, today, from, to] of table) assertEquals(presetRange(name, today), { from, to }, `${name} ${today}`);
  assertEquals(new Set(table.map(([name]) => name)).size, RANGES.length);
});

Deno.test("pageQueries() takes a preset that a form sends with its own dates as the preset, and links leave the dates out", () => {
  const state = stateOf("?range=7d&from=2026-03-23&to=2026-03-29");
  const queries = queriesOf("?range=7d&from=2026-03-23&to=2026-03-29");
  assertEquals(queries.range, "7d");
  assertEquals(pageHref("/", carriedState(state, queries)), "/?range=7d");
  assertEquals(queriesOf("?range=7d&from=2026-03-22&to=2026-03-29").range, null);
});

Deno.test("pageQueries() is in the URL's zone, else in the browser's where there is such a zone", () => {
  assertEquals(queriesOf("", { browserZone: "Asia/Tokyo" }).contribution.tz, "Asia/Tokyo");
  assertEquals(queriesOf("?tz=UTC", { browserZone: "Asia/Tokyo" }).contribution.tz, "UTC");
  assertEquals(queriesOf("", { browserZone: "<script>" }).contribution.tz, "UTC");
});

Deno.test("pageQueries() begins with the last days of a source that has ended, unless the URL names a range", () => {
  const asked = (from: string, to: string, search = "") => {
    const { contribution, range, ended } = queriesOf(search, { span: () => ({ from, to }) });
    return [contribution.from, contribution.to, range, ended];
  };
  assertEquals(asked("2026-01-05", "2026-01-07"), ["2026-01-05", "2026-01-07", null, true]);
  assertEquals(asked("2025-01-05", "2026-01-07"), ["2026-01-01", "2026-01-07", null, true]);
  // Yesterday's data may go on today.
  assertEquals(asked("2026-01-05", "2026-03-28"), ["2026-03-23", "2026-03-29", "7d", false]);
  assertEquals(asked("2026-01-05", "2026-01-07", "?range=7d"), ["2026-03-23", "2026-03-29", "7d", false]);
});

Deno.test("pageState() turns short forms and the form's fields into one filter, and tells direct hits from any referrer", () => {
  const filterOf = (search: string) => queriesOf(search).contribution.filter;
  assertEquals(filterOf("?referrer="), undefined);
  assertEquals(filterOf(`?referrer=${encodeURIComponent(DIRECT)}`), "referrer:is:");
  // The text itself can be asked for as well.
  assertEquals(filterOf("?filter=referrer:is:(direct)"), "referrer:is:(direct)");
  assertEquals(filterOf("?host=a%3Bb"), "host:is:a%3Bb");
  assertEquals(filterOf("?filter=host:is:a&field=city&op=not_contains&value=x"), "host:is:a;city:not_contains:x");
  assertEquals(filterOf("?field=city&op=not_contains&value="), undefined);
  const broken = pageQueries(stateOf("?filter=nonsense"), { now: NOW });
  assert(!broken.ok);
  assertEquals(broken.problems[0]?.field, "filter");
});

Deno.test("filterHref() replaces what is asked of the same field, and changedFilterHref() turns or removes one condition", () => {
  const state = stateOf("?filter=country:is:DE;city:is:Berlin;host:not_contains:shop&tz=UTC");
  const after = (href: string) =>
    pageConditions(stateOf(href.slice(1))).map(({ field, op, value }) => `${field} ${op} ${value}`);
  assertEquals(after(filterHref(state, placeConditions("US", "Illinois"))), [
    "city is Berlin",
    "host not_contains shop",
    "country is US",
    "region is Illinois",
  ]);
  assertEquals(after(changedFilterHref(state, 0, null)), ["city is Berlin", "host not_contains shop"]);
  const [first] = pageConditions(state);
  assertEquals(after(changedFilterHref(state, 0, { ...first!, op: "is_not" }))[0], "country is_not DE");
});

Deno.test("pageQueries() names what is wrong", () => {
  const cases = [
    ["?range=9d", "range"],
    ["?tz=Mars", "tz"],
    ["?from=2026-02-30", "from"],
    ["?from=2026-03-02&to=2026-03-01", "from"],
    ["?from=0001-01-01", "from"],
    ["?place=planet", "place"],
    ["?traffic=some", "traffic"],
  ] as const;
  for (const [search, field] of cases) {
    const result = pageQueries(stateOf(search), { now: NOW });
    assert(!result.ok, search);
    assertEquals(result.problems[0]?.field, field, search);
    assert(result.problems[0]!.message.length > 5);
  }
});

Deno.test("pageHref() keeps what it does not change, in one order, and goes back to the first page", () => {
  const state = stateOf("?filter=host:is:a%26b%3Dc&utm_source=x&cursor=abc&tz=UTC&range=");
  assertEquals(pageHref("/", state), "/?tz=UTC&filter=host%3Ais%3Aa%26b%3Dc");
  assertEquals(pageHref("/", state, { filter: null, tz: null }), "/");
  assertEquals(pageHref("/", state, { cursor: "next" }), "/?tz=UTC&filter=host%3Ais%3Aa%26b%3Dc&cursor=next");
  assertEquals(
    stateOf(filterHref({}, [{ field: "host", op: "is", value: "<\"&'%;>" }]).slice(1)).filter,
    "host:is:<\"&'%25%3B>",
  );
});

Deno.test("downloadHref() asks for the numbers of the page, and for nothing that the report does not know", () => {
  const queries = queriesOf("?host=h&referrer=(direct)&traffic=bot&late=include&place=region");
  const parametersOf = (href: string) => new URL(href, "http://localhost").searchParams;
  const contributions = parametersOf(downloadHref("/x", queries.contribution, { format: "csv" }));
  assertEquals(contributions.get("filter"), "host:is:h;referrer:is:");
  for (const name of contributions.keys()) assert(name === "format" || name in contributionSchema.shape, name);
  for (const name of parametersOf(downloadHref("/x", queries.top("host", 5), { by: "host" })).keys()) {
    assert(name in topSchema.shape, name);
  }
});

Deno.test("PageQueries.top() refuses a limit that the report would refuse", () => {
  const { top } = queriesOf("");
  assertThrows(() => top("host", 100_000));
});

Deno.test("PageQueries.breakdown() and visitors take the page's range and hosts, and are left out with another filter", () => {
  const { breakdown, visitors, contribution } = queriesOf("?filter=host:starts:www.&all=os&tz=Europe/Berlin");
  assertEquals([breakdown?.("os").limit, breakdown?.("page").limit], [1_000, 8]);
  assertEquals([breakdown?.("page").filter, breakdown?.("page").tz], ["host:starts:www.", "Europe/Berlin"]);
  assertEquals([visitors?.from, visitors?.to, visitors?.tz], [contribution.from, contribution.to, "UTC"]);
  const other = queriesOf("?filter=host:is:a;country:is:DE");
  assertEquals([other.breakdown, other.visitors], [null, null]);
  const bots = queriesOf("?traffic=bot");
  assertEquals([bots.breakdown?.("device").traffic, bots.visitors], ["bot", null]);
  assertEquals(hostsHref(stateOf("?filter=host:is:a;country:is:DE&tz=UTC")), "/?tz=UTC&filter=host%3Ais%3Aa");
  assertEquals(hostsHref(stateOf("?filter=country:is:DE")), "/");
});
