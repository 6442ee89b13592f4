// Requests that the consumer does not offer: topic id, bounds of every partition, offsets by time, removal of a dead member.
// Has its own connections, so that a request never waits behind a fetch.
import type { Clock } from "../../shared/clock.ts";
import type { Log } from "../../shared/log.ts";
import { durationMs, type EpochMs, type Offset, offset, type PartitionId, partitionId } from "../../shared/units.ts";
import { createCluster, faultContext, type KafkaConnection } from "./client.ts";
import { faultOf } from "./faults.ts";
import { type Broker, type Cluster, errorOfCode, type OffsetsQuery } from "./internals.ts";
import { describeGroup, type GroupDescription } from "./group_members.ts";
import { describeTopic, knowsTopicIds } from "./topic_id.ts";
import type { LogIdentity, PartitionBounds } from "../port.ts";

export interface KafkaMetadataOptions {
  readonly connection: KafkaConnection;
  readonly topic: string;
  readonly group: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Errors while a group's coordinator is chosen or loads its data; in a new cluster that takes a second or two. */
const COORDINATOR_MOVES: ReadonlySet<unknown> = new Set([
  "GROUP_LOAD_IN_PROGRESS",
  "GROUP_COORDINATOR_NOT_AVAILABLE",
  "NOT_COORDINATOR_FOR_GROUP",
]);
/** Kafka's number for the coordinator of a group; 1 is that of transactions. */
const GROUP_COORDINATOR = 0;
const COORDINATOR_TRIES = 15;
const COORDINATOR_WAIT = durationMs(300);

interface TopicIdentity {
  /** `null` if the broker does not have topic ids. */
  readonly topicId: string | null;
  readonly partitions: readonly number[];
  /** Our clock just before the request was sent. */
  readonly askedAt: EpochMs;
}

/** Requests about one topic. Every method rejects with Unavailable, or with StreamStopped if waiting cannot help. */
export class KafkaMetadata {
  #cluster: Promise<Cluster> | null = null;
  /** The group's coordinator, as long as it answers as such. */
  #coordinator: Broker | null = null;
  /** Whether a broker has answered with these settings. */
  #answered = false;

  constructor(private readonly options: KafkaMetadataOptions) {}

  /** The topic's id and partition numbers. */
  describe(): Promise<TopicIdentity> {
    return this.#ask(async (cluster) => {
      const { topic, clock } = this.options;
      const askedAt = clock.now();
      const broker = await cluster.brokerPool.findConnectedBroker();
      if (!knowsTopicIds(broker)) {
        await this.#load(cluster);
        return { topicId: null, partitions: this.#partitions(cluster), askedAt };
      }
      const { errorCode, topicId, partitions } = await describeTopic(broker, topic);
      if (errorCode !== 0) throw errorOfCode(errorCode);
      return { topicId, partitions, askedAt };
    });
  }

  /** The topic's id with the bounds of all partitions. */
  async identify(): Promise<{ readonly identity: LogIdentity; readonly askedAt: EpochMs }> {
    const { topicId, partitions, askedAt } = await this.describe();
    const [starts, ends] = await Promise.all([
      this.#offsets(partitions, { fromBeginning: true }),
      this.#offsets(partitions, { fromBeginning: false }),
    ]);
    const bounds = partitions.map((partition): PartitionBounds => ({
      partition: partitionId(partition),
      logStart: starts.get(partitionId(partition))!,
      logEnd: ends.get(partitionId(partition))!,
    }));
    return { identity: { topicId, partitions: bounds }, askedAt };
  }

  /** For each partition the first offset whose record time is at or after `time`; the log's end without such a record. */
  async offsetsAt(time: EpochMs): Promise<ReadonlyMap<PartitionId, Offset>> {
    const { partitions } = await this.describe();
    const [found, ends] = await Promise.all([
      this.#offsets(partitions, { fromTimestamp: time }),
      this.#offsets(partitions, { fromBeginning: false }),
    ]);
    // Kafka answers −1 if there is no such record.
    return new Map([...found].map(([partition, at]) => [partition, at < 0 ? ends.get(partition)! : at]));
  }

