// Keeps a source in its consumer group while it is open: joins, reports changes, tries again after a failure, and checks that the topic is
// still the same. Shell: network through kafkajs, timers through the clock.
//
//   describe the topic ──▶ remove a dead predecessor ──▶ join and read ──▶ (ends by close or stop)
//         ▲                                                  │ failure: `lost`, `unavailable`, wait
//         └──────────────────────────────────────────────────┘
import type { Kafka } from "kafkajs";
import { messageOf, type StreamStopped, Unavailable } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";
import { durationMs, type EpochMs, NEVER, type Offset, type PartitionId } from "../../shared/units.ts";
import type { Assignment } from "../assignment.ts";
import { faultContext } from "./client.ts";
import { faultOf, groupShared } from "./faults.ts";
import { strangersOf } from "./group_members.ts";
import type { KafkaIntake, Sent } from "./intake.ts";
import { KafkaMember } from "./member.ts";
import type { KafkaMetadata, KafkaMetadataOptions } from "./metadata.ts";
import type { KafkaQueue } from "./queue.ts";
import { topicRecreated } from "../../shared/faults.ts";
import type { LogIdentity, SourceEvent } from "../port.ts";

/** How often the topic's id is compared. A topic that is recreated within this time may be read at the old positions, but is not committed. */
const IDENTITY_CHECK_MS = durationMs(5_000);
const RETRY_MS_MIN = 250, RETRY_MS_MAX = 3_000;
export const BYTES_PER_PARTITION = 1024 * 1024;
export const WAIT_MS = 250;
const METADATA_MS = 5_000;

export interface KafkaSourceOptions extends KafkaMetadataOptions {
  /** Whether batch checksums are verified (default true: 0.1 CPU-s a million records of 280 B). */
  readonly checkCrcs?: boolean;
  /** Bytes of one partition in one fetch (default 1 MiB; a larger batch still comes whole). */
  readonly maxBytesPerPartition?: number;
  /** How long a broker holds an empty fetch while records may not gather, ms (default 250); also the delay of a resume. */
  readonly maxWaitMs?: number;
  /** How often the topic's list of partitions is read, ms (default 5 s): at least twice per watermark delay. */
  readonly metadataMs?: number;
  /** Member id of a dead predecessor. It is removed from the group before we join, so that the group does not wait for its session to end. */
  readonly previousMemberId?: string;
  /** Called with our member id after each join, to be stored for a successor. Must not throw. */
  readonly onMemberId?: (memberId: string) => void;
}

interface KafkaSessionParts {
  readonly kafka: Kafka;
  /** The tag of the source's fetch tap. */
  readonly rackId: string;
  readonly log: Log;
  readonly assignment: Assignment;
  readonly queue: KafkaQueue;
  readonly metadata: KafkaMetadata;
  readonly intake: KafkaIntake;
  /** Aborted when the source closes. */
  readonly ended: AbortSignal;
}

/** One source's membership. */
export class KafkaSession {
  /** Our clock when the last successful confirmation of membership was sent; NEVER while we are not a member. */
  confirmedAt: EpochMs = NEVER;
  /** Our clock when the last request was sent that found the topic's id unchanged. */
  identityCheckedAt: EpochMs = NEVER;
  member: KafkaMember<Sent> | null = null;
  /** The topic id seen first. */
  #topicId: string | null = null;
  #stopped = false;
  #tries = 0;
  #predecessor: string | null;

  constructor(private readonly options: KafkaSourceOptions, private readonly parts: KafkaSessionParts) {
    this.#predecessor = options.previousMemberId ?? null;
  }

  /** Runs until the source is closed or stopped. Rejects only on a bug. */
  async run(): Promise<void> {
    await Promise.all([this.#keepJoined(), this.#watchIdentity()]);
  }

  /** The log's identity. While we are a member, it also checks that the group has no other programs. */
  async identify(): Promise<LogIdentity> {
    if (this.member !== null) await this.#demandOwnGroup();
    const { identity, askedAt } = await this.parts.metadata.identify();
    this.#sawIdentity(identity.topicId, askedAt);
    return identity;
  }

  /** Starts the partitions that `Assignment.resume` returned. */
  flow(positions: ReadonlyMap<PartitionId, Offset>): void {
    for (const partition of positions.keys()) this.parts.intake.forget(partition);
    this.member?.flow(positions);
  }

  /** Stops reading and reports the error once. Stays in the group, so that no other member gets the partition and fails the same way. */
  stop(error: StreamStopped): void {
    if (this.#stopped) return;
    this.#stopped = true;
    const { assignment, queue } = this.parts;
    this.member?.pause(assignment.partitions);
    assignment.halt();
    queue.put({ kind: "stopped", error });
    queue.release();
  }

  get #over(): boolean {
    return this.#stopped || this.parts.ended.aborted;
  }

  async #keepJoined(): Promise<void> {
    const { clock } = this.options, { metadata, ended } = this.parts;
    while (!this.#over) {
      try {
        const { topicId, askedAt } = await metadata.describe();
        this.#sawIdentity(topicId, askedAt);
        await this.#forgetPredecessor();
        await this.#demandOwnGroup();
        if (this.#over) return;
        this.member = this.#newMember();
        await this.member.run();
      } catch (error) {
        if (ended.aborted) return;
        this.#failed(error);
        void this.member?.stop();
        this.member = null;
        const wait = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#tries++) * (0.8 + 0.4 * Math.random());
        await clock.sleep(durationMs(Math.round(wait)), ended);
      }
    }
  }

  /** @throws Unavailable `group_shared` if other programs are members: records of their partitions are never counted */
  async #demandOwnGroup(): Promise<void> {
    const strangers = strangersOf((await this.parts.metadata.group()).members);
    if (strangers.length === 0) return;
    const { code, reason, action } = groupShared(this.options.group, strangers);
    throw new Unavailable(code, reason, action);
  }

  /** Ends this membership; the loop joins again when the cause is gone. */
  async #leave(error: Unavailable): Promise<void> {
    this.#failed(error);
    await this.member?.stop();
  }

