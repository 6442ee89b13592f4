// What can happen to a topic's log: cut, made again, widened, transactional, compacted, compressed, damaged. Shell.
import { Kafka, logLevel, Partitioners } from "kafkajs";
import { Buffer } from "node:buffer";
import { brokerClient, type TestBroker } from "../support/kafka_broker.ts";
import { createTopic, withAdmin } from "../support/kafka_topics.ts";
import { type Entry, judged, type Outcome, type Servers } from "./entry.ts";
import { generate } from "./generator.ts";
import { planOf } from "./kill_run.ts";
import type { Instance } from "./instance.ts";
import { pause, topicBounds } from "./load.ts";
import type { Codec } from "./produce_wire.ts";
import { World } from "./world.ts";

/** Fills a topic, lets Tidemark read it to the end, and stops it. */
async function readAndStopped({ broker, postgres }: Servers, events: number): Promise<World> {
  const world = await World.create({ broker, database: postgres.url });
  await world.send(planOf(3, events));
  const instance = world.instance("first");
  instance.start();
  await world.caughtUp();
  await instance.stop();
  return world;
}

/** Runs `run` until it says that the stream is stopped by `code`, and `run --once`, which must end with exit code 4. */
export async function stoppedBy(
  world: World,
  code: string,
  look?: (service: Instance) => Promise<void>,
): Promise<Outcome> {
  const service = world.instance("service");
  service.start();
  await service.waitForLine(code, 60_000);
  await pause(1_500);
  const ready = await fetch(`${service.url}/readyz`);
  const words = await ready.text();
  await look?.(service);
  await service.stop();
  const once = world.instance("once");
  once.start(["run", "--once"]);
  const exit = await once.ended();
  const [row] = await world.sql`select stopped_code from stream`;
  const differences: string[] = [];
  if (ready.status !== 503 || !words.includes(code)) differences.push(`/readyz said ${ready.status}: ${words}`);
  if (exit.code !== 4) differences.push(`run --once ended with ${exit.code}`);
  if (row?.stopped_code !== code) differences.push(`the stream row says ${row?.stopped_code}`);
  const [sum] = await world.sql`
    select (select coalesce(sum(counted), 0) from stream_partition)::text as counted, (select count(*)::int from commit_history) as commits,
      ((select coalesce(sum(hits), 0) from web_traffic_window) + (select coalesce(sum(hits), 0) from open_delta))::text as booked`;
  if (sum!.counted !== sum!.booked) differences.push(`counted ${sum!.counted}, booked ${sum!.booked}`);
  return {
    events: await world.position(),
    commits: sum!.commits,
    differences,
    fenced: world.fenced,
    kills: 0,
    result: `stopped with \`${code}\`, readiness red, \`run --once\` exits 4`,
  };
}

/** Deletes the topic and makes it again with `events` other records. */
async function recreate(broker: TestBroker, world: World, events: number): Promise<void> {
  await withAdmin(broker, async (admin) => {
    await admin.deleteTopics({ topics: [world.topic] });
    while ((await admin.listTopics()).includes(world.topic)) await pause(100);
  });
  await pause(500);
  await createTopic(broker, world.topic, { partitions: 4, config: { "max.message.bytes": "4194304" } });
  await world.send(planOf(4, events));
}

async function recreated(servers: Servers, events: number): Promise<Outcome> {
  await using world = await readAndStopped(servers, 20_000);
  await recreate(servers.broker, world, events);
  return await stoppedBy(world, "topic_recreated");
}

