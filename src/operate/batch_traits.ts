// Collects codecs, kinds of timestamp and formats from the headers of fetched record batches. No I/O.
import { CODEC_NAMES } from "../source/kafka/decode/codecs.ts";
import { ATTRIBUTE, BATCH } from "../source/kafka/decode/fetch_decoder.ts";

export interface BatchTraits {
  batches: number;
  /** Batches by codec name; an unknown codec is `codec N`. */
  readonly codecs: Map<string, number>;
  /** Batches stamped by the broker, and by the producer. */
  appendTime: number;
  createTime: number;
  /** Batches in a format before Kafka 0.11. */
  legacy: number;
  transactional: number;
}

export const noTraits = (): BatchTraits => ({
  batches: 0,
  codecs: new Map(),
  appendTime: 0,
  createTime: 0,
  legacy: 0,
  transactional: 0,
});

const MAGIC_WITH_ATTRIBUTES = 2;

/** Adds the complete batches in `records` to `traits`. */
export function addTraits(traits: BatchTraits, records: Uint8Array): void {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  for (let at = 0; at + BATCH.attributesAt + 2 <= records.length;) {
    const size = BATCH.prefixBytes + view.getInt32(at + BATCH.lengthAt);
    if (size <= BATCH.prefixBytes || at + size > records.length) return;
    traits.batches++;
    if (records[at + BATCH.magicAt]! < MAGIC_WITH_ATTRIBUTES) traits.legacy++;
    else {
      const attributes = view.getInt16(at + BATCH.attributesAt);
      const codec = attributes & ATTRIBUTE.codec;
      const name = CODEC_NAMES[codec] ?? `codec ${codec}`;
      traits.codecs.set(name, (traits.codecs.get(name) ?? 0) + 1);
      if ((attributes & ATTRIBUTE.appendTime) !== 0) traits.appendTime++;
      else traits.createTime++;
      if ((attributes & ATTRIBUTE.transactional) !== 0) traits.transactional++;
    }
    at += size;
  }
}
