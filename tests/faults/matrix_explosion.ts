// Compressed batches that expand, or say that they expand, to far more than they are. Shell.
import { withAdmin } from "../support/kafka_topics.ts";
import { type Entry, judged, type Outcome, type Servers } from "./entry.ts";
import type { GeneratedRecord } from "./generator.ts";
import { TASK_FLAGS } from "./instance.ts";
import { planOf } from "./kill_run.ts";
import { stoppedBy } from "./matrix_log.ts";
import { type Codec, encodeBatch, frameBatch, WireProducer } from "./produce_wire.ts";
import { World } from "./world.ts";

const MIB = 1024 * 1024;
/** Over the cap of one batch, 64 MiB (src/source/kafka/decode/codecs.ts). */
const EXPLODES_TO = 80 * MIB;
/** Of a process without a city database: 182 MiB (docs/performance.md), and three times the cap: pieces, the whole, and the one before. */
const MEMORY_MAX = 384 * MIB;
/** Where the hostile batch lies: first in its partition, so that deleting it deletes nothing else. */
const PARTITION = 2;
const EVENTS = 5_000;
const mib = (bytes: number) => `${Math.round(bytes / MIB)} MiB`;

interface Hostile {
  readonly codec: Codec;
  readonly what: string;
  /** The batch; its offset is the broker's. */
  readonly batch: (time: number) => Uint8Array;
  /** The broker would not take it: it is written over a harmless batch on its disk. */
  readonly onDisk: boolean;
  /** What the error must say. */
  readonly says: string;
}

/** A batch of one record of zeros: the broker takes it, since it looks at the compressed size alone. */
const exploding = (codec: Codec): Hostile => ({
  codec,
  what: `expands to ${mib(EXPLODES_TO)}`,
  batch: (time) => encodeBatch([{ partition: PARTITION, recordTime: time, value: new Uint8Array(EXPLODES_TO) }], codec),
  onDisk: false,
  says: "expands to more than",
});

const claiming = (codec: Codec, what: string, packed: readonly number[], says: string): Hostile => ({
  codec,
  what,
  // The rest is noise: what is behind a claim is never looked at.
  batch: (time) => {
    const body = new Uint8Array(2_000);
    body.set(packed);
    return frameBatch({ packed: body, codec, records: 1, baseTime: time, maxTime: time });
  },
  onDisk: true,
  says,
});

/** lz4js reads but the low half of a content size: both halves are large. */
const HUGE = [0xff, 0xff, 0xff, 0x7f, 0, 1, 0, 0];
const HOSTILE: readonly Hostile[] = [
  exploding("gzip"),
  exploding("zstd"),
  exploding("snappy"),
  exploding("lz4"),
  claiming("snappy", "claims 4 GiB", [0xff, 0xff, 0xff, 0xff, 0x0f], "expands to more than"),
  // Magic, flags (version 1, independent blocks, content size), block size 4 MiB, content size.
  claiming("lz4", "claims 1 TiB", [0x04, 0x22, 0x4d, 0x18, 0x68, 0x70, ...HUGE], "expands to more than"),
  // Magic, descriptor (content size of 8 bytes, window), window of 128 MiB, content size.
  claiming("zstd", "claims 1 TiB", [0x28, 0xb5, 0x2f, 0xfd, 0xc0, 0x88, ...HUGE], "overruns its batch"),
];

/** Puts the batch at the start of its partition, then ordinary load behind it. */
async function fill({ broker }: Servers, world: World, { batch, onDisk }: Hostile): Promise<void> {
  const time = Date.now() - 4 * 3_600_000;
  const bytes = batch(time);
  const producer = await WireProducer.connect(broker.url);
  try {
    const record: GeneratedRecord = { partition: PARTITION, recordTime: time, value: new Uint8Array(0) };
    const bare = encodeBatch([record]).length;
    // A value of this length takes a byte more in each of two lengths than an empty one does.
    const harmless = encodeBatch([{ ...record, value: new Uint8Array(bytes.length - bare - 2) }]);
    if (onDisk && harmless.length !== bytes.length) throw new Error(`${harmless.length} bytes are not ${bytes.length}`);
    await producer.sendBatches(world.topic, [{ partition: PARTITION, bytes: onDisk ? harmless : bytes }]);
  } finally {
    producer.close();
  }
  if (onDisk) {
    using file = await Deno.open(`${broker.dataFolder}/${world.topic}-${PARTITION}/00000000000000000000.log`, {
      write: true,
    });
    // From the format on: offset, length and leader epoch are the broker's.
    await file.seek(16, Deno.SeekMode.Start);
    await file.write(bytes.subarray(16));
  }
  await world.send(planOf(20, EVENTS));
}

