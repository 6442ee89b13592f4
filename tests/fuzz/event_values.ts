// Record values that are mostly events or lines of an access log with one thing odd about them. Pure.

import { type Below, chanceOf, mutated } from "./random.ts";

const FIELDS = ["url", "referrer", "user_agent", "host", "ip", "headers", "event_time", "method", "status"];
const ODD_KEYS = [
  "hosts",
  "hos",
  "Host",
  "ipx",
  "i",
  "user_agen",
  "user_agent2",
  "event_tim",
  "event_timE",
  "referre",
  "metho",
  "status2",
  "m\\u0065thod",
  "__proto__",
  "",
  "x",
  "größe",
  "h\\u006fst",
  "\\u0069p",
  "event\\u005ftime",
  "host\\u0000",
  'ip\\"',
];
const TIMES = [
  "2026-06-01T10:15:30.123Z",
  "2026-06-01T10:15:30Z",
  "2026-06-01 10:15:30",
  "2026-06-01t10:15:30z",
  "2026-06-01T10:15:30.999999999Z",
  "2026-06-01T10:15:30+02:00",
  "2026-06-01T10:15:30-23:59",
  "2024-02-29T00:00:00Z",
  "2000-02-29T23:59:59.9Z",
  "0001-01-01T00:00:00Z",
  "9999-12-31T23:59:59.999Z",
  "1969-12-31T23:59:59.9999Z",
  "1780310130",
  "1780310130123",
  "99999999999",
  "100000000000",
  "-1",
  "-0",
  "0",
  "253402300799",
  "2026-06-01T10:15:30,123+0200",
  "2026-06-01T10:15:30+02",
  "1780310130.1239",
  "1780310130123.9",
  "1780310130123456",
  "1780310130123999999",
];
const BAD_TIMES = [
  "2026-06-01T10:15:30+24:00",
  "2026-06-01T10:15:60Z",
  "2026-06-01T24:00:00Z",
  "2026-02-29T00:00:00Z",
  "1900-02-29T00:00:00Z",
  "2026-06-01T10:15:30.Z",
  "2026-06-01",
  "0000-01-01T00:00:00Z",
  "0001-01-01T00:00:00+00:01",
  "9999-12-31T23:59:59-00:01",
  "00",
  "1e9",
  "1780310130.5",
  "+1",
  " 1",
  "253402300800",
  "1780310130123456",
  "2026-13-01T00:00:00Z",
  "2026-00-01T00:00:00Z",
  "2026-01-00T00:00:00Z",
  "2026-04-31T00:00:00Z",
  "",
  "2026-06-01X10:15:30Z",
  "2026-06-01T10:15:30 Z",
  "2026-06-01T10:15:30+0200",
  "2026-06-01T10:15:30,5Z",
  "2026-06-01 10:15:30 UTC",
  "2026-06-01T10:15Z",
  "2026-06-01T10:15:30+02:00[Europe/Berlin]",
  "01/Jun/2026:10:15:30 +0200",
  "Mon, 01 Jun 2026 10:15:30 GMT",
  "-",
  "12345678901234567890",
  "123456789012345678901",
];
const TEXTS = [
  "www.example.com",
  "WWW.Example.COM",
  "a",
  "",
  "-",
  "example.com:8080",
  "Example.COM.:443",
  " example.com ",
  "xn--bcher-kva.example",
  "b\\u00fccher.example",
  "[2001:db8::1]:8080",
  "fe80::1%eth0",
  "198.51.100.1, unknown",
  "0x7f.1",
  "a b",
  "(address)",
  "https://www.example.com/p/1?q=2",
  "HTTP://U:P@Example.com:80/",
  "http://[2001:db8::1]:8080/x",
  "http://",
  "https:\\/\\/www.example.com\\/a",
  "ref \\u00e9",
  "é",
  "日本語",
  "😀",
  "\\ud83d\\ude00",
  "\\ud800",
  "a\\udc00b",
  "\\u0000",
  "x\\u001fy",
  '\\n\\t\\\\\\"',
  "\u007f",
  "\ufeff",
  "İSTANBUL",
  "ß",
  "\\u0032026-06-01T10:15:30Z",
  "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
  "Mozilla/5.0 (compatible; Googlebot/2.1)",
  "curl/8.5.0",
  "android-app://com.google.android.gm/",
  "mailto:a@example.com",
  "www.www.example.com",
  "https://www.www.example.com",
  "about:blank",
  "203.0.113.7",
  "203.0.113.7, 10.0.0.1",
  " 203.0.113.7\\t,, 10.0.0.1 ,",
  ",",
  " ",
  "2001:db8::1",
  "::ffff:203.0.113.7",
  "203.0.113.7:443",
  "x".repeat(23),
  "x".repeat(32),
  "x".repeat(33),
  "é".repeat(16),
  "é".repeat(17),
  "日".repeat(30),
  "y".repeat(1023),
  "y".repeat(1025),
  "É".repeat(600),
  '{\\"accept\\":\\"text/html\\"}',
  "ends in backslash\\\\",
  "\\u0022",
  "\\/",
  "\\b\\f\\r",
];
const URLS = [
  "https://www.example.com/p/1?q=2",
  "HTTP://U:P@Example.com:80/",
  "http://a.example:8080",
  "https://host.example /x",
  "https://host.example ",
  "https://host.example\\u0020/x",
  "https://host.example\\u0009/x",
  " https://host.example",
  "https://a.example?x",
  "https://a.example#x",
  "https://a.example\\\\x",
  "http:\\/\\/a.example\\/",
  "http://a\\tb.example/",
  "http://1.2.3/",
  "http://0x7f.1/",
  "https://%41.example/",
  "https://xn--bcher-kva.example/",
  "https://b\u00fccher.example/",
  "https://a..example/",
  "https://[::1]:443/",
  "https://:80/",
  "https://@/",
  "http:/a",
  "http",
  "https://a|b/",
  "httpq://a.example/",
  "/",
  "/a/b.html",
  "/a/./b/../c//",
  "/%7Ea/%c3%bc?x=%20#y",
  "\\/a\\/b?x=1",
  "/a\\u003futm_source=n",
  "/a\\u0023x?utm_source=n",
  "/a\\\\u003fb",
  "/style.CSS?v=1",
  "/p?utm_source=news&utm_medium=e-mail&utm_campaign=May",
  "/p?a=1\\u0026utm_campaign=x%20y",
  "/p?%75tm_source=a",
  "/p?utm%5fmedium=b",
  "/p?%\\u0037%5fmedium=b",
  "/p?\\u0075tm_source=c",
  "/p?utm_source=a#?utm_medium=b",
  "/p#?utm_source=a",
  "/p?x\\u0023&utm_source=a",
  "https://a.example/p?utm_source=é&utm_source=b",
  "?utm_source=a",
  "*",
  "/" + "a".repeat(8191),
  "/" + "a".repeat(8192),
  "/" + "\\u00e9".repeat(8191),
  "/" + "\\u00e9".repeat(8193),
];
const METHODS = ["GET", "GET", "GET", "POST", "HEAD", "get", "", "-", "GE", "GETS", "G\\u0045T", "é"];
const STATUSES = [
  "200",
  "200",
  "304",
  "301",
  "404",
  "0",
  "007",
  "1000",
  "2e2",
  "-1",
  "20 ",
  "\\u0032\\u00300",
  "é",
  "",
];
const NUMBERS = ["200", "204", "304", "302", "404", "503", "0", "-0", "-1", "1000", "2e2", "200.0", "200.5", "1e999"];
const BAD_TEXTS = ["tab\there", "nul\u0000", "\\x", "\\u12", "\\u12g4", "\\", "\\U0041", "new\nline", 'quo"te'];
const VALUES = [
  "null",
  "null",
  "true",
  "false",
  "0",
  "-0",
  "1",
  "1.5",
  "1e3",
  "1E+3",
  "-1.25e-7",
  "1e999",
  "{}",
  "[]",
  "[ ]",
  "{ }",
  "[1,2]",
  '{"a":{"b":[true,null,"x"]}}',
  '{"host":"inner"}',
  "[".repeat(15) + "]".repeat(15),
  "[".repeat(16) + "]".repeat(16),
  "[".repeat(40) + "]".repeat(40),
  "1780310130",
  "1780310130123",
  "1780310130123.0",
  "1.780310130123e12",
  "-1",
  "-62135596800",
  "1780310130123456789",
  "1780310130.1239999",
];
const BAD_VALUES = [
  "01",
  "1.",
  ".5",
  "+1",
  "-",
  "1e",
  "0x1",
  "nul",
  "True",
  "NaN",
  "[1,]",
  '{"a":1,}',
  "{a:1}",
  '{"a"}',
  "[",
  "{",
  '["\\q"]',
  '["\u0001"]',
  "[".repeat(17) + "]".repeat(16),
  '{"a":1 "b":2}',
  "[1 2]",
  "undefined",
  "",
  '"a" "b"',
  "'a'",
  '{"a":1]',
  "[1}",
  "1780310130.5",
  "-62135596801",
];
const SPACES = [" ", "\n", "\t", "\r\n", "  "];
const BAD_SPACES = ["\u00a0", "\ufeff", "\u000b", "\u0000", "/**/"];
const ADDRESSES = ["203.0.113.7", "2001:db8::1", "-", "host.example", "10.0.0.1"];
const LOG_TIMES = ["17/May/2015:10:05:03 +0000", "29/Feb/2024:23:59:59 -0730"];
const BAD_LOG_TIMES = [
  "31/Feb/2015:10:05:03 +0000",
  "17/Mai/2015:10:05:03 +0000",
  "17/May/2015:10:05:60 -0700",
  "1/May/2015:1:05:03 +0000",
  "17/May/2015:10:05:03",
];
const LOG_FIELDS = [
  "-",
  "",
  "https://example.com/a?b=c",
  "\\xe4\\xf6",
  "\\xc3\\xa4",
  'a\\"b',
  "\\\\",
  "GET / HTTP/1.1",
  "GET http://Proxy.example:80/x HTTP/1.1",
  "\\x00",
  "é",
  "\\q",
  "Googlebot/2.1",
];
const BAD_LOG_FIELDS = ["\\", 'a"b', "\u0000"];
const FORWARDED = ['"-"', '"203.0.113.9, 10.0.0.2"', '"unknown"', '""'];
const encoder = new TextEncoder();

