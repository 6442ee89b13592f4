// Asks the brokers what only an administrator's request tells: the topic's settings and the group's state. Network through kafkajs' admin.
import { type Admin, ConfigResourceTypes } from "kafkajs";
import { messageOf } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { createKafka, type KafkaConnection } from "../source/kafka/client.ts";

/** What the cluster says. Each part may be refused by itself. */
export interface TopicProbe {
  /** Settings of the topic by name; `null` where they may not be read. */
  readonly config: Readonly<Record<string, string>> | null;
  /** The consumer group; `null` where it may not be read. */
  readonly group:
    | { readonly state: string; readonly clientIds: readonly string[]; readonly protocolType: string }
    | null;
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
    return { config: await ask(topicConfig(admin, topic)), group: await ask(groupState(admin, group)), refused };
  } finally {
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

async function groupState(admin: Admin, group: string): Promise<NonNullable<TopicProbe["group"]>> {
  const { groups } = await admin.describeGroups([group]);
  const { state, members, protocolType } = groups[0]!;
  return { state, clientIds: members.map((member) => member.clientId), protocolType };
}
