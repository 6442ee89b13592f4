// The Kafka source: a pull interface over kafkajs' push. Joins the group, hands fetched batches to the engine in order, watches that the
// topic is still the same, and goes on trying where the broker is away. Network and timers through kafkajs and the clock.
import type { Clock } from "../shared/clock.ts";
import { messageOf, StreamStopped, Unavailable } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import type { Registry } from "../shared/metrics.ts";
import {
  type DurationMs,
  durationMs,
  type EpochMs,
  NEVER,
  type Offset,
  offset,
  type PartitionId,
  partitionId,
  SECOND,
} from "../shared/units.ts";
import { Assignment, type Ticket } from "./assignment.ts";
import { BatchReader } from "./kafka_batch_reader.ts";
import { createKafka, type KafkaConnection } from "./kafka_client.ts";
import { faultOf } from "./kafka_faults.ts";
import { type FetchResult, OFFSET_OUT_OF_RANGE, registerFetchTap } from "./kafka_fetch_hook.ts";
import { registerLegacyCodecs } from "./kafka_legacy.ts";
import { type BatchControl, KafkaMember } from "./kafka_member.ts";
import { KafkaMetadata, positionFault } from "./kafka_metadata.ts";
import { KafkaQueue, type WaitingBatch } from "./kafka_queue.ts";
import type { LogIdentity, Source, SourceEvent } from "./port.ts";

/** How a Kafka source is made. */
export interface KafkaSourceOptions {
  readonly connection: KafkaConnection;
  readonly topic: string;
  readonly group: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Registry;
  /** Whether batch checksums are verified (default true: 0.1 CPU-s a million records of 280 B). */
  readonly checkCrcs?: boolean;
  /** What one fetch brings of one partition (default 1 MiB; a larger batch still comes whole). */
  readonly maxBytesPerPartition?: number;
  /** How long a broker holds a fetch that finds nothing, ms (default 250); also the delay of a resume. */
  readonly maxWaitMs?: number;
  /** Member id of a predecessor that is known to be dead: the group is told before joining, instead of waiting for its session to end. */
  readonly previousMemberId?: string;
  /** Called with our member id after each join, to be kept for a successor. */
  readonly onMemberId?: (memberId: string) => void;
}

/** A {@link Source} over Kafka, with what only Kafka can answer. */
export interface KafkaSource extends Source {
  readonly kind: "kafka";
  /** For each partition the first offset whose record time is at or after `time`; the log's end where there is none. */
  offsetsAt(time: EpochMs): Promise<ReadonlyMap<PartitionId, Offset>>;
}

/** How often the topic's id is compared; a topic that is recreated and filled within this time may be read on unnoticed (DESIGN §5.5). */
export const IDENTITY_CHECK_MS = durationMs(5_000);
/** Caught-up observations of an unchanged partition are passed on this often. The idle rule counts in tens of seconds. */
const OBSERVE_MS = 1_000;
const RETRY_MS_MIN = 250, RETRY_MS_MAX = 3_000;
/** While a fetched batch waits for the engine, kafkajs is given the chance of a heartbeat this often. */
const ALIVE_MS = durationMs(500);

/** What is remembered of a fetch from the moment it was sent. */
interface Sent {
  readonly ticket: Ticket | null;
  readonly at: EpochMs;
}

/** Makes a source; `open` connects. @throws UsageError where the settings can never work */
export function createKafkaSource(options: KafkaSourceOptions): KafkaSource {
  registerLegacyCodecs();
  return new PullingKafkaSource(options);
}

class PullingKafkaSource implements KafkaSource {
  readonly kind = "kafka";
  readonly offsetsCountRecords = true;

  readonly #log: Log;
  readonly #assignment = new Assignment();
  readonly #queue = new KafkaQueue();
  readonly #metadata: KafkaMetadata;
  readonly #kafka;
  readonly #tap;
  readonly #count;
  /** Aborted by `close` and by the caller's signal. */
  readonly #ended = new AbortController();
  readonly #observed = new Map<PartitionId, WaitingBatch>();
  #member: KafkaMember<Sent> | null = null;
  #confirmedAt: EpochMs = NEVER;
  #identityCheckedAt: EpochMs = NEVER;
  /** The topic id seen first. */
  #topicId: string | null = null;
  #stopped = false;
  #predecessor: string | null;
  #tries = 0;

