// Of a host with too many values the largest are sent, of equal ones the first; other hosts send all.
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { keptPairs } from "../../src/store/kept_pairs.ts";

const table = (pairs: readonly (readonly [host: number, hits: number])[]) => ({
  size: pairs.length,
  host: Int32Array.from(pairs, ([host]) => host),
  pairHits: Int32Array.from(pairs, ([, hits]) => hits),
});

Deno.test("keptPairs() keeps all where no host has more than it may", () => {
  assertEquals(keptPairs(table([]), 1), null);
  assertEquals(keptPairs(table([[0, 1], [1, 1], [2, 1]]), 1), null);
});

Deno.test("keptPairs() keeps the largest of each host, and of equal ones the first", () => {
  const pairs = [[0, 1], [0, 5], [1, 1], [0, 1], [0, 2], [0, 1]] as const;
  assertEquals([...keptPairs(table(pairs), 3)!], [1, 1, 1, 0, 1, 0]);
});

Deno.test("keptPairs() is what sorting each host's pairs gives", () => {
  const pair = fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 4 }));
  fc.assert(fc.property(fc.array(pair, { maxLength: 40 }), fc.integer({ min: 1, max: 12 }), (pairs, most) => {
    const expected = pairs.map(([host, hits], i) => {
      const before = pairs.filter(([h, n], j) => h === host && (n > hits || (n === hits && j < i)));
      return before.length < most ? 1 : 0;
    });
    const kept = keptPairs(table(pairs), most);
    assertEquals(kept === null ? pairs.map(() => 1) : [...kept], expected);
  }));
});
