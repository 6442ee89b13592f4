// Gathers messages in batches of bounded count and size, in order. Pure.
import type { OutMessage } from "./produce_message.ts";

/**
 * A batch is one request. Its records must fit into one record batch, even if all go to one partition; a broker limits record batches to 1 MiB by
 * default.
 */
const BATCH_BYTES_MAX = 900_000;
/** Most bytes of a record in addition to key and value. */
const RECORD_OVERHEAD_BYTES = 32;

/** The origin of a record. */
export interface LinePosition {
  /** Place in the list of inputs, from 0. */
  readonly input: number;
  /** From 1, with blank lines. */
  readonly line: number;
}

/** Fills one batch after the other. */
export class Batches<M extends OutMessage = OutMessage & LinePosition> {
  readonly #full: M[][] = [];
  #open: M[] = [];
  #openBytes = 0;

  constructor(private readonly recordsMax: number) {}

  add(message: M): void {
    const bytes = message.value.length + (message.key?.length ?? 0) * 3 + RECORD_OVERHEAD_BYTES;
    if (
      this.#open.length === this.recordsMax || (this.#open.length > 0 && this.#openBytes + bytes > BATCH_BYTES_MAX)
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
