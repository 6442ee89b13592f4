// `tidemark produce` into three brokers of which one dies, freezes, loses its leaderships, or is missed by min.insync.replicas.
// Goal: what it says is in the topic is in the topic, each record once. Method: numbered lines, and a reader of the topic of its own.
import { assert, assertEquals, assertLess, assertMatch, assertRejects } from "@std/assert";
import type { Admin } from "kafkajs";
import { EXIT, Unavailable } from "../../src/shared/errors.ts";
import { produceCommand } from "../../src/cli/produce/produce.ts";
import { startCluster, type TestCluster } from "../support/kafka_cluster.ts";
import { type ProduceContext, produceContext } from "../support/produce_context.ts";

const PARTITIONS = 6;
/** Of one command: a few seconds at `RATE`, so that faults meet requests on their way. */
const LINES = 40_000;
const RATE = 12_000;

/** The end of each partition's log. The client asks former leaders for a while: it is asked again, anew. */
async function endsOf(cluster: TestCluster, topic: string): Promise<Map<number, number>> {
  for (const deadline = Date.now() + 30_000;;) {
    const admin = cluster.client().admin();
    try {
      await admin.connect();
      return new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, Number(high)]));
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    } finally {
      await admin.disconnect();
    }
  }
}

/** How often each number is in the topic, read from every partition's start to its end. */
async function numbersIn(cluster: TestCluster, topic: string): Promise<Map<number, number>> {
  const ends = await endsOf(cluster, topic);
  const consumer = cluster.client().consumer({ groupId: `count-${crypto.randomUUID()}` });
  const found = new Map<number, number>(), done = Promise.withResolvers<void>();
  const close = (partition: number, next: number) => {
    if (next >= ends.get(partition)!) ends.delete(partition);
    if (ends.size === 0) done.resolve();
  };
  for (const [partition, end] of ends) if (end === 0) close(partition, 0);
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    eachBatch: ({ batch }) => {
      for (const { value } of batch.messages) {
        const number = Number(/"n":(\d+)/.exec(value!.toString())![1]);
        found.set(number, (found.get(number) ?? 0) + 1);
      }
      close(batch.partition, Number(batch.lastOffset()) + 1);
      return Promise.resolve();
    },
  });
  const deadline = setTimeout(() => done.reject(new Error(`Not read to the end: ${[...ends]}`)), 60_000);
  await done.promise;
  clearTimeout(deadline);
  await consumer.disconnect();
  return found;
}

/** Numbers below `lines` that are missing, and how many are there too often. */
function judge(found: ReadonlyMap<number, number>, lines: number): { missing: number[]; doubled: number } {
  const missing = Array.from({ length: lines }, (_, n) => n).filter((n) => !found.has(n));
  return { missing: missing.slice(0, 10), doubled: [...found.values()].reduce((sum, times) => sum + times - 1, 0) };
}

async function create(admin: Admin, topic: string, config: Readonly<Record<string, string>> = {}): Promise<void> {
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
  await admin.createTopics({
    waitForLeaders: false,
    topics: [{ topic, numPartitions: PARTITIONS, replicationFactor: 3, configEntries }],
  });
}

Deno.test({
  name: "produceCommand() into three brokers",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async (t) => {
    await using cluster = await startCluster();
    const admin = cluster.client().admin();
    await admin.connect();
    const folder = await Deno.makeTempDir({ prefix: "tidemark_produce_" });
    const file = `${folder}/events.ndjson`;
    await Deno.writeTextFile(
      file,
      Array.from({ length: LINES }, (_, n) => `{"n":${n},"host":"h${n % 50}","pad":"${"x".repeat(120)}"}`).join("\n"),
    );
    const run = (topic: string, flags: Partial<ProduceContext["flags"]> = {}) =>
      produceContext(cluster.urls, topic, { "create-topic": false, rate: RATE, ...flags });

    /** Runs the command with a fault while it sends, and counts. */
    const under = async (
      topic: string,
      fault: () => Promise<unknown>,
      flags: Partial<ProduceContext["flags"]> = {},
    ) => {
      await create(admin, topic);
      await cluster.inSync(topic);
      const { out, given } = run(topic, flags);
      let sending = false;
      const started = Promise.withResolvers<void>();
      const ended = produceCommand([file], {
        ...given,
        progress: (line) => {
          if (/^[1-9]/.test(line)) started.resolve();
          sending ||= line !== "";
        },
      });
      await Promise.race([started.promise, ended]);
      await fault();
      assertEquals(await ended, EXIT.ok);
      assert(sending, "the fault came while records were sent");
      assert(out.at(-1)!.startsWith(`Sent ${LINES} records`), out.at(-1));
    };
    const exact = async (topic: string) =>
      assertEquals(judge(await numbersIn(cluster, topic), LINES), { missing: [], doubled: 0 });

    try {
      await t.step("loses and doubles nothing where a broker freezes, nor when it wakes", async () => {
        const victim = cluster.nodes[1]!;
        await under("frozen", () => Promise.resolve(victim.pause()), { key: "host" });
        victim.resume();
        await cluster.inSync("frozen");
        await exact("frozen");
      });
      await t.step("follows leaders that move", async () => {
        await under("moved", async () => {
          for (const away of [1, 2, 3]) {
            const replicas = [1, 2, 3].filter((id) => id !== away);
            const partitionAssignment = Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, replicas }));
            await admin.alterPartitionReassignments({ topics: [{ topic: "moved", partitionAssignment }] });
          }
        });
        await exact("moved");
      });
      await t.step(
        "where a broker is killed, says what is in; a second run adds what min.insync.replicas kept out",
        async () => {
          const victim = cluster.nodes[2]!;
          await create(admin, "strict", { "min.insync.replicas": "3" });
          await cluster.inSync("strict");
          const { out, given } = run("strict", { wait: 4_000 as never });
          const started = Promise.withResolvers<void>();
          const ended = assertRejects(
            () => produceCommand([file], { ...given, progress: (line) => /^[1-9]/.test(line) && started.resolve() }),
            Unavailable,
          );
          await under("killed", async () => {
            await started.promise;
            await victim.kill();
          });
          const error = await ended;
          assertEquals([error.code, error.exitCode], ["produce_stopped", EXIT.unavailable]);
          // The last refusal; on a busy machine the new leaders may not be known by then.
          assertMatch(error.message, /in-sync replicas|timed out|not the leader/);
          const sent = Number(/^Sent (\d+) records/.exec(out.at(-1)!)?.[1]);
          assertLess(sent, LINES);
          const line = Number(/--from-line (\d+)\b/.exec(error.action)?.[1]);
          const twice = Number(/(\d+) records after that line/.exec(error.action)?.[1] ?? 0);
          await victim.restart();
          await cluster.inSync("strict");
          const before = await numbersIn(cluster, "strict");
          // Acknowledged is in. What was sent and not acknowledged may be in too, never twice.
          assert(before.size >= sent, `${sent} acknowledged, ${before.size} in the topic`);
          assertEquals(judge(before, line - 1), { missing: [], doubled: 0 });
          const rest = run("strict", { "from-line": line, rate: undefined });
          assertEquals(await produceCommand([file], rest.given), EXIT.ok);
          assert(rest.out.at(-1)!.startsWith(`Sent ${LINES - line + 1} records`), rest.out.at(-1));
          const { missing, doubled } = judge(await numbersIn(cluster, "strict"), LINES);
          assertEquals([missing, doubled >= twice], [[], true]);
          await exact("killed");
        },
      );
    } finally {
      await admin.disconnect();
      await Deno.remove(folder, { recursive: true });
    }
  },
});
