// Sends records to one topic; resolves when all replicas in sync have acknowledged each record. kafkajs' own producer resolves although
// partitions are missing when a leader moves between its tries (tulios/kafkajs#1798), so the loop is ours: each record's partition and each
// batch's bytes are fixed before the first try, and only unacknowledged batches are sent again. Shell: network and clock.
import type { Buffer } from "node:buffer";
import { type ICustomPartitioner, Partitioners } from "kafkajs";
import type { Clock } from "../../../shared/clock.ts";
import type { Log } from "../../../shared/log.ts";
import { messageOf } from "../../../shared/errors.ts";
import { durationMs } from "../../../shared/units.ts";
import { createCluster, type KafkaConnection } from "../client.ts";
import { type Cluster, errorOfCode, produceRequest } from "../internals.ts";
import { type BatchOutcome, outcomes } from "./answers.ts";
import { IncompleteSend } from "./incomplete_send.ts";
import { encodeRecordBatch, type OutRecord, sequenceAfter } from "./record_batch.ts";

interface TopicSenderOptions {
  readonly connection: KafkaConnection;
  readonly topic: string;
  readonly log: Log;
  readonly clock: Clock;
  /** How long the same records are sent again while none of them is acknowledged, ms. */
  readonly patienceMs: number;
  /** After an abort, records in flight get a few seconds more. */
  readonly signal: AbortSignal;
}

/** The records of one `send` for one partition. */
interface Batch {
  readonly partition: number;
  /** Indexes of its records in what `send` was given. */
  readonly indexes: readonly number[];
  readonly bytes: Buffer;
}

/** How long a broker waits for its replicas; less than the request's limit, so that the answer arrives in time. */
const REPLICAS_MS = 8_000;
const REQUEST_MS = 12_000;
const PAUSE_MS_MIN = 100, PAUSE_MS_MAX = 1_000;
/** When the command is stopped, records in flight have this long to be acknowledged. */
const STOPPING_MS = 5_000;

/** A producer of one topic. Call `send` only after the last call has ended, because a broker recognises repeated batches by their order. */
export class TopicSender {
  readonly #partitioner: ReturnType<ICustomPartitioner> = Partitioners.DefaultPartitioner();
  /** Number of the next record by partition. */
  readonly #sequences = new Map<number, number>();
  #cluster: Promise<Cluster> | null = null;
  #producer: { readonly producerId: bigint; readonly producerEpoch: number } | null = null;

  constructor(private readonly options: TopicSenderOptions) {}

  /** Connects and gets a producer id. Rejects with the client's errors; then it may be called again. */
  async open(): Promise<void> {
    try {
      const cluster = await this.#connected();
      await cluster.refreshMetadata();
      const broker = await cluster.brokerPool.findConnectedBroker();
      const { producerId, producerEpoch } = await broker.initProducerId({ transactionTimeout: 60_000 });
      this.#producer ??= { producerId: BigInt(producerId), producerEpoch };
    } catch (error) {
      void this.#drop();
      throw error;
    }
  }

