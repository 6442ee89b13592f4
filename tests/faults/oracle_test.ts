// The oracle judged by hand: what it says of a log of a dozen records whose outcome is plain from the rules.
import { assertEquals } from "@std/assert";
import { naiveKey, naiveTime, Oracle, rowKey } from "./oracle.ts";

const NOON = Date.UTC(2026, 0, 1, 12);
const MINUTE = 60_000;
const rules = { windowMs: 5 * MINUTE, delayMs: MINUTE, skewMs: 5 * MINUTE, country: () => "DE" };
const value = (time: number | string, more = "") =>
  new TextEncoder().encode(`{"event_time":${JSON.stringify(time)},"host":"A.test"${more}}`);

Deno.test("Oracle.apply() counts, refuses and calls late what the rules say", () => {
  const oracle = new Oracle(rules, [{ partition: 1, atOffset: 1, watermark: NOON + 5 * MINUTE }]);
  let offset = 0;
  const apply = (bytes: Uint8Array | null, recordTime = NOON + 30 * MINUTE) =>
    oracle.apply({ partition: 0, offset: offset++, value: bytes, recordTime });
  apply(value(NOON));
  apply(value(NOON + 6 * MINUTE - 1)); // watermark one millisecond before the window's end
  apply(value(NOON + 5 * MINUTE - 1)); // so this still counts
  apply(value(NOON + 6 * MINUTE)); // now the watermark is the window's end
  apply(value(NOON + 5 * MINUTE - 1)); // late
  apply(value(NOON + 36 * MINUTE)); // more than the skew ahead of its record time
  apply(value(NOON + 10 * MINUTE), NOON + 7 * MINUTE); // a fast clock raises the watermark by its record time only
  apply(value(NOON + 5 * MINUTE)); // so the next window still counts
  apply(null);
  apply(new TextEncoder().encode("[]"));
  apply(Uint8Array.of(0x22, 0xff, 0x22));
  apply(new TextEncoder().encode(`{"event_time":1}`));
  const row = (start: number) => rowKey(start, "a.test", "", "DE");
  assertEquals(Object.fromEntries(oracle.counted), {
    [row(NOON)]: [2, 0],
    [row(NOON + 5 * MINUTE)]: [3, 0],
    [row(NOON + 10 * MINUTE)]: [1, 0],
  });
  assertEquals(Object.fromEntries(oracle.late), { [row(NOON)]: [1, 0] });
  assertEquals(Object.fromEntries(oracle.dead), {
    "0 future_event_time": 1,
    "0 array_value": 1,
    "0 bad_encoding": 1,
    "0 missing_host": 1,
  });
  // A recorded idle advance judges the records at and above its offset.
  oracle.apply({ partition: 1, offset: 0, value: value(NOON), recordTime: NOON });
  oracle.apply({ partition: 1, offset: 1, value: value(NOON), recordTime: NOON });
  const { counted, late } = oracle.partitions.get(1)!;
  assertEquals([counted, late], [1, 1]);
});

Deno.test("naiveTime() reads every accepted form and refuses the rest", () => {
  const accepted = [
    "2026-01-01T12:00:00Z",
    "2026-01-01 14:00:00.0009+02:00",
    "2026-01-01T12:00:00",
    NOON,
    String(NOON),
    NOON / 1000,
  ];
  assertEquals(accepted.map(naiveTime), accepted.map(() => NOON));
  assertEquals(["2026-01-01T12:00:60Z", "yesterday", "", 1.5, null].map(naiveTime), Array(5).fill(undefined));
});

Deno.test("naiveKey() caps at 1 KiB and tells long texts with a common start apart", () => {
  const [one, other] = ["a".repeat(2000) + "1", "a".repeat(2000) + "2"].map((text) => naiveKey(text)) as [
    string,
    string,
  ];
  assertEquals([one.length, one.slice(0, 991), one === other], [1024, "a".repeat(991), false]);
  assertEquals(naiveKey("a\0b"), "a\ufffdb");
});
