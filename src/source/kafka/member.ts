// One member of the consumer group: a kafkajs consumer from connecting to its end. kafkajs does network and timers; the source, which
// listens, decides. Each special rule here corrects a fault of kafkajs 2.2.4 that was seen with real brokers. Shell.
import type { Consumer, EachBatchPayload, Kafka } from "kafkajs";
import type { Clock } from "../../shared/clock.ts";
import type { Log } from "../../shared/log.ts";
import { messageOf } from "../../shared/errors.ts";
import { type EpochMs, epochMs, type Offset, offset, type PartitionId, partitionId } from "../../shared/units.ts";
import type { FetchMessage, FetchResult } from "./fetch_hook.ts";

/** Time limits of the group protocol, ms. With three heartbeats per session, one may be lost. */
const SESSION_MS = 6_000;
const HEARTBEAT_MS = 2_000;
/** How long the group waits for a member that does not join again. Ours join at a heartbeat; a frozen one must not delay the others. */
const REBALANCE_MS = 15_000;
/** Bytes of one response over all partitions. With the queue's limit this bounds the memory for fetched records. */
const RESPONSE_BYTES_MAX = 8 * 1024 * 1024;

/** Events of a member. None of these methods may throw. */
interface MemberListener<Sent> {
  /** The group assigned these partitions; all are paused. */
  joined(memberId: string, partitions: readonly PartitionId[]): void;
  lost(reason: string): void;
  /** Membership was confirmed by a request that was sent at this time. */
  confirmed(sentAt: EpochMs): void;
  /** One partition's part of one fetch. Resolves when the next fetch may be sent; meanwhile `alive` must be called. */
  fetched(result: FetchResult<Sent>, control: BatchControl): Promise<void>;
}

/** Control over the member while a batch is handled. */
export interface BatchControl {
  /** Sends a heartbeat if one is due. Rejects when membership is gone: the rejection must be passed on. */
  alive(): Promise<void>;
  /** The next fetch of this partition starts here. */
  advance(next: Offset): void;
}

interface MemberOptions {
  readonly kafka: Kafka;
  readonly topic: string;
  readonly group: string;
  readonly clock: Clock;
  readonly log: Log;
  /** From `registerFetchTap`. */
  readonly rackId: string;
  readonly maxBytesPerPartition: number;
  readonly maxWaitMs: number;
  /** How soon added partitions are noticed. */
  readonly metadataMs: number;
}

/** A group member. Made once, run once. */
export class KafkaMember<Sent> {
  readonly #consumer: Consumer;
  #stopping = false;
  /** When the last group request that could confirm us was sent; only a success makes it count. */
  #asked = epochMs(0);

