// `tidemark produce` against a real broker: what arrives, in which partitions, with which times.
import { assert, assertEquals, assertGreater, assertRejects, assertStringIncludes } from "@std/assert";
import { EXIT, UsageError } from "../../src/shared/errors.ts";
import { silentLog } from "../../src/shared/log.ts";
import { produceCommand } from "../../src/cli/produce/produce.ts";
import { probeTopic } from "../../src/operate/kafka_topic_probe.ts";
import { type ProduceContext, produceContext } from "../support/produce_context.ts";
import { plainConnection } from "../support/kafka_reader.ts";
import { brokerClient, startBroker, type TestBroker } from "../support/kafka_broker.ts";
import { until } from "../support/wait.ts";

const context = (
  broker: TestBroker,
  topic: string,
  flags: Partial<ProduceContext["flags"]>,
  signal?: AbortSignal,
) => produceContext([broker.url], topic, flags, signal);

interface Arrived {
  readonly partition: number;
  readonly key: string | null;
  readonly value: string;
  readonly timestamp: number;
}

async function readAll(broker: TestBroker, topic: string, count: number): Promise<Arrived[]> {
  const consumer = brokerClient(broker).consumer({ groupId: `read-${topic}` });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const records: Arrived[] = [];
  await new Promise<void>((resolve, reject) => {
    const deadline = setTimeout(() => reject(new Error(`only ${records.length} of ${count} records`)), 20_000);
    consumer.run({
      eachMessage: ({ partition, message }) => {
        records.push({
          partition,
          key: message.key?.toString() ?? null,
          value: message.value!.toString(),
          timestamp: Number(message.timestamp),
        });
        if (records.length === count) {
          clearTimeout(deadline);
          resolve();
        }
        return Promise.resolve();
      },
    });
  });
  await consumer.disconnect();
  return records;
}

Deno.test("produceCommand()", async (t) => {
  await using broker = await startBroker();
  const folder = await Deno.makeTempDir({ prefix: "tidemark_produce_" });
  const file = async (name: string, text: string) => {
    await Deno.writeTextFile(`${folder}/${name}`, text);
    return `${folder}/${name}`;
  };
  const name = (what: string) => `produce-${what}-${crypto.randomUUID().slice(0, 8)}`;
  const access = (n: number) =>
    `192.0.2.${n % 250} - - [17/May/2015:10:${
      String(n % 60).padStart(2, "0")
    }:03 +0000] "GET /${n} HTTP/1.1" 200 20 "-" "curl/8"`;

  try {
    await t.step(
      "sends access logs and NDJSON, creates the topic, and never takes the record time from the event",
      async () => {
        const topic = name("both");
        const before = Date.now();
        const log = await file("access.log", Array.from({ length: 5_000 }, (_, n) => access(n)).join("\n"));
        const events = await file("events.ndjson", `{"host":"h","event_time":1}\nnot a line\n{"host":"i"}\n`);
        const { out, given } = context(broker, topic, { host: "site.example", key: "ip" });
        assertEquals(await produceCommand([log, events], given), EXIT.findings);
        const [sent = ""] = out.filter((line) => line.startsWith("Sent"));
        assertStringIncludes(sent, "Sent 5002 records");
        assertStringIncludes(sent, "bad_line 1");
        // Times of this log go back every hour.
        assertStringIncludes(out.at(-1)!, "will be late");
        const records = await readAll(broker, topic, 5_002);
        assertEquals(new Set(records.map((r) => r.partition)).size, 3);
        const { config } = await probeTopic({
          connection: plainConnection(broker),
          topic,
          group: topic,
          log: silentLog,
        });
        assertEquals(config?.["message.timestamp.type"], "LogAppendTime", "doctor warns of producers' own times");
        assert(records.every((r) => r.timestamp >= before - 1_000 && r.timestamp <= Date.now() + 1_000));
        const urls = records.filter((r) => r.key !== null).map((r) => (JSON.parse(r.value) as { url: string }).url);
        assertEquals(
          urls.map((url) => Number(url.slice(1))).sort((a, b) => a - b),
          Array.from({ length: 5_000 }, (_, n) => n),
        );
        const byKey = new Map<string, number>();
        for (const { key, partition } of records) {
          if (key !== null) assertEquals(byKey.get(key) ?? partition, partition, "one key, one partition");
          if (key !== null) byKey.set(key, partition);
        }
        assert(records.some((r) => r.value === '{"host":"h","event_time":1}'));
      },
    );

    await t.step("spreads records without a key over all partitions", async () => {
      const topic = name("spread");
      const { given } = context(broker, topic, {});
      assertEquals(await produceCommand([await file("x", `{"n":1}\n`.repeat(900))], given), EXIT.ok);
      const records = await readAll(broker, topic, 900);
      for (const partition of [0, 1, 2]) assertGreater(records.filter((r) => r.partition === partition).length, 200);
    });

    await t.step("refuses a missing topic, a missing file and no file at all", async () => {
      const topic = name("none");
      const { given } = context(broker, topic, { "create-topic": false });
      const some = await file("y", "{}\n");
      await assertRejects(() => produceCommand([some], given), UsageError, topic);
      await assertRejects(() => produceCommand([`${folder}/absent`], given), UsageError, "absent");
      await assertRejects(() => produceCommand([], given), UsageError, "at least one");
    });

    await t.step("stops cleanly with counts", async () => {
      const topic = name("stop");
      const stop = new AbortController();
      const { out, progress, given } = context(broker, topic, { rate: 1_000 }, stop.signal);
      const ended = produceCommand([await file("z", `{"n":1}\n`.repeat(100_000))], given);
      await until("some records are sent", () => /\b[1-9][\d,]* records/.test(progress.at(-1) ?? ""));
      stop.abort();
      assertEquals(await ended, EXIT.ok);
      const sent = Number(/^Stopped: sent (\d+) records/.exec(out.at(-2)!)?.[1]);
      assertStringIncludes(out.at(-1)!, `--from-line ${sent + 1}`);
      assert(sent > 0 && sent < 100_000, out.at(-1));
      assertEquals((await readAll(broker, topic, sent)).length, sent);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
