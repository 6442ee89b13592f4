// The file source: one logical log as partition 0, held by a lease. Shell: lease, file system, clock.
import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { messageOf, StreamStopped, Unavailable } from "../../shared/errors.ts";
import { durationMs, type EpochMs, type Offset, type PartitionId, partitionId } from "../../shared/units.ts";
import { noFile } from "./errors.ts";
import { FileLog, type FileLogOptions } from "./log.ts";
import { FileTail, type TailRead } from "./tail.ts";
import type { Lease } from "./lease.ts";
import { LeaseHolder } from "./lease_holder.ts";
import type { LogIdentity, Source, SourceEvent } from "../port.ts";

/** How often an idle log is looked at. */
const FOLLOW_EVERY = durationMs(250);
const PARTITION = partitionId(0);

export interface FileSourceOptions extends FileLogOptions {
  readonly lease: Lease;
}

/** Makes the source over a path or a glob. */
export function createFileSource(options: FileSourceOptions): Source {
  return new FileSource(options);
}

/** Stable id of the log that a path or glob names, 32 hex digits. */
function fileLogId(path: string): string {
  return createHash("sha256").update(resolve(path)).digest("hex").slice(0, 32);
}

class FileSource implements Source {
  readonly kind = "file";
  readonly #options: FileSourceOptions;
  readonly #log: FileLog;
  readonly #tail: FileTail;
  readonly #lease: LeaseHolder;
  readonly #closing = new AbortController();
  #generation = 0;
  /** The lease is ours and the log's files are known. */
  #assigned = false;
  #position: Offset | null = null;
  #idle = false;
  #stopped: StreamStopped | null = null;

  constructor(options: FileSourceOptions) {
    this.#options = options;
    this.#lease = new LeaseHolder(options);
    this.#log = new FileLog(options);
    this.#tail = new FileTail(this.#log);
  }

  async open(signal: AbortSignal): Promise<void> {
    const { path, follow } = this.#options;
    signal.addEventListener("abort", () => this.#closing.abort(), { once: true });
    if (!await this.#hasFiles()) {
      if (!follow) throw noFile(path);
      this.#options.log.warn("there is no such file yet; waiting for it", { file: path });
    }
    this.#lease.start(this.#closing.signal);
  }

  async identify(): Promise<LogIdentity> {
    await this.#log.scan(this.#assigned);
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
    if (generation !== this.#generation || !this.#assigned || position === undefined) return;
    this.#position = position;
    this.#idle = false;
  }

  confirmedAt(): EpochMs {
    return this.#lease.confirmedAt;
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
      if (this.#lease.held && this.#position !== null) await this.#tail.prove();
      await this.#tail.close();
      await this.#lease.release();
    };
    const left = leave().catch((error) =>
      this.#options.log.warn("the log was not left cleanly", { reason: messageOf(error) })
    );
    const late = new AbortController();
    await Promise.race([left, this.#options.clock.sleep(durationMs(deadlineMs), late.signal)]);
    late.abort();
    this.#assigned = false;
  }

  /** True also where it cannot be told yet and the log is followed. */
  async #hasFiles(): Promise<boolean> {
    try {
      return await this.#log.hasFiles();
    } catch (error) {
      if (!(error instanceof Unavailable) || !this.#options.follow) throw error;
      return true;
    }
  }

  async #next(maxWaitMs: number): Promise<SourceEvent> {
    const loss = this.#lease.takeLoss();
    if (loss !== null) return await this.#lost(loss);
    if (!this.#assigned) return await this.#acquire(maxWaitMs);
    if (this.#position === null) return await this.#timeout(maxWaitMs);
    if (this.#idle) await this.#wait(Math.min(maxWaitMs, FOLLOW_EVERY));
    const sentAt = this.#options.clock.now();
    const from = this.#position;
    const read = await this.#tail.read(from);
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
    if (!this.#lease.held) {
      const pause = this.#lease.askAgainIn;
      if (pause > 0) return await this.#timeout(Math.min(maxWaitMs, pause));
      if (!await this.#lease.acquire()) {
        return { kind: "unavailable", reason: `another process reads ${this.#options.path}; waiting for it to leave` };
      }
    }
    // The process that had the lease before may have numbered files that this one does not know.
    await this.#log.load();
    await this.#log.scan(true);
    this.#assigned = true;
    return { kind: "assigned", generation: ++this.#generation, partitions: [PARTITION] };
  }

  async #lost(reason: string): Promise<SourceEvent> {
    this.#position = null;
    await this.#tail.close();
    if (!this.#assigned) return { kind: "timeout" };
    this.#assigned = false;
    return { kind: "lost", generation: this.#generation, reason };
  }

  async #timeout(maxWaitMs: number): Promise<SourceEvent> {
    await this.#wait(maxWaitMs);
    return { kind: "timeout" };
  }

  #wait(ms: number): Promise<void> {
    return this.#options.clock.sleep(durationMs(ms), this.#closing.signal);
  }
}
