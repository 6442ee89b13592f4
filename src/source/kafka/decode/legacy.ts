// Reads messages of the formats before Kafka 0.11, plain or compressed. Pure. Such segments are rare (written before an upgrade), so an
// object per message is fine. kafkajs' own decoder checks no checksum, and silently cuts off a value that overruns its message.
// Format: https://kafka.apache.org/documentation/#messageset
import { crc32 } from "node:zlib";
import { decompress } from "./codecs.ts";
import type { Offset } from "../../../shared/units.ts";
import type { RecordRun, RecordVisitor } from "../../port.ts";
import { readInt64 } from "./fetch_decoder.ts";

const CODEC = 7, APPEND_TIME = 8;
/** Offset and size in front of each message. */
const PREFIX_BYTES = 12;

interface LegacyMessage {
  readonly offset: number;
  /** Epoch ms; −1 if the message has none. */
  readonly time: number;
  readonly attributes: number;
  readonly magic: number;
  /** `null` for a tombstone. */
  readonly value: Uint8Array | null;
}

/** The messages of one entry of a message set: one, or those of a compressed wrapper. */
class LegacyRun implements RecordRun {
  constructor(
    private readonly messages: readonly LegacyMessage[],
    /** Epoch ms for messages without a time. */
    private readonly readAt: number,
  ) {}

  get bytes(): number {
    return this.messages.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
  }

  walk(from: Offset, visit: RecordVisitor): void {
    for (const { offset, time, value } of this.messages) {
      if (offset >= from) visit(value ?? EMPTY, 0, value?.length ?? -1, offset, time < 0 ? this.readAt : time);
    }
  }
}

const EMPTY = new Uint8Array(0);

interface LegacyOptions {
  /** Epoch ms when the fetch was sent. */
  readonly readAt: number;
  /** The highest offset before this entry. */
  readonly after: number;
  readonly checkCrcs: boolean;
}

/**
 * Decodes one whole entry. Offsets must ascend, above `after` and up to the entry's own offset, which is that of its last message.
 *
 * @throws DecompressError and Error, whose message says what is wrong
 */
export function decodeLegacyBatch(entry: Uint8Array, { readAt, after, checkCrcs }: LegacyOptions): LegacyRun {
  const [outer] = decodeMessages(entry, checkCrcs);
  if (outer === undefined) throw new Error("its message set is empty");
  const codec = outer.attributes & CODEC;
  const messages = codec === 0 ? [outer] : unwrapped(outer, codec);
  let last = after;
  for (const { offset } of messages) {
    if (offset <= last || offset > outer.offset) throw new Error(`a message claims offset ${offset} after ${last}`);
    last = offset;
  }
  return new LegacyRun(messages, readAt);
}

/** The messages of a compressed wrapper. Format 0 holds absolute offsets; format 1 relative ones, of which the last one is the wrapper's. */
function unwrapped(outer: LegacyMessage, codec: number): LegacyMessage[] {
  if (outer.value === null) throw new Error("a compressed message has no value");
  // The wrapper's checksum covers them.
  const inner = decodeMessages(decompress(codec, outer.value), false);
  const last = inner.at(-1);
  if (last === undefined) throw new Error("a compressed message holds none");
  if (inner.some(({ attributes }) => (attributes & CODEC) !== 0)) {
    throw new Error("a compressed message holds another one");
  }
  const shift = outer.magic === 0 ? 0 : outer.offset - last.offset;
  // The broker stamps only the wrapper.
  const stamped = (outer.attributes & APPEND_TIME) !== 0;
  return inner.map((message) => ({
    ...message,
    offset: message.offset + shift,
    time: stamped ? outer.time : message.time,
  }));
}

/** All messages of a set. @throws Error if one is cut off */
function decodeMessages(set: Uint8Array, checkCrcs: boolean): LegacyMessage[] {
  const view = new DataView(set.buffer, set.byteOffset, set.byteLength);
  const messages: LegacyMessage[] = [];
  for (let at = 0; at < set.length;) {
    if (at + PREFIX_BYTES > set.length) throw new Error("a message is cut off");
    const start = at + PREFIX_BYTES, end = start + view.getInt32(at + 8);
    if (end < start || end > set.length) throw new Error("a message overruns its set");
    messages.push(decodeMessage(view, set, { offset: readInt64(view, at), start, end }, checkCrcs));
    at = end;
  }
  return messages;
}

/** One message: CRC-32 of what follows it, format, attributes, in format 1 a time, key and value. */
function decodeMessage(
  view: DataView,
  set: Uint8Array,
  { offset, start, end }: { readonly offset: number; readonly start: number; readonly end: number },
  checkCrcs: boolean,
): LegacyMessage {
  let at = start;
  const take = (size: number): number => {
    if (at + size > end) throw new Error("a field overruns its message");
    at += size;
    return at - size;
  };
  const field = (): Uint8Array | null => {
    const size = view.getInt32(take(4));
    if (size < 0) return null;
    const from = take(size);
    return set.subarray(from, at);
  };
  const checksum = view.getUint32(take(4));
  if (checkCrcs && crc32(set.subarray(at, end)) !== checksum) throw new Error("its checksum does not match");
  const magic = set[take(1)]!, attributes = set[take(1)]!;
  if (magic > 1) throw new Error(`a message of format ${magic} lies among those of formats before it`);
  const time = magic === 0 ? -1 : readInt64(view, take(8));
  field(); // the key
  const value = field();
  if (at !== end) throw new Error(`${end - at} bytes follow a message's value`);
  return { offset, time, attributes, magic, value };
}
