// Gathers messages in batches of bounded count and size, in order. Pure.
import type { OutMessage } from "./produce_message.ts";

/**
 * A batch is one request. Were all its records to meet in one partition they must still fit into one record batch, which a broker limits
 * to 1 MiB by default.
 */
const BATCH_BYTES_MAX = 900_000;
/** Bytes that a record costs beside key and value, at most. */
const RECORD_OVERHEAD_BYTES = 32;

/** Where a record came from. */
export interface LinePosition {
  /** Place in the list of inputs, from 0. */
  readonly input: number;
  /** From 1, blank lines counted. */
  readonly line: number;
}

/** Fills one batch after the other. */
export class Batches<M extends OutMessage = OutMessage & LinePosition> {
  readonly #recordsMax: number;
  readonly #full: M[][] = [];
  #open: M[] = [];
  #openBytes = 0;

  constructor(recordsMax: number) {
    this.#recordsMax = recordsMax;
  }

  add(message: M): void {
    const bytes = message.value.length + (message.key?.length ?? 0) * 3 + RECORD_OVERHEAD_BYTES;
    if (
      this.#open.length === this.#recordsMax || (this.#open.length > 0 && this.#openBytes + bytes > BATCH_BYTES_MAX)
    ) this.#close();
    this.#open.push(message);
    this.#openBytes += bytes;
  }

  takeFull(): M[] | undefined {
    return this.#full.shift();
  }

  takeAny(): M[] | undefined {
    if (this.#open.length > 0) this.#close();
    return this.takeFull();
  }

  #close(): void {
    this.#full.push(this.#open);
    this.#open = [];
    this.#openBytes = 0;
  }
}
