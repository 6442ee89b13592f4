// The demo source: each shard of the generator is a partition whose log ends at the present. Shell over the clock; no other I/O.
import { createHash } from "node:crypto";
import type { Clock } from "../../shared/clock.ts";
import { messageOf, Unavailable } from "../../shared/errors.ts";
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
import { DemoGenerator } from "./generator.ts";
import type { Lease } from "../lease.ts";
import { LeaseHolder } from "../lease_holder.ts";
import type { LogIdentity, Source, SourceEvent } from "../port.ts";

/**
 * Mean events per second over all shards: four weeks are a million events, which a laptop counts in seconds, and a five-minute window holds
 * about 120.
 */
const DEMO_RATE_DEFAULT = 0.4;

/** Records in one batch: a few milliseconds of work. */
const BATCH_RECORDS_MAX = 8192;
/** An idle shard is reported at most this often. */
const IDLE_EVERY = durationMs(SECOND / 4);

export interface DemoSourceOptions {
  readonly seed: number;
  /** Number of shards; each is a partition. */
  readonly shards: number;
  /** Midnight of the first record; stored with the stream. See `demoAnchor`. */
  readonly anchor: EpochMs;
  /** Mean events per second over all shards; default {@link DEMO_RATE_DEFAULT}. */
  readonly rate?: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly lease: Lease;
}

/** Equal options give equal logs. */
export function createDemoSource(options: DemoSourceOptions): Source {
  return new DemoSource(options);
}

class DemoSource implements Source {
  readonly kind = "demo";
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #id: string;
  readonly #shards: readonly DemoGenerator[];
  readonly #closing = new AbortController();
  readonly #positions = new Map<PartitionId, Offset>();
  /** When the end of a shard was last reported. */
  readonly #idleSince = new Map<PartitionId, EpochMs>();
  readonly #lease: LeaseHolder;
  #generation = 0;
  #assigned = false;
  #turn = 0;

  constructor(options: DemoSourceOptions) {
    const { seed, shards, anchor, rate = DEMO_RATE_DEFAULT } = options;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#lease = new LeaseHolder(options);
    this.#id = createHash("sha256").update(JSON.stringify(["demo", 1, seed, shards, anchor, rate])).digest("hex")
      .slice(0, 32);
    this.#shards = Array.from(
      { length: shards },
      (_, shard) => new DemoGenerator({ seed, shard, shards, anchor, rate }),
    );
  }

  open(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#closing.abort(), { once: true });
    this.#lease.start(this.#closing.signal);
    return Promise.resolve();
  }

  identify(): Promise<LogIdentity> {
    const now = this.#clock.now();
    return Promise.resolve({
      topicId: this.#id,
      partitions: this.#shards.map((shard, number) => ({
        partition: partitionId(number),
        logStart: offset(0),
        logEnd: offset(shard.timeline.countAt(now)),
      })),
    });
  }

  async poll(maxWaitMs: number): Promise<SourceEvent> {
    const reason = this.#lease.takeLoss();
    if (reason !== null) {
      this.#assigned = false;
      this.#positions.clear();
      return { kind: "lost", generation: this.#generation, reason };
    }
    if (!this.#assigned) return await this.#acquire(maxWaitMs);
    const deadline = this.#clock.now() + maxWaitMs;
    while (true) {
      const now = this.#clock.now();
      const event = this.#batch(now);
      if (event) return event;
      if (now >= deadline || this.#closing.signal.aborted) return { kind: "timeout" };
      await this.#clock.sleep(durationMs(Math.min(this.#nextAt(now), deadline) - now), this.#closing.signal);
    }
  }

  resume(generation: number, positions: ReadonlyMap<PartitionId, Offset>): void {
    if (generation !== this.#generation || !this.#assigned) return;
    for (const [partition, position] of positions) {
      this.#positions.set(partition, position);
      this.#idleSince.delete(partition);
    }
  }

  confirmedAt(): EpochMs {
    return this.#lease.confirmedAt;
  }

  identityCheckedAt(): EpochMs {
    return this.#clock.now();
  }

  publish(): Promise<void> {
    return Promise.resolve();
  }

  async close(deadlineMs: number): Promise<void> {
    this.#closing.abort();
    const left = this.#lease.release().catch((error) =>
      this.#log.warn("the demo's lease was not given up", { reason: messageOf(error) })
    );
    const late = new AbortController();
    await Promise.race([left, this.#clock.sleep(durationMs(deadlineMs), late.signal)]);
    late.abort();
  }

  async #acquire(maxWaitMs: number): Promise<SourceEvent> {
    const pause = this.#lease.askAgainIn;
    if (pause > 0) {
      await this.#clock.sleep(durationMs(Math.min(maxWaitMs, pause)), this.#closing.signal);
      return { kind: "timeout" };
    }
    try {
      if (!await this.#lease.acquire()) {
        return {
          kind: "unavailable",
          reason: "another process makes this stream's demo traffic; waiting for it to end",
        };
      }
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      return { kind: "unavailable", reason: error.message };
    }
    this.#assigned = true;
    this.#idleSince.clear();
    const partitions = this.#shards.map((_, number) => partitionId(number));
    return { kind: "assigned", generation: ++this.#generation, partitions };
  }

  /** The batch of the next shard that has records, or whose end is due to be reported. */
  #batch(now: EpochMs): SourceEvent | null {
    const partitions = [...this.#positions.keys()];
    for (let i = 0; i < partitions.length; i++) {
      const partition = partitions[(this.#turn + i) % partitions.length]!;
      const from = this.#positions.get(partition)!;
      const shard = this.#shards[partition]!;
      const logEnd = offset(Math.max(from, shard.timeline.countAt(now)));
      const next = offset(Math.min(logEnd, from + BATCH_RECORDS_MAX));
      if (next === from) {
        const since = this.#idleSince.get(partition);
        if (since !== undefined && now - since < IDLE_EVERY) continue;
        this.#idleSince.set(partition, now);
      } else {
        this.#idleSince.delete(partition);
        this.#positions.set(partition, next);
      }
      this.#turn = (this.#turn + i + 1) % partitions.length;
      const runs = next === from ? [] : [shard.run(from, next)];
      const batch = { partition, from, next, logStart: offset(0), logEnd, lastStable: logEnd, sentAt: now, runs };
      return { kind: "batch", generation: this.#generation, batch };
    }
    return null;
  }

  /** When the next record arrives or the next end is due to be reported. */
  #nextAt(now: EpochMs): number {
    let at = Infinity;
    for (const [partition, position] of this.#positions) {
      const reported = this.#idleSince.get(partition) ?? -Infinity;
      at = Math.min(at, this.#shards[partition]!.timeline.timeOf(position), reported + IDLE_EVERY);
    }
    return Math.max(at, now + 1);
  }
}
