// A Java consumer of the new group protocol (KIP-848) in our group: found, named, and never left to read a part of the topic in silence.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { silentLog } from "../../src/shared/log.ts";
import { judgeGroup } from "../../src/operate/judge_log.ts";
import { probeTopic } from "../../src/operate/kafka_topic_probe.ts";
import { startBroker, type TestBroker } from "../support/kafka_broker.ts";
import type { KafkaVersion } from "../support/kafka_jars.ts";
import { kafkaJava } from "../support/kafka_java.ts";
import { plainConnection, TestReader, testSource } from "../support/kafka_reader.ts";
import { createTopic, produce } from "../support/kafka_topics.ts";
import { type Child, spawn, tidemark } from "../support/process.ts";
import { until } from "../support/wait.ts";

/** Kafka's console consumer as a member of the new protocol. */
async function javaMember(broker: TestBroker, topic: string, group: string): Promise<Child> {
  return spawn("java", [
    ...await kafkaJava(broker.version as KafkaVersion),
    "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "--bootstrap-server",
    broker.url,
    "--topic",
    topic,
    "--group",
    group,
    "--consumer-property",
    "group.protocol=consumer",
    "--consumer-property",
    "client.id=java-reader",
  ]);
}

const probe = (broker: TestBroker, topic: string) =>
  probeTopic({ connection: plainConnection(broker), topic, group: topic, log: silentLog });

const finding = async (broker: TestBroker, topic: string) => judgeGroup(topic, (await probe(broker, topic)).group);

Deno.test({
  name: "members of the new protocol beside ours",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async (t) => {
    await using broker = await startBroker();
    const topic = "shared";
    await createTopic(broker, topic, { partitions: 4 });
    await produce(broker, topic, Array.from({ length: 8 }, (_, i) => ({ value: `${i}`, partition: i % 4 })));

    await t.step("one that joins while we read is named, and we go on once it is gone", async () => {
      await using reader = await new TestReader(testSource(broker, topic)).open();
      await reader.until(() => reader.records.length === 8);
      assertEquals((await finding(broker, topic)).status, "ok");
      {
        await using _java = await javaMember(broker, topic, topic);
        // A broker that has just started may be named as unavailable before.
        const named = () =>
          reader.events.flatMap((event) =>
            event.kind === "unavailable" && event.code === "group_shared" ? [event] : []
          );
        await reader.until(() => named().length > 0, 60_000);
        const [event] = named();
        assertStringIncludes(event!.reason, "java-reader on 127.0.0.1 (group.protocol=consumer)");
        assertStringIncludes(event!.action ?? "", "KAFKA_GROUP");
        const { status, detail } = await finding(broker, topic);
        assertEquals(status, "fail");
        assertStringIncludes(detail, "java-reader");
      }
      // A dead member of the new protocol leaves by its session's end.
      await produce(broker, topic, [0, 1, 2, 3].map((partition) => ({ value: `later ${partition}`, partition })));
      await reader.until(() => reader.records.length === 12, 120_000);
    });

    await t.step(
      "run --once beside one ends with its name and exit code 3, not with a part of the records",
      async () => {
        const folder = await Deno.makeTempDir({ prefix: "tidemark_strangers_" });
        try {
          await using _java = await javaMember(broker, topic, "mixed");
          await until("the Java member is in the group", async () => {
            const { group } = await probeTopic({
              connection: plainConnection(broker),
              topic,
              group: "mixed",
              log: silentLog,
            });
            return !(group instanceof Error) && group.members.length > 0;
          });
          await using run = tidemark(["run", "--once", "--wait", "5s"], {
            cwd: folder,
            env: { KAFKA_URL: broker.url, KAFKA_TOPIC: topic, KAFKA_GROUP: "mixed", DATA_DIR: folder },
          });
          const { code, stderr } = await run.exit();
          assertEquals(code, 3, stderr);
          assertStringIncludes(stderr, "group_shared");
          assertStringIncludes(stderr, "java-reader");
        } finally {
          await Deno.remove(folder, { recursive: true });
        }
      },
    );
  },
});
