// The queue between kafkajs, which pushes, and the engine, which polls: events in order, batches bounded by bytes. No I/O.
import type { BatchReader } from "./decode/batch_reader.ts";
import type { Ticket } from "../assignment.ts";
import type { FetchedBatch, SourceEvent } from "../port.ts";
import type { Clock } from "../../shared/clock.ts";
import type { DurationMs } from "../../shared/units.ts";

/** Fetched bytes that may wait. With the response in work, memory is about twice this. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;
/** Batches that may wait, whatever their size. */
const WAITING_BATCHES_MAX = 256;

/** A fetched batch that is not decoded yet. */
export interface WaitingBatch
  extends Pick<FetchedBatch, "partition" | "logStart" | "logEnd" | "lastStable" | "sentAt"> {
  readonly kind: "waiting";
  readonly ticket: Ticket;
  readonly reader: BatchReader;
  readonly bytes: number;
  /** Gives back the memory of its records. A caller may leave it out. */
  readonly done: () => void;
}

type Queued = WaitingBatch | Exclude<SourceEvent, { kind: "batch" | "timeout" }>;

/** A queue with one reader and one signal for each side. */
export class KafkaQueue {
  readonly #items: Queued[] = [];
  #bytes = 0;
  #batches = 0;
  #filled = Promise.withResolvers<void>();
  #drained = Promise.withResolvers<void>();

  /** Whether kafkajs should wait before it fetches more. */
  get full(): boolean {
    return this.#bytes > WAITING_BYTES_MAX || this.#batches > WAITING_BATCHES_MAX;
  }

  /** Resolves once something is put in, or `wake` is called. */
  get filled(): Promise<void> {
    return this.#filled.promise;
  }

  /** Resolves once something is taken out, or `release` is called. */
  get drained(): Promise<void> {
    return this.#drained.promise;
  }

  head(): Queued | undefined {
    return this.#items[0];
  }

  put(item: Queued): void {
    this.#items.push(item);
    this.#count(item, 1);
    this.wake();
  }

  /** Wakes the reader, although nothing may have been put in. */
  wake(): void {
    this.#filled.resolve();
    this.#filled = Promise.withResolvers<void>();
  }

  /**
   * Puts an empty result of a caught-up partition. It replaces an empty result that is the partition's last entry, so that the engine does
   * not see old ones and the queue does not fill with them.
   */
  observe(item: WaitingBatch): void {
    const at = this.#items.findLastIndex((other) => other.kind === "waiting" && other.partition === item.partition);
    const other = this.#items[at];
    if (other?.kind === "waiting" && other.ticket === item.ticket && other.bytes === 0) this.#items[at] = item;
    else this.put(item);
  }

  /** Takes the head out. */
  drop(): void {
    const item = this.#items.shift();
    if (item === undefined) return;
    this.#count(item, -1);
    this.release();
  }

  /** Wakes callers that wait for space: their batches may no longer be wanted. */
  release(): void {
    this.#drained.resolve();
    this.#drained = Promise.withResolvers<void>();
  }

  #count(item: Queued, sign: 1 | -1): void {
    if (item.kind !== "waiting") return;
    this.#bytes += sign * item.bytes;
    this.#batches += sign;
  }
}

/** An abort without a reason makes a DOMException with a stack, which cost 1 % of a drain's CPU. */
const OVER = "the wait is over";

/** Waits for `event`, at most `limit`, and clears the timer. */
export async function waitAtMost(clock: Clock, limit: DurationMs, event: Promise<unknown>): Promise<void> {
  const timer = new AbortController();
  await Promise.race([event, clock.sleep(limit, timer.signal)]);
  timer.abort(OVER);
}
