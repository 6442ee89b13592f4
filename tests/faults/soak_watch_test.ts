// The judgement of a soak run: what grows is found, what only breathes is not.
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { randomStream } from "./generator.ts";
import { faultDeck, SOAK_FAULTS } from "./soak_faults.ts";
import { excesses, follow, type Series } from "./soak_watch.ts";

const MIB = 1024 * 1024;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** A figure every 5 s for an hour. */
const series = (value: (hours: number) => number) =>
  follow(Array.from({ length: 721 }, (_, i) => [i * 5_000, value(i / 720)] as const), 10 * MINUTE);
const flat = (value: number) => series(() => value);
const calm = { rss: flat(200 * MIB), descriptors: flat(30), tables: new Map<string, Series>() };
const none = new Map<string, number>();

Deno.test("follow() gives values, halves and slope after the warm-up alone", () => {
  const s = series((hours) => hours < 1 / 6 ? 1000 : hours * 60);
  assertAlmostEquals(s.warm, 10);
  assertEquals([s.end, s.max], [60, 60]);
  assertAlmostEquals(s.slopePerHour, 60);
  assertAlmostEquals(s.halves[0], 35, 0.1);
  assertThrows(() => follow([[0, 1], [5_000, 1]], MINUTE), Error, "too short");
});

Deno.test("excesses() finds nothing where memory and tables only breathe", () => {
  const saw = (hours: number) => 200 * MIB + (hours * 30 % 1) * 40 * MIB;
  const tables = new Map([["open_delta", series(saw)], ["commit_history", flat(3 * MIB)], [
    "stream_partition",
    flat(MIB),
  ]]);
  assertEquals(excesses({ ...calm, rss: series(saw), tables }, new Map([["commit_history", 6_000]]), 50 * MINUTE), []);
});

Deno.test("excesses() finds each thing that grows", () => {
  const cases: readonly [name: string, found: string[]][] = [
    ["RSS", excesses({ ...calm, rss: series((h) => (200 + 25 * h) * MIB) }, none, HOUR)],
    ["descriptors", excesses({ ...calm, descriptors: series((h) => 30 + 6 * h) }, none, HOUR)],
    [
      "open_delta",
      excesses({ ...calm, tables: new Map([["open_delta", series((h) => (10 + 40 * h) * MIB)]]) }, none, HOUR),
    ],
    ["stream_partition", excesses({ ...calm, tables: new Map([["stream_partition", flat(5 * MIB)]]) }, none, HOUR)],
    [
      "commit_history",
      excesses(
        { ...calm, tables: new Map([["commit_history", flat(8 * MIB)]]) },
        new Map([["commit_history", 6_000]]),
        HOUR,
      ),
    ],
    ["data_gap", excesses({ ...calm, tables: new Map([["data_gap", flat(8_192)]]) }, new Map([["data_gap", 1]]), HOUR)],
  ];
  for (const [name, found] of cases) {
    assertEquals(found.length, 1, name);
    assert(found[0]!.startsWith(name), found[0]);
  }
});

Deno.test("excesses() does not judge slopes of a few minutes", () => {
  assertEquals(excesses({ ...calm, rss: series((h) => (200 + 100 * h) * MIB) }, none, 19 * MINUTE), []);
});

Deno.test("faultDeck() gives every fault once before any comes again, and the same for the same seed", () => {
  const draw = (seed: number) => faultDeck(randomStream(seed)).take(2 * Object.keys(SOAK_FAULTS).length).toArray();
  const drawn = draw(3);
  const names = Object.keys(SOAK_FAULTS).sort();
  assertEquals(drawn.slice(0, names.length).toSorted(), names);
  assertEquals(drawn.slice(names.length).toSorted(), names);
  assertEquals(draw(3), drawn);
  assert(draw(4).join() !== drawn.join());
});
