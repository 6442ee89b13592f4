// What is sent of visitors makes the sketches that all updates would make, whatever the cache has lost; what must be forgotten is.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { KEY_BYTES, sipKey } from "../../src/breakdown/siphash.ts";
import { RANK_MAX, REGISTERS, sketchBytes } from "../support/sketch.ts";
import type { VisitorSalt } from "../../src/breakdown/visitor.ts";
import { DAY, HOUR } from "../../src/shared/units.ts";
import { SentUpdates } from "../../src/window/sent_updates.ts";
import { UpdateList } from "../../src/window/update_list.ts";
import { dayOfWindow, Visitors } from "../../src/window/visitors.ts";

const MIDNIGHT = Date.parse("2026-01-31T00:00:00Z");
const saltOf = (number: number): VisitorSalt => ({
  id: `salt ${number}`,
  key: sipKey(new Uint8Array(KEY_BYTES).fill(number)),
  number,
});
const update = fc.tuple(fc.nat(REGISTERS - 1), fc.integer({ min: 1, max: RANK_MAX })).map(([r, rank]) => r * 64 + rank);

Deno.test("SentUpdates.add() keeps every update that a sketch needs, by day and host", () => {
  const entry = fc.tuple(
    fc.nat(3),
    fc.oneof(fc.nat(2), fc.nat(1_000_000)),
    fc.oneof(update, update.map((u) => u % 640 + 1)),
  );
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 300 }), (entries) => {
      const sent = new SentUpdates(), all = new Map<string, number[]>(), needed = new Map<string, number[]>();
      for (const [day, host, one] of entries) {
        const key = `${day} ${host}`;
        if (one % 64 === 0 || one % 64 > RANK_MAX) continue;
        all.set(key, [...all.get(key) ?? [], one]);
        if (sent.add(day, host, one)) needed.set(key, [...needed.get(key) ?? [], one]);
      }
      for (const [key, list] of all) assertEquals(sketchBytes(needed.get(key) ?? []), sketchBytes(list), key);
    }),
    { numRuns: 40 },
  );
});

Deno.test("SentUpdates.add() sends a known rank or a lower one once, and a higher one again", () => {
  const sent = new SentUpdates();
  assertEquals([64 + 5, 64 + 5, 64 + 4, 64 + 6, 64 + 5].map((one) => sent.add(1, 0, one)), [
    true,
    false,
    false,
    true,
    false,
  ]);
  assertEquals([sent.add(1, 1, 64 + 5), sent.add(2, 0, 64 + 5), sent.add(1, 0, 128 + 5)], [true, true, true]);
  sent.clear();
  assert(sent.add(1, 0, 64 + 6));
});

Deno.test("SentUpdates tells more days apart than an entry has numbers for", () => {
  const sent = new SentUpdates();
  for (let day = 0; day < 9_000; day++) assert(sent.add(day, 7, 64 + 5), `${day}`);
  assertEquals([sent.add(8_999, 7, 64 + 5), sent.add(0, 7, 64 + 5)], [false, true]);
});

Deno.test("Visitors has the salt of a window's day once it was learned, and forgets it with what was sent", () => {
  const visitors = new Visitors(), day = dayOfWindow(MIDNIGHT);
  assertEquals([dayOfWindow(MIDNIGHT - 1), dayOfWindow(MIDNIGHT + DAY - 1)], [day - 1, day]);
  assertEquals(visitors.saltOf(MIDNIGHT), undefined);
  visitors.learn(day, saltOf(1));
  visitors.learn(day - 1, saltOf(2));
  for (let sight = 0; sight < 2; sight++) {
    assertEquals(
      [MIDNIGHT, MIDNIGHT + 23 * HOUR, MIDNIGHT - HOUR].map((window) => visitors.saltOf(window)?.number),
      [1, 1, 2],
    );
  }
  assertEquals(visitors.saltOf(MIDNIGHT + DAY), undefined);
  const add = () => visitors.add(MIDNIGHT, 3, 64 + 2);
  assertEquals([add(), add()], [true, false]);
  visitors.forgetHosts();
  assertEquals([add(), add(), visitors.saltOf(MIDNIGHT)?.number], [true, false, 1]);
  visitors.saltOf(MIDNIGHT);
  visitors.forget();
  assertEquals([add(), visitors.saltOf(MIDNIGHT)], [true, undefined]);
});

Deno.test("UpdateList keeps what was added, in order", () => {
  const list = new UpdateList("salt");
  for (let i = 0; i < 1_000; i++) list.add(i, i * 2);
  assertEquals(list.size, 1_000);
  assertEquals([...list.host.subarray(0, 1_000)], Array.from({ length: 1_000 }, (_, i) => i));
  assertEquals([...list.update.subarray(0, 1_000)], Array.from({ length: 1_000 }, (_, i) => i * 2));
});
