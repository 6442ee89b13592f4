// What is in the topic so far, and the line from which a second run would go on. Pure.
import { IncompleteSend } from "../../source/kafka/producer/incomplete_send.ts";
import type { LinePosition } from "./batches.ts";
import type { OutMessage, Skipped } from "./produce_message.ts";

/** What became of the lines so far; blank ones do not count. */
export interface ProduceCounts {
  /** Acknowledged by the brokers. */
  sent: number;
  /** Their bytes, keys not counted. */
  bytes: number;
  /** Bytes on disk of the inputs that were read. */
  read: number;
  /** Not sent, by reason. */
  readonly unsent: Record<Skipped, number>;
  /** The first line that is not known to be in the topic: everything before it is. `null` once all inputs are in. */
  next: LinePosition | null;
  /** Records at or after `next` that are acknowledged all the same: other partitions took their part of the last batch. */
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

/** Keeps the counts of one command. */
export class SendProgress {
  readonly counts: ProduceCounts;

  constructor(start: LinePosition) {
    this.counts = noCounts(start);
  }

  /** All of a batch is acknowledged. */
  stored(batch: readonly (OutMessage & LinePosition)[]): void {
    this.#count(batch);
    const last = batch.at(-1)!;
    this.counts.next = { input: last.input, line: last.line + 1 };
  }

  /** A batch was not acknowledged whole; `error` says what of it was. */
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
