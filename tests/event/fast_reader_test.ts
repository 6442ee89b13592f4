// What the engine relies on beyond equality with the slow path, which tests/fuzz shows.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { VALUE_BYTES_MAX } from "../../src/event/event_schema.ts";
import { createEventReader } from "../../src/event/fast_reader.ts";
import { BugError } from "../../src/shared/errors.ts";
import { READ_OK, readCode } from "../../src/event/types.ts";
import { createEchoLocator, RULE_SETS } from "../fuzz/event_pair.ts";

const encoder = new TextEncoder();
const create = (rules: keyof typeof RULE_SETS = "json") => {
  const locator = createEchoLocator();
  const reader = createEventReader({ ...RULE_SETS[rules]!, locator, hashSeed: 3 });
  /** Reads `text` where a batch would have it: within a longer buffer. */
  const read = (text: string) => {
    const bytes = encoder.encode(`0123${text}  after it`);
    return reader.read(bytes, 4, 4 + encoder.encode(text).length);
  };
  return { locator, reader, read };
};
const EVENT = {
  url: "https://a.example/p?q=1",
  referrer: "https://r.example/",
  user_agent: "curl/8.5.0",
  host: "a.example",
  ip: "203.0.113.7",
  headers: '{"accept":"*/*"}',
  event_time: "2026-06-01T12:00:00.123Z",
};

Deno.test("read() fills the fields and gives equal texts equal ids", () => {
  const { reader, read, locator } = create();
  assertEquals(read(JSON.stringify(EVENT)), READ_OK);
  const first = [reader.host, reader.referrer, reader.place];
  assertEquals([reader.hosts.text(reader.host), reader.referrers.text(reader.referrer)], [
    "a.example",
    "https://r.example/",
  ]);
  assertEquals([reader.eventTime, reader.bot, locator.address(reader.place)], [
    Date.UTC(2026, 5, 1, 12, 0, 0, 123),
    1,
    "203.0.113.7",
  ]);
  assertEquals(read(JSON.stringify({ ...EVENT, host: "b.example" })), READ_OK);
  assert(reader.host !== first[0]);
  assertEquals(read(JSON.stringify(EVENT)), READ_OK);
  assertEquals([reader.host, reader.referrer, reader.place], first);
});

Deno.test("read() does not need the slow path for what producers ordinarily send", () => {
  const { reader, read } = create();
  for (
    const text of [
      JSON.stringify(EVENT),
      JSON.stringify(EVENT, null, 2),
      `${JSON.stringify(EVENT)}\n`,
      JSON.stringify(EVENT).replaceAll("/", "\\/"), // PHP
      JSON.stringify({ ...EVENT, host: "A.EXAMPLE", referrer: "https://r.example/é", user_agent: "Ünïcode" }),
      JSON.stringify({ ...EVENT, ip: "198.51.100.1, 203.0.113.7" }),
      JSON.stringify({ ...EVENT, event_time: 1780315200123 }),
      JSON.stringify({ ...EVENT, event_time: "2026-06-01T14:00:00+02:00" }),
      JSON.stringify({ ...EVENT, headers: { accept: ["*/*"], dnt: 1 }, status: 200, ms: 0.25, cached: false }),
      JSON.stringify({ ...EVENT, referrer: null }),
      JSON.stringify({ ...EVENT, host: "" }),
    ]
  ) {
    assertEquals(read(text), READ_OK, text);
    assertEquals(reader.slowReads, 0, text);
  }
});

Deno.test("read() names a dead letter and can go on", () => {
  const { reader, read } = create();
  assertEquals(read("{"), readCode("bad_json"));
  assertEquals(read(JSON.stringify({ ...EVENT, event_time: "soon" })), readCode("bad_event_time"));
  assertEquals(read(`{"event_time":0}`), readCode("missing_host"));
  const large = new Uint8Array(VALUE_BYTES_MAX + 1);
  assertEquals(reader.read(large, 0, large.length), readCode("too_large"));
  assertEquals(read(JSON.stringify(EVENT)), READ_OK);
});

Deno.test("read() finds records in a view of a larger buffer, at its very end too", () => {
  const { reader } = create();
  const text = encoder.encode(JSON.stringify(EVENT));
  const memory = new Uint8Array(text.length + 100).fill(0x22);
  memory.set(text, 100);
  assertEquals(reader.read(memory.subarray(90), 10, 10 + text.length), READ_OK);
  assertEquals(reader.hosts.text(reader.host), "a.example");
});

Deno.test("read() reads access logs by rule", () => {
  const { reader, read } = create("lines");
  assertEquals(read('203.0.113.7 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "curl/8.5.0"'), READ_OK);
  assertEquals([reader.hosts.text(reader.host), reader.referrers.text(reader.referrer), reader.bot], [
    "shop.example",
    "",
    1,
  ]);
  assertEquals(read("rubbish"), readCode("bad_line"));
});

Deno.test("memoryBytes grows with the texts and reset() gives it back", () => {
  const { reader, read } = create();
  const before = reader.memoryBytes;
  for (let n = 0; n < 2000; n++) read(JSON.stringify({ ...EVENT, referrer: `https://r.example/${n}` }));
  assert(reader.memoryBytes > before + 2000 * 50);
  reader.reset();
  assertEquals([reader.hosts.size, reader.referrers.size, reader.memoryBytes], [0, 0, before]);
  assertEquals(read(JSON.stringify(EVENT)), READ_OK);
  assertEquals(reader.referrers.text(reader.referrer), EVENT.referrer);
});

Deno.test("createEventReader() refuses a cap that leaves no room for a hash", () => {
  assertThrows(
    () => createEventReader({ ...RULE_SETS.json!, keyBytesMax: 31, locator: createEchoLocator(), hashSeed: 1 }),
    BugError,
    "at least 32",
  );
});
