// Reads a log's files one after the other, each to its end, across renames, compression, copies and truncation. Shell over the file system.
import { messageOf, StreamStopped } from "../../shared/errors.ts";
import { durationMs, type EpochMs, MINUTE, type Offset, SECOND } from "../../shared/units.ts";
import { damaged, isMissing, lost, missing, unreadable } from "./errors.ts";
import { type FileContent, GzipDamaged, modifiedAt, openContent } from "./content.ts";
import { beginsAs, FINGERPRINT_BYTES_MAX, fingerprintOf, type Generation } from "./generations.ts";
import { LineReader, type ReadLines } from "./line_reader.ts";
import type { FileLog } from "./log.ts";
import { GENERATION_BYTES_MAX, packPosition, unpackPosition } from "./position.ts";
import type { LineRun } from "../lines.ts";

/** A writer goes on with the old file for a moment after a rotation; it is left when nobody has written to it for this long. */
const ROTATION_GRACE = durationMs(2 * SECOND);
/** A compressed file that ends too early and was written to within this time is taken to be in the making. */
const COMPRESSING_FOR = MINUTE;
/** Pause before such a file is tried again: each try decompresses it up to the position. */
const COMPRESSING_RETRY = durationMs(5 * SECOND);

/** What one read gave. */
export interface TailRead {
  readonly runs: readonly LineRun[];
  readonly next: Offset;
  /** Nothing more can be read now: pause before the next try. */
  readonly idle: boolean;
  /** The log's end as this read saw it, never below `next`. */
  readonly logEnd: Offset;
}

/** The reading end of a {@link FileLog}. One caller. */
export class FileTail {
  readonly #log: FileLog;
  #reader: LineReader | null = null;
  #path = "";
  #generation = 0;
  /** Bytes on disk of the open plain file at the last look, and how far it had been read by then. */
  #size = 0;
  #readTo = 0;
  /** Our clock when the end of a file that has a successor was first met. */
  #endSince: number | null = null;
  #retryAt = -Infinity;
  /** Our clock when the open file was last seen to begin as its generation does. */
  checkedAt: EpochMs;

  constructor(log: FileLog) {
    this.#log = log;
    this.checkedAt = log.options.clock.now();
  }

  /** The generation that is open, and so readable even where its file is gone. */
  get held(): number | undefined {
    return this.#reader ? this.#generation : undefined;
  }

  async close(): Promise<void> {
    const reader = this.#reader;
    this.#reader = null;
    await reader?.close();
  }