  constructor(private readonly options: MemberOptions, private readonly listener: MemberListener<Sent>) {
    this.#consumer = options.kafka.consumer({
      groupId: options.group,
      sessionTimeout: SESSION_MS,
      heartbeatInterval: HEARTBEAT_MS,
      rebalanceTimeout: REBALANCE_MS,
      metadataMaxAge: options.metadataMs,
      maxBytesPerPartition: options.maxBytesPerPartition,
      maxBytes: RESPONSE_BYTES_MAX,
      // While all partitions are paused, kafkajs sleeps this long between heartbeats; so it also delays a resume.
      maxWaitTimeInMs: options.maxWaitMs,
      // The default would create a deleted topic again at a metadata request.
      allowAutoTopicCreation: false,
      rackId: options.rackId,
      // By default kafkajs reconnects up to 43 s after it was asked to disconnect. The source has its own loop.
      retry: { restartOnFailure: () => Promise.resolve(false) },
    });
  }

  /** Joins and reads until `stop` (resolves) or until kafkajs gives up (rejects with its error). */
  async run(): Promise<void> {
    const { topic } = this.options;
    const ended = Promise.withResolvers<void>();
    ended.promise.catch(() => {}); // awaited below, but a crash may come before that
    this.#listen(ended);
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topic, fromBeginning: true });
    await this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: (payload) => this.#eachBatch(payload),
    });
    await ended.promise;
  }

  /** Starts these partitions from their positions. */
  flow(positions: ReadonlyMap<PartitionId, Offset>): void {
    for (const [partition, position] of positions) this.seek(partition, position);
    this.#guarded(() => this.#consumer.resume(this.#topicPartitions([...positions.keys()])));
  }

  /** The next fetch of this partition starts here. */
  seek(partition: PartitionId, position: Offset): void {
    this.#guarded(() => this.#consumer.seek({ topic: this.options.topic, partition, offset: String(position) }));
  }

  /** Stops fetching from these partitions until `flow`. */
  pause(partitions: readonly PartitionId[]): void {
    this.#guarded(() => this.#consumer.pause(this.#topicPartitions(partitions)));
  }

  /** Publishes positions as the group's offsets. Rejects if the group refuses them. */
  async publish(positions: ReadonlyMap<PartitionId, Offset>): Promise<void> {
    const { topic } = this.options;
    await this.#consumer.commitOffsets(
      [...positions].map(([partition, position]) => ({ topic, partition, offset: String(position) })),
    );
  }

  /** Leaves the group and disconnects. Waits for the current batch, and without limit for a frozen broker. Never rejects. */
  async stop(): Promise<void> {
    this.#stopping = true;
    try {
      await this.#consumer.disconnect();
    } catch (error) {
      this.options.log.debug("The Kafka client did not disconnect in order", { error: messageOf(error) });
    }
  }

  #listen(ended: PromiseWithResolvers<void>): void {
    const consumer = this.#consumer, { events } = consumer, { topic, clock } = this.options;
    // An error in a listener would stop the consumer silently.
    const safely = (tell: () => void) => {
      try {
        tell();
      } catch (error) {
        ended.reject(error);
      }
    };
    consumer.on(events.GROUP_JOIN, ({ payload }) =>
      safely(() => {
        const partitions = (payload.memberAssignment[topic] ?? []).map(partitionId);
        if (this.#stopping) return void this.stop(); // the join was under way when `stop` was called
        this.pause(partitions);
        this.listener.joined(payload.memberId, partitions);
        this.listener.confirmed(this.#asked);
      }));
    consumer.on(events.HEARTBEAT, () => safely(() => this.listener.confirmed(this.#asked)));
    consumer.on(events.REQUEST, ({ payload }) => {
      if (payload.apiName === "Heartbeat" || payload.apiName === "SyncGroup") {
        this.#asked = epochMs(clock.now() - payload.duration);
      }
    });
    consumer.on(events.REBALANCING, () => safely(() => this.listener.lost("the group is rebalancing")));
    consumer.on(events.STOP, () => safely(() => this.listener.lost("the consumer stopped")));
    consumer.on(events.CRASH, ({ payload }) =>
      safely(() => {
        this.listener.lost(`the Kafka client failed: ${messageOf(payload.error)}`);
        ended.reject(payload.error);
      }));
    consumer.on(events.DISCONNECT, () => {
      if (this.#stopping) ended.resolve();
    });
  }

  async #eachBatch({ batch, heartbeat, resolveOffset, isRunning, isStale }: EachBatchPayload): Promise<void> {
    // fetch_hook.ts has put it in place of the records, whose type kafkajs declares.
    const message = batch.messages[0] as unknown as FetchMessage<Sent> | undefined;
    if (message === undefined || this.#stopping || !isRunning() || isStale()) return;
    await this.listener.fetched(message.result, {
      alive: async () => {
        try {
          await heartbeat();
        } catch (error) {
          // kafkajs still delivers the other batches of this fetch; the source drops them after `lost`.
          this.listener.lost(messageOf(error));
          throw error;
        }
      },
      advance: (next) => {
        if (!isStale()) resolveOffset(String(offset(next - 1)));
      },
    });
  }

  #topicPartitions(partitions: readonly PartitionId[]) {
    return [{ topic: this.options.topic, partitions: [...partitions] }];
  }

  /** These calls throw when kafkajs has stopped, which it may do at any time. Its own event reports that. */
  #guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.options.log.debug("The Kafka client refused a call", { error: messageOf(error) });
    }
  }
}
