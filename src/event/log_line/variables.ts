// What the variables of nginx, Apache and W3C formats mean. Pure tables.
// Sources: ngx_http_log_module and ngx_http_core_module, Apache's mod_log_config, W3C "Extended Log File Format" and the vendors' pages.

/** What a value of a line is for. `ignored` values are only walked over. */
export type Role =
  | "time"
  | "date"
  | "clock"
  | "address"
  | "forwarded"
  | "host"
  | "port"
  | "request"
  | "url"
  | "query"
  | "referrer"
  | "agent"
  | "method"
  | "status"
  | "ignored";

/**
 * Roles that decide nothing but the page and the campaign. A line is an event without them, whatever is in their place, so no format is read
 * up to them: see `LineFormat.rest`.
 */
export const OF_THE_PAGE: ReadonlySet<Role> = new Set(["query", "method", "status"]);

/** A literal text, whose blanks match one or more blanks, or a value that ends where the next text begins. */
export type Part =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "value"; readonly role: Role; readonly quoted: boolean };

const NGINX: Readonly<Record<string, Role>> = {
  time_local: "time",
  time_iso8601: "time",
  msec: "time",
  time: "time",
  remote_addr: "address",
  realip_remote_addr: "address",
  http_x_forwarded_for: "forwarded",
  proxy_add_x_forwarded_for: "forwarded",
  host: "host",
  http_host: "host",
  server_name: "host",
  request: "request",
  request_method: "method",
  request_uri: "url",
  uri: "url",
  args: "query",
  query_string: "query",
  status: "status",
  http_referer: "referrer",
  http_user_agent: "agent",
};

const APACHE: Readonly<Record<string, Role>> = {
  h: "address",
  a: "address",
  m: "method",
  q: "query",
  r: "request",
  s: "status",
  U: "url",
  v: "host",
  V: "host",
};
const APACHE_HEADERS: Readonly<Record<string, Role>> = {
  referer: "referrer",
  "user-agent": "agent",
  host: "host",
  "x-forwarded-for": "forwarded",
};

const W3C: Readonly<Record<string, Role>> = {
  date: "date",
  time: "clock",
  "c-ip": "address",
  "x-forwarded-for": "forwarded",
  "cs(x-forwarded-for)": "forwarded",
  "cs-host": "host",
  "cs(host)": "host",
  "x-host-header": "host",
  "cs-method": "method",
  "cs-uri-stem": "url",
  "cs-uri-query": "query",
  "cs-uri": "url",
  "sc-status": "status",
  "cs(referer)": "referrer",
  "cs(user-agent)": "agent",
};

const value = (role: Role): Part => ({ kind: "value", role, quoted: false });
const text = (written: string): Part => ({ kind: "text", text: written });

/** The parts that a variable gives, and the role of a W3C column. Names that are not listed are walked over. */
export const meaningOf = {
  nginx: (name: string): Part[] => [value(NGINX[name] ?? "ignored")],
  /** `%t` is a time in brackets; `%{…}t` is one without them. */
  apache(letter: string, argument: string | undefined): Part[] {
    if (letter === "t") return argument === undefined ? [text("["), value("time"), text("]")] : apacheTime(argument);
    if (letter === "i") return [value(APACHE_HEADERS[argument?.toLowerCase() ?? ""] ?? "ignored")];
    return [value(APACHE[letter] ?? "ignored")];
  },
  w3c: (name: string): Role => W3C[name.toLowerCase()] ?? "ignored",
};

/** `%{%Y-%m-%dT%H:%M:%S%z}t`, `%{sec}t`, `%{begin:msec}t`: whatever the pattern gives is read by the grammar of event times. */
function apacheTime(pattern: string): Part[] {
  const format = pattern.replace(/^(?:begin|end):/, "");
  // A fraction alone belongs to a time written beside it.
  return [value(/^(?:msec_frac|usec_frac)$/.test(format) ? "ignored" : "time")];
}
