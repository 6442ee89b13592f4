// The normal form of paths and what counts as a page view: tables, properties, hostile values.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  ASSET_EXTENSIONS,
  isAsset,
  NO_VIEW,
  pagePath,
  pageValue,
  PATH_CHARACTERS_MAX,
} from "../../src/breakdown/page.ts";
import { cleanText } from "../../src/event/text.ts";

const cap = (text: string) => cleanText(text, 256, 32);

/** Sent, and the path that it has. */
const PATHS: readonly (readonly [string, string | undefined])[] = [
  ["/", "/"],
  ["/a/b", "/a/b"],
  ["/a/b?c=d#e", "/a/b"],
  ["/a#b?c", "/a"],
  ["/?q", "/"],
  ["http://example.org", "/"],
  ["https://example.org?q=1", "/"],
  ["https://example.org#top", "/"],
  ["HTTPS://user@example.org:8080/Über?x", "/Über"],
  ["android-app://org.example/screen", "/screen"],
  // Not paths.
  ["", undefined],
  ["*", undefined],
  ["-", undefined],
  ["example.org:443", undefined],
  ["?a=b", undefined],
  ["a/b", undefined],
  ["mailto:a@example.org", undefined],
  ["\x16\x03\x01", undefined],
  // Case is kept, in the path and not in the digits of an octet.
  ["/About", "/About"],
  ["/%e2%82%ac", "/€"],
  ["/a%2fb", "/a%2Fb"],
  // Slashes and dots.
  ["/a/", "/a"],
  ["//", "/"],
  ["//a///b//", "/a/b"],
  ["/.", "/"],
  ["/..", "/"],
  ["/../../etc/passwd", "/etc/passwd"],
  ["/a/./b/../c", "/a/c"],
  ["/a/b/..", "/a"],
  ["/a/..b/c..", "/a/..b/c.."],
  ["/...", "/..."],
  ["/%2e%2E/%2e/a", "/a"],
  ["/a/%2e%2e%2fb", "/a/..%2Fb"],
  ["/.well-known/x", "/.well-known/x"],
  // Octets: decoded where RFC 3986 says that both forms mean the same, and once.
  ["/%7Euser/%41%2Db", "/~user/A-b"],
  ["/%2541", "/%2541"],
  ["/%25252e", "/%25252e"],
  ["/%%34%31", "/%2541"],
  ["/%", "/%25"],
  ["/%4", "/%254"],
  ["/%zz", "/%25zz"],
  ["/%u0041", "/%25u0041"],
  ["/%3Fa%23b", "/%3Fa%23b"],
  ["/a%28b)", "/a%28b)"],
  ['/a b"<>\\^`{|}[]', "/a%20b%22%3C%3E%5C%5E%60%7B%7C%7D%5B%5D"],
  ["/a%20b+c", "/a%20b+c"],
  ["/a;v=1/b@c:d,e", "/a;v=1/b@c:d,e"],
  // UTF-8: both ways to write a character, and bytes that are not UTF-8.
  ["/caf%C3%A9", "/café"],
  ["/café", "/café"],
  ["/%F0%9F%98%80", "/😀"],
  ["/😀", "/😀"],
  ["/%c0%ae%c0%ae/a", "/%C0%AE%C0%AE/a"],
  ["/%ed%a0%80", "/%ED%A0%80"],
  ["/%f4%90%80%80", "/%F4%90%80%80"],
  ["/%e0%80%af", "/%E0%80%AF"],
  ["/%e2%82", "/%E2%82"],
  ["/%e2%82x", "/%E2%82x"],
  ["/%ff%fe", "/%FF%FE"],
  ["/\ud800a", "/%EF%BF%BDa"],
  // Controls, blanks and marks of direction never reach a reader as themselves.
  ["/a\0b\x1fc\x1ed\n\r\te\x7f", "/a%00b%1Fc%1Ed%0A%0D%09e%7F"],
  ["/%00%1f", "/%00%1F"],
  ["/\u0085\u00a0\u202e\u2066\ufeff", "/%C2%85%C2%A0%E2%80%AE%E2%81%A6%EF%BB%BF"],
  ["/%e2%80%ae", "/%E2%80%AE"],
  ["/\u{e0041}", "/%F3%A0%81%81"],
];

