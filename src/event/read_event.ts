// Reads one record's value into an event or the reason why it is none: the slow, obvious twin of fast_reader.ts. No I/O.
//
// Order of the checks; the first that fails names the reason:
//   too_large → bad_encoding → bad_json | bad_line → bad_event_time → missing_host
import type { EpochMs } from "../shared/units.ts";
import { parseAccessLog } from "./access_log.ts";
import { isBotAgent } from "./bots.ts";
import { clientAddress } from "./client_address.ts";
import { type EventFields, eventSchema, VALUE_BYTES_MAX } from "./event_schema.ts";
import { parseEventTime } from "./event_time.ts";
import { hostOf } from "./host.ts";
import { type ReferrerGranularity, referrerOf } from "./referrer.ts";
import { cleanText } from "./text.ts";
import type { DeadReason } from "./types.ts";

/** The settings that decide what an event is. All but `trustedProxyHops` are fixed for the life of a stream. */
export interface EventRules {
  /** `json`: every value is a JSON object. `lines`: a value whose first non-blank byte is `{` is one, any other an access-log line. */
  readonly format: "json" | "lines";
  readonly referrerGranularity: ReferrerGranularity;
  /** Cap of each text in UTF-8 bytes, at least 32. */
  readonly keyBytesMax: number;
  /** Own proxies in front of the server that wrote the `ip` field; see `clientAddress`. */
  readonly trustedProxyHops: number;
  /** Host of access-log lines without a vhost column. */
  readonly defaultHost?: string | undefined;
}

/** An event with all rules applied, or why there is none. */
export type ReadResult =
  | {
    readonly kind: "event";
    readonly eventTime: EpochMs;
    readonly host: string;
    readonly referrer: string;
    /** What the locator is asked for: not yet known to be an address; "" where there was none. */
    readonly address: string;
    readonly bot: boolean;
  }
  | { readonly kind: "dead"; readonly reason: DeadReason };

// One leading byte order mark is dropped (RFC 8259 §8.1 lets a parser do so): files written on Windows begin with one.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/** Reads a whole value. Never throws: whatever the bytes are, the answer is an event or a reason. */
export function readEvent(value: Uint8Array, rules: EventRules): ReadResult {
  if (value.length > VALUE_BYTES_MAX) return dead("too_large");
  let text: string;
  try {
    text = utf8.decode(value);
  } catch {
    return dead("bad_encoding");
  }
  if (rules.format === "lines" && !/^[ \t\r\n]*\{/.test(text)) {
    const fields = parseAccessLog(text, rules.defaultHost);
    return fields === undefined ? dead("bad_line") : toEvent(fields, rules);
  }
  const fields = parseEventJson(text);
  return fields === undefined ? dead("bad_json") : toEvent(fields, rules);
}

/** The event fields of a JSON text, or `undefined` where it is not a JSON object. */
export function parseEventJson(text: string): EventFields | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return eventSchema.safeParse(value).data;
}

/** Applies the rules of time, host, referrer, address and agent to fields as sent. */
export function toEvent(fields: EventFields, rules: EventRules): ReadResult {
  const eventTime = parseEventTime(fields.event_time);
  if (eventTime === undefined) return dead("bad_event_time");
  const host = hostOf(fields.host, fields.url);
  if (host === undefined) return dead("missing_host");
  return {
    kind: "event",
    eventTime,
    host: cleanText(host, rules.keyBytesMax),
    referrer: cleanText(referrerOf(fields.referrer, rules.referrerGranularity), rules.keyBytesMax),
    address: clientAddress(fields.ip, rules.trustedProxyHops).toWellFormed(),
    bot: isBotAgent(fields.user_agent ?? ""),
  };
}

function dead(reason: DeadReason): ReadResult {
  return { kind: "dead", reason };
}
