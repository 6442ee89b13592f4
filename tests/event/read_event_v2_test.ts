// Rules version 2: frames, mappings, recognised formats, and missing told from malformed.
import { assertEquals, assertMatch } from "@std/assert";
import { type EventRules, readEvent } from "../../src/event/read_event.ts";
import { RULES_1, RULES_2 } from "../../src/event/stream_rules.ts";
import { createEventReader } from "../../src/event/fast_reader.ts";
import { deadReason, READ_OK } from "../../src/event/types.ts";
import { describeValue, unreadShape } from "../../src/event/value_shape.ts";
import { createEchoLocator } from "../fuzz/event_pair.ts";
import { mapping, MAPPINGS } from "../fuzz/mapped_values.ts";

const RULES: EventRules = {
  stream: RULES_2,
  format: "json",
  referrerGranularity: "raw",
  keyBytesMax: 1024,
  trustedProxyHops: 0,
};
const GOOD = { event_time: "2026-11-25T10:00:00Z", host: "www.example.com", ip: "198.51.100.7" };
const good = JSON.stringify(GOOD);
const bytesOf = (value: string | Uint8Array) => typeof value === "string" ? new TextEncoder().encode(value) : value;
const framed = (value: Uint8Array, id = 17) => Uint8Array.of(0, 0, 0, 0, id, ...value);

/** The outcome by both paths, which must agree. */
function outcome(value: string | Uint8Array, rules = RULES): string {
  const bytes = bytesOf(value);
  const slow = readEvent(bytes, rules);
  const reader = createEventReader({ ...rules, locator: createEchoLocator(), hashSeed: 5 });
  const code = reader.read(bytes, 0, bytes.length);
  const fast = code === READ_OK ? reader.hosts.text(reader.host) : deadReason(code);
  assertEquals(fast, slow.kind === "event" ? slow.host : slow.kind === "dead" ? slow.reason : slow.kind);
  return fast;
}

Deno.test("readEvent() strips a schema registry's frame under version 2 alone", () => {
  const value = framed(bytesOf(good));
  assertEquals(outcome(value), "www.example.com");
  assertEquals(outcome(value, { ...RULES, stream: RULES_1 }), "bad_json");
  assertEquals(outcome(value, { ...RULES, format: "lines" }), "binary_value");
});

Deno.test("readEvent() tells a missing time from a malformed one, and a list of addresses from a missing host", () => {
  const cases: readonly (readonly [value: string, reason: string])[] = [
    [`{"host":"a.example"}`, "missing_event_time"],
    [`{"host":"a.example","event_time":null}`, "missing_event_time"],
    [`{"host":"a.example","event_time":""}`, "missing_event_time"],
    [`{"host":"a.example","event_time":"-"}`, "missing_event_time"],
    [`{"host":"a.example","event_time":"soon"}`, "bad_event_time"],
    [`{"host":"a.example","event_time":true}`, "bad_event_time"],
    [`{"host":"a.example","event_time":{}}`, "bad_event_time"],
    [`{"event_time":0}`, "missing_host"],
    [`{"event_time":0,"host":"-"}`, "missing_host"],
    [`{"event_time":0,"host":"198.51.100.7, 10.0.0.1"}`, "bad_host"],
    [`{"event_time":0,"host":"198.51.100.7"}`, "(address)"],
    [`{}`, "missing_event_time"],
  ];
  for (const [value, reason] of cases) assertEquals(outcome(value), reason, value);
});

Deno.test("readEvent() names formats that it does not read", () => {
  const gzip = Uint8Array.of(0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0);
  const cases: readonly (readonly [value: string | Uint8Array, reason: string])[] = [
    [`[${good},${good}]`, "array_value"],
    [`{"schema":{"type":"struct"},"payload":${good}}`, "enveloped_value"],
    [`{"before":null,"after":${good},"op":"c","ts_ms":1}`, "enveloped_value"],
    [`{"specversion":"1.0","type":"hit","data":${good},"time":"2026-11-25T10:00:00Z"}`, "enveloped_value"],
    [`{"@timestamp":"2026-11-25T10:00:00Z","message":${JSON.stringify(good)}}`, "enveloped_value"],
    [JSON.stringify(good), "enveloped_value"],
    [gzip, "compressed_value"],
    [Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 1, 2), "compressed_value"],
    [framed(Uint8Array.of(0x1e, 0x68, 0x74, 0xff, 0xfe)), "binary_value"],
    [framed(bytesOf("\u001ehttps")), "binary_value"],
    [Uint8Array.of(0x0a, 0x05, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x10, 0x01), "binary_value"],
    [Uint8Array.of(0xff, 0xfe, 0x7b, 0x00), "binary_value"],
    ["Obj\u0001\u0004", "binary_value"],
    [`${good}\n${good}`, "bad_json"],
    [`${good}\n`, "www.example.com"],
    [`{'host': 'a'}`, "bad_json"],
    ["1", "bad_json"],
    ["", "bad_json"],
    [Uint8Array.of(0x7b, 0x22, 0xe9, 0x22, 0x7d), "bad_encoding"],
  ];
  for (const [value, reason] of cases) assertEquals(outcome(value), reason, String(value).slice(0, 60));
  assertEquals(unreadShape(gzip)?.words, "compressed with gzip by the producer's own code");
});

