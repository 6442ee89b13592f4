import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { EVENT_TIME_MAX, EVENT_TIME_MIN, parseEventTime } from "../../src/event/event_time.ts";
import { parseEventTimeBytes } from "../../src/event/event_time_bytes.ts";

const NOON = Date.UTC(2026, 5, 1, 12, 0, 0);

const ACCEPTED: readonly (readonly [string | number, number])[] = [
  ["2026-06-01T12:00:00Z", NOON],
  ["2026-06-01t12:00:00z", NOON],
  ["2026-06-01 12:00:00Z", NOON],
  ["2026-06-01T12:00:00", NOON],
  ["2026-06-01T12:00:00.5", NOON + 500],
  ["2026-06-01T14:00:00+02:00", NOON],
  ["2026-06-01T06:30:00-05:30", NOON],
  ["2026-06-01T12:00:00-00:00", NOON],
  ["2026-06-01T12:00:00.123Z", NOON + 123],
  ["2026-06-01T11:59:59.9999999Z", NOON - 1],
  ["2026-06-01T11:59:59.99949999999999999999999999999999Z", NOON - 1],
  ["2026-06-01T12:00:00.0009Z", NOON],
  ["1969-12-31T23:59:59.9999Z", -1],
  ["1970-01-01T00:00:00Z", 0],
  ["2024-02-29T00:00:00Z", Date.UTC(2024, 1, 29)],
  ["2000-02-29T00:00:00Z", Date.UTC(2000, 1, 29)],
  ["0001-01-01T00:00:00Z", EVENT_TIME_MIN],
  ["9999-12-31T23:59:59.999999Z", EVENT_TIME_MAX],
  ["2026-12-31T23:59:59.999Z", Date.UTC(2027, 0, 1) - 1],
  [NOON, NOON],
  [String(NOON), NOON],
  [NOON / 1000, NOON],
  [String(NOON / 1000), NOON],
  [99_999_999_999, 99_999_999_999_000],
  ["100000000000", 100_000_000_000],
  [0, 0],
  ["0", 0],
  ["-0", 0],
  [-0, 0],
  [-1, -1000],
  ["-1", -1000],
  [EVENT_TIME_MAX, EVENT_TIME_MAX],
];

const REFUSED: readonly (string | number | undefined)[] = [
  undefined,
  "",
  " ",
  "now",
  "2026-06-01",
  "2026-06-01T12:00Z",
  "2026-06-01T12:00:60Z",
  "2016-12-31T23:59:60Z",
  "2026-06-01T24:00:00Z",
  "2026-06-01T12:60:00Z",
  "2026-02-29T00:00:00Z",
  "1900-02-29T00:00:00Z",
  "2026-02-30T00:00:00Z",
  "2026-04-31T00:00:00Z",
  "2026-13-01T00:00:00Z",
  "2026-00-01T00:00:00Z",
  "2026-01-00T00:00:00Z",
  "2026-01-32T00:00:00Z",
  "2026-06-01T12:00:00.Z",
  "2026-06-01T12:00:00,5Z",
  "2026-06-01T12:00:00+24:00",
  "2026-06-01T12:00:00+02:60",
  "2026-06-01T12:00:00+0200",
  "2026-06-01T12:00:00+02",
  "2026-06-01T12:00:00 Z",
  "2026-06-01T12:00:00ZZ",
  "2026-06-01_12:00:00Z",
  "2026-6-1T12:00:00Z",
  "+2026-06-01T12:00:00Z",
  "２０２６-06-01T12:00:00Z",
  " 2026-06-01T12:00:00Z",
  "2026-06-01T12:00:00Z\n",
  "0000-12-31T23:59:59Z",
  "0001-01-01T00:00:00+00:01",
  "9999-12-31T23:59:00-00:01",
  1780315200.5,
  NaN,
  Infinity,
  "1780315200.0",
  "1e9",
  "+1",
  "01",
  "-",
  "0x10",
  EVENT_TIME_MAX + 1,
  "1780315200000000", // microseconds
  -62_135_596_801,
];

Deno.test("parseEventTime() reads each accepted form to the millisecond", () => {
  for (const [value, expected] of ACCEPTED) {
    assertEquals<number | undefined>(parseEventTime(value), expected, String(value));
  }
});

Deno.test("parseEventTime() refuses everything else", () => {
  for (const value of REFUSED) assertEquals(parseEventTime(value), undefined, JSON.stringify(value));
});

const encoder = new TextEncoder();
function fromBytes(text: string, version = 1): number | undefined {
  const time = parseEventTimeBytes(encoder.encode(`9${text}9`), 1, 1 + encoder.encode(text).length, version);
  return Number.isNaN(time) ? undefined : time;
}

Deno.test("parseEventTimeBytes() agrees with parseEventTime() on the tables", () => {
  for (const value of [...ACCEPTED.map(([accepted]) => accepted), ...REFUSED]) {
    if (typeof value === "string") assertEquals<number | undefined>(fromBytes(value), parseEventTime(value), value);
  }
});

Deno.test("parseEventTimeBytes() agrees with parseEventTime() on every day of 1890 to 2110", () => {
  for (let time = Date.UTC(1890, 0, 1); time < Date.UTC(2110, 0, 1); time += 86_400_000) {
    const text = new Date(time).toISOString();
    assertEquals(fromBytes(text), time, text);
    if (time % 7 === 0) assertEquals<number | undefined>(parseEventTime(text), time, text);
  }
});

Deno.test("parseEventTime() never moves an instant into the next millisecond, whatever digits follow", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: EVENT_TIME_MIN, max: EVENT_TIME_MAX }),
      fc.stringMatching(/^\d{1,20}$/),
      (time, digits) => {
        const text = new Date(time).toISOString().replace("Z", `${digits}Z`);
        assert(parseEventTime(text) === time, text);
      },
    ),
  );
});
