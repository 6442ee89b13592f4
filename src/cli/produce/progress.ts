// Counts the lines that are in the topic so far, and finds the line at which a second run would continue. Pure.
import { IncompleteSend } from "../../source/kafka/producer/incomplete_send.ts";
import type { LinePosition } from "./batches.ts";
import type { OutMessage, Skipped } from "./produce_message.ts";

/** Results of the lines so far, without blank ones. */
export interface ProduceCounts {
  /** Acknowledged by the brokers. */
  sent: number;
  /** Their bytes, without keys. */
  bytes: number;
  /** Bytes on disk of the inputs that have been read. */
  read: number;
  /** Not sent, by reason. */
  readonly unsent: Record<Skipped, number>;
  /** The first line that may not be in the topic; all lines before it are. null when all inputs are in the topic. */
  next: LinePosition | null;
  /** Acknowledged records at or after `next`: some partitions accepted their part of the last batch. */
  beyond: number;
}

export const noCounts = (next: LinePosition | null): ProduceCounts => ({
  sent: 0,
  bytes: 0,
  read: 0,
  unsent: { bad_line: 0, too_large: 0 },
  next,
  beyond: 0,
});

/** The counts of one command. */
export class SendProgress {
  readonly counts: ProduceCounts;

  constructor(start: LinePosition) {
    this.counts = noCounts(start);
  }

  /** Adds a batch that was acknowledged completely. */
  stored(batch: readonly (OutMessage & LinePosition)[]): void {
    this.#count(batch);
    const last = batch.at(-1)!;
    this.counts.next = { input: last.input, line: last.line + 1 };
  }

  /** Adds a batch that was acknowledged in part; `error` tells which part. */
  failed(batch: readonly (OutMessage & LinePosition)[], error: unknown): void {
    const acknowledged = error instanceof IncompleteSend ? error.acknowledged : [];
    const missing = batch.findIndex((_, i) => !acknowledged[i]);
    this.#count(batch.filter((_, i) => acknowledged[i]));
    if (missing < 0) return;
    const { input, line } = batch[missing]!;
    this.counts.next = { input, line };
    this.counts.beyond = batch.filter((_, i) => i > missing && acknowledged[i]).length;
  }

  #count(messages: readonly OutMessage[]): void {
    this.counts.sent += messages.length;
    this.counts.bytes += messages.reduce((sum, { value }) => sum + value.length, 0);
  }
}
