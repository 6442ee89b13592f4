// Takes what kafkajs fetched into the queue: drops batches that are not wanted or do not fit the position, limits the rate of empty results,
// delays the next fetch while the engine is busy, and finds the cause when the log does not hold a position. Waits on the clock; no I/O.
import type { Clock } from "../../shared/clock.ts";
import { messageOf, type StreamStopped } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";
import {
  durationMs,
  type EpochMs,
  type Offset,
  offset,
  type PartitionId,
  partitionId,
  SECOND,
} from "../../shared/units.ts";
import type { Assignment, Ticket } from "../assignment.ts";
import { BatchReader } from "./decode/batch_reader.ts";
import { type FetchResult, OFFSET_OUT_OF_RANGE } from "./fetch_hook.ts";
import type { BatchControl, KafkaMember } from "./member.ts";
import type { FetchPatience } from "./patience.ts";
import { type KafkaQueue, waitAtMost, type WaitingBatch } from "./queue.ts";
import { positionFault } from "../../shared/faults.ts";
import type { LogIdentity } from "../port.ts";

/** What is recorded when a fetch is sent. */
export interface Sent {
  readonly ticket: Ticket | null;
  readonly at: EpochMs;
}

interface KafkaIntakeOptions {
  readonly topic: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly checkCrcs: boolean;
  readonly assignment: Assignment;
  readonly queue: KafkaQueue;
  /** Learns what each fetch brought. */
  readonly patience: FetchPatience;
  /** Aborted when the source closes. */
  readonly ended: AbortSignal;
  /** The current member of the group. */
  readonly member: () => Pick<KafkaMember<Sent>, "flow" | "pause" | "seek"> | null;
  readonly identify: () => Promise<LogIdentity>;
  readonly stop: (error: StreamStopped) => void;
}

/** Unchanged empty results of a partition are passed on at this interval. The idle rule needs no more: it works in tens of seconds. */
const OBSERVE_MS = 2_000;
/** While a fetched batch waits for the engine, kafkajs may send a heartbeat at this interval. */
const ALIVE_MS = durationMs(500);

/** Moves fetched records from the client to the queue. */
export class KafkaIntake {
  readonly #observed = new Map<PartitionId, WaitingBatch>();

  constructor(private readonly options: KafkaIntakeOptions) {}

  /** Reports the partition's next empty result even if nothing changed. */
  forget(partition: PartitionId): void {
    this.#observed.delete(partition);
  }

  /** Takes one partition's part of a fetch. Resolves when the next fetch may be sent. */
  async fetched(result: FetchResult<Sent>, control: BatchControl): Promise<void> {
    const batch = this.#wanted(result, control), { assignment, queue, clock } = this.options;
    if (batch === null) return result.done();
    queue.put(batch);
    while (queue.full && assignment.deliverable(batch.partition, batch.ticket)) {
      await waitAtMost(clock, ALIVE_MS, queue.drained);
      await control.alive();
    }
  }

  /** The batch, if its records are wanted and fit the position; null otherwise. Handles empty results and errors. */
  #wanted(result: FetchResult<Sent>, control: BatchControl): WaitingBatch | null {
    const { assignment, patience } = this.options;
    const partition = partitionId(result.partition), from = offset(result.from), { ticket, at } = result.sent;
    if (ticket === null || !assignment.deliverable(partition, ticket)) return null;
    if (result.errorCode === OFFSET_OUT_OF_RANGE) {
      void this.#examine(partition, ticket, from);
      return null;
    }
    const { records, aborted, done } = result;
    const reader = new BatchReader({ from, records, aborted, sentAt: at }, this.options);
    // Records at our position were deleted; these are from after the gap.
    if (reader.firstOffset > from && result.logStart > from) {
      void this.#examine(partition, ticket, from);
      return null;
    }
    const next = offset(reader.next), lastStable = offset(result.lastStable);
    const taken = assignment.accept(partition, ticket, from, next);
    if (taken.kind !== "accepted") {
      if (taken.kind === "misplaced") this.options.member()?.seek(partition, taken.position);
      return null;
    }
    patience.saw(partition, { bytes: records.length, next, lastStable });
    const empty = next === from && reader.fault === null;
    const batch: WaitingBatch = {
      kind: "waiting",
      partition,
      ticket,
      reader,
      bytes: empty ? 0 : records.length,
      logStart: offset(result.logStart),
      logEnd: offset(result.logEnd),
      lastStable,
      sentAt: at,
      done,
    };
    if (empty) {
      this.#observe(batch);
      return null;
    }
    this.#observed.delete(partition);
    if (next > from) control.advance(next);
    return batch;
  }

  /** Passes an empty result on if it differs from the last one, or every two seconds. */
  #observe(batch: WaitingBatch): void {
    const last = this.#observed.get(batch.partition);
    const unchanged = last?.ticket === batch.ticket && last.logEnd === batch.logEnd &&
      last.lastStable === batch.lastStable && last.logStart === batch.logStart;
    if (unchanged && batch.sentAt - last.sentAt < OBSERVE_MS && batch.sentAt >= last.sentAt) return;
    this.#observed.set(batch.partition, batch);
    this.options.queue.observe(batch);
  }

  /** The log does not hold a position: finds the cause before the partition is read on. Never rejects. */
  async #examine(partition: PartitionId, ticket: Ticket, position: Offset): Promise<void> {
    const { assignment, clock, ended, log, queue, topic } = this.options;
    this.options.member()?.pause([partition]);
    while (assignment.deliverable(partition, ticket) && !ended.aborted) {
      try {
        const { partitions } = await this.options.identify();
        if (!assignment.deliverable(partition, ticket)) return;
        const bounds = partitions.find((entry) => entry.partition === partition);
        const fault = bounds === undefined ? null : positionFault(topic, position, bounds);
        if (fault !== null) return this.options.stop(fault);
        // A new leader may lag behind for a moment: fetch again from the same position.
        log.info("The broker refused a position that its log holds: asking again", { partition, position });
        await clock.sleep(SECOND, ended);
        if (assignment.deliverable(partition, ticket)) this.options.member()?.flow(new Map([[partition, position]]));
        return;
      } catch (error) {
        queue.put({ kind: "unavailable", reason: messageOf(error) });
        await clock.sleep(SECOND, ended);
      }
    }
  }
}
