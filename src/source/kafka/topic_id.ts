// Asks a broker for a topic's id (KIP-516) and partitions: Metadata version 12, which kafkajs does not speak. It only encodes and decodes;
// the connection is kafkajs' own, so TLS and SASL work the same.
import { type Broker, type Decoder, newDecoder, newEncoder, type ProtocolRequest } from "./internals.ts";

const METADATA_API = 3, METADATA_VERSION = 12;
const NO_ID = "0".repeat(32);

interface TopicDescription {
  /** Kafka error code: 0, 3 (unknown topic), 29 (not authorised), … */
  readonly errorCode: number;
  /** 32 hex digits; `null` if the broker does not have topic ids. */
  readonly topicId: string | null;
  /** Partition numbers, ascending. */
  readonly partitions: readonly number[];
}

/** Whether a broker speaks the version: Kafka 2.8 and later. */
export function knowsTopicIds(broker: Broker): boolean {
  return (broker.versions?.[METADATA_API]?.maxVersion ?? 0) >= METADATA_VERSION;
}

/** The description of one topic, which is never created. Rejects with the errors of kafkajs' connection. */
export async function describeTopic(broker: Broker, topic: string): Promise<TopicDescription> {
  const request: ProtocolRequest<TopicDescription, TopicDescription> = {
    request: {
      apiKey: METADATA_API,
      apiVersion: METADATA_VERSION,
      apiName: "Metadata",
      encode: () => {
        const encoder = newEncoder()
          .writeInt8(0) // request header 2: no tagged fields
          .writeUVarInt(2); // one topic: compact arrays count from one
        for (let i = 0; i < 16; i++) encoder.writeInt8(0); // no id: the topic is given by name
        return encoder.writeUVarIntString(topic).writeInt8(0)
          .writeBoolean(false) // allow_auto_topic_creation
          .writeBoolean(false) // include_topic_authorized_operations
          .writeInt8(0);
      },
    },
    response: {
      decode: (raw) => Promise.resolve(decodeMetadata(newDecoder(raw))),
      parse: (description) => Promise.resolve(description),
    },
  };
  return await broker.connectionPool.send(request);
}

function decodeMetadata(decoder: Decoder): TopicDescription {
  decoder.readTaggedFields(); // response header 1
  decoder.readInt32(); // throttle time
  decoder.readUVarIntArray((broker) => {
    broker.readInt32(); // node id
    broker.readUVarIntString(); // host
    broker.readInt32(); // port
    broker.readUVarIntString(); // rack
    broker.readTaggedFields();
  });
  decoder.readUVarIntString(); // cluster id
  decoder.readInt32(); // controller
  const topics = decoder.readUVarIntArray((topic) => {
    const errorCode = topic.readInt16();
    topic.readUVarIntString(); // name
    const id = topic.readBytes(16).toString("hex");
    topic.readBoolean(); // internal
    const partitions = topic.readUVarIntArray((entry) => {
      entry.readInt16(); // error
      const partition = entry.readInt32();
      entry.readInt32(); // leader
      entry.readInt32(); // leader epoch
      for (let i = 0; i < 3; i++) entry.readUVarIntArray((node) => node.readInt32()); // replicas, in sync, offline
      entry.readTaggedFields();
      return partition;
    });
    topic.readInt32(); // authorised operations
    topic.readTaggedFields();
    return { errorCode, topicId: id === NO_ID ? null : id, partitions: (partitions ?? []).sort((a, b) => a - b) };
  });
  if (topics?.length !== 1) throw new Error(`The broker described ${topics?.length ?? 0} topics, asked for one`);
  return topics[0]!;
}
