// Reads one line of a web server's access log by rules version 1. No I/O. Version 2 reads lines by log_line/.
// Formats: common, combined, vhost_combined (a leading `vhost[:port]` column) and nginx's packaged `main` (combined with a last quoted
// X-Forwarded-For).
import type { EventFields } from "./event_schema.ts";
import { present, unescapeField } from "./log_line/fields.ts";

const QUOTED = String.raw`"((?:[^"\\]|\\.)*)"`;
const LINE = new RegExp(
  String
    .raw`^(?:(\S+) )?(\S+) \S+ \S+ \[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)\] ${QUOTED} ` +
    String.raw`(\d{3}|-) (?:\d+|-)(?: ${QUOTED} ${QUOTED}(?: ${QUOTED})?)?$`,
);
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const REQUEST = /^(\S+) (\S+)(?: HTTP\/\d(?:\.\d)?)?$/;
const FORWARDED_FOR = /^(?:-|[0-9A-Za-z.:,[\]_ -]*)$/;
const PORT = /:\d+$/;

/**
 * The event of one line (without its newline; a carriage return is allowed), or `undefined` if its format is not known (dead letter
 * `bad_line`). The time is only rewritten here; the grammar of event times decides whether it exists.
 *
 * Host: the vhost column without its port, else `defaultHost`. Address: the client column; with a last X-Forwarded-For, that list with the
 * client column appended, so that the trusted hops decide. `-` is a missing value.
 */
export function parseAccessLog(line: string, defaultHost?: string): EventFields | undefined {
  const match = LINE.exec(line.replace(/[\r\n]+$/, ""));
  if (!match) return undefined;
  const [, vhost, address, day, monthName, year, time, offsetHour, offsetMinute, request, ...behind] = match;
  const [status, referrer, agent, forwarded] = behind;
  const month = MONTHS.indexOf(monthName!) + 1;
  // A user name with a space looks like a vhost column: what would be the address is then the ident column's dash.
  if (month === 0 || (vhost !== undefined && address === "-") || !FORWARDED_FOR.test(forwarded ?? "-")) {
    return undefined;
  }
  const column = present(vhost)?.replace(PORT, "");
  const [, method, target] = REQUEST.exec(unescapeField(request!)) ?? [];
  return {
    url: present(target),
    method,
    status: present(status),
    referrer: present(unescapeField(referrer ?? "")),
    user_agent: present(unescapeField(agent ?? "")),
    host: column ?? defaultHost,
    ip: present(forwarded) === undefined ? address : `${forwarded}, ${address}`,
    headers: undefined,
    event_time: `${year}-${String(month).padStart(2, "0")}-${day}T${time}${offsetHour}:${offsetMinute}`,
  };
}
