// The file source: one logical log as partition 0, held by a lease. Shell: lease, file system, clock.
import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { messageOf, StreamStopped, Unavailable, UsageError } from "../shared/errors.ts";
import {
  durationMs,
  type EpochMs,
  NEVER,
  type Offset,
  type PartitionId,
  partitionId,
  SECOND,
} from "../shared/units.ts";
import { FileLog, type FileLogOptions } from "./file_log.ts";
import { FileTail, type TailRead } from "./file_tail.ts";
import { isGlob } from "./file_names.ts";
import type { Lease } from "./file_lease.ts";
import type { LogIdentity, Source, SourceEvent } from "./port.ts";

/** How often an idle log is looked at. */
const FOLLOW_EVERY = durationMs(250);
/** How often the lease is renewed, and asked for while somebody else has it. */
const LEASE_EVERY = durationMs(2 * SECOND);
const PARTITION = partitionId(0);

export interface FileSourceOptions extends FileLogOptions {
  readonly lease: Lease;
}

/** Makes the source over a path or a glob. */
export function createFileSource(options: FileSourceOptions): Source {
  return new FileSource(options);
}

/** Stable id of the log that a path or glob names, 32 hex digits. */
export function fileLogId(path: string): string {
  return createHash("sha256").update(resolve(path)).digest("hex").slice(0, 32);
}

class FileSource implements Source {
  readonly kind = "file";
  readonly offsetsCountRecords = false;
  readonly #options: FileSourceOptions;
  readonly #log: FileLog;
  readonly #tail: FileTail;
  readonly #closing = new AbortController();
  #generation = 0;
  #held = false;
  /** Why the lease went, until `poll` has said so. */
  #lostBecause: string | null = null;
  #confirmedAt: EpochMs = NEVER;
  #askAgainAt = -Infinity;
  #position: Offset | null = null;
  #idle = false;
  #stopped: StreamStopped | null = null;
  #renewing: Promise<void> = Promise.resolve();

  constructor(options: FileSourceOptions) {
    this.#options = options;
    this.#log = new FileLog(options);
    this.#tail = new FileTail(this.#log);
  }