  /**
   * Reads on from `at`, which begins a line or a file.
   *
   * @throws {Unavailable} to be retried; {StreamStopped} where content is lost or damaged
   */
  async read(at: Offset): Promise<TailRead> {
    const { generation: number, byte } = unpackPosition(at);
    if (this.#log.options.clock.now() < this.#retryAt) return this.#moved([], at, true);
    const opened = await this.#open(number, byte);
    if (opened === "hop") return this.#moved([], packPosition({ generation: number + 1, byte: 0 }));
    if (opened === "none") return this.#caughtUp([], at);
    if (opened === "wait") return this.#moved([], at, true);
    const reader = this.#reader!;
    const now = this.#log.options.clock.now();
    let lines: ReadLines;
    try {
      lines = await reader.read(now);
    } catch (error) {
      return await this.#failed(at, error);
    }
    // Looked at after the bytes were read: had the file been written anew before, its beginning or its size would show it by now.
    if (!reader.content.gzip && !await this.#unchanged(reader)) return await this.#truncated(at);
    if (lines.next >= GENERATION_BYTES_MAX) throw tooLarge(this.#path);
    if (lines.run) {
      this.#endSince = null;
      this.#log.expect(number, lines.next);
      return this.#moved([lines.run], packPosition({ generation: number, byte: lines.next }));
    }
    return await this.#atEnd(at, reader);
  }

  async #open(number: number, byte: number): Promise<"open" | "hop" | "none" | "wait"> {
    if (this.#reader && this.#generation === number && this.#reader.position === byte) return "open";
    await this.close();
    if (!this.#log.generation(number)) await this.#log.scanIfDue();
    const generation = this.#log.generation(number);
    if (!generation) {
      if (number === this.#log.newest + 1 && byte === 0) return "none";
      throw lost(this.#log.options.path, `nothing is known of file ${number} of the log, where reading should go on`);
    }
    if (generation.finished && byte >= generation.sizeSeen) return "hop";
    this.#log.expect(number, byte);
    if (!this.#log.file(number)) await this.#log.scan(true);
    const file = this.#log.file(number);
    if (!file) {
      if (number === this.#log.newest && !generation.finished) throw missing(generation.path);
      throw lost(generation.path, `its content from byte ${byte} on is gone`);
    }
    return await this.#openFile(generation, file.path, byte);
  }

  async #openFile(generation: Generation, path: string, byte: number): Promise<"open" | "wait"> {
    const content = await this.#opened(generation, path, byte);
    if (content === null) {
      await this.#log.scan(true);
      return "wait";
    }
    const origin = packPosition({ generation: generation.generation, byte: 0 });
    this.#reader = new LineReader(content, { byte, origin });
    this.#generation = generation.generation;
    this.#path = path;
    this.#endSince = null;
    this.#readTo = byte;
    this.#size = (await content.stat()).size;
    return "open";
  }

  /** Null where the name stands for something else by now, or for a compressed file that is still being written. */
  async #opened(generation: Generation, path: string, byte: number): Promise<FileContent | null> {
    let content: FileContent | undefined;
    try {
      content = await openContent(path, byte);
      if (beginsAs(generation, await content.head())) return content;
      await content.close();
      return null;
    } catch (error) {
      await content?.close();
      if (isMissing(error)) return null;
      if (!(error instanceof GzipDamaged)) throw unreadable(path, error);
      await this.#awaitRest(path, error);
      return null;
    }
  }

  /** Whether the open plain file is still what it was; strengthens a short fingerprint as soon as the file has grown. */
  async #unchanged(reader: LineReader): Promise<boolean> {
    const now = this.#log.options.clock.now();
    const generation = this.#log.generation(this.#generation)!;
    const head = await reader.content.head();
    const { size } = await reader.content.stat();
    if (size < reader.readTo || !beginsAs(generation, head)) return false;
    this.#size = size;
    this.#readTo = reader.readTo;
    this.checkedAt = now;
    if (generation.fingerprintBytes < FINGERPRINT_BYTES_MAX && head.length > generation.fingerprintBytes) {
      const fingerprintBytes = Math.min(head.length, FINGERPRINT_BYTES_MAX);
      await this.#log.save({ ...generation, fingerprintBytes, fingerprint: fingerprintOf(head, fingerprintBytes) });
    }
    return true;
  }

  async #atEnd(at: Offset, reader: LineReader): Promise<TailRead> {
    const { clock, follow } = this.#log.options;
    if (reader.content.gzip || this.#log.generation(this.#generation)!.finished) return await this.#finish(reader);
    if (!follow) {
      if (this.#generation < this.#log.newest) return await this.#finish(reader);
      const rest = reader.takeRest(clock.now());
      return this.#caughtUp(
        rest.run ? [rest.run] : [],
        packPosition({ generation: this.#generation, byte: rest.next }),
      );
    }
    await this.#log.scanIfDue();
    if (this.#log.newest === this.#generation) return this.#caughtUp([], at);
    // The file's state is taken after the successor was seen: what a writer added before it shows here.
    const now = clock.now();
    const { size, modified } = await reader.content.stat();
    if (size !== reader.readTo) return this.#moved([], at);
    this.#endSince ??= now;
    if (now - modified < ROTATION_GRACE && now - this.#endSince < ROTATION_GRACE) return this.#moved([], at, true);
    return await this.#finish(reader);
  }

  /** Counts the unterminated line, if any, and goes on to the next generation. */
  async #finish(reader: LineReader): Promise<TailRead> {
    const number = this.#generation;
    const rest = reader.takeRest(this.#log.options.clock.now());
    if (rest.next >= GENERATION_BYTES_MAX) throw tooLarge(this.#path);
    const generation = this.#log.generation(number)!;
    await this.#log.save({ ...generation, path: this.#path, sizeSeen: rest.next, finished: true });
    await this.close();
    return this.#moved(rest.run ? [rest.run] : [], packPosition({ generation: number + 1, byte: 0 }));
  }

  /** The open file was emptied or written anew: go on in a copy, else with what is there now, unless unread content went with it. */
  async #truncated(at: Offset): Promise<TailRead> {
    const number = this.#generation;
    const byte = unpackPosition(at).byte;
    const unread = this.#size - this.#readTo;
    this.#log.expect(number, Math.max(byte, 1));
    await this.close();
    await this.#log.scan(true);
    if (this.#log.file(number)) return this.#moved([], at);
    const generation = this.#log.generation(number)!;
    const sizeSeen = unread > 0 ? this.#size : byte;
    await this.#log.save({ ...generation, sizeSeen, finished: true });
    if (unread > 0) throw lost(this.#path, `it was emptied with ${unread} bytes unread, and no copy is there`);
    this.#log.options.log.warn("the file was emptied; reading goes on with what is written now", { file: this.#path });
    return this.#moved([], packPosition({ generation: number + 1, byte: 0 }));
  }

  async #failed(at: Offset, error: unknown): Promise<TailRead> {
    await this.close();
    if (!(error instanceof GzipDamaged)) throw unreadable(this.#path, error);
    await this.#awaitRest(this.#path, error);
    await this.#log.scan(true);
    return this.#moved([], at, true);
  }

  /** Puts the next try off while a compressed file may still be growing. @throws {StreamStopped} where it cannot be */
  async #awaitRest(path: string, error: GzipDamaged): Promise<void> {
    const { clock, follow, log } = this.#log.options;
    const now = clock.now();
    if (!follow || now - await modifiedAt(path) >= COMPRESSING_FOR) throw damaged(path, error);
    log.info("a compressed file ends too early; waiting for its rest", { file: path, reason: messageOf(error) });
    this.#retryAt = now + COMPRESSING_RETRY;
  }

  /** More may follow at once, unless `idle`. */
  #moved(runs: readonly LineRun[], next: Offset, idle = false): TailRead {
    return { runs, next, idle, logEnd: Math.max(this.#log.roughEnd(), next) as Offset };
  }

  /** Everything that the log holds was delivered. */
  #caughtUp(runs: readonly LineRun[], next: Offset): TailRead {
    return { runs, next, idle: true, logEnd: next };
  }
}

function tooLarge(path: string): StreamStopped {
  return new StreamStopped(
    "source_refused",
    `${path} holds more than ${GENERATION_BYTES_MAX} bytes, the most that positions can tell apart in one file`,
    "Split the file (`split --line-bytes`), give the parts as a glob, and start a new stream.",
  );
}
