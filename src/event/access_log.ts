// Reads one line of a web server's access log into the fields of an event. No I/O.
// Formats: common, combined, vhost_combined (a leading `vhost[:port]` column) and nginx's packaged `main` (combined with a last quoted
// X-Forwarded-For). Apache's mod_log_config and nginx's ngx_http_log_module define their escapes.
import type { EventFields } from "./event_schema.ts";

const QUOTED = String.raw`"((?:[^"\\]|\\.)*)"`;
const LINE = new RegExp(
  String
    .raw`^(?:(\S+) )?(\S+) \S+ \S+ \[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)\] ${QUOTED} ` +
    String.raw`(?:\d{3}|-) (?:\d+|-)(?: ${QUOTED} ${QUOTED}(?: ${QUOTED})?)?$`,
);
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const REQUEST = /^\S+ (\S+)(?: HTTP\/\d(?:\.\d)?)?$/;
const FORWARDED_FOR = /^(?:-|[0-9A-Za-z.:,[\]_ -]*)$/;
const PORT = /:\d+$/;
const ESCAPE = /(?:\\x[0-9A-Fa-f]{2})+|\\["\\bnrtvf]/g;
const CONTROLS: Readonly<Record<string, string>> = { b: "\b", n: "\n", r: "\r", t: "\t", v: "\v", f: "\f" };
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The event that one line (without its newline; a carriage return is allowed) means, or `undefined` where it is in no known format
 * (dead letter `bad_line`). The time is only shaped here: whether it exists is the event-time grammar's decision.
 *
 * Host: the vhost column without its port, else `defaultHost`. Address: the client column; where a last X-Forwarded-For is given, that
 * list with the client column appended, so that the trusted hops decide. `-` is a missing value.
 */
export function parseAccessLog(line: string, defaultHost?: string): EventFields | undefined {
  const match = LINE.exec(line.replace(/[\r\n]+$/, ""));
  if (!match) return undefined;
  const [, vhost, address, day, monthName, year, time, offsetHour, offsetMinute, request, referrer, agent, forwarded] =
    match;
  const month = MONTHS.indexOf(monthName!) + 1;
  // A user name with a space looks like a vhost column: what would be the address is then the ident column's dash.
  if (month === 0 || (vhost !== undefined && address === "-") || !FORWARDED_FOR.test(forwarded ?? "-")) {
    return undefined;
  }
  const column = present(vhost)?.replace(PORT, "");
  return {
    url: present(REQUEST.exec(unescapeField(request!))?.[1]),
    referrer: present(unescapeField(referrer ?? "")),
    user_agent: present(unescapeField(agent ?? "")),
    host: column ?? defaultHost,
    ip: present(forwarded) === undefined ? address : `${forwarded}, ${address}`,
    headers: undefined,
    event_time: `${year}-${String(month).padStart(2, "0")}-${day}T${time}${offsetHour}:${offsetMinute}`,
  };
}

function present(value: string | undefined): string | undefined {
  return value === undefined || value === "" || value === "-" ? undefined : value;
}

/**
 * Undoes `\"`, `\\`, `\n` and the like, and runs of `\xHH` that are UTF-8. Other runs (a referrer in Latin-1) stay as the log has them:
 * decoded they would all become the same replacement characters and different referrers one key.
 */
function unescapeField(field: string): string {
  if (!field.includes("\\")) return field;
  return field.replace(ESCAPE, (escape) => {
    if (escape[1] !== "x") return CONTROLS[escape[1]!] ?? escape[1]!;
    try {
      return utf8.decode(Uint8Array.from(escape.matchAll(/[0-9A-Fa-f]{2}/g), ([hex]) => Number.parseInt(hex, 16)));
    } catch {
      return escape; // not UTF-8
    }
  });
}
