// The file source: each log that the setting names is a partition; one lease holds them all. Shell: lease, file system, clock.
import { messageOf, StreamStopped, Unavailable } from "../../shared/errors.ts";
import { durationMs, type EpochMs, type Offset, type PartitionId, SECOND } from "../../shared/units.ts";
import type { LogIdentity, Source, SourceEvent } from "../port.ts";
import { LeaseHolder } from "../lease_holder.ts";
import { type FileSourceOptions, LogSet } from "./log_set.ts";
import { FOLLOW_EVERY, type Reading } from "./reading.ts";

/** How often new logs are looked for. */
const FIND_EVERY = durationMs(5 * SECOND);

export type { FileSourceOptions } from "./log_set.ts";

/** Makes the source over files and patterns. */
export function createFileSource(options: FileSourceOptions): Source {
  return new FileSource(options);
}

class FileSource implements Source {
  readonly kind = "file";
  readonly #options: FileSourceOptions;
  readonly #logs: LogSet;
  readonly #lease: LeaseHolder;
  readonly #closing = new AbortController();
  #generation = 0;
  /** This process holds the lease and knows the logs' files. */
  #assigned = false;
  /** By rising partition. */
  #readings: readonly Reading[] = [];
  /** Whether the engine has accepted the partitions: from then on their numbers are stored. */
  #joined = false;
  #turns = 0;
  /** Whether the last turn went to a log that needed only a look. */
  #looked = false;
  #stopped: StreamStopped | null = null;

  constructor(options: FileSourceOptions) {
    this.#options = options;
    this.#lease = new LeaseHolder(options);
    this.#logs = new LogSet(options);
  }

  async open(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#closing.abort(), { once: true });
    await this.#logs.announceAbsent();
    this.#lease.start(this.#closing.signal);
  }

  async identify(): Promise<LogIdentity> {
    if (this.#assigned && !this.#joined) {
      try {
        await this.#logs.checkNumbers(this.#readings);
      } catch (error) {
        this.#assigned = false;
        throw error;
      }
    }
    const partitions = [];
    for (const reading of this.#readings) partitions.push(await reading.bounds(this.#assigned));
    return { topicId: null, partitions };
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
      return { kind: "unavailable", reason: error.message, code: error.code, action: error.action };
    }
  }

