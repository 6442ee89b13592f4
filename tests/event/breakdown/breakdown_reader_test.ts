// What the reader adds to an event beyond equality with the slow path, which tests/fuzz shows: what is remembered, what is forgotten, visitors.
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { DIMENSION_BITS } from "../../../src/breakdown/dimensions.ts";
import { KEY_BYTES, sipKey } from "../../../src/breakdown/siphash.ts";
import type { VisitorSalt } from "../../../src/breakdown/visitor.ts";
import { createEventReader } from "../../../src/event/fast_reader.ts";
import { readEvent } from "../../../src/event/read_event.ts";
import { RULES_2 } from "../../../src/event/stream_rules.ts";
import { READ_OK } from "../../../src/event/types.ts";
import { createPlaceLocator } from "../../../src/geo/place_locator.ts";

const encoder = new TextEncoder();
const ALL = Object.values(DIMENSION_BITS).reduce((all, bit) => all | bit, 0);
const UA = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
const EVENT = {
  url: "/shop/?id=7&utm_source=news",
  user_agent: UA,
  host: "a.example",
  ip: "203.0.113.7",
  method: "GET",
  status: 200,
  event_time: "2026-06-01T12:00:00.123Z",
};
const RULES = {
  stream: RULES_2,
  format: "json",
  referrerGranularity: "raw",
  keyBytesMax: 1024,
  trustedProxyHops: 0,
} as const;
const salt = (number: number, byte = number): VisitorSalt => ({
  id: `salt ${byte}`,
  key: sipKey(new Uint8Array(KEY_BYTES).fill(byte)),
  number,
});

function create(breakdowns = ALL, format: "json" | "lines" = "json") {
  const rules = { ...RULES, format, defaultHost: "log.example", breakdowns };
  const reader = createEventReader({ ...rules, locator: createPlaceLocator(), hashSeed: 3 });
  const readText = (text: string) => {
    const bytes = encoder.encode(`0123${text}  after it`);
    assertEquals(reader.read(bytes, 4, 4 + encoder.encode(text).length), READ_OK, text);
    return reader.breakdown!;
  };
  const read = (fields: object = {}) => readText(JSON.stringify({ ...EVENT, ...fields }));
  const texts = ({ pages, page, clients, client, campaigns, campaign } = reader.breakdown!) => [
    pages.text(page),
    clients.text(client),
    campaigns.text(campaign),
  ];
  return { reader, read, readText, texts, rules };
}

Deno.test("read() gives page, client and campaign, equal ones equal ids, and needs no slow path", () => {
  const { reader, read, readText, texts } = create();
  read();
  assertEquals(texts(), ["/shop", "Firefox\x1eLinux\x1edesktop", "news\x1e\x1e"]);
  const { page, client, campaign } = reader.breakdown!;
  const first = [page, client, campaign];
  read({ url: "/style.css", user_agent: "curl/8.5.0" });
  assertEquals(texts(), ["(asset)", "(bot)\x1e(bot)\x1e(bot)", "(none)"]);
  const same = read({ url: "//shop/./?x=1&utm_source=news", status: "304" });
  assertEquals([same.page, same.client, same.campaign], first);
  for (
    const [fields, expected] of [
      [{ method: "POST" }, "(not GET)"],
      [{ status: 404 }, "(error)"],
      [{ status: "302" }, "(redirect)"],
      [{ url: "" }, "(no path)"],
      [{ url: null, method: null, status: null }, "(no path)"],
      [{ url: "https://a.example/shop#top" }, "/shop"],
      [{ url: `/${"a".repeat(60_000)}` }, "(path too long)"],
      [{ status: 9999, method: "" }, "/shop"],
    ] as const
  ) {
    read(fields);
    assertEquals(texts()[0], expected, JSON.stringify(fields).slice(0, 60));
  }
  readText(JSON.stringify(EVENT).replaceAll("/", "\\/"));
  assertEquals(texts()[0], "/shop");
  // An escaped question mark ends the path, however much follows.
  readText(JSON.stringify({ ...EVENT, url: "" }).replace('"url":""', `"url":"/a\\u003f${"b".repeat(60_000)}"`));
  assertEquals(texts()[0], "/a");
  assertEquals(reader.slowReads, 0);
});

Deno.test("read() takes method, status and target from lines of a log, by both paths alike", () => {
  const { reader, readText, texts, rules } = create(ALL, "lines");
  const line = (request: string, status = "200") =>
    `203.0.113.7 - - [03/Mar/2026:10:00:07 +0000] "${request}" ${status} 512 "-" "${UA}"`;
  for (
    const [text, page, slow] of [
      [line("GET /a/?b=1 HTTP/1.1"), "/a", 0],
      [line("GET /a HTTP/2"), "/a", 0],
      [line("GET /a"), "/a", 0],
      [line("POST /a HTTP/1.1"), "(not GET)", 0],
      [line("GET /a HTTP/1.1", "301"), "(redirect)", 0],
      [line("GET /a HTTP/1.1", "500"), "(error)", 0],
      [line("-", "408"), "(error)", 0],
      [line("-"), "(no path)", 0],
      [line("GET http://h.example/p HTTP/1.1"), "/p", 0],
      [line(String.raw`GET /a\"b HTTP/1.1`), "/a%22b", 1],
      [line(String.raw`\x16\x03\x01`, "400"), "(error)", 1],
      [line("GET /a HTTP/1.1", "40"), "(error)", 1],
      [`web1: ${line("GET /a HTTP/1.1")}`, "/a", 1],
    ] as const
  ) {
    const before = reader.slowReads;
    readText(text);
    assertEquals([texts()[0], reader.slowReads - before], [page, slow], text);
    const event = readEvent(encoder.encode(text), rules);
    assert(event.kind === "event");
    assertEquals(event.breakdown!.page, page, text);
  }
});

