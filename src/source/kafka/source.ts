// The Kafka source: a pull interface over kafkajs' push. Combines the parts and hands fetched records to the engine in bounded portions.
// Network and timers are in the parts.
import { messageOf, StreamStopped } from "../../shared/errors.ts";
import { collectGarbage } from "../../shared/garbage.ts";
import type { Log } from "../../shared/log.ts";
import { durationMs, type EpochMs, type Offset, offset, type PartitionId, partitionId } from "../../shared/units.ts";
import { Assignment } from "../assignment.ts";
import type { ReadFault } from "./decode/batch_reader.ts";
import { createKafka } from "./client.ts";
import { registerFetchTap } from "./fetch_hook.ts";
import { KafkaIntake, type Sent } from "./intake.ts";
import { KafkaMetadata } from "./metadata.ts";
import { KafkaQueue, waitAtMost, type WaitingBatch } from "./queue.ts";
import { FetchPatience } from "./patience.ts";
import { BYTES_PER_PARTITION, KafkaSession, type KafkaSourceOptions, WAIT_MS } from "./session.ts";
import type { LogIdentity, Source, SourceEvent } from "../port.ts";

/**
 * After a larger portion, garbage is collected before the next one is expanded. Batches of 1 MiB seldom reach this size. A row of small
 * batches that expand to 50 MiB each took 420 to 720 MiB without it, and takes 270.
 */
const LARGE_PORTION_BYTES = 16 * 1024 * 1024;

export interface KafkaSource extends Source {
  readonly kind: "kafka";
  /** For each partition the first offset whose record time is at or after `time`; the log's end without such a record. */
  offsetsAt(time: EpochMs): Promise<ReadonlyMap<PartitionId, Offset>>;
}

/** Makes a source; `open` connects. @throws UsageError if the settings can never work */
export function createKafkaSource(options: KafkaSourceOptions): KafkaSource {
  return new PullingKafkaSource(options);
}

class PullingKafkaSource implements KafkaSource {
  readonly kind = "kafka";

  readonly #log: Log;
  readonly #assignment = new Assignment();
  readonly #queue = new KafkaQueue();
  readonly #patience: FetchPatience;
  readonly #metadata: KafkaMetadata;
  readonly #session: KafkaSession;
  readonly #tap;
  /** Aborted by `close` and by the caller's signal. */
  readonly #ended = new AbortController();
  /** Gives back the memory of the last batch: its records are counted when the next one is polled. */
  #spent: (() => void) | null = null;
  /** Bytes of the last portion that was handed out. */
  #handedOut = 0;

