// The formats that have a name, each as its server would write it down, and what `auto` tries. No I/O.
import { type FieldPaths, parseEventFields } from "../../shared/config/event_fields.ts";
import { compileFormat, type LineFormat } from "./compile.ts";

const COMBINED = String.raw`%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`;

/** Format strings by name. HAProxy and the load balancers are written in nginx's notation, whose variables have names. */
const LINES = {
  nginx:
    `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"`,
  lighttpd: String.raw`%h %V %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`,
  proxy_first: String.raw`%{X-Forwarded-For}i ${COMBINED}`,
  haproxy:
    `$remote_addr:$remote_port [$time] $frontend $backend $timers $status $bytes $request_cookie $response_cookie ` +
    `$termination $connections $queues "$request"`,
  envoy: `[$time] "$request" $status $flags $received $sent $duration $upstream_time "$http_x_forwarded_for" ` +
    `"$http_user_agent" "$request_id" "$host" "$upstream"`,
  alb: `$type $time $balancer $remote_addr:$remote_port $target $request_time $target_time $response_time $status ` +
    `$target_status $received $sent "$request" "$http_user_agent"`,
  s3: `$owner $host [$time_local] $remote_addr $requester $request_id $operation $key "$request" $status $error ` +
    `$sent $size $total_time $turnaround "$http_referer" "$http_user_agent"`,
  npm: `[$time_local] $cache $upstream $status - $request_method $scheme $host "$request_uri" [Client $remote_addr] ` +
    `[Length $length] [Gzip $gzip] [Sent-to $server] "$http_user_agent" "$http_referer"`,
  iis:
    "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) " +
    "sc-status sc-substatus sc-win32-status time-taken",
  cloudfront: "#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) " +
    "cs(User-Agent) cs-uri-query",
} as const;

/** JSON formats by name: where each field of an event lies. */
const JSON_LINES = {
  caddy:
    "event_time:ts,ip:request.client_ip,host:request.host,method:request.method,url:request.uri,referrer:request.headers.Referer[0],user_agent:request.headers.User-Agent[0]",
  traefik_json:
    "event_time:StartUTC,ip:ClientHost,host:RequestHost,method:RequestMethod,url:RequestPath,status:DownstreamStatus,referrer:request_Referer,user_agent:request_User-Agent",
  cloudflare:
    "event_time:EdgeStartTimestamp,ip:ClientIP,host:ClientRequestHost,method:ClientRequestMethod,url:ClientRequestURI,status:EdgeResponseStatus,referrer:ClientRequestReferer,user_agent:ClientRequestUserAgent",
  nginx_json:
    "event_time:time_iso8601,ip:remote_addr,host:host,method:request_method,url:request_uri,referrer:http_referrer,user_agent:http_user_agent",
  envoy_json:
    "event_time:start_time,ip:x_forwarded_for,host:authority,url:path,status:response_code,user_agent:user_agent",
} as const;

/** Further names that people give to the fields of nginx's JSON; the first that is there counts. */
const JSON_NAMES: Readonly<Record<keyof FieldPaths, readonly string[]>> = {
  event_time: ["time_iso8601", "@timestamp", "timestamp", "time", "date", "time_local", "msec", "ts"],
  host: ["host", "http_host", "server_name", "vhost"],
  referrer: ["http_referrer", "http_referer", "referrer", "referer"],
  ip: ["remote_addr", "client_ip", "remote_ip", "clientip", "ip"],
  user_agent: ["http_user_agent", "user_agent", "agent", "useragent"],
  url: ["request_uri", "url", "uri", "path"],
  method: ["request_method", "method", "http_method", "verb"],
  status: ["status", "status_code", "response_code", "http_status"],
};

/** The common log family in all its dresses; read by common.ts. */
const FAMILY = ["common", "combined", "vhost_combined", "traefik", "ingress_nginx"] as const;

export const FORMAT_NAMES: readonly string[] = [
  "auto",
  ...FAMILY,
  ...Object.keys(LINES),
  ...Object.keys(JSON_LINES),
  "json",
];

/** How the lines of a log are read. */
export type LogFormat =
  | { readonly kind: "auto" }
  | { readonly kind: "family" }
  | { readonly kind: "line"; readonly format: LineFormat }
  | { readonly kind: "json"; readonly fields: FieldPaths };

let last: { readonly written: string; readonly format: LogFormat } | undefined;

/** The format that FILE_FORMAT names or holds; the last one asked for is kept, since it is asked for with each line. @throws FormatProblem in words */
export function logFormat(written: string): LogFormat {
  if (last?.written !== written) last = { written, format: formatOf(written) };
  return last.format;
}

function formatOf(written: string): LogFormat {
  if (written === "auto") return { kind: "auto" };
  if (written === "json") return { kind: "json", fields: {} };
  if ((FAMILY as readonly string[]).includes(written)) return { kind: "family" };
  if (Object.hasOwn(LINES, written)) {
    return { kind: "line", format: compileFormat(LINES[written as keyof typeof LINES]) };
  }
  if (Object.hasOwn(JSON_LINES, written)) {
    return { kind: "json", fields: pathsOf(JSON_LINES[written as keyof typeof JSON_LINES]) };
  }
  return { kind: "line", format: compileFormat(written) };
}

function pathsOf(mapping: string): FieldPaths {
  const paths = parseEventFields(mapping);
  if (typeof paths === "string") throw new Error(paths);
  return paths;
}

/** What `auto` tries on a line that is not of the common family, by how the line begins. */
export const AUTO_LINES: readonly { readonly begins: RegExp; readonly name: string; readonly format: LineFormat }[] = ([
  [/^\d{4}-\d\d-\d\d\t/, "cloudfront"],
  [/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+ [A-Z]+ \//, "iis"],
  [/^\[\d{4}-\d\d-\d\dT[^\]]*\] "/, "envoy"],
  [/^\[\d\d\/[A-Z][a-z]{2}\/\d{4}:[^\]]*\] \S+ \S+ \S+ - /, "npm"],
  [/^(?:https?|h2|grpcs|wss?) \d{4}-\d\d-\d\dT/, "alb"],
  [/^\S{16,} \S+ \[\d\d\/[A-Z][a-z]{2}\/\d{4}:[^\]]*\] \S+ \S+ \S+ REST\./, "s3"],
  [/^\S+:\d+ \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d\.\d+\] /, "haproxy"],
] as const).map(([begins, name]) => ({ begins, name, format: compileFormat(LINES[name]) }));

/** What `auto` tries on a JSON line without a plain `event_time`: a format with a key of its own, then the names that people use. */
export const AUTO_JSON: readonly { readonly key: string; readonly name: string; readonly fields: FieldPaths }[] = ([
  ["request", "caddy"],
  ["StartUTC", "traefik_json"],
  ["EdgeStartTimestamp", "cloudflare"],
  ["start_time", "envoy_json"],
] as const).map(([key, name]) => ({ key, name, fields: pathsOf(JSON_LINES[name]) }));

/** The paths of a JSON line by the usual names: of each field the first name that the line has. */
export function usualPaths(value: Readonly<Record<string, unknown>>): FieldPaths {
  return Object.fromEntries(
    Object.entries(JSON_NAMES).flatMap(([field, names]) => {
      const name = names.find((one) => Object.hasOwn(value, one));
      return name === undefined ? [] : [[field, [name]]];
    }),
  );
}
