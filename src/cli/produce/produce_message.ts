// Makes a Kafka message from a line: an event as JSON from an access log; a JSON line stays unchanged. Pure.
import { Buffer } from "node:buffer";
import { type EventFields, VALUE_BYTES_MAX } from "../../event/event_schema.ts";
import { parseEventTimeV2 } from "../../event/event_time.ts";
import { hostNameOf } from "../../event/host.ts";
import type { MappedFields } from "../../event/mapped_fields.ts";
import { innerLine } from "../../event/log_line/envelope.ts";
import { logFormat } from "../../event/log_line/formats.ts";
import { readLine } from "../../event/log_line/line.ts";
import { parseEventJson } from "../../event/read_event.ts";

/** A record to be sent. The broker or producer sets Kafka's record time; it is never the event's. */
export interface OutMessage {
  readonly key: string | null;
  readonly value: Buffer;
  /** Event time in epoch ms, if it was found. */
  readonly time?: number | undefined;
}

/** A line that cannot be sent, and why. */
type Unsendable = "bad_line" | "too_large" | "no_host" | "comment";

/** Why a line was left out. A missing host is not one of them: it would leave out a whole log, so it ends the command. */
export type Skipped = Exclude<Unsendable, "no_host" | "comment">;

/** The field that becomes the key, which decides the partition. */
type MessageKey = "none" | "host" | "ip";

export interface MessageRules {
  readonly key: MessageKey;
  /** Host of access-log lines without a vhost column. */
  readonly defaultHost?: string | undefined;
  /** FILE_FORMAT, for lines other than JSON. */
  readonly format?: string | undefined;
}

/**
 * Brokers accept batches of up to 1,048,588 bytes by default, and a batch has about 100 bytes in addition to value and key. So the longest
 * valid events cannot be sent to a broker with default settings.
 */
export const SENT_BYTES_MAX = VALUE_BYTES_MAX - 2048;

/** Bytes that are not UTF-8 become U+FFFD, as the readers of lines have it. */
const lenient = new TextDecoder();

/** The message for the line `bytes[start, end)`, without its newline. A line whose first byte that is not blank is `{` is JSON. */
export function messageOfLine(
  bytes: Uint8Array,
  start: number,
  end: number,
  rules: MessageRules,
): OutMessage | Unsendable {
  if (end - start > SENT_BYTES_MAX) return "too_large";
  const sent = bytes.subarray(start, end);
  const whole = lenient.decode(sent).trim();
  const text = innerLine(whole);
  if (text.startsWith("{")) {
    const value = text === whole ? Buffer.from(bytes.slice(start, end)) : Buffer.from(text);
    return { key: rules.key === "none" ? null : keyOf(rules.key, parseEventJson(text)), value, time: jsonTime(text) };
  }
  const line = readLine(text, logFormat(rules.format ?? "auto"), {});
  if (line.kind === "comment") return "comment";
  if (line.kind === "dead") return "bad_line";
  const fields = eventFields(line.fields, rules);
  if (fields.host === undefined && !/^[a-z]+:\/\//i.test(fields.url ?? "")) return "no_host";
  const value = Buffer.from(JSON.stringify(fields));
  const time = parseEventTimeV2(String(fields.event_time));
  return value.length > SENT_BYTES_MAX ? "too_large" : { key: keyOf(rules.key, fields), value, time };
}

const JSON_TIME = /"event_time"\s*:\s*(?:"([^"]*)"|([\d.]+))/;

/** The probable time of a JSON line, which is sent unparsed. */
function jsonTime(text: string): number | undefined {
  const match = JSON_TIME.exec(text);
  return match === null ? undefined : parseEventTimeV2(match[1] ?? match[2]!);
}

/** The event of a line. Its time is RFC 3339, which every version of the rules reads. */
function eventFields(found: MappedFields, { defaultHost }: MessageRules): EventFields {
  const written = String(found.event_time);
  const time = parseEventTimeV2(written);
  return {
    url: found.url,
    referrer: found.referrer,
    user_agent: found.user_agent,
    host: hostNameOf(found.host ?? "", "fold") === undefined ? defaultHost : found.host,
    ip: found.ip,
    headers: undefined,
    event_time: time === undefined ? written : new Date(time).toISOString(),
  };
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
