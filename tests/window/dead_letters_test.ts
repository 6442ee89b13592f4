import { assertEquals } from "@std/assert";
import { type PartitionId, partitionId } from "../../src/shared/units.ts";
import { DeadLetters, SAMPLES_PER_COMMIT_MAX } from "../../src/window/dead_letters.ts";

const mask = (bytes: Uint8Array, start: number, end: number) =>
  `masked ${new TextDecoder().decode(bytes.subarray(start, end)).length}`;
const bytes = new TextEncoder().encode("[value]");
const P: PartitionId = partitionId(3);

Deno.test("DeadLetters.add() joins adjacent positions of one reason and keeps others apart", () => {
  const dead = new DeadLetters(mask);
  for (const offset of [5, 6, 7, 10]) {
    dead.add({ partition: P, reason: "bad_json", offset, line: offset + 1 }, bytes, 1, 6);
  }
  dead.add({ partition: P, reason: "bad_event_time", offset: 8, line: null }, bytes, 0, 7);
  dead.add({ partition: partitionId(0), reason: "bad_json", offset: 8, line: null }, bytes, 0, 7);
  assertEquals(dead.ranges.map((r) => [r.partition, r.reason, r.firstOffset, r.lastOffset, r.records, r.runs]), [
    [3, "bad_json", 5, 10, 4, [[5, 7], [10, 10]]],
    [3, "bad_event_time", 8, 8, 1, null],
    [0, "bad_json", 8, 8, 1, null],
  ]);
  assertEquals(dead.ranges.map(({ firstLine }) => firstLine), [6, null, null]);
  assertEquals(dead.counts.map((c) => [c.partition, c.reason, c.records]), [[3, "bad_json", 4], [
    3,
    "bad_event_time",
    1,
  ], [0, "bad_json", 1]]);
  assertEquals(dead.samples[0], {
    partition: P,
    recordOffset: 5,
    line: 6,
    reason: "bad_json",
    payloadBytes: 5,
    payload: "masked 5",
  });
});

Deno.test("DeadLetters.add() stays bounded and exact in number whatever the topic holds", () => {
  const dead = new DeadLetters(mask);
  for (let offset = 0; offset < 20_000; offset += 2) {
    dead.add({ partition: P, reason: "bad_json", offset, line: offset + 1 }, bytes, 0, 7);
  }
  const [exact, merged] = dead.ranges;
  assertEquals([exact!.runs!.length, exact!.records, exact!.lastOffset], [2_000, 2_000, 3_998]);
  assertEquals([merged!.firstOffset, merged!.lastOffset, merged!.records, merged!.runs], [4_000, 19_998, 8_000, null]);
  assertEquals(dead.ranges.length, 2);
  assertEquals(dead.samples.length, SAMPLES_PER_COMMIT_MAX);
});
