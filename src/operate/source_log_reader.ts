// A LogReader over a Source that has a lease of its own: files and the generator. I/O only through the port.
import { sourceUnavailable } from "../shared/faults.ts";
import { invariant } from "../shared/errors.ts";
import type { Offset, PartitionId } from "../shared/units.ts";
import type { FetchedBatch, LogIdentity, Source } from "../source/port.ts";
import type { LogReader } from "./log_reader.ts";

const POLL_MS = 100;
/** A local source without a result after this many polls is broken. */
const POLLS_MAX = 300;

/** Reads one partition after the other. The source must have no other user. */
export class SourceLogReader implements LogReader {
  #generation: number | null = null;
  #at: { readonly partition: PartitionId; readonly next: Offset } | null = null;

  constructor(private readonly source: Source) {}

  async identify(): Promise<LogIdentity> {
    // A file log knows its bounds only after it has been opened.
    this.#generation ??= await this.#open();
    return await this.source.identify();
  }

  async read(partition: PartitionId, from: Offset): Promise<FetchedBatch[]> {
    const generation = this.#generation ??= await this.#open();
    if (this.#at?.partition !== partition || this.#at.next !== from) {
      this.source.resume(generation, new Map([[partition, from]]));
    }
    for (let i = 0; i < POLLS_MAX; i++) {
      const event = await this.source.poll(POLL_MS);
      if (event.kind === "stopped") throw event.error;
      if (event.kind === "unavailable") throw sourceUnavailable(event.reason);
      invariant(event.kind !== "lost", "a lease of our own is never lost");
      if (event.kind === "batch" && event.batch.partition === partition && event.batch.from === from) {
        this.#at = { partition, next: event.batch.next };
        return [event.batch];
      }
    }
    throw sourceUnavailable(`nothing could be read of partition ${partition}`);
  }

  async close(): Promise<void> {
    await this.source.close(1_000);
  }

  async #open(): Promise<number> {
    await this.source.open(new AbortController().signal);
    for (let i = 0; i < POLLS_MAX; i++) {
      const event = await this.source.poll(POLL_MS);
      if (event.kind === "assigned") return event.generation;
      if (event.kind === "stopped") throw event.error;
      if (event.kind === "unavailable") throw sourceUnavailable(event.reason);
    }
    throw sourceUnavailable("the log could not be opened");
  }
}
