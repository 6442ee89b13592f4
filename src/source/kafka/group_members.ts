// Asks a coordinator for the members of a consumer group, by the classic protocol or by the new one (KIP-848), which kafkajs does not speak.
// It only encodes and decodes; kafkajs has the connection.
import { type Broker, type Decoder, errorOfCode, newDecoder, newEncoder, type ProtocolRequest } from "./internals.ts";

const CONSUMER_GROUP_DESCRIBE_API = 69, VERSION_MAX = 1;
/**
 * Answers that mean "no members of the new protocol": GROUP_ID_NOT_FOUND for a group that does not exist or uses the classic protocol;
 * UNSUPPORTED_VERSION from brokers that list the request without offering the new protocol (Kafka 3.7 to 3.9 by default).
 */
const NOT_OF_THIS_PROTOCOL: ReadonlySet<number> = new Set([69, 35]);
const MEMBER_TYPE_CONSUMER = 1;

/** One member, of any program. */
interface GroupMember {
  readonly clientId: string;
  readonly clientHost: string;
  /** Whether it uses the new protocol, as Tidemark never does. */
  readonly newProtocol: boolean;
}

/** A group as its coordinator describes it. A group that does not exist is `Dead` and has no members. */
export interface GroupDescription {
  readonly state: string;
  readonly members: readonly GroupMember[];
}

/** All client ids of Tidemark match this. */
const OWN_CLIENT_ID = /^tidemark(-|$)/;

/** The members of other programs, as texts for an operator. */
export function strangersOf(members: readonly GroupMember[]): readonly string[] {
  const names = members.filter(({ clientId, newProtocol }) => newProtocol || !OWN_CLIENT_ID.test(clientId))
    .map(({ clientId, clientHost, newProtocol }) =>
      `${inOneLine(clientId)} on ${inOneLine(clientHost.replace(/^\//, ""))}${
        newProtocol ? " (group.protocol=consumer)" : ""
      }`
    );
  return [...new Set(names)];
}

/** Another program chooses its client id, so control characters must not reach a terminal. */
const inOneLine = (text: string) => text.replace(/[\p{C}\p{Z}]+/gu, " ").slice(0, 100);

/** The group's members. @param broker its coordinator. Rejects with the errors of kafkajs' connection */
export async function describeGroup(broker: Broker, group: string): Promise<GroupDescription> {
  const newest = broker.versions?.[CONSUMER_GROUP_DESCRIBE_API]?.maxVersion;
  if (newest !== undefined) {
    const found = await broker.connectionPool.send(consumerGroupRequest(group, Math.min(VERSION_MAX, newest)));
    if (found.errorCode === 0) return found;
    if (!NOT_OF_THIS_PROTOCOL.has(found.errorCode)) throw errorOfCode(found.errorCode);
  }
  const { groups } = await broker.describeGroups({ groupIds: [group] });
  const { state, members } = groups[0]!;
  return {
    state,
    members: members.map(({ clientId, clientHost }) => ({ clientId, clientHost, newProtocol: false })),
  };
}

interface Described extends GroupDescription {
  readonly errorCode: number;
}

function consumerGroupRequest(group: string, apiVersion: number): ProtocolRequest<Described, Described> {
  return {
    request: {
      apiKey: CONSUMER_GROUP_DESCRIBE_API,
      apiVersion,
      apiName: "ConsumerGroupDescribe",
      encode: () =>
        newEncoder()
          .writeInt8(0) // request header 2: no tagged fields
          .writeUVarInt(2) // one group: compact arrays count from one
          .writeUVarIntString(group)
          .writeBoolean(false) // include_authorized_operations
          .writeInt8(0),
    },
    response: {
      decode: (raw) => Promise.resolve(decode(newDecoder(raw), apiVersion)),
      parse: (described) => Promise.resolve(described),
    },
  };
}

function decode(decoder: Decoder, version: number): Described {
  decoder.readTaggedFields(); // response header 1
  decoder.readInt32(); // throttle time
  const groups = decoder.readUVarIntArray((entry): Described => {
    const errorCode = entry.readInt16();
    entry.readUVarIntString(); // error message
    entry.readUVarIntString(); // group
    const state = entry.readUVarIntString() ?? "";
    entry.readInt32(); // group epoch
    entry.readInt32(); // assignment epoch
    entry.readUVarIntString(); // assignor
    const members = entry.readUVarIntArray((member) => readMember(member, version)) ?? [];
    entry.readInt32(); // authorised operations
    entry.readTaggedFields();
    return { errorCode, state, members };
  });
  if (groups?.length !== 1) throw new Error(`The broker described ${groups?.length ?? 0} groups, asked for one`);
  return groups[0]!;
}

function readMember(member: Decoder, version: number): GroupMember {
  for (let i = 0; i < 3; i++) member.readUVarIntString(); // member, instance and rack id
  member.readInt32(); // member epoch
  const clientId = member.readUVarIntString() ?? "";
  const clientHost = member.readUVarIntString() ?? "";
  member.readUVarIntArray((topic) => topic.readUVarIntString()); // subscribed topics
  member.readUVarIntString(); // subscribed pattern
  for (let i = 0; i < 2; i++) { // current assignment, target assignment
    member.readUVarIntArray((topic) => {
      topic.readBytes(16);
      topic.readUVarIntString();
      topic.readUVarIntArray((partition) => partition.readInt32());
      topic.readTaggedFields();
    });
    member.readTaggedFields();
  }
  // Version 0 does not have the type. A member with our client id is then taken for ours.
  const newProtocol = version >= 1 && member.readInt8() === MEMBER_TYPE_CONSUMER;
  member.readTaggedFields();
  return { clientId, clientHost, newProtocol };
}