  #newMember(): KafkaMember<Sent> {
    const { topic, group, clock, maxBytesPerPartition, maxWaitMs, metadataMs } = this.options;
    const { kafka, log, rackId } = this.parts;
    return new KafkaMember<Sent>({
      kafka,
      topic,
      group,
      clock,
      log,
      rackId,
      maxBytesPerPartition: maxBytesPerPartition ?? BYTES_PER_PARTITION,
      maxWaitMs: maxWaitMs ?? WAIT_MS,
      metadataMs: metadataMs ?? METADATA_MS,
    }, {
      joined: (memberId, partitions) => this.#joined(memberId, partitions),
      lost: (reason) => this.#lost(reason),
      confirmed: (sentAt) => this.confirmedAt = sentAt,
      fetched: (result, control) => this.parts.intake.fetched(result, control),
    });
  }

  async #forgetPredecessor(): Promise<void> {
    if (this.#predecessor === null) return;
    const { log, metadata } = this.parts;
    try {
      await metadata.forgetMember(this.#predecessor);
      log.info("Told the group that the previous process is gone");
    } catch (error) {
      // Its session has ended already, or will end within seconds. Joining works in both cases.
      log.debug("The group does not know the previous process", { error: messageOf(error) });
    }
    this.#predecessor = null;
  }

  #joined(memberId: string, partitions: readonly PartitionId[]): void {
    if (this.#over) return;
    const { assignment, queue } = this.parts;
    const generation = assignment.assign(partitions);
    this.#tries = 0;
    queue.put({ kind: "assigned", generation, partitions });
    queue.release();
    this.options.onMemberId?.(memberId);
  }

  #lost(reason: string): void {
    const { assignment, queue } = this.parts;
    const generation = assignment.lose();
    if (generation === null) return;
    this.confirmedAt = NEVER;
    queue.put({ kind: "lost", generation, reason });
    queue.release();
  }

  #failed(error: unknown): void {
    if (this.#stopped) return;
    const fault = faultOf(error, faultContext(this.options));
    if (fault.kind === "stopped") return this.stop(fault.error);
    this.#lost(fault.error.message);
    this.parts.queue.put(unavailableEvent(fault.error));
  }

  async #watchIdentity(): Promise<void> {
    const { clock } = this.options, { metadata, queue, ended } = this.parts;
    while (!this.#over) {
      await clock.sleep(IDENTITY_CHECK_MS, ended);
      if (this.#over || this.member === null) continue; // while joining, the other loop checks
      try {
        const { topicId, askedAt } = await metadata.describe();
        this.#sawIdentity(topicId, askedAt);
        await this.#demandOwnGroup();
      } catch (error) {
        if (this.#over) continue;
        // Records of partitions that another program gets would not be counted: leave until it is gone.
        if (error instanceof Unavailable && error.code === "group_shared") await this.#leave(error);
        else queue.put(unavailableEvent(error));
      }
    }
  }

  /** Compares ids if both are known: during an upgrade, some brokers may not have them. */
  #sawIdentity(topicId: string | null, askedAt: EpochMs): void {
    this.#topicId ??= topicId;
    if (topicId === null || topicId === this.#topicId) {
      this.identityCheckedAt = askedAt;
      return;
    }
    this.stop(topicRecreated(this.options.topic, this.#topicId, topicId));
  }
}

/** The event of an error, with name and action if it has them. */
function unavailableEvent(error: unknown): Extract<SourceEvent, { kind: "unavailable" }> {
  const reason = messageOf(error);
  return error instanceof Unavailable
    ? { kind: "unavailable", reason, code: error.code, action: error.action }
    : { kind: "unavailable", reason };
}
