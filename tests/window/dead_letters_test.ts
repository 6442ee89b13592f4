import { assertEquals } from "@std/assert";
import { type PartitionId, partitionId } from "../../src/shared/units.ts";
import { DeadLetters, RANGES_PER_COMMIT_MAX, SAMPLES_PER_COMMIT_MAX } from "../../src/window/dead_letters.ts";

const mask = (bytes: Uint8Array, start: number, end: number) =>
  `masked ${new TextDecoder().decode(bytes.subarray(start, end)).length}`;
const bytes = new TextEncoder().encode("[value]");
const P: PartitionId = partitionId(3);

Deno.test("DeadLetters.add() joins adjacent positions of one reason and keeps others apart", () => {
  const dead = new DeadLetters(mask);
  for (const offset of [5, 6, 7, 10]) dead.add(P, "bad_json", offset, bytes, 1, 6);
  dead.add(P, "bad_event_time", 8, bytes, 0, 7);
  dead.add(partitionId(0), "bad_json", 8, bytes, 0, 7);
  assertEquals(dead.ranges.map((r) => [r.partition, r.reason, r.firstOffset, r.lastOffset, r.records]), [
    [3, "bad_json", 5, 7, 3],
    [3, "bad_json", 10, 10, 1],
    [3, "bad_event_time", 8, 8, 1],
    [0, "bad_json", 8, 8, 1],
  ]);
  assertEquals(dead.counts.map((c) => [c.partition, c.reason, c.records]), [[3, "bad_json", 4], [
    3,
    "bad_event_time",
    1,
  ], [0, "bad_json", 1]]);
  assertEquals(dead.samples[0], {
    partition: P,
    recordOffset: 5,
    reason: "bad_json",
    payloadBytes: 5,
    payload: "masked 5",
  });
});

Deno.test("DeadLetters.add() stays bounded and exact in number whatever the topic holds", () => {
  const dead = new DeadLetters(mask);
  for (let offset = 0; offset < 20_000; offset += 2) dead.add(P, "bad_json", offset, bytes, 0, 7);
  assertEquals(dead.ranges.length, RANGES_PER_COMMIT_MAX);
  assertEquals(dead.ranges.reduce((sum, range) => sum + range.records, 0), 10_000);
  assertEquals(dead.ranges.at(-1)!.lastOffset, 19_998);
  assertEquals(dead.samples.length, SAMPLES_PER_COMMIT_MAX);
});