  async open(signal: AbortSignal): Promise<void> {
    const { path, follow } = this.#options;
    signal.addEventListener("abort", () => this.#closing.abort(), { once: true });
    if (!follow && !await this.#log.hasFiles()) {
      throw new UsageError(
        [`There is no file at ${path}.`],
        isGlob(path) ? "Check the pattern." : "Check the path.",
        "no_file",
      );
    }
    this.#renewing = this.#renew();
  }

  async identify(): Promise<LogIdentity> {
    await this.#log.scan(this.#held);
    const held = this.#tail.held;
    const logEnd = await this.#log.end(held);
    return {
      topicId: fileLogId(this.#options.path),
      partitions: [{ partition: PARTITION, logStart: this.#log.start(held), logEnd }],
    };
  }

  async poll(maxWaitMs: number): Promise<SourceEvent> {
    if (this.#stopped) {
      await this.#wait(maxWaitMs);
      return { kind: "stopped", error: this.#stopped };
    }
    try {
      return await this.#next(maxWaitMs);
    } catch (error) {
      if (error instanceof StreamStopped) return { kind: "stopped", error: this.#stopped = error };
      if (!(error instanceof Unavailable)) throw error;
      await this.#wait(maxWaitMs);
      return { kind: "unavailable", reason: error.message };
    }
  }

  resume(generation: number, positions: ReadonlyMap<PartitionId, Offset>): void {
    const position = positions.get(PARTITION);
    if (generation !== this.#generation || !this.#held || position === undefined) return;
    this.#position = position;
    this.#idle = false;
  }

  confirmedAt(): EpochMs {
    return this.#confirmedAt;
  }

  identityCheckedAt(): EpochMs {
    return this.#tail.checkedAt;
  }

  publish(): Promise<void> {
    return Promise.resolve();
  }

  async close(deadlineMs: number): Promise<void> {
    this.#closing.abort();
    const leave = async () => {
      await this.#renewing;
      await this.#tail.close();
      if (this.#held) await this.#options.lease.release();
    };
    const left = leave().catch((error) =>
      this.#options.log.warn("the log was not left cleanly", { reason: messageOf(error) })
    );
    const late = new AbortController();
    await Promise.race([left, this.#options.clock.sleep(durationMs(deadlineMs), late.signal)]);
    late.abort();
    this.#held = false;
  }

  async #next(maxWaitMs: number): Promise<SourceEvent> {
    if (this.#lostBecause !== null) return await this.#lost();
    if (!this.#held) return await this.#acquire(maxWaitMs);
    if (this.#position === null) return await this.#timeout(maxWaitMs);
    if (this.#idle) await this.#wait(Math.min(maxWaitMs, FOLLOW_EVERY));
    const sentAt = this.#options.clock.now();
    const from = this.#position;
    const read = await this.#tail.read(from);
    if (this.#lostBecause !== null) return await this.#lost();
    this.#position = read.next;
    this.#idle = read.idle;
    return this.#batch(from, read, sentAt);
  }

  #batch(from: Offset, read: TailRead, sentAt: EpochMs): SourceEvent {
    const { runs, next, logEnd } = read;
    const logStart = Math.min(this.#log.start(this.#tail.held), from) as Offset;
    return {
      kind: "batch",
      generation: this.#generation,
      batch: { partition: PARTITION, from, next, logStart, logEnd, lastStable: logEnd, sentAt, runs },
    };
  }

  async #acquire(maxWaitMs: number): Promise<SourceEvent> {
    const now = this.#options.clock.now();
    if (now < this.#askAgainAt) return await this.#timeout(Math.min(maxWaitMs, this.#askAgainAt - now));
    this.#askAgainAt = now + LEASE_EVERY;
    if (!await this.#asked(this.#options.lease.acquire())) {
      return { kind: "unavailable", reason: `another process reads ${this.#options.path}; waiting for it to leave` };
    }
    // Whoever had the lease before may have numbered files that this process has not heard of.
    await this.#log.load();
    await this.#log.scan(true);
    this.#held = true;
    this.#confirmedAt = now;
    return { kind: "assigned", generation: ++this.#generation, partitions: [PARTITION] };
  }

  async #lost(): Promise<SourceEvent> {
    const reason = this.#lostBecause ?? "";
    this.#lostBecause = null;
    this.#held = false;
    this.#position = null;
    await this.#tail.close();
    return { kind: "lost", generation: this.#generation, reason };
  }

  /** Keeps the lease while the engine works or waits; an answer that does not come leaves `confirmedAt` to grow old. */
  async #renew(): Promise<void> {
    const { clock, lease, log } = this.#options;
    let failing = false;
    while (!this.#closing.signal.aborted) {
      await clock.sleep(LEASE_EVERY, this.#closing.signal);
      if (!this.#held || this.#lostBecause !== null || this.#closing.signal.aborted) continue;
      const asked = clock.now();
      try {
        if (await lease.renew()) this.#confirmedAt = asked;
        else this.#lostBecause = "the lease on the log went to another process";
        failing = false;
      } catch (error) {
        if (!failing) log.warn("the lease on the log cannot be renewed", { reason: messageOf(error) });
        failing = true;
      }
    }
  }

  async #asked(answer: Promise<boolean>): Promise<boolean> {
    try {
      return await answer;
    } catch (error) {
      throw new Unavailable(
        "lease_unavailable",
        `Cannot ask for the log's lease: ${messageOf(error)}`,
        "Look at the database.",
        {
          cause: error,
        },
      );
    }
  }

  async #timeout(maxWaitMs: number): Promise<SourceEvent> {
    await this.#wait(maxWaitMs);
    return { kind: "timeout" };
  }

  #wait(ms: number): Promise<void> {
    return this.#options.clock.sleep(durationMs(ms), this.#closing.signal);
  }
}
