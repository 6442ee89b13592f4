// Method, status and URL over bytes say what their texts say, however JSON has spelled them.
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { campaignOf, campaignValue } from "../../../src/breakdown/campaign.ts";
import { pageValue } from "../../../src/breakdown/page.ts";
import { NO_VIEWS, noViewOf, UNCERTAIN, UrlParts, VIEWED } from "../../../src/event/breakdown/request_bytes.ts";
import { eventBreakdown } from "../../../src/event/breakdown/request_texts.ts";

const encoder = new TextEncoder();
const clean = (text: string) => text;

/** `noViewOf` over `{"method":…,"status":…}` with these JSON values. */
function noView(method: string | undefined, status: string | undefined): number {
  const text = `{"method":${method ?? '""'},"status":${status ?? '""'}}`, bytes = encoder.encode(text);
  const bounds = (name: string, value: string) => {
    const at = text.indexOf(`"${name}":`) + name.length + 3;
    return value.startsWith('"') ? [at + 1, at + value.length - 1] : [at, at + value.length];
  };
  const [from, to] = bounds("method", method ?? '""'), [start, end] = bounds("status", status ?? '""');
  return noViewOf(bytes, from!, to!, start!, end!);
}

Deno.test("noViewOf() names the reason that method and status give", () => {
  const rows: [method: string | undefined, status: string | undefined, reason: string | undefined][] = [
    [undefined, undefined, undefined],
    ['"GET"', '"200"', undefined],
    ['"GET"', "304", undefined],
    ['"-"', "206", undefined],
    ['"POST"', "200", "(not GET)"],
    ['"get"', undefined, "(not GET)"],
    ['"HEAD"', "404", "(not GET)"],
    ['"GET"', "301", "(redirect)"],
    [undefined, '"404"', "(error)"],
    [undefined, "503", "(error)"],
    [undefined, "101", "(error)"],
    [undefined, "0", "(error)"],
    [undefined, '"007"', "(error)"],
    [undefined, "1000", undefined],
    [undefined, '"200 OK"', undefined],
    [undefined, '"4e2"', undefined],
    [undefined, '"-"', undefined],
    [undefined, "null", undefined],
    [undefined, "true", undefined],
    [undefined, "[404]", undefined],
  ];
  for (const [method, status, reason] of rows) {
    const found = noView(method, status);
    assertEquals(found === VIEWED ? undefined : NO_VIEWS[found], reason, `${method} ${status}`);
  }
});

Deno.test("noViewOf() leaves numbers that are not written in digits to the slow path", () => {
  for (const status of ["4e2", "404.0", "-1", "-0", "1e999"]) assertEquals(noView('"GET"', status), UNCERTAIN, status);
});

/** Page and campaign by the parts of a token, and by its whole text. */
function byParts(token: string): readonly [page: string, campaign: string] {
  const bytes = encoder.encode(`xx${token}#?utm_source=neighbour`),
    end = bytes.length - "#?utm_source=neighbour".length;
  const parts = new UrlParts();
  parts.find(bytes, 2, end);
  const text = (from: number, to: number): string =>
    JSON.parse(`"${new TextDecoder().decode(bytes.subarray(from, to))}"`) as string;
  return [
    pageValue({ url: text(parts.pathStart, parts.pathEnd) }, clean),
    campaignValue(campaignOf(text(parts.campaignStart, parts.campaignEnd), clean)),
  ];
}

function byText(token: string): readonly [page: string, campaign: string] {
  const url = JSON.parse(`"${token}"`) as string;
  return [pageValue({ url }, clean), campaignValue(campaignOf(url, clean))];
}

Deno.test("UrlParts.find() keeps page and campaign of the whole URL", () => {
  const piece = fc.constantFrom(
    ..."/?#&=%_utm+.",
    "/",
    "a",
    "..",
    "?",
    "utm_source=",
    "utm_medium=b",
    "&utm_campaign=c",
    "%75tm_source=d",
    "utm%5f",
    "utm%5F",
    "%",
    "\\u003f",
    "\\u003F",
    "\\u0023",
    "\\u0026",
    "\\u003d",
    "\\u0025",
    "\\u0035",
    "\\u005f",
    "\\u0075tm_source",
    "\\\\u003f",
    "\\/",
    "\\\\",
    '\\"',
    "é",
    "\\ud83d\\ude00",
    "http://h.example",
    "HTTPS://h.example:8080/x",
    "http:",
    "style.css",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const token = pieces.join("");
      assertEquals(byParts(token), byText(token), token);
    }),
    { numRuns: 3_000 },
  );
});

Deno.test("UrlParts.find() leaves out the host of a URL, so that equal paths of many hosts are one text", () => {
  const path = (token: string) => {
    const bytes = encoder.encode(token), parts = new UrlParts();
    parts.find(bytes, 0, bytes.length);
    return token.slice(parts.pathStart, parts.pathEnd);
  };
  assertEquals(["http://h.example/a?b", "HTTPS://u@h.example:1/a#/b", "/a?http://h/b"].map(path), ["/a", "/a", "/a"]);
  for (const token of ["http://h.example", "http:/a", "https:\\/\\/h.example\\/a", "ftp://h/a", "h", ""]) {
    assertEquals(path(token), token);
  }
  assertEquals(path("http://h.example?a/b"), "http://h.example");
});

Deno.test("UrlParts.find() leaves out a query that names no campaign", () => {
  const parts = new UrlParts();
  const campaign = (token: string) => {
    const bytes = encoder.encode(token);
    parts.find(bytes, 0, bytes.length);
    return token.slice(parts.campaignStart, parts.campaignEnd);
  };
  for (
    const token of [
      "/a",
      "/a?",
      "/a?b=c&d=%20%C3%BC",
      "/a?b=1\\u0026c=2",
      "\\/a\\/b?x=1",
      "/a#?utm_source=b",
      "/utm_source=b",
      "/a?utm-source=b",
    ]
  ) assertEquals(campaign(token), "", token);
  assertEquals(campaign("/a?b=c&utm_source=d#e"), "?b=c&utm_source=d");
  assertEquals(campaign("/a\\u003futm_source=d"), "/a\\u003futm_source=d");
});

Deno.test("eventBreakdown() leaves out what is not counted, and reads dashes and odd numbers as missing", () => {
  const request = {
    url: "/a?utm_source=b",
    method: "-",
    status: "2e2",
    user_agent: "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0",
  };
  const read = (counted: number, texts: object = {}) =>
    eventBreakdown({ ...request, ...texts }, { counted, bot: false, clean });
  assertEquals(read(16), { page: "", client: "", campaign: "", agent: request.user_agent });
  assertEquals(read(15), {
    page: "/a",
    client: "Firefox\x1eLinux\x1edesktop",
    campaign: "b\x1e\x1e",
    agent: request.user_agent,
  });
  assertEquals(read(1, { method: "POST" }).page, "(not GET)");
  assertEquals(read(1, { status: "302" }).page, "(redirect)");
  assertEquals(read(1, { status: "2000" }).page, "/a");
  assertEquals(read(7, { url: undefined, user_agent: undefined }), {
    page: "(no path)",
    client: "(unknown)\x1e(unknown)\x1e(unknown)",
    campaign: "(none)",
    agent: "",
  });
});
