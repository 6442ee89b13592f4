// Rules version 2: what producers really send as a time, and that nothing is rounded.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseEventTimeNumber, parseEventTimeV2, parseLogTime } from "../../src/event/event_time.ts";
import { parseEventTimeBytes } from "../../src/event/event_time_bytes.ts";

const T = Date.UTC(2026, 10, 25, 10);
/** In the third column: whether the byte reader reads it itself. */
const READ: readonly (readonly [text: string, expected: number, fast?: true])[] = [
  ["2026-11-25T10:00:00Z", T, true],
  ["2026-11-25T10:00:00+0000", T, true],
  ["2026-11-25T11:00:00+01", T, true],
  ["2026-11-25T11:00:00+01:00", T, true],
  ["2026-11-25T09:30:00.5-0030", T + 500, true],
  ["2026-11-25T10:00:00-00:00", T, true],
  ["2026-11-25 10:00:00.123", T + 123, true],
  ["2026-11-25T10:00:00,123Z", T + 123, true],
  ["2026-11-25T10:00:00.123999999Z", T + 123, true],
  ["2026-11-25 10:00:00 UTC", T],
  ["2026-11-25 10:00:00 GMT", T],
  ["2026-11-25T10:00:00 +00:00", T],
  ["2026-11-25T10:00Z", T],
  ["2026-11-25T10:00", T],
  ["2026-11-25T11:00:00+01:00[Europe/Berlin]", T],
  [" 2026-11-25T10:00:00Z\t", T],
  ["25/Nov/2026:10:00:00 +0000", T],
  ["25/NOV/2026:11:00:00.250 +0100", T + 250],
  ["Wed, 25 Nov 2026 10:00:00 GMT", T],
  [`${T / 1000}`, T, true],
  [`${T / 1000}.123`, T + 123, true],
  [`${T / 1000}.0`, T, true],
  [`${T / 1000}.1239999`, T + 123, true],
  [`${T + 123}`, T + 123, true],
  [`${T + 123}.999`, T + 123, true],
  [`${T}123`, T, true],
  [`${T}999`, T, true],
  [`${T}999999`, T, true],
  [`${T + 999}999999`, T + 999, true],
  ["0", 0, true],
  ["-0", 0, true],
  ["-1.5", -1500, true],
  ["99999999999", 99_999_999_999_000, true],
  ["100000000000", 100_000_000_000, true],
  ["100000000000000", 100_000_000_000, true],
  ["100000000000000000", 100_000_000_000, true],
  ["-62135596800", -62_135_596_800_000, true],
];
const REFUSED = [
  "",
  "-",
  "soon",
  "2026-11-25",
  "20261125T100000Z",
  "2026-11-25T10Z",
  "2026-11-25T10:00:60Z",
  "2026-11-25T24:00:00Z",
  "2026-02-30T10:00:00Z",
  "2026-11-25T10:00:00+1",
  "2026-11-25T10:00:00+24",
  "2026-11-25T10:00:00+0160",
  "2026-11-25T10:00:00+01:0",
  "2026-11-25T10:00:00.Z",
  "2026-11-25T10:00:00 PST",
  "31/Apr/2026:10:00:00 +0000",
  "05/avr/2026:10:00:50 +0000",
  "30/Jun/2026:23:59:60 +0000",
  "Wed, 31 Nov 2026 10:00:00 GMT",
  "1e9",
  "+1",
  "01",
  "1.",
  ".5",
  "1.5.5",
  "-100000000000",
  "-62135596801",
  "999999999999999999999",
  "0x10",
];

const encoder = new TextEncoder();
function fromBytes(text: string): number | undefined {
  const bytes = encoder.encode(`9${text}9`);
  const time = parseEventTimeBytes(bytes, 1, bytes.length - 1, 2);
  return Number.isNaN(time) ? undefined : time;
}

Deno.test("parseEventTimeV2() reads what producers send, cut to the millisecond", () => {
  for (const [text, expected] of READ) assertEquals<number | undefined>(parseEventTimeV2(text), expected, text);
  for (const text of REFUSED) assertEquals(parseEventTimeV2(text), undefined, text);
});

Deno.test("parseEventTimeBytes() under version 2 gives the same, or leaves it to the slow path", () => {
  for (const [text, expected, fast] of READ) assertEquals(fromBytes(text), fast && expected, text);
  for (const text of REFUSED) assertEquals(fromBytes(text), undefined, text);
});

Deno.test("parseEventTimeNumber() loses no digit, and reads exponents", () => {
  assertEquals<number | undefined>(parseEventTimeNumber(`${T + 123}999999`), T + 123);
  assertEquals<number | undefined>(parseEventTimeNumber("1.7956008e9"), 1_795_600_800_000);
  assertEquals<number | undefined>(parseEventTimeNumber("1.795600800123E+12"), 1_795_600_800_123);
  for (const source of ["1e999", "1e21", "-1e300", "1e-7"]) {
    assertEquals(parseEventTimeNumber(source), undefined, source);
  }
});

Deno.test("parseLogTime() reads one-digit days and months in any case", () => {
  const expected = Date.UTC(2026, 3, 5, 10);
  for (
    const text of [
      "5/Apr/2026:10:00:00 +0000",
      "05/APR/2026:10:00:00",
      "05/Apr/2026:15:45:00 +0545",
      "05/Apr/2026:10:00:00 GMT",
    ]
  ) {
    assertEquals<number | undefined>(parseLogTime(text), expected, text);
  }
});

Deno.test("parseEventTimeV2() takes one instant from every unit, in which it is never rounded up", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1e11, max: 99_999_999_999_999 }), fc.stringMatching(/^\d{6}$/), (ms, below) => {
      const seconds = `${Math.floor(ms / 1000)}.${String(ms % 1000).padStart(3, "0")}${below}`;
      const micros = `${ms}${below.slice(0, 3)}`, nanos = `${ms}${below}`;
      const expected = String(Math.floor(ms / 1000)).length <= 11 ? [ms, ms, ms, ms] : [undefined, ms, ms, ms];
      const texts = [seconds, String(ms), micros, nanos];
      assertEquals<unknown>(texts.map((text) => parseEventTimeV2(text)), expected);
      assertEquals<unknown>(texts.map(fromBytes), expected);
      assert(new Date(ms).getTime() === ms);
    }),
  );
});
