import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  decodeFetchResponse,
  MalformedResponse,
  scanBatches,
} from "../../../../src/source/kafka/decode/fetch_decoder.ts";
import { encodeBatch, encodeFetchResponse, encodeLegacyMessage } from "../../../support/kafka_record_batch.ts";

const batch = (baseOffset: number, count = 2) =>
  encodeBatch({ baseOffset, records: Array.from({ length: count }, (_, i) => ({ value: `v${i}` })) });

Deno.test("decodeFetchResponse() reads every field of every partition", () => {
  const records = batch(40);
  const response = decodeFetchResponse(encodeFetchResponse("täglich", [
    {
      partition: 3,
      logEnd: 2 ** 40 + 1,
      lastStable: 50,
      logStart: 7,
      records,
      aborted: [{ producerId: 9, firstOffset: 41 }],
    },
    { partition: 4, errorCode: 1, logEnd: -1, lastStable: -1, logStart: -1 },
  ]));
  assertEquals([response.throttleMs, response.errorCode, response.sessionId], [7, 0, 0]);
  assertEquals(response.topics.map(({ topic }) => topic), ["täglich"]);
  const [first, second] = response.topics[0]!.partitions;
  assertEquals(
    { ...first!, records: Buffer.from(first!.records).equals(records) },
    {
      partition: 3,
      errorCode: 0,
      logEnd: 2 ** 40 + 1,
      lastStable: 50,
      logStart: 7,
      aborted: [{ producerId: 9, firstOffset: 41 }],
      records: true,
    } as unknown as typeof first & { records: boolean },
  );
  assertEquals([second!.errorCode, second!.logEnd, second!.records.length], [1, -1, 0]);
});

Deno.test("decodeFetchResponse() refuses every cut of a response", () => {
  const whole = encodeFetchResponse("t", [{ partition: 0, logEnd: 2, records: batch(0) }, { partition: 1 }]);
  for (let size = 0; size < whole.length; size++) {
    assertThrows(() => decodeFetchResponse(whole.subarray(0, size)), MalformedResponse);
  }
});

Deno.test("scanBatches() finds the position after the last complete batch", () => {
  const whole = Buffer.concat([batch(10, 3), batch(20, 2)]);
  assertEquals(scanBatches(whole, 10), { firstOffset: 10, next: 22, completeBytes: whole.length, fault: null });
  assertEquals(scanBatches(whole, 11).next, 22);
  assertEquals(scanBatches(new Uint8Array(0), 5), { firstOffset: -1, next: 5, completeBytes: 0, fault: null });
});

Deno.test("scanBatches() leaves a cut-off tail alone, at every length", () => {
  const first = batch(10, 3), second = batch(20, 2);
  const whole = Buffer.concat([first, second]);
  for (let size = first.length; size < whole.length; size++) {
    assertEquals(scanBatches(whole.subarray(0, size), 10), {
      firstOffset: 10,
      next: 13,
      completeBytes: first.length,
      fault: null,
    });
  }
});

Deno.test("scanBatches() counts offsets that a compacted batch still claims", () => {
  const compacted = encodeBatch({ baseOffset: 10, records: [{ value: "a", offsetDelta: 4 }], lastOffsetDelta: 9 });
  assertEquals(scanBatches(compacted, 12).next, 20);
});

Deno.test("scanBatches() steps over legacy messages", () => {
  const set = Buffer.concat([
    encodeLegacyMessage({ offset: 5, magic: 0, value: Buffer.from("a") }),
    encodeLegacyMessage({ offset: 6, magic: 1, value: Buffer.from("b") }),
    batch(7),
  ]);
  assertEquals(scanBatches(set, 5), { firstOffset: 5, next: 9, completeBytes: set.length, fault: null });
});

const faults: readonly [name: string, bytes: () => Uint8Array, offset: number, text: string][] = [
  [
    "an unknown format",
    () => {
      const bytes = Buffer.concat([batch(10), batch(12)]);
      bytes[batch(10).length + 16] = 3;
      return bytes;
    },
    12,
    "unknown record format 3",
  ],
  [
    "a batch too short for its header",
    () => {
      const bytes = Buffer.from(batch(10));
      bytes.writeInt32BE(48, 8);
      return bytes;
    },
    10,
    "too short",
  ],
  [
    "a negative length",
    () => {
      const bytes = Buffer.from(batch(10));
      bytes.writeInt32BE(-1, 8);
      return bytes;
    },
    10,
    "too short",
  ],
  ["offsets that go back", () => Buffer.concat([batch(10), batch(11)]), 12, "claims offsets 11"],
  [
    "a negative count of offsets",
    () => encodeBatch({ baseOffset: 10, records: [], lastOffsetDelta: -2 }),
    10,
    "claims",
  ],
];
for (const [name, bytes, offset, text] of faults) {
  Deno.test(`scanBatches() names ${name}`, () => {
    const { fault, next } = scanBatches(bytes(), 10);
    assertEquals([fault?.offset, next], [offset, offset]);
    assertStringIncludes(fault?.reason ?? "", text);
  });
}
