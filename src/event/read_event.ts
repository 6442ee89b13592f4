// Reads one record's value into an event, or the reason why it is not one: the slow, obvious twin of fast_reader.ts. No I/O.
//
// Order of the checks; the first that fails gives the reason:
//   version 1: too_large → bad_encoding → bad_json | bad_line → bad_event_time → missing_host
//   version 2: too_large → (a schema registry's frame is stripped) → bad_encoding | compressed_value | binary_value →
//              bad_json | array_value | enveloped_value | bad_line → missing_event_time | enveloped_value → bad_event_time →
//              missing_host | bad_host
import type { Breakdowns } from "../breakdown/dimensions.ts";
import { allPaths } from "../shared/config/event_fields.ts";
import type { EpochMs } from "../shared/units.ts";
import { parseAccessLog } from "./access_log.ts";
import { isBotAgent } from "./bots.ts";
import { type EventBreakdown, eventBreakdown, type RequestTexts } from "./breakdown/request_texts.ts";
import { clientAddress } from "./client_address.ts";
import { type EventFields, eventSchema, VALUE_BYTES_MAX } from "./event_schema.ts";
import { parseEventTime, parseEventTimeNumber, parseEventTimeV2 } from "./event_time.ts";
import { hostNameOf, hostOf, hostOfV2, INVALID_HOST, isAddressList } from "./host.ts";
import { logFormat } from "./log_line/formats.ts";
import { type LineRead, readLine } from "./log_line/line.ts";
import { type MappedFields, mappedFields, NumberSource } from "./mapped_fields.ts";
import { type ReferrerGranularity, referrerOf } from "./referrer.ts";
import type { StreamRules } from "./stream_rules.ts";
import { cleanText, HASH_DIGITS } from "./text.ts";
import type { DeadReason } from "../shared/dead_reasons.ts";
import { jsonShape, unframed, unreadShape } from "./value_shape.ts";

/** The rules of reading events. All but `trustedProxyHops` and `stream` are fixed for the life of a stream. */
export interface EventRules {
  /** The stored rules. They change only by a switch, which the stream records. */
  readonly stream: StreamRules;
  /** `json`: every value is a JSON object. `lines`: a value that begins with `{` after blanks is one; any other is a line of a log. */
  readonly format: "json" | "lines";
  readonly referrerGranularity: ReferrerGranularity;
  /** Longest text in UTF-8 bytes, at least 32 (the setting KEY_BYTES_MAX is at least 64). */
  readonly keyBytesMax: number;
  /** Number of own proxies in front of the server that wrote the `ip` field; see `clientAddress`. */
  readonly trustedProxyHops: number;
  /** Host of log lines that do not name one. */
  readonly defaultHost?: string | undefined;
  /** What is counted beside the rows; 0 = nothing, the default. It changes nothing else. */
  readonly breakdowns?: Breakdowns | undefined;
}

/** An event with all rules applied, or the reason why it cannot be counted. */
export type ReadResult =
  | {
    readonly kind: "event";
    readonly eventTime: EpochMs;
    readonly host: string;
    readonly referrer: string;
    /** The text to locate, which may not be an address; "" without one. */
    readonly address: string;
    readonly bot: boolean;
    /** Absent if nothing but the rows is counted. */
    readonly breakdown?: EventBreakdown;
  }
  /** A line of a log that is a comment. */
  | { readonly kind: "comment" }
  | { readonly kind: "dead"; readonly reason: DeadReason };

// One leading byte order mark is dropped (RFC 8259 §8.1 lets a parser do so): files written on Windows begin with one.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
const lenient = new TextDecoder("utf-8", { fatal: false, ignoreBOM: false });

/** Reads a whole value. Never throws. */
export function readEvent(value: Uint8Array, rules: EventRules): ReadResult {
  if (value.length > VALUE_BYTES_MAX) return dead("too_large");
  return rules.stream.version === 1 ? readV1(value, rules) : readV2(value, rules);
}

function readV1(value: Uint8Array, rules: EventRules): ReadResult {
  const text = decoded(value);
  if (text === undefined) return dead("bad_encoding");
  if (isLine(text, rules)) {
    const fields = parseAccessLog(text, rules.defaultHost);
    return fields === undefined ? dead("bad_line") : toEvent(fields, rules);
  }
  const fields = parseEventJson(text);
  return fields === undefined ? dead("bad_json") : toEvent(fields, rules);
}

