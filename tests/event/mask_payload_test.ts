import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { maskPayload, SAMPLE_BYTES_MAX } from "../../src/event/mask_payload.ts";

const encoder = new TextEncoder();
const mask = (text: string) => {
  const bytes = encoder.encode(`1.1.1.1${text}1.1.1.1`);
  return maskPayload(bytes, 7, bytes.length - 7);
};

const SECRETS = [
  "203.0.113.7",
  "2001:db8::1",
  "::ffff:198.51.100.9",
  "fe80::1:2:3:4",
  "1:2:3:4:5:6:7:8",
  "sid=topsecret&x=1",
  "hunter2",
];

Deno.test("maskPayload() keeps the shape of an event and hides what tells about a person", () => {
  assertEquals(
    mask(JSON.stringify({
      url: "https://joe:hunter2@a.example/p?q=john doe#top",
      referrer: "http://203.0.113.7:8080/x",
      user_agent: "Mozilla/5.0",
      host: "a.example",
      ip: "203.0.113.7",
      headers: '{"cookie":"sid=topsecret"}',
      event_time: "2026-06-01T10:15:60Z",
      status: 200,
      nested: { client_ip: 3405803783, list: ["2001:db8::1", null, true], Authorization: { a: "b" } },
    })),
    JSON.stringify({
      url: "https://a.example/p?…",
      referrer: "http://[address]:8080/x",
      user_agent: "Mozilla/5.0",
      host: "a.example",
      ip: "[address]",
      headers: "[hidden]",
      event_time: "2026-06-01T10:15:60Z",
      status: 200,
      nested: { client_ip: "[address]", list: ["[address]", null, true], Authorization: "[hidden]" },
    }),
  );
});

Deno.test("maskPayload() masks text that is not JSON", () => {
  const cases: readonly (readonly [string, string])[] = [
    [
      '203.0.113.7 - - [17/May/2015:10:05:03 +0000] "GET /a?b=c HTTP/1.1" 200 1 "http://x/?q=d" "Moz',
      '[address] - - [17/May/2015:10:05:03 +0000] "GET /a?… HTTP/1.1" 200 1 "http://x/?…" "Moz',
    ],
    [
      '{"ip":"203.0.113.7","headers":"{\\"a\\":\\"hunter2\\"}","host":"a"',
      '{"ip":"[address]","headers":"[hidden]","host":"a"',
    ],
    ['{"host":"a","headers":{"a":"hunter2"', '{"host":"a","headers":"[hidden]"'],
    ['{"headers":"cut off, hunter2', '{"headers":"[hidden]"'],
    ['{"headers":"cut in an escape, hunter2\\', '{"headers":"[hidden]"'],
    ["Cookie: sid=topsecret\r\nHost: a", "Cookie: [hidden]\r\nHost: a"],
    ["user=joe&pass=hunter2", "[hidden]"],
    ["https:\\/\\/joe:hunter2@a.example\\/p?x", "https://a.example/p?…"],
    ["\\u0031.2.3.4", "[address]"],
    ["10:05:03 12:00", "10:05:03 12:00"],
    ['{"url":"https://joe:hunter2', '{"url":"https://'],
    ['{"url":"https://joe', '{"url":"https://joe'],
  ];
  for (const [text, expected] of cases) assertEquals(mask(text), expected);
});

Deno.test("maskPayload() holds none of the secrets, wherever they are in an event", () => {
  const places: readonly ((secret: string) => unknown)[] = [
    (s) => ({ ip: s }),
    (s) => ({ headers: s }),
    (s) => ({ headers: { a: [s] } }),
    (s) => ({ url: `https://a.example/?${s}` }),
    (s) => ({ url: `https://u:${s}@a.example/` }),
    (s) => ({ cookie: s }),
    (s) => ({ message: `GET /?${s} HTTP/1.1` }),
  ];
  for (const secret of SECRETS) {
    for (const place of places) {
      const json = JSON.stringify(place(secret));
      for (const text of [json, `${json}x`, json.slice(0, -1), `${json.slice(0, -1)},"pad":"${"p".repeat(5000)}"}`]) {
        assert(!mask(text).includes(secret), `${text.slice(0, 80)} → ${mask(text).slice(0, 80)}`);
      }
    }
  }
});

Deno.test("maskPayload() never shows part of an address that the cut went through", () => {
  for (let pad = 4070; pad < 4100; pad++) {
    const sample = mask(`{"a":"?${"x".repeat(pad)} 203.0.113.77"}`);
    assert(!sample.includes("203"), sample);
  }
});

Deno.test("maskPayload() never shows a password whose @ the cut left behind", () => {
  const sample = mask(`"?${"x".repeat(3900)} https://joe:hunter2${"z".repeat(200)}@a.example/`);
  assertEquals(sample, '"?… ');
});

Deno.test("maskPayload() gives printable, well-formed text within the cap for any bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => {
    const sample = maskPayload(bytes, 0, bytes.length);
    assert(encoder.encode(sample).length <= SAMPLE_BYTES_MAX && sample.isWellFormed() && !sample.includes("\0"));
  }));
  const long = mask(JSON.stringify({ a: "é".repeat(5000) }));
  assert(encoder.encode(long).length <= SAMPLE_BYTES_MAX && long.length > 400);
  assertStringIncludes(mask("a\0b\x1b[31m"), "a\ufffdb\ufffd[31m");
});

Deno.test("maskPayload() takes bounded time for text made to be slow", () => {
  const started = performance.now();
  for (const unit of ["a::", "1:", "a=", "http", '"headers":', '"ip', "\\", "?", "a=&"]) mask(unit.repeat(20_000));
  // Milliseconds; a minute and more where the work grows with the square of the length.
  assert(performance.now() - started < 20_000);
});
