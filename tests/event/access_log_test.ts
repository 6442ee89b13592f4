import { assertEquals } from "@std/assert";
import { parseAccessLog } from "../../src/event/access_log.ts";

const HEAD = "203.0.113.7 - - [17/May/2015:10:05:03 +0000]";
const COMBINED = `${HEAD} "GET /a?b=c HTTP/1.1" 200 1234 "https://example.com/x" "curl/8.5.0"`;

Deno.test("parseAccessLog() reads each known format", () => {
  assertEquals(parseAccessLog(COMBINED, "shop.example"), {
    url: "/a?b=c",
    referrer: "https://example.com/x",
    user_agent: "curl/8.5.0",
    host: "shop.example",
    ip: "203.0.113.7",
    headers: undefined,
    event_time: "2015-05-17T10:05:03+00:00",
    method: "GET",
    status: "200",
  });
  const common = parseAccessLog(`2001:db8::1 - joe [01/Dec/2025:23:59:59 -0730] "POST / HTTP/2" 304 -`);
  assertEquals([common?.ip, common?.host, common?.referrer, common?.user_agent], [
    "2001:db8::1",
    undefined,
    undefined,
    undefined,
  ]);
  assertEquals(common?.event_time, "2025-12-01T23:59:59-07:30");
  assertEquals([common?.method, common?.status], ["POST", "304"]);
  assertEquals(parseAccessLog(`Shop.example:443 ${COMBINED}`, "other")?.host, "Shop.example");
  assertEquals(parseAccessLog(`shop.example ${COMBINED}`)?.host, "shop.example");
  assertEquals(parseAccessLog(`- ${COMBINED}`, "other")?.host, "other");
});

Deno.test("parseAccessLog() appends the peer to nginx's X-Forwarded-For column", () => {
  assertEquals(parseAccessLog(`${COMBINED} "-"`)?.ip, "203.0.113.7");
  assertEquals(parseAccessLog(`${COMBINED} "198.51.100.1, 10.0.0.1"`)?.ip, "198.51.100.1, 10.0.0.1, 203.0.113.7");
  assertEquals(parseAccessLog(`${COMBINED} "0.003?"`), undefined);
});

Deno.test("parseAccessLog() takes a dash or an empty field as missing", () => {
  const fields = parseAccessLog(`${HEAD} "-" 408 0 "-" ""`);
  assertEquals([fields?.url, fields?.referrer, fields?.user_agent, fields?.host], [
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("parseAccessLog() undoes escapes, and leaves those alone that are no UTF-8", () => {
  const referrer = (text: string) => parseAccessLog(`${HEAD} "GET / HTTP/1.0" 200 1 "${text}" "a"`)?.referrer;
  assertEquals(referrer(String.raw`a\"b\\c`), `a"b\\c`);
  assertEquals(referrer(String.raw`a\tb`), "a\tb");
  assertEquals(referrer(String.raw`\xC3\xA4\x22`), 'ä"');
  assertEquals(referrer(String.raw`http://\xe4\xe5.\xf0\xf4/`), String.raw`http://\xe4\xe5.\xf0\xf4/`);
  assertEquals(referrer(String.raw`\q\x4`), String.raw`\q\x4`);
  assertEquals(referrer("ä"), "ä");
});

Deno.test("parseAccessLog() takes the URL of a proxied request and survives a request that is not valid", () => {
  const url = (request: string) => parseAccessLog(`${HEAD} "${request}" 400 0 "-" "-"`)?.url;
  assertEquals(url("GET http://shop.example/x HTTP/1.1"), "http://shop.example/x");
  assertEquals(url(String.raw`\x16\x03\x01`), undefined);
  assertEquals(url("GET /"), "/");
  assertEquals(url("GET /a b HTTP/1.1"), undefined);
});

Deno.test("parseAccessLog() allows the line's end of any system", () => {
  for (const end of ["\n", "\r\n", "\r"]) assertEquals(parseAccessLog(COMBINED + end), parseAccessLog(COMBINED));
});

Deno.test("parseAccessLog() refuses what is in no known format", () => {
  for (
    const line of [
      "",
      "hello",
      COMBINED.slice(0, -1), // the closing quote is missing
      `${COMBINED} extra`,
      COMBINED.replace("May", "Mai"),
      COMBINED.replace("17/", "7/"),
      COMBINED.replace(" +0000", ""),
      COMBINED.replace(" 200 ", " ok "),
      COMBINED.replace("1234", "-1"),
      COMBINED.replace('"curl/8.5.0"', ""),
      COMBINED.replace("- -", "- john doe"),
      COMBINED.replace("[", ""),
      ` ${COMBINED}`,
    ]
  ) assertEquals(parseAccessLog(line), undefined, line);
});
