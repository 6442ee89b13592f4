// Reads message sets of the formats before Kafka 0.11 through kafkajs' own decoder. Pure. Such batches are rare (segments written before
// an upgrade), so simplicity wins over speed here.
import { Buffer } from "node:buffer";
import type { Offset } from "../shared/units.ts";
import { decompress } from "./kafka_codecs.ts";
import { codecRegistry, decodeMessageSet, type LegacyMessage, newDecoder } from "./kafka_internals.ts";
import type { RecordRun, RecordVisitor } from "./port.ts";

const EMPTY = new Uint8Array(0);

/** The messages of one entry of a message set: one, or those of a compressed wrapper. */
export class LegacyRun implements RecordRun {
  constructor(
    private readonly messages: readonly LegacyMessage[],
    /** Epoch ms for messages without a time of their own. */
    private readonly readAt: number,
    readonly bytes: number,
  ) {}

  walk(from: Offset, visit: RecordVisitor): void {
    for (const { offset, timestamp, value } of this.messages) {
      const at = Number(offset), time = Number(timestamp ?? -1);
      if (at >= from) visit(value ?? EMPTY, 0, value?.length ?? -1, at, time < 0 ? this.readAt : time);
    }
  }
}

/** Decodes one entry. @throws whatever kafkajs or the codec says about broken bytes */
export async function decodeLegacyBatch(entry: Uint8Array, readAt: number): Promise<LegacyRun> {
  const raw = Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength);
  const messages = await decodeMessageSet(newDecoder(raw), raw.length);
  if (messages.length === 0) throw new Error("its message set is incomplete");
  return new LegacyRun(messages, readAt, messages.reduce((sum, { value }) => sum + (value?.length ?? 0), 0));
}

/** Gives kafkajs our bounded decompression for message sets. What it can compress by itself (gzip) it goes on compressing. */
export function registerLegacyCodecs(): void {
  const refuse = () => Promise.reject(new Error("Tidemark does not compress with this codec"));
  const gzip = codecRegistry[1]!();
  for (const codec of [1, 2, 3, 4]) {
    const entry = {
      compress: codec === 1 ? gzip.compress : refuse,
      decompress: (body: Buffer) => Promise.resolve(Buffer.from(decompress(codec, body))),
    };
    codecRegistry[codec] = () => entry;
  }
}