export const LOG_ENTRIES: readonly Entry[] = [
  {
    name: "log-retention",
    done: "records that were not read yet deleted while no instance runs",
    async run(servers) {
      await using world = await readAndStopped(servers, 20_000);
      await world.send(planOf(5, 20_000));
      const bounds = await topicBounds(servers.broker, world.topic);
      await withAdmin(servers.broker, async (admin) => {
        await admin.fetchTopicOffsets(world.topic); // else kafkajs does not know the leaders
        await admin.deleteTopicRecords({
          topic: world.topic,
          partitions: [{ partition: 1, offset: String(bounds[1]!.high - 1_000) }],
        });
      });
      return await stoppedBy(world, "data_gap");
    },
  },
  {
    name: "topic-recreated-shorter",
    done: "topic deleted and made again with fewer records than were read, while no instance runs",
    run: (servers) => recreated(servers, 1_000),
  },
  {
    name: "topic-recreated-longer",
    done: "topic deleted and made again with more records than were read, while no instance runs",
    run: (servers) => recreated(servers, 60_000),
  },
  {
    name: "topic-recreated-live",
    done: "topic deleted and made again under a running instance",
    async run(servers) {
      await using world = await World.create({ broker: servers.broker, database: servers.postgres.url });
      await world.send(planOf(3, 20_000));
      const running = world.instance("running");
      running.start();
      await world.caughtUp();
      await recreate(servers.broker, world, 60_000);
      await running.waitForLine("topic_recreated", 60_000);
      await running.stop();
      return await stoppedBy(world, "topic_recreated");
    },
  },
  {
    name: "partitions-added",
    done: "four partitions become eight under load, then records in all eight",
    async run({ broker, postgres }) {
      await using world = await World.create({ broker, database: postgres.url });
      const instances = [world.instance("one"), world.instance("two")];
      for (const instance of instances) instance.start();
      const plan = planOf(6, 200_000);
      await world.send(plan, { to: 100_000, rate: 20_000 });
      await withAdmin(
        broker,
        (admin) => admin.createPartitions({ topicPartitions: [{ topic: world.topic, count: 8 }] }),
      );
      // The watermark that a new partition starts with is seen before its first record.
      const startingAt = new Map<number, number>();
      for (const deadline = performance.now() + 60_000; startingAt.size < 4; await pause(200)) {
        const rows = await world.sql`
          select partition, (extract(epoch from watermark) * 1000)::float8 as watermark from stream_partition where partition >= 4`;
        for (const row of rows) startingAt.set(row.partition, row.watermark);
        if (performance.now() > deadline) throw new Error(`Only ${rows.length} new partitions are known`);
      }
      await world.send({ ...plan, partitions: 8 }, { from: 100_000, rate: 10_000 });
      await world.caughtUp();
      return await judged(world, undefined, { startingAt });
    },
  },
  {
    name: "transactions",
    done: "interleaved, aborted and hanging transactions, markers at the end",
    run: (servers) => transactions(servers),
  },
  {
    name: "compacted-topic",
    done: "a compacted topic with holes between offsets",
    async run({ broker, postgres }) {
      await using world = await World.create({
        broker,
        database: postgres.url,
        topicConfig: {
          "cleanup.policy": "compact",
          "segment.bytes": "1048576",
          "min.cleanable.dirty.ratio": "0.01",
          "max.compaction.lag.ms": "1000",
        },
      });
      const plan = planOf(8, 60_000);
      const producer = brokerClient(broker).producer({
        createPartitioner: () => ({ message }) => Number(message.partition ?? 0),
      });
      await producer.connect();
      for (let n = 0; n < plan.events; n += 2_000) {
        const messages = Array.from({ length: 2_000 }, (_, i) => generate(plan, n + i))
          .filter(({ value }) => value !== null && value.length < 100_000)
          .map(({ partition, value, recordTime }, i) => ({
            partition,
            key: `key-${(n + i * 7) % 900}`,
            value: Buffer.from(value!),
            timestamp: String(recordTime),
          }));
        await producer.send({ topic: world.topic, messages });
      }
      await producer.disconnect();
      let seen = 0;
      for (const deadline = performance.now() + 90_000; seen === 0 || seen > 45_000; await pause(1_000)) {
        if (performance.now() > deadline) throw new Error(`The broker did not compact: ${seen} records are left`);
        seen = await world.recordCount();
      }
      await pause(3_000);
      const outcome = await judged(world);
      return { ...outcome, note: `${outcome.events} of 60,000 records were left` };
    },
  },
  {
    name: "codecs",
    done: "gzip, snappy, lz4, zstd and uncompressed batches in one topic",
    async run({ broker, postgres }) {
      await using world = await World.create({ broker, database: postgres.url });
      const plan = planOf(9, 100_000);
      const codecs: readonly Codec[] = ["gzip", "snappy", "lz4", "zstd", "none"];
      for (const [i, codec] of codecs.entries()) {
        await world.send(plan, { from: i * 20_000, to: (i + 1) * 20_000, codec });
      }
      return await judged(world);
    },
  },
  {
    name: "corrupt-batch",
    done: "one byte of a stored batch changed on the broker's disk",
    async run(servers) {
      await using world = await readAndStopped(servers, 20_000);
      const path = `${servers.broker.dataFolder}/${world.topic}-2/00000000000000000000.log`;
      const size = (await Deno.stat(path)).size;
      await world.send(planOf(5, 20_000));
      using file = await Deno.open(path, { read: true, write: true });
      await file.seek(size + 5_000, Deno.SeekMode.Start);
      const byte = new Uint8Array(1);
      await file.read(byte);
      await file.seek(size + 5_000, Deno.SeekMode.Start);
      await file.write(Uint8Array.of(byte[0]! ^ 0x01));
      return await stoppedBy(world, "corrupt_batch");
    },
  },
];

