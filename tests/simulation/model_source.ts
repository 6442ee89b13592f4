// The Source port over a model topic and group, around the real assignment logic, built as the Kafka source is: fetches in flight, a bounded
// queue, heartbeats, a watch on the topic's identity. What Kafka's client does wrong it does on purpose: it forgets positions, answers late,
// repeats batches, and goes on after its member was expelled.
import { type DurationMs, type EpochMs, NEVER, type Offset, type PartitionId } from "../../src/shared/units.ts";
import { StreamStopped, Unavailable } from "../../src/shared/errors.ts";
import { Assignment, type Ticket } from "../../src/source/assignment.ts";
import type { FetchedBatch, LogIdentity, RenewableSource, SourceEvent } from "../../src/source/port.ts";
import type { FetchAnswer, ModelTopic } from "./model_log.ts";
import type { ModelGroup } from "./model_group.ts";
import type { Random } from "./random.ts";
import type { Process } from "./world.ts";

const HEARTBEAT_MS = 2_000;
const IDENTITY_CHECK_MS = 5_000;
const QUEUE_BATCHES_MAX = 4;
/** Longest time that records gather at the broker. */
const GATHER_MS_MAX = 1_000;

/** How one instance's client behaves. */
export interface SourceTemper {
  /** Longest round trip, ms. */
  readonly latencyMax: number;
  /** Longest wait of a fetch that finds nothing. */
  readonly longPollMax: number;
  /** Offsets of one partition in one fetch, at most. */
  readonly batchMax: number;
  /** How often a batch is handed out twice, or a fetch starts somewhere else. */
  readonly sloppiness: number;
  /** Longest time that a poll is held back although it timed out. */
  readonly pollSlack: number;
}

interface Waiting {
  readonly kind: "waiting";
  readonly ticket: Ticket;
  readonly generation: number;
  readonly batch: FetchedBatch;
}
/** One partition's part of a fetch that is sent. */
interface Ask {
  readonly partition: PartitionId;
  readonly ticket: Ticket;
  readonly from: Offset;
}

type Queued = Waiting | Exclude<SourceEvent, { kind: "batch" | "timeout" }>;

export class ModelSource implements RenewableSource {
  readonly kind = "kafka";
  /** While true, heartbeats do not get through (but fetches do): the way to a zombie. */
  heartbeatsLost = false;
  memberId: number | null = null;
  /** What is handed to the engine, for the witness. */
  readonly onDelivered: (batch: FetchedBatch) => void;

  readonly #process: Process;
  readonly #random: Random;
  readonly #topic: ModelTopic;
  readonly #group: ModelGroup;
  readonly #temper: SourceTemper;
  #assignment = new Assignment();
  #queue: Queued[] = [];
  /** The client's own idea of where to fetch next. */
  readonly #cursor = new Map<PartitionId, Offset>();
  /** Where partitions were resumed that have not been given a record since. */
  readonly #resumedFrom = new Map<PartitionId, Offset>();
  #filled: (() => void) | null = null;
  /** A batch that was handed out, and one that was dropped as stale: a sloppy source hands them out again. */
  #delivered: Waiting | null = null;
  #dropped: Waiting | null = null;
  /** Generation of the last assignment that the engine has taken. */
  #toldGeneration = 0;
  #groupGeneration = 0;
  #fetching = false;
  #fetchRound = 0;
  #closed = false;
  #stopped = false;
  #renewing = false;
  #confirmedAt: EpochMs = NEVER;
  #identityCheckedAt: EpochMs = NEVER;
  #topicId: string | null = null;
  #until: (() => EpochMs) | null = null;
  #examining = new Set<PartitionId>();

  constructor(parts: {
    process: Process;
    random: Random;
    topic: ModelTopic;
    group: ModelGroup;
    temper: SourceTemper;
    onDelivered: (batch: FetchedBatch) => void;
  }) {
    this.#process = parts.process;
    this.#random = parts.random;
    this.#topic = parts.topic;
    this.#group = parts.group;
    this.#temper = parts.temper;
    this.onDelivered = parts.onDelivered;
  }

