import { assertEquals } from "@std/assert";
import { BatchReader } from "../../../src/source/kafka/decode/batch_reader.ts";
import { KafkaQueue, type WaitingBatch } from "../../../src/source/kafka/queue.ts";
import { epochMs, offset, partitionId } from "../../../src/shared/units.ts";

const batch = (partition: number, bytes: number, sentAt = 0, ticket = 1): WaitingBatch => ({
  kind: "waiting",
  done: () => {},
  partition: partitionId(partition),
  ticket,
  bytes,
  reader: new BatchReader({ from: 0, records: new Uint8Array(0), aborted: [], sentAt }, { checkCrcs: true }),
  logStart: offset(0),
  logEnd: offset(0),
  lastStable: offset(0),
  sentAt: epochMs(sentAt),
});
const MIB = 1024 * 1024;

Deno.test("put() keeps the order and is full beyond 4 MiB", () => {
  const queue = new KafkaQueue();
  for (let i = 0; i < 4; i++) queue.put(batch(i, MIB));
  assertEquals(queue.full, false);
  queue.put(batch(4, 1));
  assertEquals(queue.full, true);
  queue.drop();
  assertEquals([queue.full, (queue.head() as WaitingBatch).partition], [false, partitionId(1)]);
});

Deno.test("put() is full beyond 256 batches however small", () => {
  const queue = new KafkaQueue();
  for (let i = 0; i <= 256; i++) queue.put(batch(0, 1));
  assertEquals(queue.full, true);
});

Deno.test("observe() replaces an older observation of the same stretch, and nothing else", () => {
  const queue = new KafkaQueue();
  queue.observe(batch(0, 0, 1));
  queue.observe(batch(1, 0, 2));
  queue.observe(batch(0, 0, 3));
  queue.put(batch(0, 5, 4));
  queue.observe(batch(0, 0, 5));
  queue.observe(batch(0, 0, 6, 2));
  const order: number[] = [];
  for (let head = queue.head(); head !== undefined; head = queue.head()) {
    order.push((head as WaitingBatch).sentAt);
    queue.drop();
  }
  assertEquals(order, [3, 2, 4, 5, 6]);
});

Deno.test("filled and drained resolve on the next change", async () => {
  const queue = new KafkaQueue();
  const filled = queue.filled, drained = queue.drained;
  queue.put({ kind: "lost", generation: 1, reason: "x" });
  await filled;
  queue.drop();
  await drained;
  const released = queue.drained;
  queue.release();
  await released;
  queue.drop();
  assertEquals(queue.head(), undefined);
});
