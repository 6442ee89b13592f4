// Campaigns in queries: a table, the URL standard's own parser as twin, hostile values.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { CAMPAIGN_NONE, campaignOf, campaignValue } from "../../src/breakdown/campaign.ts";
import { cleanText } from "../../src/event/text.ts";

const cap = (text: string) => cleanText(text, 128, 32);
const of = (url: string | undefined) => {
  const { source, medium, name } = campaignOf(url, cap);
  return [source, medium, name];
};

Deno.test("campaignOf() reads the three parameters", () => {
  const cases: readonly (readonly [string | undefined, string, string, string])[] = [
    [undefined, "", "", ""],
    ["", "", "", ""],
    ["/a", "", "", ""],
    ["/a?utm_source=news", "news", "", ""],
    ["/?utm_source=news&utm_medium=email&utm_campaign=spring", "news", "email", "spring"],
    ["https://example.org/?a=b&utm_campaign=spring#x", "", "", "spring"],
    ["?utm_source=a", "a", "", ""],
    ["/#?utm_source=a", "", "", ""],
    ["/?x#&utm_source=a", "", "", ""],
    ["/?utm_source=a&utm_source=b", "a", "", ""],
    ["/?utm_source=&utm_source=b", "", "", ""],
    ["/?utm_source", "", "", ""],
    ["/?utm_source&utm_source=b", "", "", ""],
    ["/?&&utm_source=a&&", "a", "", ""],
    ["/?utm_source=a=b?c", "a=b?c", "", ""],
    ["/?UTM_SOURCE=a", "", "", ""],
    ["/?utm_source=Spring+Sale%21", "Spring Sale!", "", ""],
    ["/?utm_source=+a%20", "a", "", ""],
    ["/?utm%5Fsource=a&utm_%6dedium=b", "a", "b", ""],
    ["/?%75%74%6d%5f%63%61%6d%70%61%69%67%6e=a", "", "", "a"],
    ["/?utm_source=caf%C3%A9", "café", "", ""],
    ["/?utm_source=%ff%", "\ufffd%", "", ""],
    ["/?utm_source=a%00%1e%1f%0ab\u0085", "a\ufffd\ufffd\ufffd\ufffdb\ufffd", "", ""],
    ["/?utm_source=a%26utm_medium=b", "a&utm_medium=b", "", ""],
    ["/?utm_source=a\ud800", "a\ufffd", "", ""],
    ["/?utm_term=a&utm_content=b&utm_sources=c&__proto__=d&constructor=e", "", "", ""],
  ];
  for (const [url, ...expected] of cases) assertEquals(of(url), expected, JSON.stringify(url));
});

Deno.test("campaignOf() agrees with URLSearchParams", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "&",
      "=",
      "utm_source",
      "utm_medium=",
      "&utm_campaign=",
      "%75tm_source=",
      "+",
      "%",
      "%e9",
      "%C3%A9",
      "#",
      "?",
      "a",
      " ",
    ),
    fc.string({ unit: "grapheme", maxLength: 4 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const query = pieces.join("");
      const twin = new URLSearchParams(`?${query.split("#")[0]!.toWellFormed()}`);
      const value = (name: string) => cap((twin.get(name) ?? "").replace(/\p{Cc}/gu, "\ufffd").trim());
      assertEquals(of(`/?${query}`), ["utm_source", "utm_medium", "utm_campaign"].map(value));
    }),
    { numRuns: 4_000 },
  );
});

Deno.test("campaignOf() caps each value, and different ones stay different", () => {
  const [one, two] = [1, 2].map((last) => of(`/?utm_source=${"é".repeat(10_000)}${last}`)[0]!);
  assert(one !== two);
  assert(new TextEncoder().encode(one).length <= 128);
});

Deno.test("campaignOf() reads 1 MiB of anything in bounded time", () => {
  const size = 1 << 20;
  for (
    const unit of [
      "&",
      "=",
      "a",
      "&a=b",
      "&utm_source=",
      "utm_source",
      "%",
      "%75",
      "+",
      "?",
      "#",
      "\ud800",
      "&utm_medium=%ff",
      "\0",
    ]
  ) {
    for (const before of ["/?", "/?utm_campaign="]) {
      const url = before + unit.repeat(Math.ceil(size / unit.length));
      const started = performance.now();
      const values = of(url);
      const took = performance.now() - started;
      assert(took < 2_000, `${JSON.stringify(unit)}: ${took} ms`);
      for (const value of values) assert(new TextEncoder().encode(value).length <= 128);
    }
  }
});

Deno.test("campaignValue() keeps the parts apart, and no campaign has one value", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 12 });
  fc.assert(fc.property(text, text, text, (a, b, c) => {
    const url = `/?${new URLSearchParams({ utm_source: a, utm_medium: b, utm_campaign: c })}`;
    const value = campaignValue(campaignOf(url, cap));
    assertEquals(value === CAMPAIGN_NONE ? ["", "", ""] : value.split("\x1e"), of(url));
  }));
  assertEquals(campaignValue(campaignOf("/a", cap)), CAMPAIGN_NONE);
});
