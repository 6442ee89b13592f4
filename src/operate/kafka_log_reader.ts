// Reads a topic from given offsets for doctor, replay and resume. It does not join the consumer group, so a running stream keeps its partitions.
// Network through kafkajs' cluster; the source's code decodes the batches.
import { logGone } from "../shared/faults.ts";
import type { Clock } from "../shared/clock.ts";
import { NamedError, StreamStopped } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { durationMs, type EpochMs, type Offset, offset, type PartitionId } from "../shared/units.ts";
import { BatchReader } from "../source/kafka/decode/batch_reader.ts";
import { createCluster, faultContext, type KafkaConnection } from "../source/kafka/client.ts";
import { faultOf } from "../source/kafka/faults.ts";
import {
  type FetchMessage,
  type FetchResult,
  OFFSET_OUT_OF_RANGE,
  registerFetchTap,
} from "../source/kafka/fetch_hook.ts";
import type { Broker, Cluster, FetchOptions } from "../source/kafka/internals.ts";
import { KafkaMetadata } from "../source/kafka/metadata.ts";
import type { FetchedBatch, LogIdentity } from "../source/port.ts";
import type { LogReader } from "./log_reader.ts";

const MAX_WAIT_MS = 250;
/** Leaders move while brokers restart. */
const TRIES = 4;
const RETRY_MS = durationMs(300);

/** Methods of kafkajs' cluster and broker that the source does not use. */
interface FetchingCluster extends Cluster {
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Readonly<Record<string, readonly number[]>>;
  findBroker(node: { readonly nodeId: string }): Promise<FetchingBroker>;
}
interface FetchingBroker extends Broker {
  fetch(request: FetchOptions & Readonly<Record<string, unknown>>): Promise<{
    readonly responses: readonly {
      readonly partitions: readonly { readonly messages: readonly FetchMessage<EpochMs>[] }[];
    }[];
  }>;
}

interface KafkaLogReaderOptions {
  readonly connection: KafkaConnection;
  readonly topic: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Most bytes of a fetch, except that a larger batch comes whole. Default 1 MiB. */
  readonly maxBytes?: number;
}

type KafkaFetch = FetchResult<EpochMs>;

export class KafkaLogReader implements LogReader {
  readonly #metadata: KafkaMetadata;
  readonly #tap: ReturnType<typeof registerFetchTap<EpochMs>>;
  #cluster: Promise<FetchingCluster> | null = null;

  constructor(private readonly options: KafkaLogReaderOptions) {
    const { clock } = options;
    this.#metadata = new KafkaMetadata({ ...options, group: "" });
    this.#tap = registerFetchTap<EpochMs>({ sending: () => clock.now(), pause: (ms) => clock.sleep(durationMs(ms)) });
  }

  async identify(): Promise<LogIdentity> {
    return (await this.#metadata.identify()).identity;
  }

  async read(partition: PartitionId, from: Offset): Promise<FetchedBatch[]> {
    const fetched = await this.fetch(partition, from);
    const reader = new BatchReader({ from, records: fetched.records, aborted: fetched.aborted, sentAt: fetched.sent }, {
      checkCrcs: true,
    });
    if (reader.firstOffset > from && fetched.logStart > from) throw this.#gone(partition, from, fetched.logStart);
    const batches: FetchedBatch[] = [];
    while (!reader.done) {
      const portion = reader.read();
      batches.push({
        partition,
        from: offset(portion.from),
        next: offset(portion.next),
        logStart: offset(fetched.logStart),
        logEnd: offset(fetched.logEnd),
        lastStable: offset(fetched.lastStable),
        sentAt: fetched.sent,
        runs: portion.runs,
      });
    }
    const { fault } = reader;
    if (fault !== null) {
      throw new StreamStopped(
        fault.code,
        `Topic "${this.options.topic}", partition ${partition}, batch at offset ${fault.offset}: ${fault.reason}`,
        "See docs/runbook.md.",
      );
    }
    return batches;
  }

  /** Returns the encoded batches of one fetch. @throws NamedError `log_gone` if the log does not hold the offset; Unavailable */
  async fetch(partition: PartitionId, from: Offset): Promise<KafkaFetch> {
    for (let attempt = 1;; attempt++) {
      try {
        const result = await this.#ask(partition, from);
        if (result.errorCode === OFFSET_OUT_OF_RANGE) throw this.#gone(partition, from, result.logStart);
        return result;
      } catch (error) {
        if (error instanceof NamedError) throw error;
        await this.#disconnect();
        const { topic, connection, clock } = this.options;
        const fault = faultOf(error, faultContext({ topic, group: "", connection }));
        if (fault.kind === "stopped") throw fault.error;
        if (attempt >= TRIES) throw fault.error;
        await clock.sleep(RETRY_MS);
      }
    }
  }

  async close(): Promise<void> {
    this.#tap.remove();
    await Promise.all([this.#metadata.close(), this.#disconnect()]);
  }

  async #ask(partition: PartitionId, from: Offset): Promise<KafkaFetch> {
    const { topic, maxBytes = 2 ** 20 } = this.options;
    const cluster = await (this.#cluster ??= this.#connect());
    const leaders = cluster.findLeaderForPartitions(topic, [partition]);
    const [nodeId] = Object.keys(leaders);
    if (nodeId === undefined) throw new Error(`${topic}/${partition} has no leader`);
    const broker = await cluster.findBroker({ nodeId });
    const { responses } = await broker.fetch({
      replicaId: -1,
      isolationLevel: 1, // read committed: the response names aborted transactions
      maxWaitTime: MAX_WAIT_MS,
      minBytes: 1,
      maxBytes,
      topics: [{ topic, partitions: [{ partition, fetchOffset: String(from), maxBytes }] }],
      rackId: this.#tap.rackId,
    });
    const result = responses[0]?.partitions[0]?.messages[0]?.result;
    if (result === undefined) throw new Error(`The broker answered nothing for ${topic}/${partition}`);
    return result;
  }

  async #connect(): Promise<FetchingCluster> {
    const cluster = createCluster(this.options.connection, this.options.log) as FetchingCluster;
    await cluster.connect();
    await cluster.addTargetTopic(this.options.topic);
    await cluster.refreshMetadata();
    return cluster;
  }

  async #disconnect(): Promise<void> {
    const cluster = this.#cluster;
    this.#cluster = null;
    await cluster?.then((open) => open.disconnect()).catch(() => {});
  }

  #gone(partition: PartitionId, from: Offset, logStart: number): NamedError {
    return logGone(
      `Topic "${this.options.topic}", partition ${partition}: offset ${from} is not in the log, which starts at ${logStart}.`,
    );
  }
}
