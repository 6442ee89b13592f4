// Asks the brokers what only an administrator's request tells: the topic's settings and the group's state. Shell: network through kafkajs' admin.
import { type Admin, ConfigResourceTypes } from "kafkajs";
import { systemClock } from "../shared/clock.ts";
import { messageOf, NamedError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { createKafka, type KafkaConnection } from "../source/kafka/client.ts";
import type { GroupDescription } from "../source/kafka/group_members.ts";
import { KafkaMetadata } from "../source/kafka/metadata.ts";

/** What the cluster says. Each part may be refused by itself. */
interface TopicProbe {
  /** Settings of the topic by name; `null` where they may not be read. */
  readonly config: Readonly<Record<string, string>> | null;
  /** The consumer group with its members, or why it may not be read: then it cannot be joined either. */
  readonly group: GroupDescription | NamedError;
  /** Why a part is missing. */
  readonly refused: readonly string[];
}

/** Never rejects for what it is refused; rejects where no broker answers. */
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
