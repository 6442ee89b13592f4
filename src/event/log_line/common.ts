// Reads a line of the common log format family, however a server, proxy or log shipper has dressed it. No I/O. Slow, obvious twin of
// common_bytes.ts.
//
//   [prefix] [vhost | forwarded] address ident user [time] "request" status size ["referrer" ["agent" [anything]]]
//
// The time in brackets before a quoted request is what the family has in common, so a line is read from there in both directions.
import { isAddressText, isForwardedList } from "./address_text.ts";
import { forwardedAddress, type LineFields, present, requestOf, unescapeField } from "./fields.ts";

const TIME =
  /\[(\d{1,2}\/[^/\]"\s]{1,12}\/\d{4})[: ](\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:[Zz]|UTC|GMT|[+-]\d\d:?\d\d))?)\][ \t]+"/;
const STATUS_AND_SIZE = /^[ \t]+(\d{1,3}|-)(?:[ \t]+(?:\d+|-)(?=[ \t]|$)|(?=[ \t]*$))/;
const BLANKS = /[ \t]+/;

/** The fields of `line`, or `undefined` if it is not of this family. The time is only shaped here. */
export function readCommonLine(line: string): LineFields | undefined {
  const time = TIME.exec(line);
  if (time === null) return undefined;
  const rest = line.slice(time.index + time[0].length);
  const request = requestEnd(rest);
  if (request === undefined) return undefined;
  const fields: LineFields = { event_time: `${time[1]}:${time[2]}` };
  const { method, target } = requestOf(unescapeField(rest.slice(0, request.end)));
  if (target !== undefined) fields.url = target;
  if (method !== undefined) fields.method = method;
  if (request.status !== undefined) fields.status = request.status;
  const forwarded = readBehind(rest.slice(request.next), fields);
  return readBefore(line.slice(0, time.index), forwarded, fields) ? fields : undefined;
}

/** Where the request ends: at the first quote behind which a status follows, since clients put quotes into what servers do not escape. */
function requestEnd(
  rest: string,
): { readonly end: number; readonly next: number; readonly status: string | undefined } | undefined {
  for (let end = nextQuote(rest, 0); end >= 0; end = nextQuote(rest, end + 1)) {
    const status = STATUS_AND_SIZE.exec(rest.slice(end + 1));
    if (status !== null) return { end, next: end + 1 + status[0].length, status: present(status[1]) };
  }
  return undefined;
}

/** Position of the next quote at or after `from` that is not escaped, or -1. */
function nextQuote(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === '"') return i;
  }
  return -1;
}

/** Reads referrer and agent into `fields`; returns a forwarded-for list behind them. What else follows does not matter. */
function readBehind(text: string, fields: LineFields): string | undefined {
  const referrer = quoted(text, 0);
  if (referrer === undefined) return undefined;
  const value = present(unescapeField(referrer.text));
  if (value !== undefined) fields.referrer = value;
  const agent = quoted(text, referrer.next);
  if (agent === undefined) return undefined;
  const name = present(unescapeField(agent.text));
  if (name !== undefined) fields.user_agent = name;
  const list = quoted(text, agent.next)?.text;
  return list !== undefined && isForwardedList(list) ? list : undefined;
}

/** The quoted text behind blanks at `from`. It ends at the first quote with a blank or nothing behind it; one without an end is the rest. */
function quoted(text: string, from: number): { readonly text: string; readonly next: number } | undefined {
  let start = from;
  while (text[start] === " " || text[start] === "\t") start++;
  if (start === from || text[start++] !== '"') return undefined;
  let end = nextQuote(text, start);
  while (end >= 0 && end + 1 < text.length && text[end + 1] !== " " && text[end + 1] !== "\t") {
    end = nextQuote(text, end + 1);
  }
  return end < 0
    ? { text: text.slice(start).replace(/"$/, ""), next: text.length }
    : { text: text.slice(start, end), next: end + 1 };
}

/**
 * Reads the columns before the time into `fields`: the client is the first column that is an address (with a second one behind it, that is the
 * client and the first was forwarded), else the one before an ident of `-`. A column alone before it is the virtual host.
 */
function readBefore(text: string, behind: string | undefined, fields: LineFields): boolean {
  // A list of addresses is one column, although its writer put blanks behind the commas.
  const columns = text.replace(/,[ \t]+/g, ",").split(BLANKS).filter((column) => column !== "");
  const first = columns.findIndex((column) => isForwardedList(column));
  let client: string | undefined;
  let forwarded = behind;
  let before: readonly string[];
  if (first >= 0) {
    const second = columns[first + 1];
    const isForwarded = second !== undefined && isAddressText(second);
    client = isForwarded ? second : columns[first];
    if (isForwarded) forwarded ??= columns[first];
    before = columns.slice(0, first);
  } else {
    const at = columns.findIndex((_, i) => columns[i + 1] === "-");
    if (at < 0) return false;
    // `vhost client - user`: of two columns before the ident's dash the second is the client.
    client = present(columns[at]);
    before = columns.slice(0, at);
  }
  const host = before.length === 1 ? present(before[0]) : undefined;
  // A tag, as container tools put it in front, ends in a colon; `unknown` is a forwarded address that its proxy hid.
  if (host !== undefined && !host.endsWith(":") && host !== "unknown") fields.host = host;
  const ip = forwardedAddress(forwarded, client);
  if (ip !== undefined) fields.ip = ip;
  return true;
}
