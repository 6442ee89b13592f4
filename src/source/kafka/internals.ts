// Types for the parts of kafkajs 2.2.4 that it does not export. This is the only file that imports from kafkajs/src. kafkajs is no longer
// developed, so these shapes do not change. Shell.
import type { Buffer } from "node:buffer";
import type { ISocketFactory, PartitionMetadata } from "kafkajs";
import RawCluster from "kafkajs/src/cluster/index.js";
import rawLoggers from "kafkajs/src/loggers/index.js";
import rawSocketFactory from "kafkajs/src/network/socketFactory.js";
import RawDecoder from "kafkajs/src/protocol/decoder.js";
import RawEncoder from "kafkajs/src/protocol/encoder.js";
import rawErrors from "kafkajs/src/protocol/error.js";
import rawFetch from "kafkajs/src/protocol/requests/fetch/index.js";
import rawProduce from "kafkajs/src/protocol/requests/produce/index.js";
import RawConnection from "kafkajs/src/network/connection.js";
import RawRequestQueue from "kafkajs/src/network/requestQueue/index.js";

/** Writes protocol fields; every call returns the encoder itself. */
interface Encoder {
  writeInt8(value: number): Encoder;
  writeInt16(value: number): Encoder;
  writeInt32(value: number): Encoder;
  writeBoolean(value: boolean): Encoder;
  writeBuffer(value: Buffer): Encoder;
  writeString(value: string | null): Encoder;
  writeUVarInt(value: number): Encoder;
  writeUVarIntString(value: string): Encoder;
}

/** Reads protocol fields. */
export interface Decoder {
  readInt8(): number;
  readInt16(): number;
  readInt32(): number;
  readBoolean(): boolean;
  readBytes(length: number): Buffer;
  readUVarIntString(): string | null;
  readUVarIntArray<T>(read: (decoder: Decoder) => T): T[] | null;
  readTaggedFields(): unknown;
}

/** A request with its response's decoder, as kafkajs' connection sends it. */
export interface ProtocolRequest<Raw, Result> {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    readonly encode: () => Encoder | Promise<Encoder>;
  };
  readonly response: {
    readonly decode: (raw: Buffer) => Promise<Raw>;
    readonly parse: (decoded: Raw) => Promise<Result>;
  };
  readonly requestTimeout?: number;
}

/** The parameters of one fetch. */
export interface FetchOptions {
  readonly topics: readonly {
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly fetchOffset: string;
      readonly maxBytes: number;
    }[];
  }[];
  /** How long the broker may wait for `minBytes`, ms. */
  readonly maxWaitTime: number;
  readonly minBytes: number;
  readonly rackId?: string;
}

/** The definition of the Fetch API: `protocol` gives the request builder of a negotiated version. */
interface FetchDefinition {
  protocol: (choice: { readonly version: number }) => (options: FetchOptions) => ProtocolRequest<unknown, unknown>;
}

/** One broker and its connections. */
export interface Broker {
  readonly versions: Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>> | null;
  readonly connectionPool: { send<Raw, Result>(request: ProtocolRequest<Raw, Result>): Promise<Result> };
  initProducerId(request: { readonly transactionTimeout: number }): Promise<{
    readonly producerId: string;
    readonly producerEpoch: number;
  }>;
  describeGroups(request: { readonly groupIds: readonly string[] }): Promise<{
    readonly groups: readonly {
      readonly state: string;
      readonly members: readonly { readonly clientId: string; readonly clientHost: string }[];
    }[];
  }>;
  leaveGroup(request: { readonly groupId: string; readonly memberId: string }): Promise<unknown>;
  /** Rejects with the broker's reason. */
  findGroupCoordinator(request: { readonly groupId: string; readonly coordinatorType: number }): Promise<unknown>;
}

/** A request for offsets: the log's start, its end, or the first record at or after a time. */
export interface OffsetsQuery {
  readonly topic: string;
  readonly partitions: readonly { readonly partition: number }[];
  readonly fromBeginning?: boolean;
  readonly fromTimestamp?: number;
}

