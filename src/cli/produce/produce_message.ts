// What one line of an input becomes in Kafka: an event of an access log as JSON, a JSON line as it is. Pure.
import { Buffer } from "node:buffer";
import { parseAccessLog } from "../../event/access_log.ts";
import { type EventFields, VALUE_BYTES_MAX } from "../../event/event_schema.ts";
import { parseEventJson } from "../../event/read_event.ts";

/** A record ready to be sent. Kafka's record time is left to the broker or producer, never taken from the event. */
export interface OutMessage {
  readonly key: string | null;
  readonly value: Buffer;
}

/** A line that cannot be sent, and why. */
export type Unsendable = "bad_line" | "too_large" | "no_host";

/** What goes into the key, and so decides the partition. */
export type MessageKey = "none" | "host" | "ip";

export interface MessageRules {
  readonly key: MessageKey;
  /** Host of access-log lines without a vhost column. */
  readonly defaultHost?: string | undefined;
}

/**
 * Brokers take batches of up to 1,048,588 bytes by default, and a batch costs about 100 bytes beside the value and the key. So the very
 * longest values that an event may have cannot be sent to a broker with default settings.
 */
export const SENT_BYTES_MAX = VALUE_BYTES_MAX - 2048;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The message for the line `bytes[start, end)`, without its newline. A line whose first byte that is not blank is `{` is JSON. */
export function messageOfLine(
  bytes: Uint8Array,
  start: number,
  end: number,
  rules: MessageRules,
): OutMessage | Unsendable {
  if (end - start > SENT_BYTES_MAX) return "too_large";
  let first = start;
  while (first < end && (bytes[first] === 0x20 || bytes[first] === 0x09)) first++;
  if (bytes[first] === 0x7b) {
    const value = Buffer.from(bytes.slice(start, end));
    return { key: rules.key === "none" ? null : keyOf(rules.key, jsonFields(value)), value };
  }
  const text = decoded(bytes.subarray(start, end));
  const fields = text === undefined ? undefined : parseAccessLog(text, rules.defaultHost);
  if (fields === undefined) return "bad_line";
  if (fields.host === undefined && !/^[a-z]+:\/\//i.test(fields.url ?? "")) return "no_host";
  const value = Buffer.from(JSON.stringify(fields));
  return value.length > SENT_BYTES_MAX ? "too_large" : { key: keyOf(rules.key, fields), value };
}

function keyOf(key: MessageKey, fields: EventFields | undefined): string | null {
  switch (key) {
    case "none":
      return null;
    case "host":
      return fields?.host?.toLowerCase() ?? null;
    case "ip":
      return fields?.ip ?? null;
  }
}

/** A line that is no JSON is sent all the same: the stream keeps it as a dead letter. */
function jsonFields(value: Uint8Array): EventFields | undefined {
  const text = decoded(value);
  return text === undefined ? undefined : parseEventJson(text);
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined; // not UTF-8
  }
}
