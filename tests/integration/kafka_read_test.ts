// What a Kafka source delivers, against real brokers of both releases: codecs, transactions, times, gaps, changes of the topic.
import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Transaction } from "kafkajs";
import { epochMs, type Offset, offset, type PartitionId, partitionId } from "../../src/shared/units.ts";
import { startBroker, type TestBroker } from "../support/kafka_broker.ts";
import { KAFKA_VERSIONS } from "../support/kafka_jars.ts";
import { TestReader, testSource } from "../support/kafka_reader.ts";
import { connectedProducer, createTopic, produce, withAdmin } from "../support/kafka_topics.ts";

const p0 = partitionId(0);
const stored = (position: number) => new Map<PartitionId, Offset>([[p0, offset(position)]]);
const caughtUp = (reader: TestReader) => () => {
  const last = reader.batches.at(-1);
  return last !== undefined && last.next === last.logEnd;
};

async function codecs(broker: TestBroker) {
  const line = (i: number, size: number) => `${i}:`.padEnd(size, "abcdefghijklmnopqrstuvwxyz0123456789 ");
  const values = [200, 1, 0, 70_000, 900_000, 300, 3].map((size, i) => size === 0 ? "" : line(i, size));
  for (let i = 0; i < 2_000; i++) values.push(line(i, 150 + i % 100));
  const raw = values.reduce((sum, value) => sum + value.length, 0);
  await Promise.all(["uncompressed", "gzip", "snappy", "lz4", "zstd"].map(async (codec) => {
    // The broker compresses anew, with the code that Java producers use.
    await createTopic(broker, `codec-${codec}`, { config: { "compression.type": codec } });
    const messages = values.map((value) => ({ value }));
    await produce(broker, `codec-${codec}`, messages.slice(0, 7), { chunk: 1 });
    await produce(broker, `codec-${codec}`, messages.slice(7), { chunk: 500 });
    await using reader = await new TestReader(testSource(broker, `codec-${codec}`)).open();
    await reader.until(() => reader.records.length >= values.length);
    assertEquals(reader.values().length, values.length, codec);
    assert(reader.values().every((value, i) => value === values[i]), `${codec}: a value differs`);
    if (broker.dataFolder === null) return;
    // What lies on the broker's disk is what was read: it was compressed, or it was not.
    const { size: bytes } = await Deno.stat(`${broker.dataFolder}/codec-${codec}-0/00000000000000000000.log`);
    assertEquals(codec === "uncompressed" ? bytes > raw : bytes < raw / 3, true, `${codec}: ${bytes} of ${raw} bytes`);
  }));
}

async function transactions(broker: TestBroker) {
  await createTopic(broker, "tx");
  const [a, b, c] = await Promise.all(["a", "b", "c"].map((id) => connectedProducer(broker, `tx-${id}`)));
  const send = (sender: Transaction, ...values: string[]) =>
    sender.send({
      topic: "tx",
      messages: values.map((value) => ({ value, key: value === "marker?" ? Buffer.alloc(4) : null })),
    });
  const committed = await a!.transaction();
  await send(committed, "a1", "a2");
  await committed.commit();
  // Two aborted transactions and a committed one, interleaved; one holds a key that looks like an abort marker.
  const [ta, tb, tc] = [await a!.transaction(), await b!.transaction(), await c!.transaction()];
  await send(ta, "no1");
  await send(tb, "no2", "marker?");
  await send(tc, "c1");
  await send(ta, "no3");
  await send(tb, "no4");
  await ta.abort();
  await send(tb, "no5");
  await tb.abort();
  await send(tc, "c2");
  await tc.commit();
  const expected = ["a1", "a2", "c1", "c2"];
  {
    await using reader = await new TestReader(testSource(broker, "tx")).open();
    await reader.until(caughtUp(reader));
    assertEquals(reader.values(), expected);
    // Everything is accounted for, the markers at the end too.
    assertEquals(reader.batches.at(-1)!.next, reader.batches.at(-1)!.logEnd);
  }
  // From every position in the middle the same records follow: also where the fetch begins inside both aborted transactions.
  const all = await new TestReader(testSource(broker, "tx", { group: "tx-all" })).open();
  await all.until(caughtUp(all));
  const end = all.batches.at(-1)!.logEnd;
  for (let from = 0; from < end; from++) {
    all.records.length = all.batches.length = 0;
    all.store.set(p0, offset(from));
    const generation = (all.events.findLast((event) => event.kind === "assigned") as { generation: number }).generation;
    all.source.resume(generation, all.store);
    await all.until(caughtUp(all));
    assertEquals(all.records.filter((record) => record.offset < from), []);
    assertEquals(all.values(), expected.slice(expected.length - all.values().length), `from ${from}`);
  }
  assertEquals(all.values(), []);
  // An open transaction holds the last stable offset, not the log's end.
  const open = await b!.transaction();
  await send(open, "late");
  all.store.set(p0, offset(end));
  await all.until(() => (all.batches.at(-1)?.logEnd ?? 0) > end);
  const { logEnd, lastStable, next } = all.batches.at(-1)!;
  assertEquals([lastStable, next], [end, end]);
  assertGreater(logEnd, end);
  await open.commit();
  await all.until(() => all.values().includes("late"));
  await all[Symbol.asyncDispose]();
  await Promise.all([a, b, c].map((producer) => producer!.disconnect()));
}