  gatherBy(until: () => EpochMs): void {
    // Some clients let records gather, the others answer as soon as they can; no draw, so that histories stay as they are.
    if (this.#temper.longPollMax % 3 === 0) this.#until = until;
  }

  open(): Promise<void> {
    this.#join();
    this.#process.reach(this.#random.int(0, HEARTBEAT_MS), () => this.#heartbeat());
    this.#process.reach(IDENTITY_CHECK_MS, () => this.#watchIdentity());
    return Promise.resolve();
  }

  identify(): Promise<LogIdentity> {
    const askedAt = this.#process.clock.now();
    const { promise, resolve, reject } = this.#process.waiter<LogIdentity>();
    this.#process.world.after(this.#latency(), () => {
      if (!this.#topic.available) {
        return reject(new Unavailable("kafka_unavailable", "the model broker is down", "wait"));
      }
      const identity: LogIdentity = {
        topicId: this.#topic.topicId,
        partitions: this.#topic.partitions.map((p) => ({
          partition: p.id,
          logStart: p.logStart as Offset,
          logEnd: p.logEnd as Offset,
        })),
      };
      this.#process.reach(this.#latency(), () =>
        resolve(() => {
          this.#sawIdentity(identity.topicId, askedAt);
          return identity;
        }));
    });
    return promise;
  }

  renew(): void {
    this.#renewing = true;
  }

  poll(maxWaitMs: number): Promise<SourceEvent> {
    if (this.#renewing) this.#begin();
    const { promise, resolve } = this.#process.waiter<SourceEvent>();
    let open = true;
    const answer = () => {
      if (!open) return;
      const event = this.#take();
      if (!event) return;
      open = false;
      this.#filled = null;
      resolve(() => event);
    };
    this.#filled = answer;
    if (this.#queue.length > 0) this.#process.reach(0, answer);
    this.#process.reach(maxWaitMs + this.#random.int(0, this.#temper.pollSlack), () => {
      answer();
      if (!open) return;
      open = false;
      this.#filled = null;
      resolve(() => ({ kind: "timeout" }));
    });
    this.#pump();
    return promise;
  }

  resume(generation: number, positions: ReadonlyMap<PartitionId, Offset>): void {
    for (const [partition, position] of this.#assignment.resume(generation, positions)) {
      this.#cursor.set(partition, position);
      this.#resumedFrom.set(partition, position);
      this.#examining.delete(partition);
    }
    this.#pump();
  }

  confirmedAt(): EpochMs {
    return this.#confirmedAt;
  }

  identityCheckedAt(): EpochMs {
    return this.#identityCheckedAt;
  }

  publish(): Promise<void> {
    return Promise.resolve();
  }

  close(deadlineMs: number): Promise<void> {
    this.#closed = true;
    this.#assignment.halt();
    const { memberId } = this;
    if (memberId !== null) this.#process.world.after(this.#latency(), () => this.#group.leave(memberId));
    this.memberId = null;
    return this.#process.clock.sleep(Math.min(deadlineMs, this.#latency()) as DurationMs);
  }

  /** The client's position jumps to an older one, as kafkajs' does when it resolves the group's offsets. */
  forgetPosition(): void {
    for (const [partition, position] of this.#cursor) {
      const { logStart } = this.#topic.partitions[partition] ?? { logStart: 0 };
      this.#cursor.set(partition, Math.max(logStart, position - this.#random.int(1, 9)) as Offset);
    }
  }

  // ---- membership

  /** A fresh membership: what was found, fetched or assigned before is forgotten. */
  #begin(): void {
    this.#renewing = false;
    const { memberId } = this;
    if (memberId !== null) this.#group.leave(memberId);
    this.memberId = null;
    this.#assignment = new Assignment();
    this.#queue = [];
    this.#delivered = this.#dropped = null;
    this.#toldGeneration = 0;
    this.#fetching = false;
    this.#fetchRound++;
    this.#topicId = null;
    this.#examining.clear();
    if (this.#stopped) {
      this.#stopped = false;
      this.#process.reach(HEARTBEAT_MS, () => this.#heartbeat());
      this.#process.reach(IDENTITY_CHECK_MS, () => this.#watchIdentity());
    }
    this.#join();
  }

  #join(): void {
    if (this.#closed || this.#stopped) return;
    const process = this.#process;
    if (!this.#topic.available) {
      this.#put({ kind: "unavailable", reason: "the model broker is down" });
      return void process.reach(this.#random.int(500, 2_000), () => this.#join());
    }
    // An earlier member of ours may still be on the coordinator's list: it waits for its session to end.
    const memberId = this.#group.join({
      assigned: (generation, partitions) =>
        process.enter(() => {
          if (this.#closed || this.#stopped || this.memberId !== memberId) return;
          this.#groupGeneration = generation;
          this.#examining.clear();
          const ours = this.#assignment.assign(partitions);
          this.#confirmedAt = process.clock.now();
          this.#put({ kind: "assigned", generation: ours, partitions });
        }),
    });
    this.memberId = memberId;
  }

  #heartbeat(): void {
    if (this.#closed || this.#stopped) return;
    const { memberId } = this;
    const sentAt = this.#process.clock.now();
    const generation = this.#groupGeneration;
    if (memberId !== null && this.#topic.available && !this.heartbeatsLost) {
      const answer = this.#group.heartbeat(memberId, generation);
      this.#process.reach(this.#latency(), () => {
        if (this.memberId !== memberId || this.#groupGeneration !== generation) return;
        if (answer === "ok") this.#confirmedAt = sentAt;
        else {
          const ended = this.#assignment.lose();
          if (ended !== null) this.#put({ kind: "lost", generation: ended, reason: answer });
          if (answer === "unknown_member") {
            this.memberId = null;
            this.#process.reach(this.#random.int(50, 500), () => this.#join());
          }
        }
      });
    }
    this.#process.reach(HEARTBEAT_MS, () => this.#heartbeat());
  }

  #watchIdentity(): void {
    if (this.#closed || this.#stopped) return;
    this.identify().catch((error) => this.#put({ kind: "unavailable", reason: error.message }));
    this.#process.reach(IDENTITY_CHECK_MS, () => this.#watchIdentity());
  }

  #sawIdentity(topicId: string | null, askedAt: EpochMs): void {
    this.#topicId ??= topicId;
    if (topicId === this.#topicId) this.#identityCheckedAt = askedAt;
    else this.#stop(new StreamStopped("topic_recreated", "the model topic has another id", "look"));
  }

  #stop(error: StreamStopped): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#assignment.halt();
    const { memberId } = this;
    if (memberId !== null) this.#group.leave(memberId);
    this.memberId = null;
    this.#put({ kind: "stopped", error });
  }

  // ---- fetching

  #pump(): void {
    if (this.#fetching || this.#closed || this.#stopped) return;
    if (
      this.#queue.filter((item) => item.kind === "waiting" && item.batch.next > item.batch.from).length >=
        QUEUE_BATCHES_MAX
    ) {
      return;
    }
    const asked = this.#assignment.partitions
      .map((partition) => ({
        partition,
        ticket: this.#assignment.ticket(partition),
        from: this.#cursor.get(partition),
      }))
      .filter((ask): ask is Ask =>
        ask.ticket !== null && ask.from !== undefined && !this.#examining.has(ask.partition)
      );
    if (asked.length === 0) return;
    this.#fetching = true;
    const round = ++this.#fetchRound;
    const sentAt = this.#process.clock.now();
    const { world } = this.#process;
    const answered = (answers: readonly FetchAnswer[]) =>
      this.#process.reach(this.#latency(), () => {
        if (round !== this.#fetchRound) return;
        this.#fetching = false;
        answers.forEach((answer, i) => this.#fetched(asked[i]!, answer, sentAt));
        this.#pump();
      });
    const read = (): readonly FetchAnswer[] =>
      asked.map(({ partition, from }) =>
        this.#topic.partitions[partition]?.fetch(from, this.#random.int(1, this.#temper.batchMax)) ??
          { kind: "out_of_range" }
      );
    world.after(this.#latency(), () => {
      if (!this.#topic.available) {
        this.#process.reach(this.#random.int(200, 1_500), () => {
          if (round !== this.#fetchRound) return;
          this.#fetching = false;
          this.#put({ kind: "unavailable", reason: "the model broker is down" });
          this.#pump();
        });
        return;
      }
      const gather = Math.min(GATHER_MS_MAX, (this.#until?.() ?? NEVER) - sentAt);
      const behind = asked.some(({ partition, from }) => from < (this.#topic.partitions[partition]?.lastStable ?? 0));
      if (gather > 0 && !behind) return world.after(gather, () => answered(read()));
      const answers = read();
      const empty = answers.every((a) => a.kind === "records" && a.batch.next === a.batch.from);
      if (!empty) return answered(answers);
      world.after(this.#random.int(100, this.#temper.longPollMax), () => answered(read()));
    });
  }

  #fetched({ partition, ticket, from }: Ask, answer: FetchAnswer, sentAt: EpochMs): void {
    if (!this.#assignment.deliverable(partition, ticket)) return;
    const placed = this.#assignment.accept(partition, ticket, from, from);
    if (placed.kind === "misplaced") this.#cursor.set(partition, placed.position);
    if (placed.kind !== "accepted") return;
    if (answer.kind === "out_of_range") return this.#examine(partition, ticket);
    const { batch } = answer;
    if (batch.logStart > batch.from) return this.#examine(partition, ticket);
    this.#assignment.accept(partition, ticket, batch.from, batch.next);
    this.#cursor.set(partition, batch.next);
    const { generation } = this.#assignment;
    const waiting: Waiting = { kind: "waiting", ticket, generation, batch: { ...batch, sentAt } };
    const at = this.#queue.findLastIndex((item) => item.kind === "waiting" && item.batch.partition === partition);
    const last = this.#queue[at];
    if (
      batch.next === batch.from && last?.kind === "waiting" && last.ticket === ticket &&
      last.batch.next === last.batch.from
    ) {
      this.#queue[at] = waiting;
    } else this.#put(waiting);
    if (this.#random.chance(this.#temper.sloppiness)) this.forgetPosition();
  }

  /** The log does not hold a position: ask for its bounds, then stop or ask again. */
  #examine(partition: PartitionId, ticket: Ticket): void {
    if (this.#examining.has(partition)) return;
    this.#examining.add(partition);
    this.identify().then((identity) => {
      if (!this.#assignment.deliverable(partition, ticket)) return;
      const position = this.#cursor.get(partition)!;
      const bounds = identity.partitions.find((p) => p.partition === partition);
      if (bounds && position < bounds.logStart) return this.#stop(new StreamStopped("data_gap", "model", "look"));
      if (bounds && position > bounds.logEnd) {
        return this.#stop(new StreamStopped("position_beyond_end", "model", "look"));
      }
      this.#examining.delete(partition);
    }).catch(() => {
      this.#process.reach(500, () => {
        this.#examining.delete(partition);
        this.#pump();
      });
    });
  }

  // ---- the queue

  #put(event: Queued): void {
    this.#queue.push(event);
    this.#filled?.();
  }

  #take(): SourceEvent | null {
    const again = this.#repeat();
    if (again) return { kind: "batch", generation: again.generation, batch: again.batch };
    for (;;) {
      const head = this.#queue.shift();
      if (!head) return null;
      if (head.kind !== "waiting") {
        if (head.kind === "assigned") this.#toldGeneration = head.generation;
        return head;
      }
      if (!this.#assignment.deliverable(head.batch.partition, head.ticket)) {
        if (!this.#dropped || this.#dropped.generation < head.generation) this.#dropped = head;
        continue;
      }
      if (head.batch.next > head.batch.from) {
        this.#delivered = head;
        this.#resumedFrom.delete(head.batch.partition);
      }
      this.onDelivered(head.batch);
      this.#pump();
      return { kind: "batch", generation: head.generation, batch: head.batch };
    }
  }

  /** A batch that the engine must refuse: one of an older generation, or one that it has had. */
  #repeat(): Waiting | null {
    const stale = this.#dropped;
    if (stale && stale.generation < this.#toldGeneration) {
      // Most harmful where it seems to fit: at the very position from which the partition was resumed.
      const fits = this.#resumedFrom.get(stale.batch.partition) === stale.batch.from;
      if (this.#random.chance(fits ? this.#temper.sloppiness * 4 : this.#temper.sloppiness)) {
        this.#dropped = null;
        return stale;
      }
    }
    const had = this.#delivered;
    if (
      had && this.#assignment.deliverable(had.batch.partition, had.ticket) &&
      this.#random.chance(this.#temper.sloppiness)
    ) {
      this.#delivered = null;
      return had;
    }
    return null;
  }

  #latency(): number {
    return this.#random.skewed(1, this.#temper.latencyMax);
  }
}
