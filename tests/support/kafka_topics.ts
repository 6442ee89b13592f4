// Creates topics and fills them through kafkajs' own admin and producer, for tests.
import { type Admin, CompressionTypes, type Message, type Producer } from "kafkajs";
import { brokerClient, type TestBroker } from "./kafka_broker.ts";

/** Runs `work` with a connected admin client. */
export async function withAdmin<T>(broker: TestBroker, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = brokerClient(broker).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

/**
 * Creates an empty topic with one replica (or `replicas`). An existing broker may have a topic of that name from an earlier run; it is deleted
 * first. Resolves once each partition answers. `config` holds Kafka topic settings.
 */
export async function createTopic(
  broker: TestBroker,
  topic: string,
  options: {
    readonly partitions?: number;
    readonly replicas?: number;
    readonly config?: Readonly<Record<string, string>>;
  } = {},
): Promise<void> {
  const configEntries = Object.entries(options.config ?? {}).map(([name, value]) => ({ name, value }));
  const topics = [{
    topic,
    numPartitions: options.partitions ?? 1,
    replicationFactor: options.replicas ?? 1,
    configEntries,
  }];
  await withAdmin(broker, async (admin) => {
    while (!await admin.createTopics({ waitForLeaders: false, topics })) {
      await admin.deleteTopics({ topics: [topic] });
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    // The loop waits for leaders: just after the creation, metadata may lack the topic, and a fresh 3.9 names leaders that do not serve yet.
    for (const deadline = Date.now() + 10_000;;) {
      try {
        await admin.fetchTopicOffsets(topic);
        return;
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  });
}

/** A producer that logs nothing and waits for the broker's answer. The caller disconnects it. */
export async function connectedProducer(broker: TestBroker, transactionalId?: string): Promise<Producer> {
  const producer = brokerClient(broker).producer({
    allowAutoTopicCreation: false,
    createPartitioner: () => ({ message }) => Number(message.partition ?? 0),
    ...(transactionalId === undefined ? {} : { transactionalId, idempotent: true, maxInFlightRequests: 1 }),
  });
  await producer.connect();
  return producer;
}

/** Sends the messages (to partition 0 by default) in chunks of at most `chunk` (default 5,000), uncompressed or gzip. */
export async function produce(
  broker: TestBroker,
  topic: string,
  messages: readonly Message[],
  options: { readonly gzip?: boolean; readonly chunk?: number } = {},
): Promise<void> {
  const producer = await connectedProducer(broker);
  const chunk = options.chunk ?? 5_000;
  try {
    for (let i = 0; i < messages.length; i += chunk) {
      await producer.send({
        topic,
        messages: messages.slice(i, i + chunk),
        compression: options.gzip ? CompressionTypes.GZIP : CompressionTypes.None,
      });
    }
  } finally {
    await producer.disconnect();
  }
}
