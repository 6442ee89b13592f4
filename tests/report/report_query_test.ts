import { assert, assertEquals } from "@std/assert";
import {
  contributionQuery,
  decodeContributionCursor,
  encodeContributionCursor,
  forecastQuery,
  type QueryResult,
  timeseriesQuery,
  topQuery,
  visitorsQuery,
} from "../../src/report/report_query.ts";
import { epochMs } from "../../src/shared/units.ts";

/** 23:30 UTC on 20 November: tomorrow in Berlin. */
const NOW = epochMs(Date.UTC(2026, 10, 20, 23, 30));

function problems(result: QueryResult<unknown>) {
  assert(!result.ok);
  return result.problems.map(({ field, allowed }) => [field, allowed.join(" ")]);
}

Deno.test("contributionQuery() defaults to the week that ends today in the caller's zone", () => {
  const result = contributionQuery({ tz: "Europe/Berlin" }, NOW);
  assert(result.ok);
  const { from, to, tz, place, traffic, late, compare, order, limit } = result.query;
  assertEquals([from, to, tz], ["2026-11-15", "2026-11-21", "Europe/Berlin"]);
  assertEquals([place, traffic, late, compare, order, limit], [
    "city",
    "all",
    "exclude",
    "previous_period",
    "count_desc",
    50,
  ]);
});

Deno.test("contributionQuery() names the field and what it takes", () => {
  const table: [Record<string, string>, string, string][] = [
    [{ tz: "Mars/Olympus" }, "tz", "UTC an IANA time zone such as Europe/Berlin"],
    [{ from: "2026-02-30" }, "from", "YYYY-MM-DD"],
    [{ from: "2026-11-02", to: "2026-11-01" }, "from", "a date up to 2026-11-01"],
    [{ from: "1990-01-01", to: "2026-11-01" }, "from", "2023-10-28 to 2026-11-01"],
    [{ place: "town" }, "place", "city region country"],
    [{ traffic: "robots" }, "traffic", "all human bot"],
    [{ compare: "x" }, "compare", "previous_day same_weekday previous_period previous_year"],
    [{ order: "x" }, "order", "count_desc count_asc place"],
    [{ limit: "0" }, "limit", ""],
    [{ limit: "1001" }, "limit", ""],
    [{ limit: "ten" }, "limit", ""],
    // What `Number` takes besides.
    [{ limit: "" }, "limit", ""],
    [{ limit: " 1" }, "limit", ""],
    [{ limit: "0x10" }, "limit", ""],
    [{ limit: "1e2" }, "limit", ""],
    [{ to: "9999-12-31" }, "to", "YYYY-MM-DD"],
    [{ to: "0001-01-01" }, "to", "YYYY-MM-DD"],
    [{ host: "a\0b" }, "host", ""],
  ];
  for (const [given, field, allowed] of table) {
    assertEquals(problems(contributionQuery(given, NOW)), [[field, allowed]], JSON.stringify(given));
  }
});

Deno.test("contributionQuery() reports all problems at once", () => {
  assertEquals(problems(contributionQuery({ tz: "x", place: "y", limit: "z" }, NOW)).map(([field]) => field).sort(), [
    "limit",
    "place",
    "tz",
  ]);
});

Deno.test("timeseriesQuery() refuses more points than a chart can hold", () => {
  assertEquals(problems(timeseriesQuery({ from: "2026-01-01", to: "2026-11-01", step: "5min" }, NOW)), [[
    "from",
    "2026-09-29 to 2026-11-01",
  ]]);
  assert(timeseriesQuery({ from: "2026-09-29", to: "2026-11-01", step: "5min" }, NOW).ok);
  assert(timeseriesQuery({ from: "2026-01-01", to: "2026-11-01", step: "hour" }, NOW).ok);
});

Deno.test("topQuery() and forecastQuery() bound their lists", () => {
  assertEquals(problems(topQuery({ by: "weekday" }, NOW)), [[
    "by",
    "host referrer source channel country region city page browser os device campaign entry_channel",
  ]]);
  assertEquals(problems(forecastQuery({ days: "15" })).map(([field]) => field), ["days"]);
  assert(forecastQuery({ of: "city", days: "14" }).ok);
});

Deno.test("topQuery() refuses filters that a breakdown does not know, each by its parameter, and takes hosts", () => {
  const refused = (given: Record<string, string>) => {
    const result = topQuery(given, NOW);
    assert(!result.ok);
    return result.problems.map(({ field, message }) => [field, message]);
  };
  const why = "by=page is counted by host alone";
  assertEquals(refused({ by: "page", country: "DE", filter: "host:is:a;city:is_not:Berlin;source:is:Google" }), [
    ["country", `must be left out: ${why}`],
    ["filter", `must not hold conditions on city, source: ${why}`],
  ]);
  assert(topQuery({ by: "page", host: "a", filter: "host:starts:b" }, NOW).ok);
  assert(topQuery({ by: "host", country: "DE" }, NOW).ok);
});

Deno.test("visitorsQuery() takes UTC days, humans and hosts alone", () => {
  const result = visitorsQuery({ from: "2026-11-19", to: "2026-11-20", host: "a" }, NOW);
  assert(result.ok);
  const { tz, traffic, late } = result.query;
  assertEquals([tz, traffic, late], ["UTC", "human", "exclude"]);
  assertEquals(problems(visitorsQuery({ tz: "Europe/Berlin", traffic: "all", late: "include" }, NOW)), [
    ["tz", "UTC"],
    ["traffic", "human"],
    ["late", "exclude"],
  ]);
  assertEquals(problems(visitorsQuery({ filter: "country:is:DE" }, NOW)), [["filter", "host"]]);
});

Deno.test("decodeContributionCursor() takes back what was given out and nothing else", () => {
  const cursor = [-1500, "AU", "New South Wales", "Sydney 東京"] as const;
  assertEquals(decodeContributionCursor(encodeContributionCursor(cursor)), cursor);
  for (
    const text of [
      "",
      "!!",
      "e30",
      encodeContributionCursor(cursor).slice(0, 9),
      btoa('["a","b","c","d"]'),
      btoa('[1, "a","b","c"]'),
    ]
  ) {
    assertEquals("field" in decodeContributionCursor(text), true, text);
  }
  // PostgreSQL's JSON takes neither.
  for (const city of ["\0", "\ud800"]) {
    assertEquals("field" in decodeContributionCursor(encodeContributionCursor([1, "AU", "", city])), true);
  }
});
