// How Kafka sources share a topic, survive their broker, and log in: against a real broker.
import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import type { Offset, PartitionId } from "../../src/shared/units.ts";
import type { KafkaConnection } from "../../src/source/kafka/client.ts";
import type { TokenSource } from "../../src/source/kafka/oauth.ts";
import { startBroker, type TestBroker } from "../support/kafka_broker.ts";
import { TestReader, testSource } from "../support/kafka_reader.ts";
import { createTopic, produce, withAdmin } from "../support/kafka_topics.ts";
import { until } from "../support/wait.ts";

const PARTITIONS = 6;

/**
 * Goal: in a storm of joins and leaves every record is taken exactly once, although nothing but a compare-and-swap of positions protects
 * the members from one another. Method: members come and go over a shared store; a batch counts only if it starts at the stored position.
 */
async function storm(broker: TestBroker) {
  const topic = "storm", perPartition = 4_200, rounds = 6;
  await createTopic(broker, topic, { partitions: PARTITIONS });
  const messages = Array.from({ length: PARTITIONS * perPartition }, (_, i) => ({
    partition: i % PARTITIONS,
    value: `${Math.floor(i / PARTITIONS)}`.padEnd(100, "."),
  }));
  // Each round has records of its own, so that they flow while the group changes.
  const share = messages.length / (rounds + 1);
  const feed = (round: number) =>
    produce(broker, topic, messages.slice(round * share, (round + 1) * share), { chunk: 600 });
  const store = new Map<PartitionId, Offset>();
  const taken = Array.from({ length: PARTITIONS }, () => [] as number[]);
  let fenced = 0, joins = 0, misplaced = 0;
  const member = async (signal: AbortSignal, assigned: () => void) => {
    const source = testSource(broker, topic, { maxBytesPerPartition: 16_384, maxWaitMs: 100 });
    await source.open(signal);
    const expected = new Map<PartitionId, Offset>();
    while (!signal.aborted) {
      const event = await source.poll(50);
      if (event.kind === "assigned") {
        joins++;
        await pause(150); // positions take time to load: nothing may arrive meanwhile
        const { partitions } = await source.identify();
        expected.clear();
        for (const { partition, logStart } of partitions) {
          if (!store.has(partition)) store.set(partition, logStart);
          expected.set(partition, store.get(partition)!);
        }
        source.resume(event.generation, expected);
        assigned();
      } else if (event.kind === "batch") {
        const { partition, from, next, runs } = event.batch;
        // The source's promise: one chain from the resumed position, whatever the group does.
        if (expected.get(partition) !== from) misplaced++;
        expected.set(partition, next);
        // The store's: only the owner of the position moves it.
        if (store.get(partition) !== from) {
          fenced++;
          continue;
        }
        store.set(partition, next);
        for (const run of runs) run.walk(from, (_bytes, _start, _end, offset) => taken[partition]!.push(offset));
        await pause(10);
      }
    }
    await source.close(5_000);
  };
  const members: { stop: AbortController; done: Promise<void> }[] = [];
  const start = async () => {
    const stop = new AbortController(), assigned = Promise.withResolvers<void>();
    const done = member(stop.signal, assigned.resolve);
    members.push({ stop, done });
    await within(60_000, "a new member is assigned partitions", Promise.race([assigned.promise, done]));
  };
  const all = () => taken.reduce((sum, offsets) => sum + offsets.length, 0) >= messages.length;
  await feed(rounds);
  await Promise.all([start(), start()]);
  for (let round = 0; round < rounds; round++) {
    await feed(round);
    await start();
    const leaving = members.shift()!;
    leaving.stop.abort();
    await leaving.done;
  }
  await until(() => `every record is taken: ${taken.map((offsets) => offsets.length)}`, all);
  for (const { stop } of members) stop.abort();
  await Promise.all(members.map(({ done }) => done));
  const whole = Array.from({ length: perPartition }, (_, i) => i);
  for (const [partition, offsets] of taken.entries()) assertEquals(offsets, whole, `partition ${partition}`);
  assertEquals(misplaced, 0);
  assert(joins >= rounds + 2, `only ${joins} joins: not a storm (${fenced} batches fenced)`);
}

/** A dead member's partitions are free at once when its successor knows its id, and after the session otherwise. */
async function successor(broker: TestBroker) {
  const topic = "successor";
  await createTopic(broker, topic);
  await produce(broker, topic, [{ value: "a" }]);
  const crash = async (): Promise<string> => {
    const worker = new Worker(new URL("../support/kafka_crash_worker.ts", import.meta.url), { type: "module" });
    const id = await new Promise<string>((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.postMessage({ url: broker.url, topic });
    });
    worker.terminate();
    return id;
  };
  const firstRecord = async (previousMemberId?: string): Promise<void> => {
    let own = "";
    const options = {
      onMemberId: (id: string) => own = id,
      ...(previousMemberId === undefined ? {} : { previousMemberId }),
    };
    await using reader = await new TestReader(testSource(broker, topic, options)).open();
    await reader.until(() => reader.records.length > 0, 60_000);
    assert(own !== "" && own !== previousMemberId);
  };
  // The session lasts 6 s, counted from the last heartbeat: what comes sooner after the crash did not wait for its end.
  const seconds: number[] = [];
  while (seconds.length < 5 && !seconds.some((time) => time < 5)) {
    const id = await crash(), crashed = Date.now();
    await firstRecord(id);
    seconds.push((Date.now() - crashed) / 1_000);
  }
  assertLess(Math.min(...seconds), 5);
  const started = Date.now();
  await firstRecord((await crash()).replace(/.$/, "?"));
  assertLess(6_000, Date.now() - started);
}