/** The stream stops by name within bounded memory; without the batch it goes on. */
async function hostile(servers: Servers, one: Hostile, peaks: number[]): Promise<Outcome> {
  await using world = await World.create({
    broker: servers.broker,
    database: await servers.postgres.createDatabase(),
    env: TASK_FLAGS,
    topicConfig: { "max.message.bytes": String(16 * MIB) },
  });
  await fill(servers, world, one);
  const differences: string[] = [];
  const stopped = await stoppedBy(world, "corrupt_batch", async (service) => {
    const peak = await service.peakMemory();
    peaks.push(peak);
    if (peak > MEMORY_MAX) differences.push(`it took ${mib(peak)}`);
    const line = service.lines().find((text) => text.includes("corrupt_batch"));
    if (!line?.includes(one.says)) differences.push(`it said: ${line}`);
  });
  await withAdmin(servers.broker, async (admin) => {
    await admin.fetchTopicOffsets(world.topic); // else kafkajs does not know the leaders
    await admin.deleteTopicRecords({ topic: world.topic, partitions: [{ partition: PARTITION, offset: "1" }] });
  });
  const operator = world.instance("operator");
  operator.start(["resume", "--accept-gap", "--yes"]);
  const { code, stderr } = await operator.ended();
  if (code !== 0) differences.push(`resume ended with ${code}: ${stderr.slice(-500)}`);
  const outcome = await judged(world);
  differences.push(...stopped.differences, ...outcome.differences);
  return { ...outcome, differences: differences.map((text) => `${one.codec} that ${one.what}: ${text}`) };
}

const NEAR = { batches: 30, large: 20, events: 100 } as const;

/** Batches that stay below the cap, one after the other in one fetch: they are read, one at a time. */
async function belowTheCap(servers: Servers, peaks: number[]): Promise<string[]> {
  await using world = await World.create({
    broker: servers.broker,
    database: await servers.postgres.createDatabase(),
    partitions: 1,
    env: TASK_FLAGS,
  });
  const producer = await WireProducer.connect(servers.broker.url);
  const utf8 = new TextEncoder();
  const recordTime = Date.now() - 600_000;
  const records: GeneratedRecord[] = [
    ...Array.from(
      { length: NEAR.large },
      () => utf8.encode(`{"event_time":${recordTime},"host":"h.test"}`.padEnd(2.5 * MIB)),
    ),
    ...Array.from(
      { length: NEAR.events },
      (_, n) => utf8.encode(`{"event_time":${recordTime},"host":"h${n % 7}.test"}`),
    ),
  ].map((value) => ({ partition: 0, recordTime, value }));
  try {
    for (let n = 0; n < NEAR.batches; n++) await producer.send(world.topic, records, "zstd");
  } finally {
    producer.close();
  }
  const instance = world.instance("instance");
  instance.start();
  await world.caughtUp();
  const peak = await instance.peakMemory();
  peaks.push(peak);
  const [row] = await world.sql`
    select counted::int, dead::int, (select min(reason) from dead_letter_count) as reason from stream_partition`;
  const differences: string[] = [];
  if (peak > MEMORY_MAX) differences.push(`batches below the cap took ${mib(peak)}`);
  if (
    row!.counted !== NEAR.batches * NEAR.events || row!.dead !== NEAR.batches * NEAR.large ||
    row!.reason !== "too_large"
  ) {
    differences.push(`batches below the cap: ${JSON.stringify(row)}`);
  }
  return differences;
}

export const EXPLOSION_ENTRIES: readonly Entry[] = [
  {
    name: "exploding-batch",
    done: "gzip, zstd, snappy, lz4 batches that expand to 80 MiB, or claim up to 1 TiB; 30 of zstd below the cap",
    async run(servers) {
      const peaks: number[] = [];
      const outcomes: Outcome[] = [];
      for (const one of HOSTILE) outcomes.push(await hostile(servers, one, peaks));
      const differences = [...outcomes.flatMap((outcome) => outcome.differences), ...await belowTheCap(servers, peaks)];
      const sum = (pick: (outcome: Outcome) => number) => outcomes.reduce((total, outcome) => total + pick(outcome), 0);
      return {
        events: sum(({ events }) => events),
        commits: sum(({ commits }) => commits),
        differences,
        fenced: sum(({ fenced }) => fenced),
        kills: 0,
        result: "`corrupt_batch`; resumed, equal to the oracle",
        note: `peak ${mib(Math.max(...peaks))}`,
      };
    },
  },
];