Deno.test("readEvent() counts a value that is nested deeply, whatever its time is written as", () => {
  const deep = `"x":${"[".repeat(5_000)}${"]".repeat(5_000)}`;
  for (const time of [`"2026-11-25T10:00:00Z"`, "1795600800", "1795600800.123"]) {
    assertEquals(outcome(`{"host":"www.example.com","event_time":${time},${deep}}`), "www.example.com", time);
  }
});

Deno.test("readEvent() reads nanoseconds to the last digit", () => {
  const event = readEvent(bytesOf(`{"host":"a.example","event_time":1795600800123999999}`), RULES);
  assertEquals(event.kind === "event" && event.eventTime as number, 1_795_600_800_123);
});

const under = (fields: string): EventRules => ({ ...RULES, stream: { ...RULES_2, fields: mapping(fields) } });

Deno.test("readEvent() finds fields by EVENT_FIELDS, on both paths", () => {
  const caddy = JSON.stringify({
    level: "info",
    ts: 1772532000.25,
    request: {
      remote_ip: "198.51.100.7",
      host: "Shop.example:443",
      headers: { "User-Agent": ["curl/8.5.0", "x"], Referer: ["https://search.example/"] },
    },
  });
  const event = readEvent(bytesOf(caddy), under(MAPPINGS.caddy));
  assertEquals<unknown>(event, {
    kind: "event",
    eventTime: 1_772_532_000_250,
    host: "shop.example",
    referrer: "https://search.example/",
    address: "198.51.100.7",
    bot: true,
  });
  assertEquals(outcome(caddy, under(MAPPINGS.caddy)), "shop.example");
  const reader = createEventReader({ ...under(MAPPINGS.caddy), locator: createEchoLocator(), hashSeed: 5 });
  assertEquals(reader.read(bytesOf(caddy), 0, caddy.length), READ_OK);
  assertEquals(reader.slowReads, 0, "the fast path reads it");
});

Deno.test("readEvent() reads envelopes where EVENT_FIELDS names what lies inside", () => {
  const rules = under("event_time:data.event_time,host:data.host,ip:data.ip");
  assertEquals(outcome(`{"specversion":"1.0","type":"hit","data":${good}}`, rules), "www.example.com");
});

Deno.test("use() changes a reader's rules, and forgets what the old ones made of a host", () => {
  const reader = createEventReader({ ...RULES, stream: RULES_1, locator: createEchoLocator(), hashSeed: 5 });
  const value = bytesOf(`{"event_time":0,"host":"WWW.example.com.:443"}`);
  const host = () => reader.read(value, 0, value.length) === READ_OK ? reader.hosts.text(reader.host) : "dead";
  assertEquals(host(), "www.example.com.:443");
  const { hosts } = reader;
  reader.use(RULES_2);
  assertEquals([host(), reader.hosts.size], ["www.example.com", 1]);
  assertEquals(reader.hosts === hosts, true, "who holds the dictionary goes on with it");
  reader.use(RULES_1);
  assertEquals(host(), "www.example.com.:443");
});

Deno.test("describeValue() says in words what is not read", () => {
  const cases: readonly (readonly [value: string | Uint8Array, words: RegExp])[] = [
    [`[${good}]`, /a JSON array/],
    [`{"schema":{},"payload":${good}}`, /Kafka Connect.*host:payload.host/],
    [`{"specversion":"1.0","type":"hit","data":{}}`, /CloudEvents.*host:data.host/],
    [`{"before":null,"after":{},"op":"c"}`, /Debezium.*host:after.host/],
    [JSON.stringify(good), /encoded twice/],
    [framed(bytesOf(good)), /five-byte header.*rules version 2/],
    [framed(Uint8Array.of(0x1e, 0x68, 0xff)), /Avro or Protobuf behind/],
    [Uint8Array.of(0x1f, 0x8b, 8), /gzip/],
    [`${good}\n${good}`, /several JSON values/],
    ['198.51.100.7 - - [25/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 1', /access log/],
    [`{"ts":1,"Host":"a"}`, /other names \(ts, Host\); set EVENT_FIELDS/],
    ["{}", /empty JSON object/],
  ];
  for (const [value, words] of cases) assertMatch(describeValue(bytesOf(value)) ?? "", words);
  for (const value of ["", "soon", "1", `{"event_time":"soon","host":"a"}`]) {
    assertEquals(describeValue(bytesOf(value)), undefined, value);
  }
});
