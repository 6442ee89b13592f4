// Why a record can never be counted: the reasons of dead letters, as names and in words. No I/O.

/** The position of a reason is its code in {@link DEAD_REASONS}: only append. */
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

/** Each reason in words that complete "the record is not counted: …". */
export const DEAD_REASON_WORDS: Readonly<Record<DeadReason, string>> = {
  bad_encoding: "the value is not UTF-8",
  bad_json: "the value is not a JSON object",
  too_large: "the value is larger than 1 MiB",
  bad_line: "the line is not in the log's format",
  bad_event_time: "event_time is not a time (by rules version 1 also: it is missing)",
  missing_host: "neither host nor an absolute url",
  future_event_time: "event_time is too far ahead of the record's time",
  missing_event_time: "there is no event_time",
  bad_host: "host is a list of addresses",
  array_value: "the value is a JSON array; each record must hold one event",
  enveloped_value:
    "the event is inside an envelope (Kafka Connect, Debezium, CloudEvents, a log shipper); EVENT_FIELDS can name its fields",
  compressed_value: "the value was compressed by the producer's own code; let Kafka compress",
  binary_value: "the value is binary (Avro, Protobuf, UTF-16) and not JSON",
};