Deno.test("without breakdowns, read() looks at neither method nor status", () => {
  const { reader } = create(0);
  const read = (text: string) => reader.read(encoder.encode(`${text}          `), 0, encoder.encode(text).length);
  assertEquals(reader.breakdown, null);
  for (const odd of ['"status":2e2', '"method":"G\\u0045T"', '"status":1,"status":2']) {
    assertEquals(read(JSON.stringify(EVENT).replace(/,"method".*?,"event/, `,${odd},"event`)), READ_OK, odd);
  }
  assertEquals(reader.slowReads, 0);
});

Deno.test("reset() forgets pages and campaigns; the constants and the clients stay", () => {
  const { reader, read, texts } = create();
  const before = reader.memoryBytes;
  const { client } = read();
  for (let n = 0; n < 2_000; n++) read({ url: `/p/${n}?utm_campaign=${n}` });
  assert(reader.memoryBytes > before + 2_000 * 100);
  reader.reset();
  assert(reader.memoryBytes < before + 20_000, `${reader.memoryBytes} after ${before}`);
  assertEquals(reader.breakdown!.pages.size, 6);
  assertEquals(read().client, client);
  assertEquals(texts(), ["/shop", "Firefox\x1eLinux\x1edesktop", "news\x1e\x1e"]);
});

Deno.test("queries with a campaign are remembered within a bound, and ids stay", () => {
  const { reader, read, texts } = create();
  const { campaign } = read();
  let most = 0;
  for (let n = 0; n < 30_000; n++) {
    assertEquals(read({ url: `/?utm_source=news&gclid=${n}${"x".repeat(300)}` }).campaign, campaign);
    most = Math.max(most, reader.memoryBytes);
  }
  assert(most < 10 * 2 ** 20, `${most}`);
  assertEquals([texts()[2], reader.breakdown!.campaigns.size], ["news\x1e\x1e", 2]);
});

Deno.test("visitor() is one for one address and agent, however both are written, and another under another salt", () => {
  const { reader, read, readText } = create();
  const first = read().visitor(salt(1));
  assertEquals(read({ url: "/other", host: "b.example" }).visitor(salt(1)), first);
  assertEquals(readText(JSON.stringify(EVENT).replace("Mozilla/5.0", "Mozilla\\/5.0")).visitor(salt(1)), first);
  assertEquals(read({ ip: "203.0.113.7:443" }).visitor(salt(1)), first);
  assertEquals(read({ ip: "::ffff:203.0.113.7" }).visitor(salt(1)), first);
  const slow = reader.slowReads;
  // An escaped key is for the slow path.
  assertEquals(readText(JSON.stringify(EVENT).replace('"status"', '"st\\u0061tus"')).visitor(salt(1)), first);
  assertEquals(reader.slowReads, slow + 1);
  assertNotEquals(read({ ip: "203.0.113.8" }).visitor(salt(1)), first);
  assertNotEquals(read({ user_agent: `${UA} x` }).visitor(salt(1)), first);
  assertNotEquals(read().visitor(salt(2)), first);
  assertEquals(read().visitor(salt(3, 1)), first, "the same key under another number");
});

Deno.test("visitor() of many addresses and agents is what it was at first sight, whatever was read in between", () => {
  const { read } = create();
  const visitors = Array.from({ length: 6_000 }, (_, i) => ({
    ip: i % 7 === 0 ? `2001:db8::${i}` : `198.51.${i % 250}.${Math.floor(i / 250)}`,
    user_agent: `Mozilla/5.0 (${i % 5})`,
  }));
  const seen = visitors.map((one) => read(one).visitor(salt(1)));
  assertEquals(visitors.map((one) => read(one).visitor(salt(1))), seen);
  assertEquals(visitors.map((one) => (read(one), read(one).visitor(salt(1)))), seen);
  assert(new Set(seen).size > 4_500);
});

Deno.test("visitor() stays right while salts alternate and a flood of agents empties the cache", () => {
  const { read } = create();
  const [one, two] = [read().visitor(salt(1)), read().visitor(salt(2))];
  const other = read({ user_agent: "Mozilla/5.0 (other)" }).visitor(salt(1));
  for (let n = 0; n < 9_000; n++) {
    read({ user_agent: `Mozilla/5.0 (${n}) ${"y".repeat(1_500)}` }).visitor(salt(1 + n % 2));
    if (n % 100 !== 0) continue;
    assertEquals([read().visitor(salt(1)), read().visitor(salt(2))], [one, two], `${n}`);
    assertEquals(read({ user_agent: "Mozilla/5.0 (other)" }).visitor(salt(1)), other, `${n}`);
  }
});

Deno.test("visitor() tells texts that are no addresses apart, and takes a missing one as one", () => {
  const { read } = create();
  const of = (ip: unknown) => read({ ip }).visitor(salt(1));
  const all = [of("unknown"), of("gateway"), of(""), of("2001:db8::1"), of("2001:db8::2")];
  assertEquals(new Set(all).size, all.length);
  assertEquals(of(null), of(""));
});
