// Starts a real cluster of three Kafka brokers (KRaft, each also a controller), on loopback or on three hosts. Runs `java`; nothing is left behind.
import { Kafka, logLevel } from "kafkajs";
import { formatStorage, freePorts, launch, newClusterId, type Server } from "./kafka_broker.ts";
import type { KafkaVersion } from "./kafka_jars.ts";
import { kafkaJava } from "./kafka_java.ts";

const NODES = [1, 2, 3] as const;

/** One broker of a cluster. */
export interface ClusterNode {
  /** Node id, as metadata name leaders. */
  readonly id: number;
  readonly url: string;
  /** SIGKILL; the data stays for `restart`. */
  kill(): Promise<void>;
  /** SIGSTOP: the broker keeps its connections open and does not answer. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** Starts again on the same port and data. */
  restart(): Promise<void>;
}

/** Three brokers. `await using` stops them. */
export interface TestCluster extends AsyncDisposable {
  readonly nodes: readonly ClusterNode[];
  readonly urls: readonly string[];
  readonly version: string;
  /** A kafkajs client that logs nothing. */
  client(): Kafka;
  /** Resolves once all replicas of the topic are in sync. @throws Error after a minute */
  inSync(topic: string): Promise<void>;
}

/** Starts three brokers whose internal topics have three replicas. */
export async function startCluster(
  { version = "4.1.0", properties = {}, hosts }: {
    readonly version?: KafkaVersion;
    readonly properties?: Readonly<Record<string, string>>;
    /** Where each broker runs: its address, and the words before its command. */
    readonly hosts?: readonly { readonly address: string; readonly within: readonly string[] }[];
  } = {},
): Promise<TestCluster> {
  const java = await kafkaJava(version);
  const folder = await Deno.makeTempDir({ prefix: "tidemark-kafka-" });
  const ports = freePorts(6), id = newClusterId();
  const brokers = NODES.map((node) => ({
    node,
    address: hosts?.[node - 1]?.address ?? "127.0.0.1",
    within: hosts?.[node - 1]?.within ?? [],
    plain: ports[2 * node - 2]!,
    controller: ports[2 * node - 1]!,
  }));
  const voters = brokers.map(({ node, address, controller }) => `${node}@${address}:${controller}`).join(",");
  const nodes = await Promise.all(brokers.map(async (broker): Promise<ClusterNode & Stoppable> => {
    const { node, address, within, plain, controller } = broker;
    const home = `${folder}/${node}`;
    await Deno.mkdir(home);
    const lines = {
      "process.roles": "broker,controller",
      "node.id": String(node),
      "controller.quorum.voters": voters,
      listeners: `PLAINTEXT://${address}:${plain},CONTROLLER://${address}:${controller}`,
      "advertised.listeners": `PLAINTEXT://${address}:${plain}`,
      "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
      "controller.listener.names": "CONTROLLER",
      "inter.broker.listener.name": "PLAINTEXT",
      "log.dirs": `${home}/data`,
      "offsets.topic.replication.factor": "3",
      "offsets.topic.num.partitions": "2",
      "default.replication.factor": "3",
      "min.insync.replicas": "2",
      "group.initial.rebalance.delay.ms": "0",
      "auto.create.topics.enable": "false",
      // Short, so that a dead or frozen broker loses its partitions soon.
      "broker.session.timeout.ms": "3000",
      "broker.heartbeat.interval.ms": "300",
      "replica.lag.time.max.ms": "3000",
      "controller.quorum.fetch.timeout.ms": "1500",
      "controller.quorum.election.timeout.ms": "500",
      ...properties,
    };
    const file = `${home}/server.properties`;
    await Deno.writeTextFile(file, Object.entries(lines).map(([key, value]) => `${key}=${value}\n`).join(""));
    await formatStorage({ java, file, scram: false, id });
    const url = `${address}:${plain}`;
    let server: Server = await launch(java, home, url, within);
    return {
      id: node,
      url,
      async kill() {
        server.signal("SIGKILL");
        await server.ended;
      },
      pause: () => server.signal("SIGSTOP"),
      resume: () => server.signal("SIGCONT"),
      async restart() {
        server.signal("SIGKILL");
        await server.ended;
        server = await launch(java, home, url, within);
      },
      async stop() {
        server.signal("SIGKILL");
        await server.ended;
      },
    };
  }));
  const urls = nodes.map(({ url }) => url);
  const stopAll = () => nodes.forEach((node) => void node.stop());
  globalThis.addEventListener("unload", stopAll);
  const client = () =>
    new Kafka({
      brokers: urls,
      clientId: "tidemark-test",
      logLevel: logLevel.NOTHING,
      retry: { retries: 20, initialRetryTime: 100, maxRetryTime: 500 },
    });
  return {
    nodes,
    urls,
    version,
    client,
    async inSync(topic) {
      const admin = client().admin();
      await admin.connect();
      try {
        for (const deadline = Date.now() + 60_000;;) {
          const state = await admin.fetchTopicMetadata({ topics: [topic] }).catch(() => null);
          const partitions = state?.topics[0]?.partitions ?? [];
          if (partitions.length > 0 && partitions.every(({ isr, replicas }) => isr.length === replicas.length)) return;
          if (Date.now() > deadline) {
            throw new Error(`Replicas of ${topic} do not catch up: ${JSON.stringify(partitions)}`);
          }
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      } finally {
        await admin.disconnect();
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(nodes.map((node) => node.stop()));
      globalThis.removeEventListener("unload", stopAll);
      await Deno.remove(folder, { recursive: true });
    },
  };
}

interface Stoppable {
  stop(): Promise<void>;
}
