// Asks the brokers for the topic's settings and the group's members. Shell: network through kafkajs' admin.
import { type Admin, ConfigResourceTypes } from "kafkajs";
import { systemClock } from "../shared/clock.ts";
import { messageOf, NamedError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { createKafka, type KafkaConnection } from "../source/kafka/client.ts";
import type { GroupDescription } from "../source/kafka/group_members.ts";
import { KafkaMetadata } from "../source/kafka/metadata.ts";

/** The cluster's answers. It may refuse each of them. */
interface TopicProbe {
  /** Settings of the topic by name; null if the cluster refuses them. */
  readonly config: Readonly<Record<string, string>> | null;
  /** The consumer group with its members, or why it cannot be read. It can then not be joined either. */
  readonly group: GroupDescription | NamedError;
  /** Reasons of the refusals. */
  readonly refused: readonly string[];
}

/** Rejects if no broker answers, but not for a refused part. */
export async function probeTopic(
  { connection, topic, group, log }: {
    readonly connection: KafkaConnection;
    readonly topic: string;
    readonly group: string;
    readonly log: Log;
  },
): Promise<TopicProbe> {
  const metadata = new KafkaMetadata({ connection, topic, group, clock: systemClock, log });
  const admin = createKafka(connection, log).admin({ retry: { retries: 1 } });
  await admin.connect();
  const refused: string[] = [];
  const ask = async <T>(question: Promise<T>): Promise<T | null> => {
    try {
      return await question;
    } catch (error) {
      refused.push(messageOf(error));
      return null;
    }
  };
  try {
    return { config: await ask(topicConfig(admin, topic)), group: await groupOf(metadata), refused };
  } finally {
    await metadata.close();
    await admin.disconnect();
  }
}

async function topicConfig(admin: Admin, topic: string): Promise<Readonly<Record<string, string>>> {
  const { resources } = await admin.describeConfigs({
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
    includeSynonyms: false,
  });
  return Object.fromEntries((resources[0]?.configEntries ?? []).map((entry) => [entry.configName, entry.configValue]));
}

async function groupOf(metadata: KafkaMetadata): Promise<GroupDescription | NamedError> {
  try {
    return await metadata.group();
  } catch (error) {
    if (error instanceof NamedError) return error;
    throw error;
  }
}