/** A client's view of a cluster: metadata, and a broker for each node. */
export interface Cluster {
  readonly brokerPool: { findConnectedBroker(): Promise<Broker> };
  isConnected(): boolean;
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  refreshMetadata(): Promise<void>;
  /** Refreshes what is older than the client's `metadataMaxAge`. */
  refreshMetadataIfNecessary(): Promise<void>;
  findTopicPartitionMetadata(topic: string): readonly PartitionMetadata[];
  /** Partitions by the node id of their leader; those that are unknown are left out. */
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Readonly<Record<string, readonly number[]>>;
  findBroker(node: { readonly nodeId: string }): Promise<Broker>;
  findGroupCoordinator(query: { readonly groupId: string }): Promise<Broker>;
  fetchTopicsOffset(
    topics: readonly OffsetsQuery[],
  ): Promise<
    {
      readonly topic: string;
      readonly partitions: readonly { readonly partition: number; readonly offset: string }[];
    }[]
  >;
}

export const Cluster = RawCluster as unknown as new (options: Readonly<Record<string, unknown>>) => Cluster;
export const fetchDefinition = rawFetch as unknown as FetchDefinition;
export const newEncoder = (): Encoder => new (RawEncoder as unknown as new () => Encoder)();
export const newDecoder = (raw: Buffer): Decoder => new (RawDecoder as unknown as new (raw: Buffer) => Decoder)(raw);
/** kafkajs' error for a Kafka error code; it knows which ones can be retried. */
export const errorOfCode = (rawErrors as { createErrorFromCode(code: number): Error }).createErrorFromCode;
export const defaultSocketFactory = rawSocketFactory as unknown as () => ISocketFactory;
export const createLogger =
  (rawLoggers as { createLogger(options: { level: number; logCreator: unknown }): unknown }).createLogger;

interface RequestQueue {
  readonly pending: readonly unknown[];
  readonly inflight: ReadonlyMap<
    number,
    { readonly sentAt: number; readonly requestTimeout: number; timeoutRequest(): void }
  >;
  readonly enforceRequestTimeout: boolean;
  readonly requestTimeout: number;
  readonly isConnected: () => boolean;
  requestTimeoutIntervalId?: ReturnType<typeof setTimeout> | undefined;
  /** Ends the timers. */
  destroy(): void;
}

interface RequestQueuePrototype {
  scheduleCheckPendingRequests(this: RequestQueue): void;
  scheduleRequestTimeoutCheck(this: RequestQueue): void;
}

export const requestQueuePrototype = (RawRequestQueue as unknown as { prototype: RequestQueuePrototype }).prototype;

interface ConnectionPrototype {
  processData(this: { chunks: Buffer[]; readonly bytesBuffered: number }, data: Buffer): void;
}

export const connectionPrototype = (RawConnection as unknown as { prototype: ConnectionPrototype }).prototype;

const PRODUCE_API = 0;
/** Versions whose request has one layout; brokers since Kafka 0.11 speak one of them. */
const PRODUCE_VERSION_MIN = 3, PRODUCE_VERSION_MAX = 7;

interface ProduceAnswer {
  readonly topics: readonly {
    readonly partitions: readonly { readonly partition: number; readonly errorCode: number }[];
  }[];
}

/**
 * A produce request of encoded record batches for one topic, acknowledged by all replicas in sync. Its result holds the answer of each
 * partition; kafkajs' own parser throws at the first failed one and hides the others.
 */
export function produceRequest(
  broker: Broker,
  { topic, timeoutMs, batches }: {
    readonly topic: string;
    readonly timeoutMs: number;
    readonly batches: readonly { readonly partition: number; readonly bytes: Buffer }[];
  },
): ProtocolRequest<ProduceAnswer, ProduceAnswer["topics"][number]["partitions"]> {
  const apiVersion = Math.min(PRODUCE_VERSION_MAX, broker.versions?.[PRODUCE_API]?.maxVersion ?? 0);
  if (apiVersion < PRODUCE_VERSION_MIN) throw errorOfCode(UNSUPPORTED_VERSION);
  const { response } = (rawProduce as unknown as {
    protocol: (choice: { version: number }) => (options: { topicData: [] }) => ProtocolRequest<ProduceAnswer, unknown>;
  }).protocol({ version: apiVersion })({ topicData: [] });
  return {
    request: {
      apiKey: PRODUCE_API,
      apiVersion,
      apiName: "Produce",
      encode: () => {
        const encoder = newEncoder().writeString(null).writeInt16(-1).writeInt32(timeoutMs)
          .writeInt32(1).writeString(topic).writeInt32(batches.length);
        for (const { partition, bytes } of batches) {
          encoder.writeInt32(partition).writeInt32(bytes.length).writeBuffer(bytes);
        }
        return encoder;
      },
    },
    response: {
      decode: response.decode,
      parse: ({ topics }) => Promise.resolve(topics.flatMap(({ partitions }) => partitions)),
    },
  };
}

const UNSUPPORTED_VERSION = 35;
