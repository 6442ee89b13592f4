// How stored values of breakdowns are split and named, and which time was not counted.
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  breakdownLabel,
  BREAKDOWNS,
  countedCompleteness,
  countedDays,
  type CountedTime,
  isReserved,
  notCounted,
  partHits,
  partOf,
  RESERVED,
  STORED,
} from "../../src/report/breakdown.ts";
import type { Bucket, Coverage, Progress } from "../../src/report/report_types.ts";
import { DAY, epochMs, HOUR } from "../../src/shared/units.ts";

const client = (browser: string, os: string, device: string) => `${browser}\x1e${os}\x1e${device}`;

Deno.test("partOf() splits a client, and gives a value without parts to each of them", () => {
  const chrome = client("Chrome", "Windows", "desktop");
  assertEquals(BREAKDOWNS.map((by) => partOf(by, chrome)), [chrome, "Chrome", "Windows", "desktop", chrome, chrome]);
  for (const value of ["(other)", "(retired)", "/a"]) {
    assertEquals([...new Set(BREAKDOWNS.map((by) => partOf(by, value)))], [value]);
  }
  assertEquals([partOf("os", "Chrome\x1e\x1e"), partOf("device", "Chrome\x1eLinux")], ["(unknown)", "(unknown)"]);
});

Deno.test("partHits() adds up by part: every part has the same sum", () => {
  const values = [
    { key: client("Chrome", "Windows", "desktop"), hits: 5, botHits: 0 },
    { key: client("Chrome", "Android", "mobile"), hits: 3, botHits: 0 },
    { key: client("Safari", "iOS", "mobile"), hits: 2, botHits: 0 },
    { key: client("(bot)", "(bot)", "(bot)"), hits: 7, botHits: 7 },
    { key: "(other)", hits: 1, botHits: 0 },
  ];
  assertEquals(partHits("browser", values), [
    { key: "Chrome", hits: 8, botHits: 0 },
    { key: "Safari", hits: 2, botHits: 0 },
    { key: "(bot)", hits: 7, botHits: 7 },
    { key: "(other)", hits: 1, botHits: 0 },
  ]);
  assertEquals(partHits("device", values).map(({ key, hits }) => [key, hits]), [
    ["desktop", 5],
    ["mobile", 5],
    ["(bot)", 7],
    ["(other)", 1],
  ]);
  fc.assert(fc.property(
    fc.array(fc.record({
      key: fc.array(fc.constantFrom("a", "b", ""), { minLength: 1, maxLength: 4 }).map((parts) => parts.join("\x1e")),
      hits: fc.nat(1000),
      botHits: fc.nat(1000),
    })),
    fc.constantFrom(...BREAKDOWNS),
    (given, by) => {
      const sums = (list: typeof given) =>
        list.reduce((sum, one) => ({ hits: sum.hits + one.hits, bots: sum.bots + one.botHits }), { hits: 0, bots: 0 });
      assertEquals(sums(partHits(by, given)), sums(given));
    },
  ));
});

Deno.test("breakdownLabel() writes reserved values in words and everything else as it is stored", () => {
  for (const value of RESERVED) {
    for (const by of BREAKDOWNS) assertEquals(/^\(|\)$/.test(breakdownLabel(by, value)), false, `${by} ${value}`);
    assertEquals(isReserved(value), true);
  }
  assertEquals(breakdownLabel("page", "/a b"), "/a b");
  assertEquals(breakdownLabel("page", "constructor"), "constructor");
  assertEquals(breakdownLabel("campaign", "x\x1e\x1esale"), "x / – / sale");
  assertEquals(breakdownLabel("entry_channel", "search"), "search");
  assertEquals([isReserved("(other)"), isReserved("/(asset)")], [false, false]);
});

Deno.test("STORED has the dimensions of the database", () => {
  assertEquals(BREAKDOWNS.map((by) => [STORED[by].dimension, STORED[by].part]), [
    [1, null],
    [2, 0],
    [2, 1],
    [2, 2],
    [3, null],
    [4, null],
  ]);
});

const START = Date.parse("2026-01-05T00:00:00Z");
const at = (days: number, hours = 0) => epochMs(START + days * DAY + hours * HOUR);
const PROGRESS: Progress = {
  closedThrough: at(4),
  finalThrough: at(4),
  watermark: at(4),
  quietSince: null,
  dataRevision: 1,
  windowSizeMs: 300_000,
  stoppedCode: null,
  firstEventTime: epochMs(at(0, 10) + 61_000),
  newestEventTime: epochMs(at(3, 12) + 1_000),
  retiredThrough: epochMs(-Infinity),
};
const bucket = (day: number, coverage: Coverage = "full", unknown = false): Bucket => ({
  start: at(day),
  end: at(day + 1),
  hits: 10,
  botHits: 0,
  lateHits: 0,
  lateBotHits: 0,
  windowsExpected: 288,
  windowsClosed: 288,
  coverage,
  unknown,
});
const DAYS = [bucket(0, "partial"), bucket(1), bucket(2), bucket(3)];
const counted = (since: number | null, ...missing: (readonly [number, number])[]): CountedTime => ({
  since: since === null ? null : epochMs(since),
  missing: missing.map(([start, end]) => ({ start: epochMs(start), end: epochMs(end) })),
  counting: true,
});

Deno.test("notCounted() is the time with events before the first counted window, and the windows without", () => {
  const spans = (time: CountedTime, progress = PROGRESS) =>
    notCounted(DAYS, time, progress).map(({ start, end }) => [(start - START) / HOUR, (end - START) / HOUR]);
  const first = 10, end = 84 + 1 / 12;
  assertEquals(spans(counted(at(0))), []);
  // The first event's window is counted.
  assertEquals(spans(counted(at(0, 10))), []);
  assertEquals(spans(counted(at(1, 6))), [[first, 30]]);
  assertEquals(spans(counted(null)), [[first, end]]);
  assertEquals(spans(counted(at(9))), [[first, end]]);
  assertEquals(spans(counted(at(0), [at(1), at(2)], [at(3), Infinity])), [[24, 48], [72, end]]);
  // Times beside the range are cut off, neighbours joined.
  assertEquals(spans(counted(at(1), [at(1), at(2)], [at(2), at(2, 1)])), [[first, 49]]);
  assertEquals(spans(counted(at(-9), [-Infinity, at(0, 11)])), [[first, 11]]);
  assertEquals(spans(counted(null), { ...PROGRESS, firstEventTime: null, newestEventTime: null }), [[0, 96]]);
  assertEquals(notCounted([], counted(null), PROGRESS), []);
});

Deno.test("countedDays() leaves no number to a day of which nothing was counted; a part is named, and the rest stays", () => {
  const look = (time: CountedTime, days: readonly Bucket[] = DAYS) => {
    const spans = notCounted(days, time, PROGRESS);
    const found = countedDays(days, spans, PROGRESS);
    return [found.map(({ coverage }) => coverage), countedCompleteness(found, spans, PROGRESS).coverage];
  };
  assertEquals(look(counted(at(0))), [["partial", "full", "full", "full"], ["full", "partial"]]);
  assertEquals(look(counted(at(1, 6))), [
    ["not_counted", "full", "full", "full"],
    ["full", "not_counted"],
  ]);
  assertEquals(look(counted(at(0), [at(3), at(3, 13)]))[0], ["partial", "full", "full", "not_counted"]);
  // What is unknown for another reason keeps it.
  assertEquals(look(counted(null), [bucket(1, "gap", true), bucket(2)]), [["gap", "not_counted"], [
    "gap",
    "not_counted",
  ]]);
});