  resume(generation: number, positions: ReadonlyMap<PartitionId, Offset>): void {
    if (generation !== this.#generation || !this.#assigned) return;
    this.#joined = true;
    for (const reading of this.#readings) {
      const position = positions.get(reading.partition);
      if (position !== undefined) reading.resume(position);
    }
  }

  confirmedAt(): EpochMs {
    return this.#lease.confirmedAt;
  }

  identityCheckedAt(): EpochMs {
    return Math.max(...this.#readings.map(({ tail }) => tail.checkedAt)) as EpochMs;
  }

  progress(): { readonly done: number; readonly total: number } {
    const all = this.#readings.map(({ tail }) => tail.progress());
    return {
      done: all.reduce((sum, { done }) => sum + done, 0),
      total: all.reduce((sum, { total }) => sum + total, 0),
    };
  }

  publish(): Promise<void> {
    return Promise.resolve();
  }

  async close(deadlineMs: number): Promise<void> {
    this.#closing.abort();
    const leave = async () => {
      for (const { position, log, tail } of this.#readings) {
        if (this.#lease.held && position !== null) {
          // A file that appeared since the last scan may be rotated away while the process is stopped. The scan stores it, so that its loss is noticed.
          await log.scanLast().catch((error) =>
            this.#options.log.warn("the last scan of a log failed while stopping", { reason: messageOf(error) })
          );
          await tail.leave();
          await log.known.storeNotes();
        }
        await tail.close();
      }
      await this.#lease.release();
    };
    const left = leave().catch((error) =>
      this.#options.log.warn("a log was not closed cleanly", { reason: messageOf(error) })
    );
    const late = new AbortController();
    await Promise.race([left, this.#options.clock.sleep(durationMs(deadlineMs), late.signal)]);
    late.abort();
    this.#assigned = false;
  }

  async #next(maxWaitMs: number): Promise<SourceEvent> {
    const loss = this.#lease.takeLoss();
    if (loss !== null) return await this.#lost(loss);
    if (!this.#assigned) return await this.#acquire(maxWaitMs);
    if (await this.#takeNewLogs()) return this.#assign();
    const flowing = this.#readings.filter(({ position }) => position !== null);
    if (flowing.length === 0) return await this.#timeout(maxWaitMs);
    // All logs at once, not each with its first read: a stored position needs the stored row of its file.
    for (const { log } of flowing) if (!log.known.storing) await log.known.store();
    const reading = await this.#turn(flowing, maxWaitMs);
    reading.turn = ++this.#turns;
    const from = reading.position!;
    try {
      return { kind: "batch", generation: this.#generation, batch: await reading.read(from) };
    } catch (error) {
      if (!(error instanceof Unavailable) || flowing.length === 1) throw error;
      reading.failed(error);
      return { kind: "timeout" };
    }
  }

  /** Picks the log to read: the one with the lowest event time, so that windows can close. If all rest, waits and picks the one whose rest ends first. */
  async #turn(flowing: readonly Reading[], maxWaitMs: number): Promise<Reading> {
    const now = this.#options.clock.now();
    const ready = flowing.filter((reading) => reading.restsFor(now) === 0);
    const looks = ready.filter((reading) => reading.isLook(now)), reads = ready.filter((r) => !looks.includes(r));
    // Looks and reads take turns, so that many of one kind do not hold up the other.
    this.#looked = looks.length > 0 && (reads.length === 0 || !this.#looked);
    if (this.#looked) return looks.reduce((a, b) => b.turn < a.turn ? b : a);
    if (reads.length > 0) return reads.reduce((a, b) => b.time < a.time ? b : a);
    const next = flowing.reduce((a, b) => b.restsFor(now) < a.restsFor(now) ? b : a);
    await this.#wait(Math.min(maxWaitMs, FOLLOW_EVERY, next.restsFor(now)));
    return next;
  }

  async #acquire(maxWaitMs: number): Promise<SourceEvent> {
    const { paths } = this.#options;
    if (!this.#lease.held) {
      const pause = this.#lease.askAgainIn;
      if (pause > 0) return await this.#timeout(Math.min(maxWaitMs, pause));
      if (!await this.#lease.acquire()) {
        return {
          kind: "unavailable",
          reason: `another process reads ${paths.join(", ")}; waiting for it to leave`,
        };
      }
    }
    // The process that had the lease before may have numbered logs and files that this one does not know.
    const logs = await this.#logs.numbered();
    if (logs.length === 0) {
      await this.#wait(maxWaitMs);
      return { kind: "unavailable", reason: `there is no file at ${paths.join(", ")} yet; waiting for one` };
    }
    for (const { tail } of this.#readings) await tail.close();
    const readings = logs.map((log) => this.#logs.reading(log));
    for (const { log } of readings) {
      await log.known.load();
      await log.scan(true);
    }
    this.#readings = readings;
    this.#assigned = true;
    return this.#assign();
  }

  #assign(): SourceEvent {
    this.#joined = false;
    const partitions = this.#readings.map((reading) => {
      reading.position = null;
      return reading.partition;
    });
    return { kind: "assigned", generation: ++this.#generation, partitions };
  }

  /** Adds the logs that have appeared; true if there are any. */
  async #takeNewLogs(): Promise<boolean> {
    const { follow, clock, log } = this.#options;
    if (!follow || !this.#joined || !this.#logs.mayHaveGrown(clock.now(), FIND_EVERY)) {
      return false;
    }
    const logs = await this.#logs.numbered();
    const known = new Set(this.#readings.map(({ partition }) => partition));
    const added = logs.filter(({ partition }) => !known.has(partition)).map((entry) => this.#logs.reading(entry));
    if (added.length === 0) return false;
    for (const reading of added) {
      await reading.log.known.load();
      await reading.log.scan(true);
      log.info("a log joins the stream; its records in closed windows count as late", {
        log: reading.logs[0]!.name,
        partition: reading.partition,
      });
    }
    this.#readings = [...this.#readings, ...added].sort((a, b) => a.partition - b.partition);
    return true;
  }

  async #lost(reason: string): Promise<SourceEvent> {
    for (const reading of this.#readings) {
      reading.position = null;
      await reading.tail.close();
    }
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
