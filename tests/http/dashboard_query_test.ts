// What a page's URL says, and the links that change it.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { epochMs } from "../../src/shared/units.ts";
import { DIRECT, downloadHref, pageHref, pageQueries, pageState } from "../../src/http/pages/page_query.ts";
import { contributionSchema, topSchema } from "../../src/report/report_query.ts";

const NOW = epochMs(Date.UTC(2026, 2, 29, 22, 30));
const stateOf = (search: string) => pageState(new URL(`http://localhost/${search}`));

function queriesOf(search: string) {
  const result = pageQueries(stateOf(search), NOW);
  assert(result.ok, JSON.stringify(result));
  return result.queries;
}

Deno.test("pageQueries() moves its presets with the clock, in the reader's zone", () => {
  const { contribution, series, range } = queriesOf("");
  assertEquals([contribution.from, contribution.to, series.step, range], ["2026-03-23", "2026-03-29", "hour", "7d"]);
  assertEquals(queriesOf("?range=today&tz=Asia/Tokyo").contribution.from, "2026-03-30");
  assertEquals(queriesOf("?range=2d").series.step, "5min");
  assertEquals(queriesOf("?range=90d").series.step, "day");
});

Deno.test("pageQueries() takes dates over a preset, and says which one is shown", () => {
  const { contribution, range } = queriesOf("?range=28d&from=2026-01-01&to=2026-01-02");
  assertEquals([contribution.from, contribution.to, range], ["2026-01-01", "2026-01-02", null]);
});

Deno.test("pageQueries() tells direct hits from any referrer", () => {
  assertEquals(queriesOf("?referrer=").contribution.referrer, undefined);
  assertEquals(queriesOf(`?referrer=${encodeURIComponent(DIRECT)}`).contribution.referrer, "");
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
    const result = pageQueries(stateOf(search), NOW);
    assert(!result.ok, search);
    assertEquals(result.problems[0]?.field, field, search);
    assert(result.problems[0]!.message.length > 5);
  }
});

Deno.test("pageHref() keeps what it does not change, in one order, and goes back to the first page", () => {
  const state = stateOf("?host=a%26b%3Dc&utm_source=x&cursor=abc&tz=UTC&range=");
  assertEquals(pageHref("/", state), "/?tz=UTC&host=a%26b%3Dc");
  assertEquals(pageHref("/", state, { host: null, tz: null }), "/");
  assertEquals(pageHref("/", state, { cursor: "next" }), "/?tz=UTC&host=a%26b%3Dc&cursor=next");
  assertEquals(stateOf(pageHref("/", { host: "<\"&'%>" }).slice(1)).host, "<\"&'%>");
});

Deno.test("downloadHref() asks for the numbers of the page, and for nothing that the report does not know", () => {
  const queries = queriesOf("?host=h&referrer=(direct)&traffic=bot&late=include&place=region");
  const parametersOf = (href: string) => new URL(href, "http://localhost").searchParams;
  const contributions = parametersOf(downloadHref("/x", queries.contribution, { format: "csv" }));
  assertEquals(contributions.get("referrer"), "");
  for (const name of contributions.keys()) assert(name === "format" || name in contributionSchema.shape, name);
  for (const name of parametersOf(downloadHref("/x", queries.top("host", 5), { by: "host" })).keys()) {
    assert(name in topSchema.shape, name);
  }
});

Deno.test("PageQueries.top() refuses a limit that the report would refuse", () => {
  const { top } = queriesOf("");
  assertThrows(() => top("host", 100_000));
});