  /** Resolves when all are stored. @throws IncompleteSend if one is refused, or none is acknowledged for too long */
  async send(records: readonly OutRecord[]): Promise<void> {
    const { clock, log, patienceMs, signal } = this.options;
    let pending: readonly Batch[] | null = null;
    const acknowledged = records.map(() => false);
    const fail = (reason: string, cause?: unknown): never => {
      throw new IncompleteSend(acknowledged, reason, { cause });
    };
    let progressAt = clock.now();
    for (let tries = 0;; tries++) {
      const stopping = signal.aborted ? Math.min(patienceMs, STOPPING_MS) : patienceMs;
      let trouble: unknown;
      try {
        pending ??= await this.#batches(records);
        const { answers, failure } = await this.#round(pending, tries > 0);
        trouble = failure;
        const left: Batch[] = [];
        for (const { batch, outcome, errorCode } of answers) {
          if (outcome === "stored") { for (const index of batch.indexes) acknowledged[index] = true; }
          else left.push(batch);
          if (outcome !== "stored" && errorCode !== undefined) trouble = errorOfCode(errorCode);
          if (outcome === "refused") fail(messageOf(trouble), trouble);
        }
        if (left.length < pending.length) progressAt = clock.now();
        pending = left;
        if (pending.length === 0) return;
      } catch (error) {
        if (error instanceof IncompleteSend) throw error;
        trouble = error;
        void this.#drop();
      }
      const reason = trouble === undefined ? "a partition was left out of the answer" : messageOf(trouble);
      if (clock.now() - progressAt >= stopping) fail(reason, trouble);
      log.warn("Kafka did not acknowledge everything; sending the rest again", {
        reason,
        batches: pending?.length ?? 0,
      });
      await clock.sleep(durationMs(Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** tries)));
    }
  }

  /** Never rejects; takes two seconds at most. */
  async close(): Promise<void> {
    const closing = this.#drop();
    await Promise.race([closing, this.options.clock.sleep(durationMs(2_000))]);
  }

  /** Fixes partitions, sequence numbers and bytes. */
  async #batches(records: readonly OutRecord[]): Promise<readonly Batch[]> {
    const { topic, clock } = this.options;
    if (this.#producer === null) await this.open();
    const cluster = await this.#connected();
    await cluster.refreshMetadataIfNecessary();
    const partitionMetadata = [...cluster.findTopicPartitionMetadata(topic)];
    if (partitionMetadata.length === 0) throw errorOfCode(3);
    const byPartition = new Map<number, number[]>();
    for (let index = 0; index < records.length; index++) {
      const { key } = records[index]!;
      const partition = this.#partitioner({ topic, partitionMetadata, message: { key, value: null } });
      const indexes = byPartition.get(partition);
      if (indexes === undefined) byPartition.set(partition, [index]);
      else indexes.push(index);
    }
    return [...byPartition].map(([partition, indexes]) => {
      const first = this.#sequences.get(partition) ?? 0;
      this.#sequences.set(partition, sequenceAfter(first, indexes.length));
      const bytes = encodeRecordBatch(indexes.map((i) => records[i]!), { ...this.#producer!, first }, clock.now());
      return { partition, indexes, bytes };
    });
  }

  /** Sends each batch once to its partition's leader and waits for all answers. */
  async #round(batches: readonly Batch[], again: boolean): Promise<{
    readonly answers: readonly {
      readonly batch: Batch;
      readonly outcome: BatchOutcome;
      readonly errorCode: number | undefined;
    }[];
    readonly failure: unknown;
  }> {
    const { topic } = this.options;
    const cluster = await this.#connected();
    if (again) await cluster.refreshMetadata();
    const leaders = cluster.findLeaderForPartitions(topic, batches.map(({ partition }) => partition));
    let failure: unknown;
    const answered = await Promise.all(
      Object.entries(leaders).map(async ([nodeId, partitions]) => {
        const own = batches.filter(({ partition }) => partitions.includes(partition));
        try {
          const broker = await cluster.findBroker({ nodeId });
          const request = produceRequest(broker, {
            topic,
            timeoutMs: REPLICAS_MS,
            batches: own,
          });
          return await broker.connectionPool.send({ ...request, requestTimeout: REQUEST_MS });
        } catch (error) {
          failure = error;
          return [];
        }
      }),
    );
    // Drops all connections, because one that failed or timed out must not be used again.
    if (failure !== undefined) void this.#drop();
    return { answers: outcomes(batches, answered.flat()), failure };
  }

  #connected(): Promise<Cluster> {
    return this.#cluster ??= this.#connect();
  }

  async #connect(): Promise<Cluster> {
    const cluster = createCluster(this.options.connection, this.options.log);
    await cluster.connect();
    await cluster.addTargetTopic(this.options.topic);
    return cluster;
  }

  async #drop(): Promise<void> {
    const cluster = this.#cluster;
    this.#cluster = null;
    try {
      await (await cluster)?.disconnect();
    } catch (error) {
      this.options.log.debug("The Kafka client did not disconnect in order", { error: messageOf(error) });
    }
  }
}
