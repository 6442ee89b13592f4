// Recognises formats of values that are not events. No I/O. It runs only for dead letters, so it need not be fast.
import type { DeadReason } from "../shared/dead_reasons.ts";

/** A recognised format. */
interface ValueShape {
  readonly reason: DeadReason & ("array_value" | "enveloped_value" | "compressed_value" | "binary_value" | "bad_json");
  /** Completes "the value is …". */
  readonly words: string;
}

/** First bytes of compressed data and of binary files. */
const BEGINNINGS: readonly (readonly [bytes: readonly number[], ValueShape])[] = [
  [[0x1f, 0x8b], compressed("gzip")],
  [[0x28, 0xb5, 0x2f, 0xfd], compressed("zstd")],
  [[0x04, 0x22, 0x4d, 0x18], compressed("lz4")],
  [[0xff, 0x06, 0x00, 0x00, 0x73, 0x4e, 0x61, 0x50], compressed("snappy")],
  [[0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59], compressed("snappy")],
  [[0x42, 0x5a, 0x68], compressed("bzip2")],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], compressed("xz")],
  [[0x4f, 0x62, 0x6a, 0x01], binary("an Avro container file")],
  [[0xc3, 0x01], binary("Avro with a single-object header")],
  [[0xff, 0xfe], binary("UTF-16 text")],
  [[0xfe, 0xff], binary("UTF-16 text")],
];

function compressed(codec: string): ValueShape {
  return { reason: "compressed_value", words: `compressed with ${codec} by the producer's own code` };
}

function binary(words: string): ValueShape {
  return { reason: "binary_value", words };
}

/** The length of a schema registry's frame: a zero byte and the schema's id in four bytes. */
export const FRAME_BYTES = 5;

/** The value without the frame of a schema registry. JSON never begins with a zero byte. */
export function unframed(value: Uint8Array): Uint8Array {
  return value[0] === 0 && value.length > FRAME_BYTES ? value.subarray(FRAME_BYTES) : value;
}

/** The format of a value that is not UTF-8 or not JSON; `undefined` if it is not recognised. */
export function unreadShape(value: Uint8Array): ValueShape | undefined {
  const known = BEGINNINGS.find(([bytes]) => bytes.every((byte, i) => value[i] === byte));
  if (known !== undefined) return known[1];
  if (value[0] === 0 && value.length > FRAME_BYTES) {
    return binary("Avro or Protobuf behind the five-byte header of a schema registry");
  }
  // JSON has no control characters but white space, and a log line has few. Protobuf begins with the number and length of a field.
  const looked = value.subarray(0, 256);
  const controls = looked.filter((byte) => byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d).length;
  if (controls > 0 && controls * 32 >= looked.length) return binary("binary data, such as Avro or Protobuf");
  return undefined;
}

/** The format of a JSON value without an event's fields; `undefined` if it is not recognised. */
export function jsonShape(value: unknown): ValueShape | undefined {
  if (Array.isArray(value)) {
    return { reason: "array_value", words: "a JSON array; each record must hold one event" };
  }
  if (typeof value === "string") return enveloped("JSON within a JSON text (encoded twice)", null);
  if (typeof value !== "object" || value === null) return undefined;
  const has = (...names: string[]) => names.every((name) => Object.hasOwn(value, name));
  if (has("specversion", "type")) return enveloped("a CloudEvents envelope", "data");
  if (has("schema", "payload")) return enveloped("a Kafka Connect envelope with schema and payload", "payload");
  if (has("before", "after", "op")) return enveloped("a change event of Debezium", "after");
  if (has("@timestamp", "message")) {
    return enveloped("a log shipper's envelope with the event as text in message", null);
  }
  return undefined;
}

function enveloped(words: string, inside: string | null): ValueShape {
  return {
    reason: "enveloped_value",
    words: inside === null ? words : `${words}; EVENT_FIELDS can read it, such as host:${inside}.host`,
  };
}

const ACCESS_LOG_LINE = /^\S+ .*\[\d{1,2}\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d/;
const KEYS_SHOWN = 8;

/**
 * The format of a dead letter, in words that complete "the value is …"; `undefined` if it is not recognised. Names of keys are shown as they
 * were sent.
 */
export function describeValue(value: Uint8Array): string | undefined {
  const bytes = unframed(value), framed = bytes.length !== value.length;
  const text = new TextDecoder().decode(bytes);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    const shape = unreadShape(value);
    if (shape !== undefined) return shape.words;
    if (/\}\s*\{/.test(text)) return "several JSON values in one record; each record must hold one event";
    if (ACCESS_LOG_LINE.test(text)) return "a line of an access log; `tidemark produce` turns them into events";
    return undefined;
  }
  const shape = jsonShape(json);
  if (shape !== undefined) return shape.words;
  if (typeof json !== "object" || json === null) return undefined;
  if (framed) return "JSON behind the five-byte header of a schema registry, which rules version 2 strips";
  if (Object.hasOwn(json, "event_time") && Object.hasOwn(json, "host")) return undefined;
  const keys = Object.keys(json);
  const shown = keys.slice(0, KEYS_SHOWN).join(", ");
  return keys.length === 0
    ? "an empty JSON object"
    : `a JSON object with other names (${shown}${
      keys.length > KEYS_SHOWN ? ", …" : ""
    }); set EVENT_FIELDS to the paths of the fields`;
}
