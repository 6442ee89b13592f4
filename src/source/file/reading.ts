// One log that is read as a partition: its files, its position, and when it is read next. Shell over its log and tail.
import { messageOf, type Unavailable } from "../../shared/errors.ts";
import { durationMs, type EpochMs, type Offset, type PartitionId, SECOND } from "../../shared/units.ts";
import type { FetchedBatch, PartitionBounds } from "../port.ts";
import type { LogName } from "./generations.ts";
import { elapsed } from "./listing.ts";
import { FileLog, type FileLogOptions } from "./log.ts";
import { unpackPosition } from "./position.ts";
import { FileTail } from "./tail.ts";

/** How often an idle log is looked at. */
export const FOLLOW_EVERY = durationMs(250);
/** How long a log that could not be read rests, so that the others go on. */
const REST = durationMs(SECOND);
/** How often a log that is ahead of the others is still looked at, so that its rotations and its silence are noticed. */
const TURN_EVERY = durationMs(10 * SECOND);

interface ReadingOptions extends FileLogOptions {
  readonly partition: PartitionId;
  /** More than one if a stream of an earlier release read several as one. */
  readonly logs: readonly LogName[];
  /** Host of lines without one. */
  readonly host: string | undefined;
}

/** One log of the source. */
export class Reading {
  readonly partition: PartitionId;
  readonly logs: readonly LogName[];
  readonly log: FileLog;
  readonly tail: FileTail;
  /** Number of the source's turn in which it was read last. Not a time, because a clock may be set back. */
  turn = 0;
  /** Null until the engine has said where to read from. */
  position: Offset | null = null;
  readonly #options: ReadingOptions;
  /** Time of the last event that was read, epoch ms. */
  #time: number | null = null;
  #readAt = -Infinity;
  /** When the last read reached the log's end, by this process's clock; null if it did not. */
  #idleAt: number | null = null;
  #failedAt: number | null = null;
  #failure = "";

  constructor(options: ReadingOptions) {
    this.#options = options;
    this.partition = options.partition;
    this.logs = options.logs;
    this.log = new FileLog(options);
    this.tail = new FileTail(this.log);
  }

  async bounds(register: boolean): Promise<PartitionBounds> {
    await this.log.scan(register);
    const held = this.tail.held;
    const logEnd = await this.log.end(held);
    const { format } = this.log;
    return { partition: this.partition, logStart: this.log.start(held), logEnd, logs: this.logs, format };
  }

  resume(position: Offset): void {
    this.position = position;
    this.#idleAt = null;
    this.#failedAt = null;
  }

  /** Milliseconds until it should be read; 0 = now. */
  restsFor(now: EpochMs): number {
    const left = (since: number | null, pause: number) => since === null ? 0 : Math.max(0, pause - elapsed(since, now));
    return Math.max(left(this.#idleAt, FOLLOW_EVERY), left(this.#failedAt, REST));
  }

  /** Whether it needs only a look: it was at its end, or it has waited for logs that are behind it and may have been rotated. */
  isLook(now: EpochMs): boolean {
    return this.#idleAt !== null || (this.#readAt > -Infinity && elapsed(this.#readAt, now) >= TURN_EVERY);
  }

  /** Event time in epoch ms up to which it was read; before the first read, the time of the first event in its file. */
  get time(): number {
    return this.#time ?? this.#firstTime();
  }

  /** Time of the first event in the file at the position. */
  #firstTime(): number {
    const file = this.position === null ? undefined : this.log.file(unpackPosition(this.position).generation);
    return file?.firstTime ?? -Infinity;
  }

  /** @throws what {@link FileTail.read} throws */
  async read(from: Offset): Promise<FetchedBatch> {
    const sentAt = this.#options.clock.now();
    this.#readAt = sentAt;
    const { runs, next, idle, logEnd } = await this.tail.read(from);
    if (runs.length > 0) this.#time = this.tail.lastTime ?? this.#time;
    this.position = next;
    this.#idleAt = idle ? sentAt : null;
    this.#failedAt = null;
    this.#failure = "";
    const logStart = Math.min(this.log.start(this.tail.held), from) as Offset;
    const { host } = this.#options;
    return {
      partition: this.partition,
      from,
      next,
      logStart,
      logEnd,
      lastStable: logEnd,
      sentAt,
      runs,
      ...(host !== undefined && { host }),
    };
  }

  /** Lets the log rest after a failed read. */
  failed(error: Unavailable): void {
    const { clock, log, name } = this.#options;
    this.#failedAt = clock.now();
    if (error.message === this.#failure) return;
    this.#failure = error.message;
    log.warn("a log cannot be read now", { log: name, code: error.code, reason: messageOf(error) });
  }
}
