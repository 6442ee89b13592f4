// What an event is: the reasons for which a record can never be counted, and the reader that turns bytes into small integers.
import type { StreamRules } from "./stream_rules.ts";

/** Why a record can never be counted. The order is the wire order of {@link DEAD_REASONS}: append only. */
export const DEAD_REASONS = [
  "bad_encoding",
  "bad_json",
  "too_large",
  "bad_line",
  "bad_event_time",
  "missing_host",
  "future_event_time",
  "missing_event_time",
  "bad_host",
  "array_value",
  "enveloped_value",
  "compressed_value",
  "binary_value",
] as const;
export type DeadReason = typeof DEAD_REASONS[number];

/** Each reason in words: completes "the record is not counted: …". */
export const DEAD_REASON_WORDS: Readonly<Record<DeadReason, string>> = {
  bad_encoding: "the value is not UTF-8",
  bad_json: "the value is not a JSON object",
  too_large: "the value is larger than 1 MiB",
  bad_line: "the line is not in the log's format",
  bad_event_time: "event_time is no time",
  missing_host: "neither host nor an absolute url",
  future_event_time: "event_time lies too far ahead of the record's time",
  missing_event_time: "there is no event_time",
  bad_host: "host is a list of addresses",
  array_value: "the value is a JSON array; one event a record is read",
  enveloped_value:
    "the event lies inside an envelope (Kafka Connect, Debezium, CloudEvents, a log shipper); EVENT_FIELDS can name its fields",
  compressed_value: "the value was compressed by the producer's own code; let Kafka compress",
  binary_value: "the value is binary (Avro, Protobuf, UTF-16); JSON is read",
};

/** 0 = the event can be counted, else 1 + index into {@link DEAD_REASONS}. */
export type ReadCode = number;
export const READ_OK: ReadCode = 0;
export const readCode = (reason: DeadReason): ReadCode => DEAD_REASONS.indexOf(reason) + 1;
export const deadReason = (code: ReadCode): DeadReason => DEAD_REASONS[code - 1]!;

/** Text ⇄ dense small integer, for the life of one dictionary epoch. */
export interface Dictionary {
  text(id: number): string;
  readonly size: number;
}

/**
 * Reads one record's value. After `read` returned {@link READ_OK} the fields hold the event; they are overwritten by the next call.
 * `future_event_time` is not decided here: it needs the record time, which the engine knows.
 */
export interface EventReader {
  /** Changes what the stream stores of its rules, and forgets every host and referrer id: called only when no delta refers to one. */
  use(stream: StreamRules): void;
  read(bytes: Uint8Array, start: number, end: number): ReadCode;
  /** Event time in whole epoch ms, digits below 1 ms cut. */
  readonly eventTime: number;
  /** Ids in `hosts`, `referrers` and of the locator's places. */
  readonly host: number;
  readonly referrer: number;
  readonly place: number;
  /** 1 where the user agent is a bot's, else 0. */
  readonly bot: number;
  readonly hosts: Dictionary;
  readonly referrers: Dictionary;
  /** Bytes held by the dictionaries and caches. */
  readonly memoryBytes: number;
  /** Forgets every host and referrer id; called only when no delta refers to one (see `memoryBytes`). */
  reset(): void;
}
