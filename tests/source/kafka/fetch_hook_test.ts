import { assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { StreamStopped } from "../../../src/shared/errors.ts";
import { type FetchResult, OFFSET_OUT_OF_RANGE, registerFetchTap } from "../../../src/source/kafka/fetch_hook.ts";
import { framePool } from "../../../src/source/kafka/frame_pool.ts";
import type { FetchTerms } from "../../../src/source/kafka/patience.ts";
import { fetchDefinition, type FetchOptions } from "../../../src/source/kafka/internals.ts";
import { encodeBatch, encodeFetchResponse, type PartitionSpec } from "../../support/kafka_record_batch.ts";

const NOT_LEADER = 6;
/** Large enough to be kept. */
const POOLED_BYTES = 1 << 20;
const records = encodeBatch({ baseOffset: 5, records: [{ value: "a" }] });

interface Decoded {
  readonly responses: readonly {
    readonly topicName: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly messages: readonly { readonly result?: unknown }[];
    }[];
  }[];
}

/** Sends nothing: encodes a fetch of partitions 0–2 from offset 5 and decodes a response to it. */
async function exchange(
  parts: readonly PartitionSpec[],
  over: { tagged?: boolean; version?: number; terms?: FetchTerms; pooled?: boolean } = {},
) {
  const pauses: number[] = [];
  const { rackId, remove } = registerFetchTap<string>({
    sending: (partition) => `sent-${partition}`,
    pause: (ms) => {
      pauses.push(ms);
      return Promise.resolve();
    },
    ...(over.terms && { terms: () => over.terms! }),
  });
  try {
    const options = {
      replicaId: -1,
      maxWaitTime: 1,
      minBytes: 1,
      maxBytes: 1,
      topics: [{
        topic: "t",
        partitions: [0, 1, 2].map((partition) => ({ partition, fetchOffset: "5", maxBytes: 1 })),
      }],
      rackId: over.tagged === false ? "rack-of-another" : rackId,
    };
    const { request, response } = fetchDefinition.protocol({ version: over.version ?? 11 })(options as FetchOptions);
    const encoded = (await request.encode() as unknown as { buffer: Buffer }).buffer;
    const plain = Buffer.from(encodeFetchResponse("t", parts));
    const raw = over.pooled ? framePool.take(POOLED_BYTES).subarray(0, plain.length) : plain;
    plain.copy(raw);
    const decoded = await response.parse(await response.decode(raw)) as Decoded;
    return { encoded, pauses, partitions: decoded.responses[0]!.partitions };
  } finally {
    remove();
  }
}

Deno.test("registerFetchTap() gives one message a partition, also for an empty one and for a position out of range", async () => {
  const { partitions, encoded } = await exchange([
    { partition: 0, records, logEnd: 6 },
    { partition: 1, logEnd: 5 },
    { partition: 2, errorCode: OFFSET_OUT_OF_RANGE },
  ]);
  const results = partitions.map(({ messages }) => messages.map(({ result }) => result as Record<string, unknown>));
  assertEquals(
    results.map((list) =>
      list.map(({ partition, from, sent, errorCode, logEnd }) => [partition, from, sent, errorCode, logEnd])
    ),
    [[[0, 5, "sent-0", 0, 6]], [[1, 5, "sent-1", 0, 5]], [[2, 5, "sent-2", OFFSET_OUT_OF_RANGE, 0]]],
  );
  assertEquals(encoded.includes("tidemark"), false, "the tag stays with us");
});

Deno.test("registerFetchTap() drops a partition without a leader while others bring records", async () => {
  const { partitions, pauses } = await exchange([{ partition: 0, records, logEnd: 6 }, {
    partition: 1,
    errorCode: NOT_LEADER,
  }]);
  assertEquals([partitions.map(({ partition }) => partition), pauses], [[0], []]);
});

Deno.test("registerFetchTap() lets kafkajs refresh its metadata, after a pause, where only errors and silence came", async () => {
  const error = await assertRejects(
    () => exchange([{ partition: 0, logEnd: 5 }, { partition: 1, errorCode: NOT_LEADER }]),
    Error,
  );
  assertEquals((error as Error & { type?: string }).type, "NOT_LEADER_FOR_PARTITION");
});

Deno.test("registerFetchTap() leaves other consumers of the process alone", async () => {
  const { partitions, encoded } = await exchange([{ partition: 0, records, logEnd: 6 }], { tagged: false });
  const [message] = partitions[0]!.messages as unknown as { offset: string; value: Buffer; result?: unknown }[];
  assertEquals([message!.offset, String(message!.value), message!.result], ["5", "a", undefined]);
  assertEquals(encoded.includes("rack-of-another"), true);
});

Deno.test("registerFetchTap() refuses a broker that speaks another Fetch version", async () => {
  const error = await assertRejects(() => exchange([], { version: 10 }), StreamStopped);
  assertEquals([error.code, (error as Error & { retriable?: boolean }).retriable], ["source_refused", false]);
});

Deno.test("registerFetchTap() sends the fetch with the terms of the tap", async () => {
  const waitAndBytes = async (terms?: FetchTerms) => {
    const { encoded } = await exchange([{ partition: 0, records, logEnd: 6 }], terms && { terms });
    return [encoded.readInt32BE(4), encoded.readInt32BE(8)]; // after the replica id
  };
  assertEquals(await waitAndBytes({ maxWaitMs: 700, minBytes: 5_000 }), [700, 5_000]);
  assertEquals(await waitAndBytes(), [1, 1], "as the consumer was made");
});

Deno.test("a response is given up once all partitions with records were, each once", async () => {
  const { partitions } = await exchange([
    { partition: 0, records, logEnd: 6 },
    { partition: 1, records, logEnd: 6 },
    { partition: 2, logEnd: 5 },
  ], { pooled: true });
  const [a, b, c] = partitions.map(({ messages }) => messages[0]!.result as FetchResult<string>);
  const again = () => framePool.take(POOLED_BYTES).buffer === a!.records.buffer;
  c!.done();
  a!.done();
  a!.done();
  assertEquals(again(), false, "the other partition is still looked at");
  b!.done();
  assertEquals(again(), true);
});