async function publishes(broker: TestBroker) {
  await createTopic(broker, "publish");
  await produce(broker, "publish", [{ value: "a" }, { value: "b" }]);
  await using reader = await new TestReader(testSource(broker, "publish")).open();
  await reader.until(() => reader.records.length === 2);
  await reader.source.publish(reader.store);
  const offsets = await withAdmin(broker, (admin) => admin.fetchOffsets({ groupId: "publish", topics: ["publish"] }));
  assertEquals(offsets[0]!.partitions.map(({ partition, offset }) => [partition, offset]), [[0, "2"]]);
}

/** Not polling is back-pressure: a bounded amount is held, and the member stays in its group. */
async function backPressure(broker: TestBroker) {
  const topic = "slow";
  await createTopic(broker, topic, { partitions: 2 });
  const value = "x".repeat(100_000);
  await produce(broker, topic, Array.from({ length: 400 }, (_, i) => ({ value, partition: i % 2 })), { chunk: 8 });
  await using reader = await new TestReader(testSource(broker, topic)).open();
  reader.keepValues = false;
  await reader.until(() => reader.records.length > 0);
  const stoppedAt = Date.now();
  await until("heartbeats go on beyond the session timeout", () => reader.source.confirmedAt() > stoppedAt + 7_000);
  await reader.until(() => reader.records.length === 400);
  assertEquals(reader.events.map(({ kind }) => kind), ["assigned"]);
}

async function survivesItsBroker(broker: TestBroker) {
  const topic = "restart";
  await createTopic(broker, topic, { partitions: 2 });
  await produce(broker, topic, [{ value: "a" }]);
  await using reader = await new TestReader(testSource(broker, topic)).open();
  await reader.until(() => reader.values().includes("a"));
  await broker.kill();
  const { reason } = await reader.event("unavailable");
  assertStringIncludes(reason, broker.url);
  await reader.event("lost");
  assert(reader.source.confirmedAt() < 0, "nothing is confirmed without a broker");
  await broker.restart();
  await produce(broker, topic, [{ value: "b" }, { value: "c", partition: 1 }]);
  await reader.until(() => reader.values().includes("b") && reader.values(1).includes("c"), 60_000);
  // The test's producer may have sent twice; what the log holds is delivered once.
  for (const partition of [0, 1]) {
    const offsets = reader.records.filter((record) => record.partition === partition).map(({ offset }) => offset);
    assertEquals(offsets, offsets.map((_, i) => i));
  }
  assertEquals(new Set(reader.values(0)), new Set(["a", "b"]));
}

async function logsIn(broker: TestBroker) {
  const { saslUrl, tlsUrl, saslTlsUrl, username, password, ca } = broker.secure!;
  const tls = { ca, cert: null, key: null, verify: true };
  const base = { clientId: "tidemark-test", tls: null, sasl: null } as const;
  await createTopic(broker, "secure");
  await produce(broker, "secure", [{ value: "a" }]);
  const good: KafkaConnection[] = [
    { ...base, brokers: [tlsUrl], tls },
    { ...base, brokers: [saslUrl], sasl: { mechanism: "plain", username, password } },
    { ...base, brokers: [saslTlsUrl], tls, sasl: { mechanism: "plain", username, password } },
    { ...base, brokers: [saslUrl], sasl: { mechanism: "scram-sha-512", username, password } },
    { ...base, brokers: [saslTlsUrl], tls, sasl: { mechanism: "scram-sha-256", username, password } },
    { ...base, brokers: [saslTlsUrl], tls, sasl: { mechanism: "scram-sha-512", username, password } },
  ];
  for (const [i, connection] of good.entries()) {
    await using reader = await new TestReader(testSource(broker, "secure", { connection, group: `good-${i}` })).open();
    await reader.until(() => reader.values().includes("a"));
    assertEquals((await reader.source.identify()).topicId?.length, 32);
  }
  const plain = { mechanism: "plain", username, password } as const;
  // The same server by a name that its certificate does not hold.
  const otherName = tlsUrl.replace("127.0.0.1", "127.1");
  const bad: [KafkaConnection, string, RegExp][] = [
    [{ ...base, brokers: [saslUrl], sasl: { ...plain, password: "wrong" } }, "kafka_login", /SASL|login/],
    [
      { ...base, brokers: [saslUrl], sasl: { mechanism: "scram-sha-512", username, password: "wrong" } },
      "kafka_login",
      /SASL|login/,
    ],
    [{ ...base, brokers: [tlsUrl], tls: { ...tls, ca: null } }, "kafka_certificate", /certificate|issuer/i],
    [{ ...base, brokers: [otherName], tls }, "kafka_certificate", /127\.1/],
    [{ ...base, brokers: [broker.url], tls }, "kafka_security_mismatch", /TLS/],
    [{ ...base, brokers: [broker.url], sasl: plain }, "kafka_security_mismatch", /login/],
    [{ ...base, brokers: [tlsUrl] }, "kafka_security_mismatch", /closed the connection/],
    [{ ...base, brokers: [saslUrl] }, "kafka_security_mismatch", /closed the connection/],
    [{ ...base, brokers: ["127.0.0.1:1"] }, "kafka_unavailable", /127\.0\.0\.1:1.*refused/i],
  ];
  for (const [i, [connection, code, expected]] of bad.entries()) {
    await using reader = await new TestReader(testSource(broker, "secure", { connection, group: `bad-${i}` })).open();
    const event = await reader.event("unavailable");
    assertEquals(event.code, code, `${i}: ${event.reason}`);
    assert(expected.test(event.reason), `${i}: ${event.reason}`);
    assert(!event.reason.includes("wrong") && !event.reason.includes("\n"), event.reason);
  }
}

