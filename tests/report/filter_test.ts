// The grammar of filters: written, read again, refused by name, and turned into what the database takes.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  conditionsOf,
  databaseFilter,
  matchingHosts,
  needsRows,
  parseFilter,
  writeFilter,
} from "../../src/report/filter.ts";
import { referrerOrigin } from "../../src/report/referrer_channel.ts";

Deno.test("parseFilter() reads what writeFilter() wrote, whatever the value", () => {
  const conditions = ["a", "", "a;b", "100%", "%3B", "x:y:z", "\n", "(direct)", "é\u{1f600}", " blank "].map((
    value,
  ) => ({
    field: "referrer" as const,
    op: "not_contains" as const,
    value,
  }));
  assertEquals(parseFilter(writeFilter(conditions)), conditions);
  assertEquals(parseFilter(""), []);
});

Deno.test("parseFilter() says what is wrong", () => {
  const table = [
    ["host", "FIELD:OP:VALUE"],
    ["host:equals:a", "OP is one of is, is_not"],
    ["url:is:/a", "FIELD is one of host, referrer"],
    ["host:is:a;;", "FIELD:OP:VALUE"],
    ["channel:is:email", "one of direct, search"],
    ["channel:contains:sea", "by is or is_not"],
    ["source:starts:Goo", "by is or is_not"],
    [Array(31).fill("host:is:a").join(";"), "at most 30"],
  ] as const;
  for (const [text, words] of table) {
    const result = parseFilter(text);
    assert(typeof result === "string", text);
    assertStringIncludes(result, words);
  }
});

Deno.test("conditionsOf() joins the short forms and the filter, each once; countries are known by name", () => {
  assertEquals(conditionsOf({ country: "germany", referrer: "", filter: "country:is:DE;city:is_not:Berlin" }), [
    { field: "referrer", op: "is", value: "" },
    { field: "country", op: "is", value: "DE" },
    { field: "city", op: "is_not", value: "Berlin" },
  ]);
  assertEquals(needsRows(conditionsOf({ country: "DE", city: "Berlin" })), false);
  for (const field of ["host", "referrer", "channel", "source"]) {
    assertEquals(needsRows(conditionsOf({ [field]: "direct" })), true, field);
  }
});

Deno.test("databaseFilter() takes one field and way to compare as alternatives, and turns origins into referrers", () => {
  const of = (filter: string) => {
    const referrers = ["", "https://www.google.com/", "https://t.co/a", "https://a.example/", "(other)"];
    return databaseFilter(
      conditionsOf({ filter }),
      referrers.map((referrer) => [referrer, referrerOrigin(referrer, new Set(["a.example"]))]),
    );
  };
  assertEquals(databaseFilter([]), null);
  assertEquals(of("host:is:a;host:is:b;host:not_starts:c"), [
    { field: "host", op: "is", values: ["a", "b"], not: false },
    { field: "host", op: "starts", values: ["c"], not: true },
  ]);
  const referrer = (values: string[], not = false) => [{ field: "referrer" as const, op: "is" as const, values, not }];
  assertEquals(of("channel:is:search;channel:is:social"), referrer(["https://www.google.com/", "https://t.co/a"]));
  assertEquals(of("source:is_not:Google"), referrer(["https://www.google.com/"], true));
  assertEquals(of("source:is:(own hosts)"), referrer(["https://a.example/"]));
  // What no dictionary knows is neither search nor direct.
  assertEquals(
    of("channel:is:unclassified"),
    referrer(["", "https://www.google.com/", "https://t.co/a", "https://a.example/"], true),
  );
  assertEquals(
    of("channel:is_not:unclassified"),
    referrer(["", "https://www.google.com/", "https://t.co/a", "https://a.example/"]),
  );
  assertEquals(
    of("channel:is:unclassified;channel:is:direct"),
    referrer(["https://www.google.com/", "https://t.co/a", "https://a.example/"], true),
  );
});

Deno.test("matchingHosts() takes conditions of one way as alternatives, and ignores case except for is", () => {
  const hosts = ["www.example.com", "WWW.example.org", "shop.example.com", "(other)"];
  const found = (filter: string) => {
    const conditions = parseFilter(filter);
    assert(typeof conditions !== "string");
    return matchingHosts(conditions, hosts);
  };
  assertEquals(found("host:is:www.example.com;host:is:(other)"), ["www.example.com", "(other)"]);
  assertEquals(found("host:is:www.example.org"), []);
  assertEquals(found("host:starts:www.;host:contains:.ORG"), ["WWW.example.org"]);
  assertEquals(found("host:is_not:www.example.com;host:not_starts:shop"), ["WWW.example.org", "(other)"]);
  assertEquals(found("host:not_contains:com;host:not_contains:org"), ["(other)"]);
});