Deno.test("pagePath() writes a path in one normal form", () => {
  for (const [sent, path] of PATHS) assertEquals(pagePath(sent), path, JSON.stringify(sent));
  assertEquals(pagePath(undefined), undefined);
});

const piece = fc.oneof(
  fc.constantFrom(
    "/",
    "//",
    ".",
    "..",
    "%",
    "%2",
    "%2e",
    "%2F",
    "%25",
    "%41",
    "%c3%a9",
    "%e2%82",
    "%ff",
    "?",
    "#",
    "é",
    " ",
  ),
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.nat(255).map((n) => `%${n.toString(16).padStart(2, "0")}`),
);
const hostile = fc.array(piece, { maxLength: 40 }).map((pieces) => `/${pieces.join("")}`);

Deno.test("pagePath() gives a normal form: it has itself as its own, and holds nothing that is not printed", () => {
  fc.assert(
    fc.property(hostile, (sent) => {
      const path = pagePath(sent)!;
      assertEquals(pagePath(path), path, sent);
      assert(path.startsWith("/") && (path === "/" || !path.endsWith("/")), path);
      assert(path.isWellFormed(), path);
      assert(!/[\p{Cc}\p{Cf}\p{Z}\p{Cs}?#"<>\\^`{|}[\]]/u.test(path), path);
      assert(!/%(?![0-9A-F]{2})/.test(path), path);
      for (const segment of path.split("/").slice(1)) {
        assert(segment !== "." && segment !== "..", path);
        assert(segment !== "" || path === "/", path);
      }
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("pagePath() encodes every character that this engine's Unicode calls a control, a format, a separator or private", () => {
  const unseen = /[\p{Cc}\p{Cf}\p{Z}\p{Co}\p{Cs}]/u;
  for (let point = 0x80; point <= 0x10ffff; point++) {
    const character = String.fromCodePoint(point);
    if (unseen.test(character)) assert(/^\/(?:%[0-9A-F]{2})+$/.test(pagePath(`/${character}`)!), point.toString(16));
  }
});

Deno.test("pagePath() is the same for every way to write a path that RFC 3986 calls equivalent", () => {
  const encode = (text: string, capital: boolean) =>
    [...new TextEncoder().encode(text)].map((byte) => {
      const hex = byte.toString(16).padStart(2, "0");
      return `%${capital ? hex.toUpperCase() : hex}`;
    }).join("");
  const character = fc.tuple(
    fc.constantFrom("a", "Z", "0", "-", "_", "~", "é", "ß", "漢", "😀"),
    fc.constantFrom("raw", "lower", "upper"),
  );
  const segment = fc.array(character, { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(
      fc.array(segment, { minLength: 1, maxLength: 6 }),
      fc.boolean(),
      fc.webQueryParameters(),
      (segments, slash, query) => {
        const plain = `/${segments.map((one) => one.map(([text]) => text).join("")).join("/")}`;
        const written = segments.map((one) =>
          one.map(([text, how]) => how === "raw" ? text : encode(text, how === "upper")).join("")
        );
        const path = pagePath(plain);
        assertEquals(path, plain);
        assertEquals(pagePath(`/x/../${written.join("/./")}${slash ? "/" : ""}?${query}`), path);
        assertEquals(pagePath(`https://example.org//${written.join("//")}#f`), path);
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("pagePath() agrees with the URL standard on dots, where that does not keep empty segments", () => {
  const segment = fc.constantFrom("a", "b", "..", ".", "%2e", "%2E.", "c.d", "...");
  fc.assert(fc.property(fc.array(segment, { maxLength: 12 }), (segments) => {
    const url = new URL(`http://h/${segments.join("/")}`).pathname;
    assertEquals(pagePath(`/${segments.join("/")}`), url.replace(/\/{2,}/g, "/").replace(/(?<=.)\/$/, ""));
  }));
});

Deno.test("pageValue() takes views for pages, and gives other hits the reason", () => {
  const value = (url: string, method?: string, status?: number) => pageValue({ url, method, status }, cap);
  assertEquals(value("/a"), "/a");
  for (const status of [200, 201, 206, 299, 304]) assertEquals(value("/a", "GET", status), "/a", `${status}`);
  for (const status of [300, 301, 302, 307, 399]) {
    assertEquals(value("/a", "GET", status), NO_VIEW.redirect, `${status}`);
  }
  for (const status of [0, 100, 199, 400, 404, 499, 500, 599, 999, NaN]) {
    assertEquals(value("/a", "GET", status), NO_VIEW.error, `${status}`);
  }
  for (const method of ["POST", "HEAD", "OPTIONS", "get", "", "\x16\x03"]) {
    assertEquals(value("/a", method, 200), NO_VIEW.method);
  }
  for (const path of ["/a.css", "/a/b.JS?v=1", "/x.y.png", "/a.woff2/", "/.css", "/%61.svg#i"]) {
    assertEquals(value(path), NO_VIEW.asset, path);
  }
  for (const path of ["/a.html", "/index.php", "/a.css/b", "/v1.2", "/css", "/a.", "/a.webmanifestx"]) {
    assertEquals(value(path), path.replace(/\/$/, ""));
  }
  for (const none of ["", "*", "example.org:443"]) assertEquals(value(none), NO_VIEW.none);
  assertEquals(pageValue({}, cap), NO_VIEW.none);
  assertEquals(value("*", "OPTIONS", 200), NO_VIEW.method);
});

Deno.test("isAsset() knows every extension of the table, and each once", () => {
  const all = Object.values(ASSET_EXTENSIONS).flatMap((list) => list.split(" "));
  assertEquals(new Set(all).size, all.length);
  for (const extension of all) assert(isAsset(`/a/b.${extension}`), extension);
});

Deno.test("pageValue() caps long paths as other texts, so that different ones stay different", () => {
  const long = "/é".repeat(PATH_CHARACTERS_MAX / 2 - 1);
  const one = pageValue({ url: `${long}1` }, cap), two = pageValue({ url: `${long}2?x` }, cap);
  assert(one !== two);
  for (const value of [one, two]) {
    assert(new TextEncoder().encode(value).length <= 256);
    assert(/#[0-9a-f]{32}$/.test(value));
  }
  assertEquals(pageValue({ url: "/a/..".repeat(PATH_CHARACTERS_MAX / 4).slice(0, PATH_CHARACTERS_MAX) }, cap), "/a");
  assertEquals(pageValue({ url: `/${"a".repeat(PATH_CHARACTERS_MAX)}?x` }, cap), NO_VIEW.tooLong);
  assertEquals(pageValue({ url: `/a?${"a".repeat(PATH_CHARACTERS_MAX)}` }, cap), "/a");
});

Deno.test("pageValue() reads 1 MiB of anything in bounded time", () => {
  const size = 1 << 20;
  const fill = (unit: string) => `/${unit.repeat(Math.ceil(size / unit.length)).slice(0, size)}`;
  const units = [
    "/",
    "a",
    "a/",
    "../",
    "a/../",
    "%",
    "%2",
    "%2e",
    "%2e%2e/",
    "%c3%a9",
    "%e2",
    "%00",
    "\0",
    " ",
    "é",
    "😀",
    "\ud800",
    ".",
    "?",
    "%%34",
  ];
  for (const unit of units) {
    const started = performance.now();
    const value = pageValue({ url: fill(unit), method: "GET", status: 200 }, cap);
    const took = performance.now() - started;
    assert(new TextEncoder().encode(value).length <= 256, unit);
    assert(took < 500, `${JSON.stringify(unit)}: ${took} ms`);
  }
  assertEquals(pageValue({ url: `${"a".repeat(size)}://h/p` }, cap), NO_VIEW.none);
});
