// Fetch responses: what was written is read, every field; anything else is a MalformedResponse, or an answer whose records lie within it.
import { Buffer } from "node:buffer";
import {
  decodeFetchResponse,
  type FetchResponse,
  MalformedResponse,
  scanBatches,
} from "../../src/source/kafka/decode/fetch_decoder.ts";
import { encodeBatch, encodeFetchResponse, type PartitionSpec } from "../support/kafka_record_batch.ts";
import { type Below, type Chance, chanceOf, mutated } from "./random.ts";
import { type Case, faulty, type Judge, sound, type Target, textCase, textOf, type Verdict } from "./target.ts";

/** A partition of a response; `values` become one batch at `logStart`. */
type Written = Omit<PartitionSpec, "records"> & { readonly values: readonly string[] };

function partition({ once, int, pick, many }: Chance): Written {
  const logStart = once(3) ? 0 : pick([1, 2 ** 31, 2 ** 40]);
  return {
    partition: once(4) ? 2 ** 31 - 1 : int(0, 5),
    errorCode: once(6) ? pick([1, 3, 6, -1]) : 0,
    logStart,
    logEnd: logStart + int(0, 10),
    lastStable: logStart,
    ...(once(3) && { aborted: many(3, () => ({ producerId: int(0, 5), firstOffset: logStart + int(0, 5) })) }),
    values: many(3, () => pick(["a", "", "x".repeat(100)])),
  };
}

const encode = (topic: string, partitions: readonly Written[]) =>
  encodeFetchResponse(
    topic,
    partitions.map(({ values, ...spec }) => ({
      ...spec,
      records: values.length === 0
        ? new Uint8Array(0)
        : encodeBatch({ baseOffset: spec.logStart!, records: values.map((value) => ({ value })) }),
    })),
  );

function generate(below: Below): Case {
  const chance = chanceOf(below);
  const topic = chance.pick(["t", "täglich", "", "x".repeat(249)]),
    partitions = chance.many(3, () => partition(chance));
  if (chance.once(3)) return textCase(JSON.stringify({ topic, partitions }), "written");
  let bytes: Uint8Array = encode(topic, partitions);
  for (let n = chance.int(1, 4); n > 0; n--) bytes = mutated(bytes, below);
  return { variant: "any", input: bytes };
}

/** What is read of `bytes` within others, or `null` where it is not a response. */
function decode(bytes: Uint8Array): FetchResponse | null {
  const arena = new Uint8Array(bytes.length + 64).fill(1);
  arena.set(bytes, 32);
  const given = arena.subarray(32, 32 + bytes.length);
  try {
    const response = decodeFetchResponse(given);
    for (const { partitions } of response.topics) {
      for (const { records } of partitions) {
        const inside = records.buffer === arena.buffer && records.byteOffset >= 32 &&
          records.byteOffset + records.length <= 32 + bytes.length;
        if (!inside) throw new Error(`records at ${records.byteOffset}, ${records.length} bytes of ${bytes.length}`);
      }
    }
    return response;
  } catch (error) {
    if (error instanceof MalformedResponse) return null;
    throw error;
  }
}

const judge: Judge = {
  check(given): Verdict {
    if (given.variant === "any") {
      const response = decode(given.input);
      for (const { partitions } of response?.topics ?? []) {
        for (const { records } of partitions) {
          const { next, completeBytes } = scanBatches(records, 5);
          if (!(next >= 5 && completeBytes >= 0 && completeBytes <= records.length)) {
            return faulty("any", `${completeBytes} of ${records.length} bytes, next ${next}`);
          }
        }
      }
      return sound(response === null ? "refused" : "any");
    }
    let written: { topic: string; partitions: readonly Written[] };
    try {
      written = JSON.parse(textOf(given));
    } catch {
      return sound("no case");
    }
    const { topic, partitions } = written, bytes = encode(topic, partitions);
    const response = decode(bytes);
    const found = response?.topics.map((
      t,
    ) => [
      t.topic,
      ...t.partitions.map((
        p,
      ) => [
        p.partition,
        p.errorCode,
        p.logStart,
        p.logEnd,
        p.lastStable,
        p.aborted.map(({ producerId, firstOffset }) => [producerId, firstOffset]),
        Buffer.from(p.records).toString("base64"),
      ]),
    ]);
    const wanted = [[
      topic,
      ...partitions.map((
        p,
      ) => [
        p.partition,
        p.errorCode,
        p.logStart,
        p.logEnd,
        p.lastStable,
        (p.aborted ?? []).map(({ producerId, firstOffset }) => [producerId, firstOffset]),
        p.values.length === 0
          ? ""
          : Buffer.from(encodeBatch({ baseOffset: p.logStart!, records: p.values.map((value) => ({ value })) }))
            .toString("base64"),
      ]),
    ]];
    if (JSON.stringify(found) !== JSON.stringify(wanted)) {
      return faulty("written", `gives ${JSON.stringify(found)}, written was ${JSON.stringify(wanted)}`);
    }
    // Cut anywhere, it is not a response.
    const cut = bytes.length === 0
      ? 0
      : (bytes.length * 7 + topic.length * 31 + partitions.length * 101) % bytes.length;
    return decode(bytes.subarray(0, cut)) === null
      ? sound("written")
      : faulty("written", `its first ${cut} bytes are taken for a response`);
  },
};

export const fetchTarget: Target = {
  name: "fetch",
  holds:
    "a Fetch response gives what was written and is refused when cut; any bytes are refused as malformed or give records within them",
  generate,
  open: () => judge,
  shares: { written: 0.2, refused: 0.1, any: 0.05 },
  testCases: 3_000,
  // A count must not ask for more work than the bytes hold.
  msMax: 100,
};
