import { assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { framingFault, RecordBatchRun, type RecordBody } from "../../../../src/source/kafka/decode/record_run.ts";
import { offset } from "../../../../src/shared/units.ts";
import { encodeRecord, type RecordSpec, varint } from "../../../support/kafka_record_batch.ts";

type Seen = [value: string | null, offset: number, time: number];

function bodyOf(records: readonly RecordSpec[], over: Partial<RecordBody> = {}): RecordBody {
  const bytes = Buffer.concat(records.map(encodeRecord));
  const lastOffsetDelta = Math.max(0, ...records.map(({ offsetDelta }, i) => offsetDelta ?? i));
  return {
    bytes,
    start: 0,
    end: bytes.length,
    baseOffset: 100,
    lastOffsetDelta,
    count: records.length,
    timestamp: 5_000,
    appendTime: false,
    ...over,
  };
}

function walk(body: RecordBody, from = 0): Seen[] {
  const seen: Seen[] = [];
  new RecordBatchRun(body).walk(offset(from), (bytes, start, end, at, time) => {
    seen.push([end < 0 ? null : new TextDecoder().decode(bytes.subarray(start, end)), at, time]);
  });
  return seen;
}

Deno.test("walk() visits values, tombstones and empty values with offset and time", () => {
  const body = bodyOf([
    { value: "a", key: "k", timeDelta: 7, headers: [["h", "x"]] },
    { value: null, timeDelta: -3 },
    { value: "", offsetDelta: 9 },
  ]);
  assertEquals(framingFault(body), null);
  assertEquals(walk(body), [["a", 100, 5_007], [null, 101, 4_997], ["", 109, 5_000]]);
});

Deno.test("walk() skips what lies below the position asked for", () => {
  assertEquals(walk(bodyOf([{ value: "a" }, { value: "b" }, { value: "c" }]), 102), [["c", 102, 5_000]]);
});

Deno.test("walk() gives the batch's own time under LogAppendTime", () => {
  assertEquals(walk(bodyOf([{ value: "a", timeDelta: 77 }], { appendTime: true })), [["a", 100, 5_000]]);
});

Deno.test("walk() reads time deltas of any width", () => {
  for (
    const delta of [0, -1, 63, -64, 2 ** 27 - 1, 2 ** 27, -(2 ** 27), 2 ** 31, -(2 ** 33), 2 ** 41, -(2 ** 41) - 1]
  ) {
    const body = bodyOf([{ value: "a", timeDelta: delta }]);
    assertEquals(framingFault(body), null);
    assertEquals(walk(body), [["a", 100, 5_000 + delta]], `delta ${delta}`);
  }
});

Deno.test("walk() reads long keys and values (two and three byte lengths)", () => {
  const long = "v".repeat(70_000), key = "k".repeat(200);
  assertEquals(walk(bodyOf([{ value: long, key }, { value: "z" }])), [[long, 100, 5_000], ["z", 101, 5_000]]);
});

const faults: readonly [name: string, body: () => RecordBody, text: string][] = [
  ["a truncated last record", () => {
    const body = bodyOf([{ value: "abc" }, { value: "def" }]);
    return { ...body, end: body.end - 1 };
  }, "record 1 overruns"],
  ["fewer records than claimed", () => ({ ...bodyOf([{ value: "abc" }]), count: 2 }), "record 1"],
  ["bytes after the last record", () => ({ ...bodyOf([{ value: "a" }, { value: "b" }]), count: 1 }), "follow the last"],
  ["a repeated offset", () => bodyOf([{ value: "a", offsetDelta: 1 }, { value: "b", offsetDelta: 1 }]), "out of order"],
  [
    "an offset beyond the header's last",
    () => ({ ...bodyOf([{ value: "a", offsetDelta: 5 }]), lastOffsetDelta: 4 }),
    "out of order",
  ],
  ["a negative offset delta", () => bodyOf([{ value: "a", offsetDelta: -1 }]), "out of order"],
  ["a value longer than its record", () => {
    const inner = Buffer.concat([Uint8Array.of(0, 0, 0), varint(-1), varint(50), Buffer.from("abc")]);
    const bytes = Buffer.concat([varint(inner.length), inner]);
    return { ...bodyOf([]), bytes, end: bytes.length, count: 1 };
  }, "value of record 0"],
  ["a key longer than its record", () => {
    const inner = Buffer.concat([Uint8Array.of(0, 0, 0), varint(1000), Buffer.from("abc")]);
    const bytes = Buffer.concat([varint(inner.length), inner]);
    return { ...bodyOf([]), bytes, end: bytes.length, count: 1 };
  }, "key of record 0"],
  ["a negative record length", () => {
    const bytes = Buffer.concat([varint(-5), Buffer.alloc(20)]);
    return { ...bodyOf([]), bytes, end: bytes.length, count: 1 };
  }, "overruns"],
  ["an endless length", () => {
    const bytes = new Uint8Array(40).fill(255);
    return { ...bodyOf([]), bytes, end: bytes.length, count: 1 };
  }, "overruns"],
];
for (const [name, body, text] of faults) {
  Deno.test(`framingFault() finds ${name}`, () => assertStringIncludes(framingFault(body()) ?? "", text));
}

Deno.test("framingFault() accepts only what walk() reads within bounds, whatever the bytes", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 60 }),
      fc.integer({ min: 0, max: 6 }),
      fc.integer({ min: 0, max: 200 }),
      (bytes, count, lastOffsetDelta) => {
        const body = { ...bodyOf([]), bytes, end: bytes.length, count, lastOffsetDelta };
        if (framingFault(body) !== null) return;
        let visited = 0, previous = -1;
        new RecordBatchRun(body).walk(offset(0), (_bytes, start, end, at) => {
          visited++;
          assertEquals(start <= bytes.length && end <= bytes.length && (end === -1 || end >= start), true);
          assertEquals(at > previous && at <= 100 + lastOffsetDelta, true);
          previous = at;
        });
        assertEquals(visited, count);
      },
    ),
    { numRuns: 20_000 },
  );
});

Deno.test("framingFault() finds most single broken bytes and never lets walk() leave the batch", () => {
  const good = bodyOf([{ value: "hello", key: "k", timeDelta: 300 }, { value: null }, { value: "x".repeat(200) }]);
  for (let i = 0; i < good.end; i++) {
    for (const flip of [1, 2, 64, 128, 255]) {
      const bytes = Uint8Array.from(good.bytes);
      bytes[i]! ^= flip;
      const body = { ...good, bytes };
      if (framingFault(body) !== null) continue;
      for (const [value] of walk(body)) assertEquals((value?.length ?? 0) <= good.end, true);
    }
  }
});
