// Each rule of what an event is, and each reason why a value is not an event.
import { assertEquals } from "@std/assert";
import { RULES_1 } from "../../src/event/stream_rules.ts";
import { VALUE_BYTES_MAX } from "../../src/event/event_schema.ts";
import { type EventRules, readEvent } from "../../src/event/read_event.ts";

const JSON_RULES: EventRules = {
  stream: RULES_1,
  format: "json",
  referrerGranularity: "raw",
  keyBytesMax: 1024,
  trustedProxyHops: 0,
};
const LINE_RULES: EventRules = { ...JSON_RULES, format: "lines" };
const GOOD = { event_time: "2026-06-01T12:00:00Z", host: "a.example" };
const TIME = Date.UTC(2026, 5, 1, 12);
const LOG_LINE = '203.0.113.7 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1';

const bytesOf = (value: string | Uint8Array) => typeof value === "string" ? new TextEncoder().encode(value) : value;
const reasonOf = (value: string | Uint8Array, rules = JSON_RULES) => {
  const result = readEvent(bytesOf(value), rules);
  return result.kind === "dead" ? result.reason : "event";
};
const eventOf = (fields: object, rules = JSON_RULES) => {
  const result = readEvent(bytesOf(JSON.stringify({ ...GOOD, ...fields })), rules);
  if (result.kind !== "event") throw new Error(JSON.stringify(result));
  return result;
};

Deno.test("readEvent() applies every rule to a whole event", () => {
  const event = eventOf({
    url: "https://a.example/p",
    referrer: "https://R.example/x",
    user_agent: "Googlebot/2.1",
    host: "A.Example",
    ip: "198.51.100.1, 203.0.113.7",
    headers: "{}",
    extra: [1],
  });
  assertEquals<unknown>(event, {
    kind: "event",
    eventTime: TIME,
    host: "a.example",
    referrer: "https://R.example/x",
    address: "203.0.113.7",
    bot: true,
  });
});

Deno.test("readEvent() takes missing fields and fields of another type alike", () => {
  for (const odd of [undefined, null, 1, true, [], {}]) {
    const event = eventOf({ url: odd, referrer: odd, user_agent: odd, ip: odd, headers: odd });
    assertEquals([event.referrer, event.address, event.bot], ["", "", false]);
    assertEquals(eventOf({ host: odd, url: "https://b.example/" }).host, "b.example");
    assertEquals(reasonOf(JSON.stringify({ ...GOOD, host: odd })), "missing_host");
    if (odd !== 1) assertEquals(reasonOf(JSON.stringify({ ...GOOD, event_time: odd })), "bad_event_time");
  }
});

Deno.test("readEvent() caps and cleans host and referrer", () => {
  const event = eventOf({ host: `A\0${"b".repeat(100)}`, referrer: "r".repeat(100) }, {
    ...JSON_RULES,
    keyBytesMax: 40,
  });
  assertEquals([event.host.slice(0, 5), event.host.length, event.referrer.length], ["a\ufffdbbb", 38, 40]);
});

Deno.test("readEvent() reads integers as event times", () => {
  assertEquals<number>(eventOf({ event_time: TIME }).eventTime, TIME);
  assertEquals<number>(eventOf({ event_time: TIME / 1000 }).eventTime, TIME);
  assertEquals(reasonOf(`{"host":"a","event_time":1780315200.5}`), "bad_event_time");
  assertEquals(reasonOf(`{"host":"a","event_time":1.7803152e9}`), "event");
});

Deno.test("readEvent() takes the last of repeated keys", () => {
  assertEquals(eventOf({}).host, "a.example");
  assertEquals(reasonOf(`{"host":"a","event_time":0,"host":""}`), "missing_host");
  assertEquals(reasonOf(`{"host":"a","event_time":"x","event_time":"0"}`), "event");
});

const good = JSON.stringify(GOOD);
const REASONS: readonly (readonly [value: string | Uint8Array, json: string, lines: string])[] = [
  [good, "event", "event"],
  [` \t\r\n${good}\n`, "event", "event"],
  [`\ufeff${good}`, "event", "event"],
  [`\ufeff\ufeff${good}`, "bad_json", "bad_line"],
  ["", "bad_json", "bad_line"],
  [" ", "bad_json", "bad_line"],
  ["{", "bad_json", "bad_json"],
  [`${good}x`, "bad_json", "bad_json"],
  [`${good}\0`, "bad_json", "bad_json"],
  [`[${good}]`, "bad_json", "bad_line"],
  ["[]", "bad_json", "bad_line"],
  ["null", "bad_json", "bad_line"],
  ['"a"', "bad_json", "bad_line"],
  ["1", "bad_json", "bad_line"],
  ["{}", "bad_event_time", "bad_event_time"],
  [`{"host":"a"}`, "bad_event_time", "bad_event_time"],
  [`{"event_time":"2026-06-01T12:00:60Z"}`, "bad_event_time", "bad_event_time"],
  [`{"event_time":"2026-06-01T12:00:00Z"}`, "missing_host", "missing_host"],
  [`{"event_time":0,"host":"","url":"/p"}`, "missing_host", "missing_host"],
  [Uint8Array.of(0xff), "bad_encoding", "bad_encoding"],
  [Uint8Array.of(0x7b, 0xed, 0xa0, 0x80), "bad_encoding", "bad_encoding"],
  [LOG_LINE, "bad_json", "missing_host"],
  [`shop.example ${LOG_LINE}`, "bad_json", "event"],
  [LOG_LINE.replace("17/May", "31/Feb"), "bad_json", "bad_event_time"],
  [LOG_LINE.replace("GET /", "GET http://shop.example/"), "bad_json", "event"],
  [`${LOG_LINE} more`, "bad_json", "bad_line"],
  ["[".repeat(VALUE_BYTES_MAX), "bad_json", "bad_line"],
  [`${good}${" ".repeat(VALUE_BYTES_MAX - good.length)}`, "event", "event"],
  [`${good}${" ".repeat(VALUE_BYTES_MAX - good.length + 1)}`, "too_large", "too_large"],
  [new Uint8Array(VALUE_BYTES_MAX + 1).fill(0xff), "too_large", "too_large"],
];

Deno.test("readEvent() names the first reason in its order", () => {
  for (const [value, json, lines] of REASONS) {
    const name = typeof value === "string" ? value.slice(0, 60) : `bytes ${value.slice(0, 8)}`;
    assertEquals([reasonOf(value), reasonOf(value, LINE_RULES)], [json, lines], name);
  }
});

Deno.test("readEvent() gives log lines without a vhost column the default host", () => {
  const rules = { ...LINE_RULES, defaultHost: "Shop.Example" };
  const result = readEvent(bytesOf(LOG_LINE), rules);
  assertEquals(result.kind === "event" && result.host, "shop.example");
  assertEquals(reasonOf(`{"event_time":0}`, rules), "missing_host");
});
