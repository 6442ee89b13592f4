// PairTable counts as a Map does, whatever the pairs; PairTables has a table for each dimension that needs one.
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { DIMENSION_BITS } from "../../src/breakdown/dimensions.ts";
import { PairTable, PairTables } from "../../src/window/pair_table.ts";

Deno.test("PairTable.add() counts as a Map does, and says which pairs are new", () => {
  const id = fc.oneof(fc.nat(3), fc.nat(2_000_000));
  fc.assert(fc.property(fc.array(fc.tuple(id, id, fc.nat(1)), { maxLength: 400 }), (hits) => {
    const table = new PairTable(), map = new Map<string, [number, number]>();
    for (const [host, value, bot] of hits) {
      const key = `${host} ${value}`, known = map.get(key);
      assertEquals(table.add(host, value, bot), known === undefined);
      map.set(key, [(known?.[0] ?? 0) + 1, (known?.[1] ?? 0) + bot]);
    }
    assertEquals(table.size, map.size);
    const counted = Array.from({ length: table.size }, (_, i): [string, [number, number]] => [
      `${table.host[i]} ${table.value[i]}`,
      [table.pairHits[i]!, table.pairBotHits[i]!],
    ]);
    assertEquals(counted, [...map]);
  }));
});

Deno.test("PairTables has a table for pages, clients and campaigns that are counted", () => {
  const { page, client, campaign, channel, visitors } = DIMENSION_BITS;
  const has = (counted: number) => {
    const tables = new PairTables(counted);
    return [tables.page, tables.client, tables.campaign].map((table) => table !== null);
  };
  assertEquals(has(page | client | campaign | channel | visitors), [true, true, true]);
  assertEquals([has(page), has(client), has(campaign)], [[true, false, false], [false, true, false], [
    false,
    false,
    true,
  ]]);
  assertEquals(has(channel | visitors), [false, false, false]);
});
