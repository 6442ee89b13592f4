// The oracle judged by hand: what it says of a log of a dozen records whose outcome is plain from the rules.
import { assertEquals } from "@std/assert";
import { naiveKey, naiveTime, Oracle, rowKey, valueKey } from "./oracle.ts";
import { naivePage } from "./oracle_breakdown.ts";
import { fixedSalt, sipHash, sketchKey } from "./visitors.ts";

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

Deno.test("Oracle.apply() adds up breakdowns and visitors", () => {
  const oracle = new Oracle(rules);
  let offset = 0;
  const apply = (time: number, fields: Readonly<Record<string, unknown>>) => {
    const bytes = value(time, `,${JSON.stringify(fields).slice(1, -1)}`);
    oracle.apply({ partition: 0, offset: offset++, value: bytes, recordTime: NOON + 30 * MINUTE });
  };
  const human = { user_agent: "Mozilla/5.0 (Windows NT 10.0) Chrome/131.0 Safari/537.36", ip: "8.8.8.8" };
  const tagged = "https://a.test/p/?utm_source=s&utm_medium=e+mail&x=1";
  apply(NOON, { ...human, url: tagged, referrer: "https://a.test/" });
  apply(NOON, { ...human, url: "/p", referrer: "https://www.google.com/" });
  apply(NOON, { ...human, url: "/p", user_agent: "somebot", status: 404 });
  apply(NOON + 6 * MINUTE, { ...human, ip: "8.8.4.4", url: "/q" });
  apply(NOON, { ...human, ip: "9.9.9.9", url: "/late" });
  const window = (start: number, dimension: string, text: string) => valueKey(start, dimension, "a.test", text);
  const chrome = "Chrome\x1eWindows\x1edesktop", bot = "(bot)\x1e(bot)\x1e(bot)";
  const later = NOON + 5 * MINUTE;
  assertEquals(Object.fromEntries(oracle.countedValues), {
    [window(NOON, "page", "/p")]: [2, 0],
    [window(NOON, "page", "(error)")]: [1, 1],
    [window(NOON, "client", chrome)]: [2, 0],
    [window(NOON, "client", bot)]: [1, 1],
    [window(NOON, "campaign", "s\x1ee mail\x1e")]: [1, 0],
    [window(NOON, "campaign", "(none)")]: [2, 1],
    [window(NOON, "entry_channel", "internal")]: [1, 0],
    [window(NOON, "entry_channel", "search")]: [1, 0],
    [window(NOON, "entry_channel", "direct")]: [1, 1],
    [window(later, "page", "/q")]: [1, 0],
    [window(later, "client", chrome)]: [1, 0],
    [window(later, "campaign", "(none)")]: [1, 0],
    [window(later, "entry_channel", "direct")]: [1, 0],
  });
  assertEquals(oracle.lateValues.get(window(NOON, "page", "/late")), [1, 0]);
  const { sketches } = oracle.visitors;
  assertEquals([...sketches.keys()], [sketchKey("2026-01-01", "a.test"), sketchKey("2026-01-01", "")]);
  for (const sketch of sketches.values()) assertEquals(sketch.size, 2);
});

Deno.test("naivePage() writes one page in one way, and says why none was viewed", () => {
  const same = ["/caf\u00e9/1", "https://a.test//caf%c3%A9/./1/", "/x/../caf%C3%A9/%31?q#f"];
  assertEquals(same.map((url) => naivePage(url, "GET", 200)), Array(3).fill("/caf\u00e9/1"));
  assertEquals(naivePage("https://a.test", undefined, undefined), "/");
  const cases: [string | undefined, unknown, unknown][] = [
    ["/", "POST", 404],
    ["/", "GET", "302"],
    ["/", undefined, 500],
    ["a.test:443", undefined, undefined],
    [undefined, undefined, 304],
    ["/a.CSS?v=1", "GET", 200],
  ];
  assertEquals(cases.map((request) => naivePage(...request)), [
    "(not GET)",
    "(redirect)",
    "(error)",
    "(no path)",
    "(no path)",
    "(asset)",
  ]);
});

Deno.test("sipHash() gives the vector of the paper", () => {
  const counting = (length: number) => Uint8Array.from({ length }, (_, i) => i);
  assertEquals(sipHash(counting(16), counting(15)).toString(16), "a129ca6149be45e5");
  assertEquals(fixedSalt("2026-01-01").length, 16);
});