async function times(broker: TestBroker) {
  await createTopic(broker, "append-time", { config: { "message.timestamp.type": "LogAppendTime" } });
  await createTopic(broker, "create-time");
  const before = Date.now();
  const messages = [{ value: "a", timestamp: "1000000000000" }, { value: null, key: "k", timestamp: "1000000000500" }];
  for (const topic of ["append-time", "create-time"]) await produce(broker, topic, messages);
  for (const topic of ["append-time", "create-time"]) {
    await using reader = await new TestReader(testSource(broker, topic)).open();
    await reader.until(caughtUp(reader));
    const [first, second] = reader.records;
    assertEquals(reader.values(), ["a", null]);
    if (topic === "create-time") assertEquals([first!.time, second!.time], [1_000_000_000_000, 1_000_000_000_500]);
    else assert(first!.time >= before - 1000 && first!.time === second!.time && second!.time <= Date.now() + 1000);
    const found = await reader.source.offsetsAt(epochMs(1_000_000_000_400));
    assertEquals(found.get(p0), offset(topic === "create-time" ? 1 : 0));
    assertEquals((await reader.source.offsetsAt(epochMs(Date.now() + 60_000))).get(p0), offset(2));
  }
}

async function gaps(broker: TestBroker) {
  await createTopic(broker, "gap");
  await produce(broker, "gap", Array.from({ length: 10 }, (_, i) => ({ value: `v${i}` })));
  await withAdmin(broker, async (admin) => {
    await admin.fetchTopicOffsets("gap"); // kafkajs needs it before the next call
    await admin.deleteTopicRecords({ topic: "gap", partitions: [{ partition: 0, offset: "5" }] });
  });
  const stop = async (position: number, group: string) => {
    await using reader = await new TestReader(testSource(broker, "gap", { group }), stored(position)).open();
    const { error } = await reader.event("stopped");
    assertEquals(reader.records, []);
    return error;
  };
  const gone = await stop(2, "gap-1");
  assertEquals(gone.code, "data_gap");
  assertStringIncludes(gone.message, "gap[0]: the next record to read is 2, but the log now starts at 5");
  assertStringIncludes(gone.action, "tidemark resume --accept-gap");
  const beyond = await stop(11, "gap-2");
  assertEquals(beyond.code, "position_beyond_end");
  assertStringIncludes(beyond.message, "the next record to read is 11, but the log ends at 10");
  await using reader = await new TestReader(testSource(broker, "gap"), stored(5)).open();
  await reader.until(caughtUp(reader));
  assertEquals(reader.values(), ["v5", "v6", "v7", "v8", "v9"]);
  assertEquals(reader.batches[0]!.logStart, offset(5));
}