  constructor(private readonly options: KafkaSourceOptions) {
    const { clock, connection, group, topic } = options;
    const log = this.#log = options.log.with({ topic, group });
    const shared = { log, assignment: this.#assignment, queue: this.#queue, ended: this.#ended.signal };
    const metadata = this.#metadata = new KafkaMetadata({ connection, topic, group, clock, log });
    const patience = this.#patience = new FetchPatience(
      options.maxBytesPerPartition ?? BYTES_PER_PARTITION,
      options.maxWaitMs ?? WAIT_MS,
    );
    this.#tap = registerFetchTap<Sent>({
      terms: (partitions) => patience.terms(partitions.map(partitionId), clock.now()),
      sending: (partition) => ({ ticket: this.#assignment.ticket(partitionId(partition)), at: clock.now() }),
      pause: (ms) => clock.sleep(durationMs(ms), this.#ended.signal),
    });
    const intake = new KafkaIntake({
      ...shared,
      patience,
      topic,
      clock,
      checkCrcs: options.checkCrcs ?? true,
      member: () => this.#session.member,
      identify: () => this.#session.identify(),
      stop: (error) => this.#session.stop(error),
    });
    const kafka = createKafka(connection, log);
    this.#session = new KafkaSession(options, { ...shared, kafka, rackId: this.#tap.rackId, metadata, intake });
  }

  open(signal: AbortSignal): Promise<void> {
    const end = () => {
      this.#ended.abort();
      this.#queue.wake();
    };
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
    void this.#session.run();
    return Promise.resolve();
  }

  identify(): Promise<LogIdentity> {
    return this.#session.identify();
  }

  offsetsAt(time: EpochMs): Promise<ReadonlyMap<PartitionId, Offset>> {
    return this.#metadata.offsetsAt(time);
  }

  gatherBy(until: () => EpochMs): void {
    this.#patience.gatherBy(until);
  }

  async poll(maxWaitMs: number): Promise<SourceEvent> {
    const { clock } = this.options;
    const deadline = clock.now() + maxWaitMs;
    this.#spent?.();
    this.#spent = null;
    while (true) {
      const head = this.#queue.head();
      if (head === undefined) {
        const left = deadline - clock.now();
        if (left <= 0 || this.#ended.signal.aborted) return { kind: "timeout" };
        await waitAtMost(clock, durationMs(left), this.#queue.filled);
      } else if (head.kind === "waiting") {
        const event = this.#deliver(head);
        if (event !== null) return event;
      } else {
        this.#queue.drop();
        return head;
      }
    }
  }

  resume(generation: number, positions: ReadonlyMap<PartitionId, Offset>): void {
    const resumed = this.#assignment.resume(generation, positions);
    if (resumed.size === 0) return;
    this.#queue.release();
    this.#session.flow(resumed);
  }

  confirmedAt(): EpochMs {
    return this.#session.confirmedAt;
  }

  identityCheckedAt(): EpochMs {
    return this.#session.identityCheckedAt;
  }

  async publish(positions: ReadonlyMap<PartitionId, Offset>): Promise<void> {
    if (!this.#assignment.member || positions.size === 0) return;
    try {
      await this.#session.member?.publish(positions);
    } catch (error) {
      this.#log.debug("Offsets were not published", { error: messageOf(error) });
    }
  }

  async close(deadlineMs: number): Promise<void> {
    this.#ended.abort();
    this.#assignment.halt();
    this.#queue.release();
    const left = Promise.all([this.#session.member?.stop(), this.#metadata.close()]);
    await waitAtMost(this.options.clock, durationMs(deadlineMs), left);
    this.#tap.remove();
  }

  /** The next portion of the batch at the head; `null` if it is no longer wanted. */
  #deliver(head: WaitingBatch): SourceEvent | null {
    const { reader, partition, ticket, logStart, logEnd, lastStable, sentAt } = head;
    if (!this.#assignment.deliverable(partition, ticket)) {
      this.#queue.drop();
      head.done();
      return null;
    }
    if (this.#handedOut > LARGE_PORTION_BYTES) collectGarbage();
    const { from, next, runs, bytes } = reader.read();
    this.#handedOut = bytes;
    if (reader.done) {
      this.#queue.drop();
      this.#spent = head.done;
    }
    const { generation } = this.#assignment;
    if (reader.done && reader.fault !== null) {
      this.#session.stop(this.#unreadable(partition, reader.fault));
      if (next === from) return null;
    }
    return {
      kind: "batch",
      generation,
      batch: { partition, from: offset(from), next: offset(next), logStart, logEnd, lastStable, sentAt, runs },
    };
  }

  #unreadable(partition: PartitionId, fault: ReadFault): StreamStopped {
    const { code, offset, reason } = fault;
    return new StreamStopped(
      code,
      `Topic "${this.options.topic}", partition ${partition}, batch at offset ${offset}: ${reason}`,
      code === "corrupt_batch"
        ? "Restore the batch from a replica; or delete the records up to it (kafka-delete-records) and run `tidemark resume --accept-gap`."
        : "Use a version of Tidemark that knows this codec, or produce with gzip, snappy, lz4 or zstd.",
    );
  }
}
