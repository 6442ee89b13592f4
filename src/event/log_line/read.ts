// Reads a line by a compiled format. No I/O.
import type { LineFormat } from "./compile.ts";
import type { Part, Role } from "./variables.ts";
import { forwardedAddress, type LineFields, present, requestOf, unescapeField } from "./fields.ts";

/** Ends of a quoted value that are tried: clients put quotes into what servers do not escape. */
const QUOTES_MAX = 16;

/** The fields of `line`, or `undefined` if it does not fit. A line may end early behind its time: what is missing is missing. */
export function readByFormat(line: string, format: LineFormat): LineFields | undefined {
  const values = new Map<Role, string>(), reach = { furthest: 0, end: 0 };
  if (!walk(line, 0, format.parts, 0, values, reach)) return undefined;
  if (format.rest.length === 0) return toFields(values, format);
  const more = new Map(values);
  return toFields(walk(line, reach.end, format.rest, 0, more) ? more : values, format);
}

/** Share of the format's parts that the line begins with, 0 to 1: how near an unread line comes to it. */
export function reachOf(line: string, { parts }: LineFormat): number {
  const reach = { furthest: 0, end: 0 };
  walk(line, 0, parts, 0, new Map(), reach);
  return reach.furthest / parts.length;
}

function walk(
  line: string,
  at: number,
  parts: readonly Part[],
  index: number,
  values: Map<Role, string>,
  reach = { furthest: 0, end: 0 },
): boolean {
  if (index > reach.furthest) reach.furthest = index;
  const part = parts[index];
  if (part === undefined) {
    reach.end = at;
    return true;
  }
  if (part.kind === "text") {
    const next = textEnd(line, at, part.text);
    if (next < 0) {
      reach.end = line.length;
      return isOver(line, at) && hasTime(values);
    }
    return walk(line, next, parts, index + 1, values, reach);
  }
  const end = parts[index + 1];
  if (end === undefined) {
    keep(values, part.role, line.slice(at).trimEnd());
    reach.end = line.length;
    return true;
  }
  const text = (end as Extract<Part, { kind: "text" }>).text;
  let found = textStart(line, at, text, part.quoted);
  for (let tries = 0; found >= 0 && tries < (part.quoted ? QUOTES_MAX : 1); tries++) {
    const before = new Map(values);
    keep(values, part.role, line.slice(at, found));
    if (walk(line, found, parts, index + 1, values, reach)) return true;
    values.clear();
    for (const [role, value] of before) values.set(role, value);
    found = textStart(line, found + 1, text, part.quoted);
  }
  // What is quoted has its end in the line, and so does what holds a quote.
  if (found >= 0 || part.quoted || line.includes('"', at)) return false;
  // The line ends within this value.
  keep(values, part.role, line.slice(at).trimEnd());
  reach.end = line.length;
  return hasTime(values);
}

/** Of two values with one role the first that is there counts. */
function keep(values: Map<Role, string>, role: Role, value: string): void {
  if (role !== "ignored" && present(values.get(role)) === undefined) values.set(role, value);
}

const hasTime = (values: ReadonlyMap<Role, string>) =>
  values.has("time") || (values.has("date") && values.has("clock"));

function isOver(line: string, at: number): boolean {
  return line.slice(at).trim() === "";
}

const isBlank = (character: string | undefined) => character === " " || character === "\t";

/** One past `text` at `at`, or -1. A blank in it matches one or more. */
function textEnd(line: string, at: number, text: string): number {
  let p = at;
  for (const character of text) {
    if (isBlank(character)) {
      if (!isBlank(line[p])) return -1;
      while (isBlank(line[p])) p++;
    } else if (line[p++] !== character) return -1;
  }
  return p;
}

/**
 * First position at or after `from` where `text` begins and the value ends, or -1. In a quoted value an escaped character ends nothing. One
 * without quotes does not end behind a comma, where a list of addresses goes on, nor inside a pair of quotes, as a user name may have.
 */
function textStart(line: string, from: number, text: string, quoted: boolean): number {
  let isOpen = false;
  for (let p = from; p < line.length; p++) {
    if (quoted && line[p] === "\\") p++;
    else if (!isOpen && (quoted || line[p - 1] !== ",") && textEnd(line, p, text) >= 0) return p;
    else if (!quoted && line[p] === '"') isOpen = !isOpen;
  }
  return -1;
}

function toFields(values: ReadonlyMap<Role, string>, { dialect }: LineFormat): LineFields {
  const get = (role: Role) => {
    const value = values.get(role);
    return present(value === undefined ? undefined : unescapeField(value.trim()));
  };
  const decoded = (role: Role) => {
    const value = get(role);
    return value === undefined || dialect !== "w3c" ? value : w3cText(value);
  };
  const date = get("date"), clock = get("clock"), query = get("query");
  const { method, target } = requestOf(get("request") ?? "");
  const url = get("url") ?? target;
  const fields = {
    event_time: get("time") ?? (date === undefined || clock === undefined ? undefined : `${date}T${clock}Z`),
    host: get("host"),
    // A query in a column of its own; Apache's begins with its question mark.
    url: url === undefined || query === undefined || url.includes("?") ? url : `${url}?${query.replace(/^\?/, "")}`,
    referrer: decoded("referrer"),
    user_agent: decoded("agent"),
    method: get("method") ?? method,
    status: get("status"),
    ip: forwardedAddress(get("forwarded"), get("address")),
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as LineFields;
}

/** IIS writes a blank as `+`, CloudFront as `%20` (and a percent sign as `%25`). */
function w3cText(value: string): string {
  const spaced = value.replaceAll("+", " ");
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}