/** One value: mostly well-formed, mostly with something odd about it. */
export function generateValue(below: Below): Uint8Array {
  const { pick, mostly } = chanceOf(below);
  const jsonValue = (key: string) => {
    if (key === "status" && below(2) === 0) return pick(NUMBERS);
    if (below(8) === 0) return mostly(VALUES, BAD_VALUES);
    if (key === "method" || key === "status") return `"${mostly(key === "method" ? METHODS : STATUSES, BAD_TEXTS)}"`;
    return `"${
      key === "event_time" && below(20) > 0
        ? pick(below(5) ? TIMES : BAD_TIMES)
        : mostly(key === "url" ? URLS : TEXTS, BAD_TEXTS)
    }"`;
  };
  const space = () => below(8) === 0 ? mostly(SPACES, BAD_SPACES) : "";
  const member = (key: string) => `${space()}"${key}"${space()}:${space()}${jsonValue(key)}${space()}`;
  const jsonObject = () => {
    // A good event to begin with, so that most oddities are met by an otherwise countable one.
    const members = [`"event_time":"${pick(below(12) ? TIMES : BAD_TIMES)}"`, `"host":"${TEXTS[below(3)]}"`];
    const others = FIELDS.filter((key) => below(3) > 0 && (below(6) === 0 || (key !== "host" && key !== "event_time")));
    if (below(4) === 0) others.push(pick(ODD_KEYS));
    if (below(10) === 0) others.push(pick(FIELDS));
    for (const key of others) members.splice(below(members.length + 1), 0, member(key));
    if (below(10) === 0) members.splice(below(members.length), 1);
    return `${space()}{${members.join(",")}}${space()}${below(60) === 0 ? pick(["x", "{}", ",", "}", "\u0000"]) : ""}`;
  };
  const logLine = () => {
    const quoted = () => `"${mostly(LOG_FIELDS, BAD_LOG_FIELDS)}"`;
    const head = `${below(3) === 0 ? mostly(["Shop.example:443 ", "- "], ["a b ", " "]) : ""}${pick(ADDRESSES)} - `;
    const user = mostly(["-", "joe"], ["john doe", ""]);
    const [status, size] = mostly([["200", "12"], ["404", "-"], ["-", "0"]], [["20", "12"], ["200", "x"]]);
    const tail = mostly(
      ["", ` ${quoted()} ${quoted()}`, ` ${quoted()} ${quoted()} ${mostly(FORWARDED, LOG_FIELDS)}`],
      [" x", ` ${quoted()}`, ` ${quoted()}  ${quoted()}`],
    );
    return `${head}${user} [${mostly(LOG_TIMES, BAD_LOG_TIMES)}] ${quoted()} ${status} ${size}${tail}${
      mostly(["", "\r", "\r\n"], ["\u0085"])
    }`;
  };
  const shape = below(20);
  const text = shape < 15 ? jsonObject() : shape < 19 ? logLine() : pick(VALUES) + pick(TEXTS);
  let bytes = encoder.encode(below(30) === 0 ? `\0\0\0\0\u0007${text}` : text);
  for (let n = below(3) ? 0 : 1 + below(3); n > 0; n--) bytes = mutated(bytes, below);
  return bytes;
}