/** Flips one bit of a stored batch; the broker serves it as it lies on the disk. */
async function corruption(broker: TestBroker) {
  if (broker.dataFolder === null) throw new Error("This test writes into its broker's log: unset KAFKA_TEST_URL");
  await createTopic(broker, "corrupt");
  const text = "the record that will be damaged";
  await produce(broker, "corrupt", [{ value: "before" }, { value: text }, { value: "after" }], { chunk: 1 });
  const path = `${broker.dataFolder}/corrupt-0/00000000000000000000.log`;
  const bytes = Buffer.from(await Deno.readFile(path));
  using file = await Deno.open(path, { write: true });
  const at = bytes.indexOf(text);
  await file.seek(at, Deno.SeekMode.Start);
  await file.write(Uint8Array.of(bytes[at]! ^ 1));
  await using reader = await new TestReader(testSource(broker, "corrupt")).open();
  const { error } = await reader.event("stopped");
  assertEquals([error.code, reader.values(), reader.store.get(p0)], ["corrupt_batch", ["before"], offset(1)]);
  assertStringIncludes(error.message, 'Topic "corrupt", partition 0, batch at offset 1: its checksum does not match');
}

async function observations(broker: TestBroker) {
  await createTopic(broker, "quiet", { partitions: 2 });
  await produce(broker, "quiet", [{ value: "a" }]);
  await using reader = await new TestReader(testSource(broker, "quiet")).open();
  const started = Date.now();
  const seenOf = (partition: number) => reader.batches.filter((batch) => batch.partition === partition);
  await reader.until(() => [0, 1].every((partition) => seenOf(partition).length >= 3), 60_000);
  const seconds = (Date.now() - started) / 1_000;
  for (const partition of [0, 1]) {
    const seen = seenOf(partition);
    assertEquals(seen.at(-1)!.next, seen.at(-1)!.logEnd);
    // About one a second while nothing changes, each sent after the one before.
    assert(seen.length <= 3 + 2 * seconds, `partition ${partition}: ${seen.length} observations in ${seconds} s`);
    assert(seen.every(({ sentAt }, i) => i === 0 || sentAt > seen[i - 1]!.sentAt));
  }
  await reader.until(() => reader.source.confirmedAt() > started, 60_000);
}

async function topicChanges(broker: TestBroker) {
  await using missing = await new TestReader(testSource(broker, "later")).open();
  assertStringIncludes((await missing.event("unavailable")).reason, 'Topic "later" does not exist');
  await createTopic(broker, "later");
  await produce(broker, "later", [{ value: "a" }]);
  await missing.until(() => missing.values().includes("a"));
  await withAdmin(broker, (admin) => admin.createPartitions({ topicPartitions: [{ topic: "later", count: 3 }] }));
  await produce(broker, "later", [{ value: "new", partition: 2 }]);
  await missing.until(() => missing.values(2).includes("new"), 15_000);
  assertEquals(missing.values(0), ["a"]);
  // Deleted and created again, shorter than before or not: the id tells.
  const { topicId } = await missing.source.identify();
  assertEquals(topicId?.length, 32);
  await withAdmin(broker, (admin) => admin.deleteTopics({ topics: ["later"] }));
  await createTopic(broker, "later", { partitions: 3 });
  await produce(broker, "later", [{ value: "other" }, { value: "log" }]);
  const { error } = await missing.event("stopped", 15_000);
  assertEquals(error.code, "topic_recreated");
  assertStringIncludes(error.message, topicId!);
}

for (const version of KAFKA_VERSIONS) {
  Deno.test({
    name: `createKafkaSource() on Kafka ${version}`,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async (t) => {
      await using broker = await startBroker({ version });
      await t.step("delivers every codec byte for byte", () => codecs(broker));
      await t.step("hides aborted transactions and accounts for all offsets", () => transactions(broker));
      await t.step("gives record times, tombstones and offsets by time", () => times(broker));
      await t.step("stops by name where the log does not hold the position", () => gaps(broker));
      await t.step("stops at a batch that was damaged on the broker's disk", () => corruption(broker));
      await t.step("reports that a quiet partition is caught up", () => observations(broker));
      await t.step("follows a topic that appears, grows and is created again", () => topicChanges(broker));
    },
  });
}