  constructor(private readonly options: KafkaSourceOptions) {
    this.#log = options.log.with({ topic: options.topic, group: options.group });
    this.#kafka = createKafka(options.connection, this.#log);
    this.#metadata = new KafkaMetadata(options);
    this.#predecessor = options.previousMemberId ?? null;
    this.#tap = registerFetchTap<Sent>({
      sending: (partition) => ({ ticket: this.#assignment.ticket(partitionId(partition)), at: options.clock.now() }),
      pause: (ms) => options.clock.sleep(durationMs(ms), this.#ended.signal),
    });
    this.#count = {
      bytes: options.metrics?.counter(
        "tidemark_kafka_fetched_bytes_total",
        "Bytes of record batches fetched from Kafka",
      ),
      joins: options.metrics?.counter("tidemark_kafka_joins_total", "Times this member joined its consumer group"),
      dropped: options.metrics?.counter("tidemark_kafka_dropped_batches_total", "Fetched batches dropped as stale"),
    };
  }

  open(signal: AbortSignal): Promise<void> {
    if (signal.aborted) this.#ended.abort();
    else signal.addEventListener("abort", () => this.#ended.abort(), { once: true });
    void this.#keepJoined();
    void this.#watchIdentity();
    return Promise.resolve();
  }

  async identify(): Promise<LogIdentity> {
    const { identity, askedAt } = await this.#metadata.identify();
    this.#sawIdentity(identity.topicId, askedAt);
    return identity;
  }

  offsetsAt(time: EpochMs): Promise<ReadonlyMap<PartitionId, Offset>> {
    return this.#metadata.offsetsAt(time);
  }

  async poll(maxWaitMs: number): Promise<SourceEvent> {
    const deadline = this.options.clock.now() + maxWaitMs;
    while (true) {
      const head = this.#queue.head();
      if (head === undefined) {
        const left = deadline - this.options.clock.now();
        if (left <= 0) return { kind: "timeout" };
        await this.#within(durationMs(left), this.#queue.filled);
      } else if (head.kind === "waiting") {
        const event = await this.#deliver(head);
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
    for (const partition of resumed.keys()) this.#observed.delete(partition);
    this.#queue.release();
    this.#member?.flow(resumed);
  }

  confirmedAt(): EpochMs {
    return this.#confirmedAt;
  }

  identityCheckedAt(): EpochMs {
    return this.#identityCheckedAt;
  }

  async publish(positions: ReadonlyMap<PartitionId, Offset>): Promise<void> {
    if (!this.#assignment.member || positions.size === 0) return;
    try {
      await this.#member?.publish(positions);
    } catch (error) {
      this.#log.debug("Offsets were not published", { error: messageOf(error) });
    }
  }

  async close(deadlineMs: number): Promise<void> {
    this.#ended.abort();
    this.#assignment.halt();
    this.#queue.release();
    const left = Promise.all([this.#member?.stop(), this.#metadata.close()]);
    const limit = new AbortController();
    await Promise.race([left, this.options.clock.sleep(durationMs(deadlineMs), limit.signal)]);
    limit.abort();
    this.#tap.remove();
  }

  /** The run loop of membership: ask whether the topic is there, join, read; after a failure say so, wait, and start over. */
  async #keepJoined(): Promise<void> {
    while (!this.#ended.signal.aborted && !this.#stopped) {
      try {
        const { topicId, askedAt } = await this.#metadata.describe();
        this.#sawIdentity(topicId, askedAt);
        if (this.#stopped) return;
        await this.#forgetPredecessor();
        if (this.#ended.signal.aborted) return;
        this.#member = new KafkaMember<Sent>(
          {
            kafka: this.#kafka,
            topic: this.options.topic,
            group: this.options.group,
            clock: this.options.clock,
            log: this.#log,
            rackId: this.#tap.rackId,
            maxBytesPerPartition: this.options.maxBytesPerPartition ?? 1024 * 1024,
            maxWaitMs: this.options.maxWaitMs ?? 250,
          },
          {
            joined: (memberId, partitions) => this.#joined(memberId, partitions),
            lost: (reason) => this.#lost(reason),
            confirmed: (sentAt) => this.#confirmedAt = sentAt,
            fetched: (result, control) => this.#fetched(result, control),
          },
        );
        await this.#member.run();
      } catch (error) {
        if (this.#ended.signal.aborted) return;
        this.#failed(error);
        void this.#member?.stop();
        this.#member = null;
        const wait = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#tries++) * (0.8 + 0.4 * Math.random());
        await this.options.clock.sleep(durationMs(Math.round(wait)), this.#ended.signal);
      }
    }
  }

  async #forgetPredecessor(): Promise<void> {
    if (this.#predecessor === null) return;
    try {
      await this.#metadata.forgetMember(this.#predecessor);
      this.#log.info("Told the group that the previous process is gone");
    } catch (error) {
      // Its session has ended already, or ends within seconds: joining works either way.
      this.#log.debug("The group does not know the previous process", { error: messageOf(error) });
    }
    this.#predecessor = null;
  }

  #joined(memberId: string, partitions: readonly PartitionId[]): void {
    if (this.#stopped) return;
    const generation = this.#assignment.assign(partitions);
    this.#observed.clear();
    this.#tries = 0;
    this.#count.joins?.inc();
    this.#queue.put({ kind: "assigned", generation, partitions });
    this.#queue.release();
    this.options.onMemberId?.(memberId);
  }

  #lost(reason: string): void {
    const generation = this.#assignment.lose();
    if (generation === null) return;
    this.#confirmedAt = NEVER;
    this.#queue.put({ kind: "lost", generation, reason });
    this.#queue.release();
  }

  #failed(error: unknown): void {
    if (this.#stopped) return;
    const { connection, topic, group } = this.options;
    // Our own Unavailable already carries the one line.
    const fault = error instanceof Unavailable
      ? { kind: "unavailable" as const, reason: error.message }
      : faultOf(error, { topic, group, brokers: connection.brokers });
    if (fault.kind === "stopped") return this.#stop(fault.error);
    this.#lost(fault.reason);
    this.#queue.put({ kind: "unavailable", reason: fault.reason });
  }

  /** The end of reading: what waits is dropped, the engine is told once. Membership stays, so that nobody else runs into the same. */
  #stop(error: StreamStopped): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#member?.pause(this.#assignment.partitions);
    this.#assignment.halt();
    this.#queue.put({ kind: "stopped", error });
    this.#queue.release();
  }

  /** Compares ids where both are known: during an upgrade of the brokers some may know none. */
  #sawIdentity(topicId: string | null, askedAt: EpochMs): void {
    this.#topicId ??= topicId;
    if (topicId === null || topicId === this.#topicId) {
      this.#identityCheckedAt = askedAt;
      return;
    }
    this.#stop(
      new StreamStopped(
        "topic_recreated",
        `Topic "${this.options.topic}" was deleted and created again: its id was ${this.#topicId}, now it is ${topicId}`,
        "If the new topic continues the stream, `tidemark resume --accept-gap` goes on with it.",
      ),
    );
  }

  async #watchIdentity(): Promise<void> {
    const { clock } = this.options;
    while (!this.#ended.signal.aborted && !this.#stopped) {
      await clock.sleep(IDENTITY_CHECK_MS, this.#ended.signal);
      if (this.#member === null || this.#ended.signal.aborted) continue; // the joining loop asks by itself
      try {
        const { topicId, askedAt } = await this.#metadata.describe();
        this.#sawIdentity(topicId, askedAt);
      } catch (error) {
        if (!this.#ended.signal.aborted && !this.#stopped) {
          this.#queue.put({ kind: "unavailable", reason: messageOf(error) });
        }
      }
    }
  }

  /** Takes one partition's part of a fetch into the queue, and holds the next fetch back while the queue is full. */
  async #fetched(result: FetchResult<Sent>, control: BatchControl): Promise<void> {
    const partition = partitionId(result.partition), { ticket, at } = result.sent;
    if (ticket === null || !this.#assignment.deliverable(partition, ticket)) return this.#count.dropped?.inc();
    if (result.errorCode === OFFSET_OUT_OF_RANGE) return void this.#examine(partition, ticket, offset(result.from));
    const { from, records, aborted } = result;
    const reader = new BatchReader({ from, records, aborted, sentAt: at }, {
      checkCrcs: this.options.checkCrcs ?? true,
    });
    if (reader.firstOffset > from && result.logStart > from) {
      // Records were deleted under our feet: what came is from after the gap.
      return void this.#examine(partition, ticket, offset(from));
    }
    const taken = this.#assignment.accept(partition, ticket, offset(from), offset(reader.next));
    if (taken.kind !== "accepted") {
      this.#count.dropped?.inc();
      if (taken.kind === "misplaced") this.#member?.seek(partition, taken.position);
      return;
    }
    const batch: WaitingBatch = {
      kind: "waiting",
      partition,
      ticket,
      reader,
      bytes: records.length,
      logStart: offset(result.logStart),
      logEnd: offset(result.logEnd),
      lastStable: offset(result.lastStable),
      sentAt: at,
    };
    if (reader.next === from && reader.fault === null) return this.#observe({ ...batch, bytes: 0 });
    this.#count.bytes?.inc(records.length);
    this.#observed.delete(partition);
    if (reader.next > from) control.advance(offset(reader.next));
    this.#queue.put(batch);
    while (this.#queue.full && this.#assignment.deliverable(partition, ticket)) {
      await this.#within(ALIVE_MS, this.#queue.drained);
      await control.alive();
    }
  }

  /** An empty result: passed on when it says something new, or once a second. */
  #observe(batch: WaitingBatch): void {
    const last = this.#observed.get(batch.partition);
    const unchanged = last !== undefined && last.logEnd === batch.logEnd && last.lastStable === batch.lastStable &&
      last.logStart === batch.logStart;
    if (unchanged && batch.sentAt - last.sentAt < OBSERVE_MS && batch.sentAt >= last.sentAt) return;
    this.#observed.set(batch.partition, batch);
    this.#queue.observe(batch);
  }

  /** The log does not hold a position: finds out why, before anything else is read of this partition. Never rejects. */
  async #examine(partition: PartitionId, ticket: Ticket, position: Offset): Promise<void> {
    this.#member?.pause([partition]);
    while (this.#assignment.deliverable(partition, ticket) && !this.#ended.signal.aborted) {
      try {
        const { partitions } = await this.identify();
        if (!this.#assignment.deliverable(partition, ticket)) return;
        const bounds = partitions.find((entry) => entry.partition === partition);
        const fault = bounds === undefined ? null : positionFault(this.options.topic, position, bounds);
        if (fault !== null) return this.#stop(fault);
        // A new leader may lag behind for a moment: ask again from the same position.
        this.#log.info("The broker refused a position that its log holds: asking again", { partition, position });
        await this.options.clock.sleep(SECOND, this.#ended.signal);
        if (this.#assignment.deliverable(partition, ticket)) this.#member?.flow(new Map([[partition, position]]));
        return;
      } catch (error) {
        this.#queue.put({ kind: "unavailable", reason: messageOf(error) });
        await this.options.clock.sleep(SECOND, this.#ended.signal);
      }
    }
  }

  /** The next portion of the batch at the head, or `null` when it is no longer wanted. */
  async #deliver(head: WaitingBatch): Promise<SourceEvent | null> {
    const wanted = () => this.#assignment.deliverable(head.partition, head.ticket);
    if (!wanted()) {
      this.#queue.drop();
      return null;
    }
    const { reader, partition, logStart, logEnd, lastStable, sentAt } = head, { generation } = this.#assignment;
    const { from, next, runs } = await reader.read();
    if (reader.done) this.#queue.drop();
    if (!wanted()) return null;
    if (reader.done && reader.fault !== null) {
      const { code, offset: at, reason } = reader.fault;
      const where = `Topic "${this.options.topic}", partition ${partition}, batch at offset ${at}`;
      const fault = new StreamStopped(
        code,
        `${where}: ${reason}`,
        code === "corrupt_batch"
          ? "Check the broker's disk and the batch with kafka-dump-log; `tidemark resume --accept-gap` skips it."
          : "Use a version of Tidemark that knows this codec, or produce with gzip, snappy, lz4 or zstd.",
      );
      this.#stop(fault);
      if (next === from) return null;
    }
    return {
      kind: "batch",
      generation,
      batch: { partition, from: offset(from), next: offset(next), logStart, logEnd, lastStable, sentAt, runs },
    };
  }

  /** Waits for `event`, at most `limit`. */
  async #within(limit: DurationMs, event: Promise<void>): Promise<void> {
    const timer = new AbortController();
    await Promise.race([event, this.options.clock.sleep(limit, timer.signal)]);
    timer.abort();
  }
}
