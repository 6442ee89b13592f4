// The open-addressing table against a Map, its slow and obvious twin.
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { KeyTable } from "../../src/window/key_table.ts";

Deno.test("KeyTable.add() counts what a Map counts", () => {
  const key = fc.tuple(fc.nat(20), fc.nat(20), fc.nat(20), fc.nat(1));
  fc.assert(fc.property(fc.array(key, { maxLength: 2_000 }), (adds) => {
    const table = new KeyTable(), map = new Map<string, [number, number]>();
    for (const [host, referrer, place, bot] of adds) {
      table.add(host, referrer, place, bot);
      const entry = map.get(`${host} ${referrer} ${place}`) ?? [0, 0];
      map.set(`${host} ${referrer} ${place}`, [entry[0] + 1, entry[1] + bot]);
    }
    const rows = new Map<string, [number, number]>();
    for (let i = 0; i < table.size; i++) {
      rows.set(`${table.host[i]} ${table.referrer[i]} ${table.place[i]}`, [table.keyHits[i]!, table.keyBotHits[i]!]);
    }
    assertEquals(rows, map);
    assertEquals(table.hits, adds.length);
    assertEquals(table.botHits, adds.reduce((sum, [, , , bot]) => sum + bot, 0));
  }));
});

Deno.test("KeyTable.add() keeps every key while it grows", () => {
  const table = new KeyTable();
  for (let round = 0; round < 2; round++) for (let i = 0; i < 50_000; i++) table.add(i % 7, i, i % 3, 0);
  assertEquals([table.size, table.hits], [50_000, 100_000]);
  assertEquals(table.keyHits.subarray(0, table.size).every((hits) => hits === 2), true);
});
