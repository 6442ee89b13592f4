import { assertEquals, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import { BatchReader, PORTION_BYTES } from "../../../../src/source/kafka/decode/batch_reader.ts";
import type { AbortedTransaction } from "../../../../src/source/kafka/decode/fetch_decoder.ts";
import { offset } from "../../../../src/shared/units.ts";
import { type BatchSpec, encodeBatch, encodeLegacyMessage, encodeMarker } from "../../../support/kafka_record_batch.ts";

interface Case {
  readonly from?: number;
  readonly batches: readonly Uint8Array[];
  readonly aborted?: readonly AbortedTransaction[];
  readonly checkCrcs?: boolean;
}

function reader({ from = 0, batches, aborted = [], checkCrcs = true }: Case): BatchReader {
  return new BatchReader({ from, records: Buffer.concat(batches), aborted, sentAt: 777 }, { checkCrcs });
}

/** Reads everything: values with offsets, or with times where asked. */
function drain(given: Case): { seen: string[]; times: number[]; next: number; reader: BatchReader } {
  const source = reader(given), seen: string[] = [], times: number[] = [];
  let next = given.from ?? 0;
  while (!source.done) {
    const portion = source.read();
    assertEquals(portion.from, next);
    for (const run of portion.runs) {
      run.walk(offset(portion.from), (bytes, start, end, at, time) => {
        seen.push(`${at}:${end < 0 ? "null" : new TextDecoder().decode(bytes.subarray(start, end))}`);
        times.push(time);
      });
    }
    next = portion.next;
  }
  return { seen, times, next, reader: source };
}

const plain = (baseOffset: number, ...values: string[]) =>
  encodeBatch({ baseOffset, records: values.map((value) => ({ value })) });
const tx = (baseOffset: number, producerId: number, ...values: string[]) =>
  encodeBatch({ baseOffset, producerId, transactional: true, records: values.map((value) => ({ value })) });
const abort = (baseOffset: number, producerId: number) => encodeMarker({ baseOffset, producerId, type: "abort" });
const commit = (baseOffset: number, producerId: number) => encodeMarker({ baseOffset, producerId, type: "commit" });

Deno.test("read() delivers every record from the position asked for, in all codecs", () => {
  for (const codec of [0, 1, 2, 3, 4]) {
    const records = [{ value: "a" }, { value: null }, { value: "c" }];
    const { seen, next } = drain({
      from: 1,
      batches: [encodeBatch({ baseOffset: 0, codec, records }), plain(3, "d")],
    });
    assertEquals([seen, next], [["1:null", "2:c", "3:d"], 4], `codec ${codec}`);
  }
});

Deno.test("read() gives the time of the record, of the batch (LogAppendTime), or of reading where both are missing", () => {
  const records = [{ value: "a", timeDelta: 5 }];
  const { times } = drain({
    batches: [
      encodeBatch({ baseOffset: 0, records, baseTimestamp: 100 }),
      encodeBatch({ baseOffset: 1, records, baseTimestamp: 100, maxTimestamp: 200, appendTime: true }),
      encodeBatch({ baseOffset: 2, records, baseTimestamp: -1 }),
    ],
  });
  assertEquals(times, [105, 200, 777]);
});

Deno.test("read() passes control batches and empty compacted batches by their position alone", () => {
  const { seen, next } = drain({
    batches: [tx(0, 5, "a"), commit(1, 5), encodeBatch({ baseOffset: 2, records: [], lastOffsetDelta: 7 })],
  });
  assertEquals([seen, next], [["0:a"], 10]);
});

Deno.test("read() hides one aborted transaction and shows what follows of the same producer", () => {
  const { seen } = drain({
    batches: [tx(0, 5, "no"), abort(1, 5), tx(2, 5, "yes"), commit(3, 5)],
    aborted: [{ producerId: 5, firstOffset: 0 }],
  });
  assertEquals(seen, ["2:yes"]);
});

Deno.test("read() hides interleaved aborted transactions, also when the fetch begins inside both", () => {
  // kafkajs enters only one aborted transaction a record and so leaks records of the second: here b1 comes first.
  const batches = [
    tx(10, 2, "b1"),
    tx(11, 1, "a1"),
    tx(12, 3, "c1"),
    abort(13, 1),
    tx(14, 2, "b2"),
    abort(15, 2),
    commit(16, 3),
    tx(17, 4, "d1"),
    abort(18, 4),
  ];
  // The protocol does not promise an order of the list.
  const aborted = [
    { producerId: 4, firstOffset: 17 },
    { producerId: 2, firstOffset: 4 },
    { producerId: 1, firstOffset: 2 },
  ];
  assertEquals((drain({ from: 10, batches, aborted })).seen, ["12:c1"]);
});

Deno.test("read() does not take a data record with key 00 00 00 00 for an abort marker", () => {
  const looksLikeMarker = encodeBatch({
    baseOffset: 1,
    producerId: 5,
    transactional: true,
    records: [{ key: new Uint8Array(4), value: "x" }],
  });
  const { seen } = drain({
    batches: [tx(0, 5, "no"), looksLikeMarker, tx(2, 5, "no"), abort(3, 5), plain(4, "yes")],
    aborted: [{ producerId: 5, firstOffset: 0 }],
  });
  assertEquals(seen, ["4:yes"]);
});

Deno.test("read() shows non-transactional batches of a producer whose transaction aborts, and committed ones before it", () => {
  const { seen } = drain({
    batches: [
      tx(0, 5, "yes"),
      commit(1, 5),
      tx(2, 5, "no"),
      encodeBatch({ baseOffset: 3, producerId: 5, records: [{ value: "idempotent" }] }),
      abort(4, 5),
    ],
    aborted: [{ producerId: 5, firstOffset: 2 }],
  });
  assertEquals(seen, ["0:yes", "3:idempotent"]);
});

Deno.test("read() hides an aborted transaction in compressed batches without expanding them", () => {
  const broken = encodeBatch({
    baseOffset: 0,
    producerId: 5,
    transactional: true,
    codec: 7,
    records: [{ value: "x" }],
  });
  const { seen, reader: source } = drain({
    batches: [broken, abort(1, 5), plain(2, "y")],
    aborted: [{ producerId: 5, firstOffset: 0 }],
  });
  assertEquals([seen, source.fault], [["2:y"], null]);
});

Deno.test("read() stops at a wrong checksum after delivering what came before", () => {
  const batches = [
    plain(0, "a"),
    encodeBatch({ baseOffset: 1, records: [{ value: "b" }], badCrc: true }),
    plain(2, "c"),
  ];
  const { seen, next, reader: source } = drain({ batches });
  assertEquals([seen, next, source.fault?.code, source.fault?.offset], [["0:a"], 1, "corrupt_batch", 1]);
  assertEquals((drain({ batches, checkCrcs: false })).seen, ["0:a", "1:b", "2:c"]);
});

const broken: readonly [name: string, spec: Partial<BatchSpec>, code: string, text: string][] = [
  ["an unknown codec", { codec: 5 }, "unsupported_codec", "codec 5"],
  ["more records than offsets", { count: 9 }, "corrupt_batch", "9 records"],
  ["a negative count", { count: -1 }, "corrupt_batch", "-1 records"],
  ["records that end early", { count: 2, lastOffsetDelta: 1 }, "corrupt_batch", "record 1"],
  ["a bomb", { codec: 1, body: new Uint8Array(80 * 1024 * 1024) }, "corrupt_batch", "expands to more than"],
  ["a body that is not what its codec says", { codec: 0, body: new Uint8Array(3) }, "corrupt_batch", "record 0"],
];
for (const [name, over, code, text] of broken) {
  Deno.test(`read() stops at ${name}`, () => {
    const batches = [plain(0, "a"), encodeBatch({ baseOffset: 1, records: [{ value: "b" }], ...over })];
    // The bit-by-bit checksum of the test encoder is kept out of the way of the large one.
    const { seen, reader: source } = drain({ batches });
    assertEquals([seen, source.fault?.code, source.fault?.offset], [["0:a"], code, 1]);
    assertStringIncludes(source.fault?.reason ?? "", text);
  });
}

Deno.test("read() hands out compressed batches in portions of bounded size", () => {
  const big = (baseOffset: number) =>
    encodeBatch({ baseOffset, codec: 4, records: [{ value: new Uint8Array(5 * 1024 * 1024) }] });
  const source = reader({ batches: [0, 1, 2, 3, 4].map(big) });
  assertEquals(source.next, 5);
  const portions: [number, number, number][] = [];
  while (!source.done) {
    const { from, next, runs } = source.read();
    portions.push([from, next, runs.length]);
  }
  assertEquals(PORTION_BYTES, 8 * 1024 * 1024);
  assertEquals(portions, [[0, 2, 2], [2, 4, 2], [4, 5, 1]]);
});

Deno.test("read() reads message formats 0 and 1, plain and compressed, between batches of today", () => {
  const inner = Buffer.concat(
    [0, 1].map((at) => encodeLegacyMessage({ offset: at, magic: 1, value: Buffer.from(`z${at}`), timestamp: 50 })),
  );
  for (const codec of [1, 2, 3]) {
    const { seen, times, next } = drain({
      batches: [
        encodeLegacyMessage({ offset: 0, magic: 0, value: Buffer.from("a") }),
        encodeLegacyMessage({ offset: 1, magic: 1, value: null, timestamp: 40 }),
        encodeLegacyMessage({ offset: 3, magic: 1, value: inner, codec }),
        plain(4, "d"),
      ],
    });
    assertEquals(seen, ["0:a", "1:null", "2:z0", "3:z1", "4:d"], `codec ${codec}`);
    assertEquals([times, next], [[777, 40, 50, 50, 1_000_000], 5]);
  }
});

const legacy = (offset: number, text: string) => encodeLegacyMessage({ offset, magic: 1, value: Buffer.from(text) });
const wrapper = (offset: number, ...inner: readonly Uint8Array[]) =>
  encodeLegacyMessage({ offset, magic: 1, value: Buffer.concat(inner), codec: 1, timestamp: 60 });

Deno.test("read() gives messages of format 0 their own offsets and those that the broker stamped its time", () => {
  const own = [5, 7].map((at) => encodeLegacyMessage({ offset: at, magic: 0, value: Buffer.from(`m${at}`) }));
  const { seen, times } = drain({
    batches: [
      encodeLegacyMessage({ offset: 7, magic: 0, value: Buffer.concat(own), codec: 1 }),
      encodeLegacyMessage({ offset: 8, magic: 1, value: legacy(0, "a"), codec: 3, timestamp: 60, appendTime: true }),
      encodeLegacyMessage({ offset: 9, magic: 1, value: Buffer.from("b"), key: Buffer.from("key"), timestamp: 70 }),
    ],
  });
  assertEquals([seen, times], [["5:m5", "7:m7", "8:a", "9:b"], [777, 777, 60, 70]]);
});

const brokenLegacy: readonly (readonly [name: string, bytes: Uint8Array, text: string])[] = [
  [
    "a wrong checksum",
    encodeLegacyMessage({ offset: 1, magic: 1, value: Buffer.from("b"), badCrc: true }),
    "checksum does not match",
  ],
  ["offsets that repeat", wrapper(2, legacy(1, "a"), legacy(1, "b")), "claims offset"],
  ["offsets that go back", wrapper(2, legacy(1, "a"), legacy(0, "b")), "claims offset"],
  ["offsets before those of the entry before", wrapper(1, legacy(0, "a"), legacy(3, "b")), "claims offset -2"],
  ["a wrapper without messages", wrapper(1), "holds none"],
  ["a wrapper without a value", encodeLegacyMessage({ offset: 1, magic: 1, value: null, codec: 1 }), "no value"],
  ["a wrapper in a wrapper", wrapper(1, wrapper(0, legacy(0, "a"))), "holds another one"],
  ["a message that is cut off", wrapper(1, legacy(0, "a").subarray(0, 20)), "overruns its set"],
  ["a message without a whole prefix", wrapper(1, legacy(0, "a").subarray(0, 9)), "cut off"],
  ["a value longer than its message", wrapper(1, edited(legacy(0, "abc"), 33, 9)), "overruns its message"],
  ["a value shorter than its message", wrapper(1, edited(legacy(0, "abc"), 33, 2)), "1 bytes follow"],
  ["a message of another format", wrapper(1, edited(legacy(0, "abc"), 16, 2)), "format 2"],
];

function edited(bytes: Uint8Array, at: number, value: number): Uint8Array {
  return Uint8Array.from(bytes).with(at, value);
}

for (const [name, bytes, text] of brokenLegacy) {
  Deno.test(`read() stops at old messages with ${name}`, () => {
    const { seen, reader: source } = drain({ batches: [plain(0, "a"), bytes] });
    assertEquals([seen, source.fault?.code], [["0:a"], "corrupt_batch"]);
    assertStringIncludes(source.fault?.reason ?? "", text);
  });
}

Deno.test("read() takes old messages with a wrong checksum where none is looked at", () => {
  const bytes = encodeLegacyMessage({ offset: 1, magic: 1, value: Buffer.from("b"), badCrc: true });
  assertEquals(drain({ batches: [bytes], checkCrcs: false }).seen, ["1:b"]);
});
