// The producer's pure parts: what a batch's bytes are, and what an answer means. The brokers' side is in tests/integration/produce_faults_test.ts.
import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { outcomeOf, outcomes } from "../../../src/source/kafka/producer/answers.ts";
import { encodeRecordBatch, sequenceAfter } from "../../../src/source/kafka/producer/record_batch.ts";
import { BatchReader } from "../../../src/source/kafka/decode/batch_reader.ts";
import { offset } from "../../../src/shared/units.ts";

Deno.test("encodeRecordBatch() is read back byte for byte, with its sequence, and is the same every time", () => {
  const values = ["", "a", "ä".repeat(5_000), "x".repeat(900_000)];
  for (let i = 0; i < 300; i++) values.push(`${i}`);
  const records = values.map((value, i) => ({ key: i % 3 === 0 ? null : `key ${i}`, value: Buffer.from(value) }));
  records.push({ key: "gone", value: null as never });
  const sequence = { producerId: 4_000_000_000_123n, producerEpoch: 3, first: 77 };
  const batch = encodeRecordBatch(records, sequence, 1_700_000_000_123);
  assertEquals(batch.equals(encodeRecordBatch(records, sequence, 1_700_000_000_123)), true);
  const reader = new BatchReader({ from: 0, records: batch, aborted: [], sentAt: 0 }, { checkCrcs: true });
  const seen: (string | null)[] = [];
  while (!reader.done) {
    for (const run of reader.read().runs) {
      run.walk(offset(0), (bytes, start, end, _at, time) => {
        assertEquals(time, 1_700_000_000_123);
        seen.push(end < 0 ? null : Buffer.from(bytes.subarray(start, end)).toString());
      });
    }
  }
  assertEquals(reader.fault, null);
  assert(seen.every((value, i) => value === (values[i] ?? null)) && seen.length === values.length + 1);
  const view = new DataView(batch.buffer, batch.byteOffset);
  assertEquals([view.getBigInt64(43), view.getInt16(51), view.getInt32(53)], [4_000_000_000_123n, 3, 77]);
});

Deno.test("sequenceAfter() goes round behind the largest number", () => {
  assertEquals([sequenceAfter(0, 5), sequenceAfter(2 ** 31 - 1, 1), sequenceAfter(2 ** 31 - 3, 5)], [5, 0, 2]);
});

Deno.test("outcomeOf() tells stored from passing from refused", () => {
  const stored = [0, 46],
    passing = [undefined, 3, 5, 6, 7, 13, 19, 20, 56],
    refused = [1, 10, 18, 29, 31, 45, 47, 59, 87];
  assertEquals(stored.map(outcomeOf), stored.map(() => "stored"));
  assertEquals(passing.map(outcomeOf), passing.map(() => "again"));
  assertEquals(refused.map(outcomeOf), refused.map(() => "refused"));
});

Deno.test("outcomes() takes a partition that the answer leaves out as not acknowledged", () => {
  const sent = [{ partition: 0 }, { partition: 4 }, { partition: 7 }];
  const found = outcomes(sent, [{ partition: 4, errorCode: 0 }, { partition: 7, errorCode: 6 }]);
  assertEquals(found.map(({ outcome }) => outcome), ["again", "stored", "again"]);
});
