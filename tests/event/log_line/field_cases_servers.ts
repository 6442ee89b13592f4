// More of field_cases.ts: servers with formats of their own, and times.
import {
  AGENT,
  ALL,
  clf,
  combined,
  type FieldCase,
  FILE_HOST,
  found,
  joined,
  json,
  LINES,
  minutes,
  NL,
  rfc,
  SHOP,
  times,
  unix,
  US,
} from "./field_cases.ts";

const eventAt = (time: unknown) => ({ host: "shop.example", ip: US, event_time: time });

const IIS_HEADER = [
  "#Software: Microsoft Internet Information Services 10.0",
  "#Version: 1.0",
  "#Date: 2026-03-03 10:00:00",
  "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken",
];

/** JSON of servers, and other servers' columns. */
export const SERVERS: FieldCase[] = [
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
export const TIMES: FieldCase[] = [
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
