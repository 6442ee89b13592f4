// JSON values for a mapping of EVENT_FIELDS: mostly objects that have the mapped paths, with something odd about them. Pure.
import { parseEventFields } from "../../src/shared/config/event_fields.ts";
import { type Below, chanceOf, mutated } from "./random.ts";

/** Mappings that are fuzzed: names, nesting, positions, quoted keys, a field inside another's plain name, two fields in one object. */
export const MAPPINGS = {
  caddy:
    "event_time:ts,host:request.host,ip:request.remote_ip,user_agent:request.headers.User-Agent[0],referrer:request.headers.Referer[0],url:request.uri,method:request.method",
  ecs:
    'event_time:["@timestamp"],host:url.domain,ip:source["client.ip"],user_agent:user_agent.original,referrer:a[1][0].b',
  flat:
    "event_time:time_local,ip:remote_addr,user_agent:http_user_agent,referrer:referer,url:request_uri,status:http.status[0]",
} as const;

/** @throws Error where the mapping is not valid */
export function mapping(text: string) {
  const paths = parseEventFields(text);
  if (typeof paths === "string") throw new Error(paths);
  return paths;
}

const KEYS: readonly string[] = [
  ...["ts", "host", "request", "remote_ip", "headers", "User-Agent", "Referer", "uri", "url", "domain", "source"],
  ...["method", "status", "request_uri", "http"],
  ...["client.ip", "user_agent", "original", "a", "b", "@timestamp", "time_local", "remote_addr", "http_user_agent"],
  ...[
    "referer",
    "ip",
    "event_time",
    "referrer",
    "x",
    "User-agent",
    "hos\\u0074",
    "__proto__",
    "",
    "größe",
    "ts\\u0000",
  ],
];
const TEXTS = [
  "www.example.com",
  "WWW.Example.COM.:443",
  "",
  "-",
  "203.0.113.7",
  "203.0.113.7, 10.0.0.1",
  "2001:db8::1",
  "https://b\\u00fccher.example/p",
  "münchen.example",
  "x' or 1=1--",
  "https://ref.example/",
  "curl/8.5.0",
  "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
  "2026-06-01T10:15:30.123Z",
  "2026-06-01T10:15:30,9+01",
  "01/Jun/2026:10:15:30 +0200",
  "1780310130.5",
  "\\u0031780310130",
  "tab\\there",
  "GET",
  "POST",
  "200",
  "404",
  "/a?utm_source=b",
  "\\/a\\/style.css",
];
const SCALARS = [
  "1780310130",
  "1780310130.123",
  "1780310130123456789",
  "1.780310130e9",
  "null",
  "true",
  "-1",
  "0",
  "1e999",
  "01",
  "nul",
  ...["200", "304", "404", "2e2"],
];
const SPACES = ["", "", "", "", " ", "\n\t"];

/** A value for `variant`, a name of {@link MAPPINGS}. */
export function generateMapped(below: Below, variant: keyof typeof MAPPINGS): Uint8Array {
  const { once, pick } = chanceOf(below);
  const paths = Object.entries(mapping(MAPPINGS[variant]));
  const space = () => pick(SPACES);
  const anything = (depth: number): string => {
    if (depth <= 0 || !once(4)) return once(3) ? pick(SCALARS) : `"${pick(TEXTS)}"`;
    const members = Array.from({ length: below(4) }, () => anything(depth - 1));
    return once(2) ? `[${members.join()}]` : `{${members.map((value) => `"${pick(KEYS)}":${value}`).join()}}`;
  };
  const good = (name: string) =>
    name === "event_time"
      ? (once(4) ? pick(SCALARS.slice(0, 4)) : `"${pick(TEXTS.slice(13, 18))}"`)
      : name === "status" && once(2)
      ? pick(SCALARS)
      : `"${pick(TEXTS)}"`;
  /** The object that holds what lies on these paths, from `depth` on. */
  const nested = (inside: typeof paths, depth: number): string => {
    const byStep = Map.groupBy(inside, ([, path]) => path[depth]!);
    const values = [...byStep].map(([step, deeper]) => {
      const [name, path] = deeper[0]!;
      const ends = path.length === depth + 1;
      return [step, once(25) ? anything(3) : ends ? good(name) : nested(deeper, depth + 1)] as const;
    });
    if (typeof values[0]?.[0] === "number") {
      const list = Array.from({ length: Number(values[0][0]) }, () => anything(2));
      return `[${[...list, values[0][1], ...once(5) ? [anything(2)] : []].map((v) => space() + v + space()).join()}]`;
    }
    const members = values.flatMap(([step, value]) =>
      once(12) ? [] : [`"${step}"${space()}:${space()}${value}${space()}`]
    );
    while (once(3)) members.splice(below(members.length + 1), 0, `"${pick(KEYS)}":${anything(3)}`);
    return `${space()}{${space()}${members.join(",")}}${space()}`;
  };
  const host = paths.some(([name]) => name === "host") || once(4) ? [] : [["host", ["host"]] as [string, string[]]];
  let bytes: Uint8Array<ArrayBufferLike> = new TextEncoder().encode(nested([...paths, ...host] as typeof paths, 0));
  if (once(10)) bytes = new Uint8Array([0, 0, 0, 0, below(3), ...bytes]);
  for (let n = below(4) ? 0 : 1 + below(2); n > 0; n--) bytes = mutated(bytes, below);
  return bytes;
}