function readV2(value: Uint8Array, rules: EventRules): ReadResult {
  if (rules.format === "lines") return readLineV2(value, rules);
  const text = decoded(unframed(value));
  if (text === undefined) return dead(unreadShape(value)?.reason ?? "bad_encoding");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return dead(unreadShape(value)?.reason ?? "bad_json");
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return dead(jsonShape(json)?.reason ?? "bad_json");
  }
  const fields = mappedFields(text, json, allPaths(rules.stream.fields));
  if (fields.event_time === undefined) return dead(jsonShape(json)?.reason ?? "missing_event_time");
  return toEventV2(fields, rules);
}

/** Bytes of a line that are not UTF-8 become U+FFFD, so that a line with such bytes in an unimportant field still counts. */
function readLineV2(value: Uint8Array, rules: EventRules): ReadResult {
  const text = lenient.decode(value);
  const line = readLine(text, logFormat(rules.stream.logFormat), rules.stream.fields);
  if (line.kind === "comment") return line;
  if (line.kind === "dead") return dead(unreadShape(value)?.reason ?? line.reason);
  const host = lineHost(line, rules);
  return toEventV2({ ...line.fields, ...(host !== undefined && { host }) }, rules);
}

/**
 * The host of a line: its own, else that of the log. The URL counts in JSON lines only: a URL in columns is the client's request, which may
 * name any host.
 */
function lineHost({ fields, written }: Extract<LineRead, { kind: "fields" }>, rules: EventRules): string | undefined {
  const { hostAddresses } = rules.stream;
  const own = written === "json"
    ? hostOfV2(fields.host, fields.url, hostAddresses)
    : hostNameOf(fields.host ?? "", hostAddresses);
  const isOwn = own !== undefined && (written === "json" || own !== INVALID_HOST);
  return isOwn ? fields.host : rules.defaultHost ?? fields.host;
}

/** Whether the value is a line of an access log: with `lines`, every value that does not begin like a JSON object. */
function isLine(text: string, { format }: EventRules): boolean {
  return format === "lines" && !/^[ \t\r\n]*\{/.test(text);
}

function decoded(value: Uint8Array): string | undefined {
  try {
    return utf8.decode(value);
  } catch {
    return undefined;
  }
}

/** The event fields of a JSON text; `undefined` if it is not a JSON object. */
export function parseEventJson(text: string): EventFields | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return eventSchema.safeParse(value).data;
}

/** Applies the rules of version 1 to fields as sent. */
function toEvent(fields: EventFields, rules: EventRules): ReadResult {
  const eventTime = parseEventTime(fields.event_time);
  if (eventTime === undefined) return dead("bad_event_time");
  const host = hostOf(fields.host, fields.url);
  if (host === undefined) return dead("missing_host");
  const { status, ...texts } = fields;
  return event({ ...texts, status: status === undefined ? undefined : String(status) }, { eventTime, host }, rules);
}

/** Applies the rules of version 2 to fields as sent. */
function toEventV2(fields: MappedFields, rules: EventRules): ReadResult {
  const written = fields.event_time;
  if (written === undefined) return dead("missing_event_time");
  const eventTime = written instanceof NumberSource ? parseEventTimeNumber(written.source) : parseEventTimeV2(written);
  if (eventTime === undefined) return dead("bad_event_time");
  const host = hostOfV2(fields.host, fields.url, rules.stream.hostAddresses);
  if (host === undefined) return dead(isAddressList(fields.host ?? "") ? "bad_host" : "missing_host");
  return event(fields, { eventTime, host }, rules);
}

function event(
  fields: { readonly [name in "referrer" | "ip"]?: string | undefined } & RequestTexts,
  { eventTime, host }: { readonly eventTime: EpochMs; readonly host: string },
  rules: EventRules,
): ReadResult {
  const clean = (text: string) => cleanText(text, rules.keyBytesMax, HASH_DIGITS[rules.stream.version]);
  const bot = isBotAgent(fields.user_agent ?? ""), counted = rules.breakdowns ?? 0;
  return {
    kind: "event",
    eventTime,
    host: clean(host),
    referrer: clean(referrerOf(fields.referrer, rules.referrerGranularity)),
    address: clientAddress(fields.ip, rules.trustedProxyHops).toWellFormed(),
    bot,
    ...(counted !== 0 && { breakdown: eventBreakdown(fields, { counted, bot, clean }) }),
  };
}

function dead(reason: DeadReason): ReadResult {
  return { kind: "dead", reason };
}