/** A token that Kafka's validator for development takes: a JWT without a signature. */
function unsignedToken(lifeSeconds: number): string {
  const part = (value: unknown) =>
    btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  const now = Math.floor(Date.now() / 1000);
  return `${part({ alg: "none" })}.${part({ sub: "tidemark", iat: now, exp: now + lifeSeconds })}.`;
}

/** Tokens of a command and of an endpoint; a wrong one is named. */
async function logsInByToken(broker: TestBroker) {
  const { saslUrl } = broker.secure!;
  const seen: string[] = [];
  await using endpoint = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    seen.push(`${request.headers.get("authorization")} ${await request.text()}`);
    return Response.json({ access_token: unsignedToken(600), expires_in: 600, token_type: "Bearer" });
  });
  const connect = (token: TokenSource): KafkaConnection => ({
    brokers: [saslUrl],
    clientId: "tidemark-test",
    tls: null,
    sasl: { mechanism: "oauthbearer", token },
  });
  const credentials = {
    kind: "endpoint",
    url: `http://127.0.0.1:${endpoint.addr.port}/token`,
    clientId: "id",
    clientSecret: "canary-secret",
    scope: "kafka",
    extensions: {},
  } as const;
  await createTopic(broker, "token");
  await produce(broker, "token", [{ value: "a" }]);
  const good: TokenSource[] = [{ kind: "command", words: ["echo", unsignedToken(600)], extensions: {} }, credentials];
  for (const [i, token] of good.entries()) {
    await using reader = await new TestReader(
      testSource(broker, "token", { connection: connect(token), group: `t-${i}` }),
    )
      .open();
    await reader.until(() => reader.values().includes("a"));
  }
  assertEquals(new Set(seen), new Set([`Basic ${btoa("id:canary-secret")} grant_type=client_credentials&scope=kafka`]));
  const bad: [TokenSource, string, RegExp][] = [
    [{ kind: "command", words: ["echo", unsignedToken(-600)], extensions: {} }, "kafka_login", /OAUTHBEARER/],
    [{ kind: "command", words: ["false"], extensions: {} }, "kafka_token", /token command false failed.*exit code 1/],
    [{ ...credentials, url: "http://127.0.0.1:1/" }, "kafka_token", /token endpoint/],
  ];
  for (const [i, [token, code, text]] of bad.entries()) {
    await using reader = await new TestReader(
      testSource(broker, "token", { connection: connect(token), group: `b-${i}` }),
    )
      .open();
    const event = await reader.event("unavailable");
    assertEquals([event.code, text.test(event.reason)], [code, true], event.reason);
    assert(!event.reason.includes("canary"), event.reason);
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function within<T>(limitMs: number, what: string, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`Not within ${limitMs} ms: ${what}`)), limitMs);
  return await Promise.race([work, promise]).finally(() => clearTimeout(timer));
}

Deno.test({
  name: "KafkaSource in a group",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async (t) => {
    await using broker = await startBroker({ secure: true });
    await t.step("logs in by TLS and SASL, and says why where it cannot", () => logsIn(broker));
    await t.step("logs in by tokens of a command and of an endpoint", () => logsInByToken(broker));
    await t.step("publishes offsets for lag tools", () => publishes(broker));
    await t.step("frees a dead predecessor's partitions", () => successor(broker));
    await t.step("keeps its membership while the engine does not poll", () => backPressure(broker));
    await t.step("takes every record once in a storm of rebalances", () => storm(broker));
    await t.step("goes on after its broker was killed", () => survivesItsBroker(broker));
  },
});