  /** The consumer group as its coordinator describes it. While the coordinator changes, the request is repeated. */
  group(): Promise<GroupDescription> {
    const { group, clock } = this.options;
    return this.#ask(async (cluster) => {
      for (let tries = 1;; tries++) {
        const known = this.#coordinator;
        try {
          const coordinator = known ?? await coordinatorOf(cluster, group),
            found = await describeGroup(coordinator, group);
          this.#coordinator = coordinator;
          return found;
        } catch (error) {
          this.#coordinator = null;
          if (known !== null) continue;
          if (tries === COORDINATOR_TRIES || !COORDINATOR_MOVES.has((error as { type?: unknown }).type)) throw error;
          await clock.sleep(COORDINATOR_WAIT);
        }
      }
    });
  }

  /** Tells the group that a member is gone, so that its partitions are free before its session times out. */
  forgetMember(memberId: string): Promise<void> {
    return this.#ask(async (cluster) => {
      const coordinator = await cluster.findGroupCoordinator({ groupId: this.options.group });
      await coordinator.leaveGroup({ groupId: this.options.group, memberId });
    });
  }

  /** Closes the connections; a later request opens new ones. Never rejects. */
  async close(): Promise<void> {
    const cluster = this.#cluster;
    this.#cluster = this.#coordinator = null;
    // Ignores errors while closing.
    await cluster?.then((open) => open.disconnect()).catch(() => {});
  }

  #offsets(
    partitions: readonly number[],
    rule: Pick<OffsetsQuery, "fromBeginning" | "fromTimestamp">,
  ): Promise<ReadonlyMap<PartitionId, Offset>> {
    return this.#ask(async (cluster) => {
      const { topic } = this.options;
      await this.#load(cluster);
      const query = { topic, partitions: partitions.map((partition) => ({ partition })), ...rule };
      const answers = (await cluster.fetchTopicsOffset([query])).flatMap((answer) => answer.partitions);
      const offsets = new Map(answers.map((answer) => [partitionId(answer.partition), offset(Number(answer.offset))]));
      const missing = partitions.find((partition) => !offsets.has(partitionId(partition)));
      if (missing !== undefined) throw new Error(`No broker answered for ${topic}/${missing}`);
      return offsets;
    });
  }

  async #load(cluster: Cluster): Promise<void> {
    await cluster.addTargetTopic(this.options.topic);
    await cluster.refreshMetadata();
  }

  #partitions(cluster: Cluster): number[] {
    return cluster.findTopicPartitionMetadata(this.options.topic).map((entry) => entry.partitionId).sort((a, b) =>
      a - b
    );
  }

  /** Runs a request. After a failure the next one uses new connections. */
  async #ask<T>(question: (cluster: Cluster) => Promise<T>): Promise<T> {
    const cluster = this.#cluster ??= this.#connect();
    try {
      const result = await question(await cluster);
      this.#answered = true;
      return result;
    } catch (error) {
      if (this.#cluster === cluster) void this.close();
      throw faultOf(error, faultContext(this.options, { fresh: !this.#answered })).error;
    }
  }

  async #connect(): Promise<Cluster> {
    const cluster = createCluster(this.options.connection, this.options.log);
    await cluster.connect();
    return cluster;
  }
}

/** The group's coordinator. kafkajs asks one broker after the other and drops the reasons; so after a failure one broker is asked for its reason. */
async function coordinatorOf(cluster: Cluster, groupId: string): Promise<Broker> {
  try {
    return await cluster.findGroupCoordinator({ groupId });
  } catch (error) {
    const broker = await cluster.brokerPool.findConnectedBroker();
    await broker.findGroupCoordinator({ groupId, coordinatorType: GROUP_COORDINATOR });
    throw error;
  }
}