/** What aborted transactions hold: the oracle leaves it out by its looks, since kafkajs' own reader lets some of it through. */
const ABORTED = Buffer.from('{"aborted":true}');

/** Three producers interleave transactions, one of which never ends until the others are read; half of them are aborted. */
async function transactions({ broker, postgres }: Servers): Promise<Outcome> {
  await using world = await World.create({
    broker,
    database: postgres.url,
    leaveOut: (value) => value.length === ABORTED.length && ABORTED.equals(value),
  });
  const instance = world.instance("reader");
  instance.start();
  await instance.waitForLine("partitions assigned", 60_000);
  const client = new Kafka({ brokers: [broker.url], logLevel: logLevel.NOTHING });
  const plan = planOf(10, 40_000);
  const producers = await Promise.all([0, 1, 2].map(async (i) => {
    const producer = client.producer({
      transactionalId: `tx-${i}`,
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    await producer.connect();
    return producer;
  }));
  const send = async (target: Pick<(typeof producers)[number], "send">, from: number, aborted: boolean) => {
    const messages = Array.from({ length: 200 }, (_, i) => generate(plan, from + i))
      .filter(({ value }) => value !== null && value.length < 100_000)
      .map(({ partition, value, recordTime }) => ({
        partition,
        value: aborted ? ABORTED : Buffer.from(value!),
        timestamp: String(recordTime),
      }));
    await target.send({ topic: world.topic, messages });
  };
  for (let round = 0; round < 20; round++) {
    const open = await Promise.all(producers.map((producer) => producer.transaction()));
    for (let step = 0; step < 3; step++) {
      for (const [i, transaction] of open.entries()) {
        await send(transaction, (round * 9 + step * 3 + i) * 200, (round + i) % 2 === 0);
      }
    }
    // The last of round 10 hangs for 20 s: records behind it must wait, and nothing may be lost.
    for (const [i, transaction] of open.entries()) {
      if (round === 10 && i === 2) await pause(20_000);
      if ((round + i) % 2 === 0) await transaction.abort();
      else await transaction.commit();
    }
  }
  for (const producer of producers) await producer.disconnect();
  await world.send({ ...plan, events: 40_400 }, { from: 40_000 });
  await world.caughtUp();
  const outcome = await judged(world);
  const [row] = await world.sql`select sum(skipped)::int as skipped from stream_partition`;
  return { ...outcome, note: `${row!.skipped} offsets skipped (aborted records and markers)` };
}
