// Reads a log's files one after the other, each to its end, across renames, compression, copies and truncation. Shell over the file system.
import { messageOf, NamedError } from "../../shared/errors.ts";
import { durationMs, type EpochMs, MINUTE, type Offset, SECOND } from "../../shared/units.ts";
import { changed, damaged, isMissing, lost, unreadable } from "./errors.ts";
import { type FileContent, GzipDamaged, openContent } from "./content.ts";
import { beginsAs, FINGERPRINT_BYTES_MAX, fingerprintOf, type Generation, isAfterChange } from "./generations.ts";
import { type Delivered, holds, isSame, proves, stateOf, tooLarge } from "./file_state.ts";
import { elapsed } from "./listing.ts";
import { LAST_BYTES, lineAt, LineReader, type ReadLines } from "./line_reader.ts";
import type { FileLog } from "./log.ts";
import type { SeenFile } from "./match.ts";
import { type FilePosition, GENERATION_BYTES_MAX, packPosition, unpackPosition } from "./position.ts";
import { contentEnd, type LineRun } from "../lines.ts";

/** After a rotation, a writer goes on with the old file for a moment. The file is left once nothing was added for this long; what comes later
 * is read under a new generation number. */
const ROTATION_GRACE = durationMs(2 * SECOND);
/** The same if the last line has no end yet, because its end may take longer. */
const LINE_GRACE = durationMs(5 * SECOND);
/** How often a digest of what was read last is stored, so that the file is recognised by it after a restart. */
const PROVE_EVERY = durationMs(5 * SECOND);
/** A compressed file that ends too early and has changed within this time is taken as unfinished. */
const COMPRESSING_FOR = MINUTE;
/** Pause before such a file is tried again: each try decompresses it up to the position. */
const COMPRESSING_RETRY = durationMs(5 * SECOND);

/** What one read gave. */
interface TailRead {
  readonly runs: readonly LineRun[];
  readonly next: Offset;
  /** Nothing more can be read now: pause before the next try. */
  readonly idle: boolean;
  /** The log's end as this read saw it, never below `next`. */
  readonly logEnd: Offset;
}

/** Reads a {@link FileLog}. For one caller at a time. */
export class FileTail {
  readonly #log: FileLog;
  #reader: LineReader | null = null;
  #path = "";
  #generation = 0;
  #content: FileContent | null = null;
  /** Where this process began to read. */
  #begin: FilePosition | null = null;
  /** Device and inode of the open file. */
  #identity = "";
  /** Bytes on disk of the open plain file at the last look, and how far it had been read by then. */
  #size = 0;
  #readTo = 0;
  /** The open file's beginning as it was compared last. */
  #head: Uint8Array = new Uint8Array(0);
  #provedAt = -Infinity;
  /** Position of the last proof of the open file; null if there is none. */
  #provedTo: number | null = null;
  /** A compressed file that ended too early, and since when it has not changed, by this process's clock. */
  #damaged: { readonly state: string; readonly since: number } | null = null;
  /** Since when a file that has a successor is read to its end and has not grown, by this process's clock. */
  #endSince: number | null = null;
  #retryAt = -Infinity;
  /** When the open file was last seen to begin as its generation does, by this process's clock. */
  checkedAt: EpochMs;

  constructor(log: FileLog) {
    this.#log = log;
    this.checkedAt = log.options.clock.now();
  }

  /** The generation that is open, so that it can be read even if its file is gone. */
  get held(): number | undefined {
    return this.#reader ? this.#generation : undefined;
  }

  /** Bytes on disk that this process has read, and all that it has to read, as of the last look at the files. */
  progress(): { readonly done: number; readonly total: number } {
    let done = 0, total = 0;
    for (let number = this.#begin?.generation ?? Infinity; number <= this.#log.newest; number++) {
      const file = this.#log.file(number);
      if (file === undefined) continue;
      const from = number === this.#begin!.generation && !file.compressed ? this.#begin!.byte : 0;
      total += Math.max(0, file.size - from);
      if (number < this.#generation) done += Math.max(0, file.size - from);
      else if (number === this.#generation) done += Math.max(0, (this.#content?.taken ?? 0) - from);
    }
    return { done: Math.min(done, total), total };
  }

  async close(): Promise<void> {
    const reader = this.#reader;
    this.#reader = null;
    await reader?.close();
  }

  /**
   * Reads on from `at`, which begins a line or a file.
   *
   * @throws {Unavailable} to be retried; {StreamStopped} if content is lost or damaged
   */
  async read(at: Offset): Promise<TailRead> {
    const { generation: number, byte } = unpackPosition(at);
    if (this.#begin === null) {
      await this.#log.skipTo(number);
      this.#begin = { generation: number, byte };
    }
    const { clock } = this.#log.options;
    if (elapsed(this.#retryAt, clock.now()) < COMPRESSING_RETRY) return this.#moved([], at, true);
    const opened = await this.#open(number, byte);
    if (opened === "begin") {
      const generation = this.#log.generation(number)!;
      if (isAfterChange(generation)) throw changed(generation.path);
      return this.#moved([], packPosition({ generation: number, byte: generation.fromByte }));
    }
    if (opened === "hop") return this.#moved([], packPosition({ generation: number + 1, byte: 0 }));
    if (opened === "none") return this.#caughtUp([], at);
    if (opened === "wait") return this.#moved([], at, true);
    const reader = this.#reader!;
    const before: Delivered = { last: reader.last, position: reader.position };
    let lines: ReadLines;
    try {
      // The later of two times: if this process's clock was set back, the file's time says when its lines were written.
      const { modified } = await reader.content.info();
      lines = await reader.read(Math.max(clock.now(), modified));
    } catch (error) {
      return await this.#failed(at, error);
    }
    // Checked after the read: if the file was written anew before it, the beginning or the size shows that by now.
    if (!reader.content.compressed && !await this.#unchanged(reader, before)) return await this.#truncated(at, before);
    if (lines.next >= GENERATION_BYTES_MAX) throw tooLarge(this.#path);
    if (lines.run) {
      this.#endSince = null;
      this.#log.known.note(number, { sizeSeen: lines.next });
      // The first time at once: an edit during a stop is judged by the time of what was read.
      if (this.#provedTo === null || elapsed(this.#provedAt, clock.now()) >= PROVE_EVERY) await this.prove();
      return this.#moved([lines.run], packPosition({ generation: number, byte: lines.next }));
    }
    return await this.#atEnd(at, reader);
  }

  /** Stores what is known of the open file before it is left. A removed file that was read to its end is finished. */
  async leave(): Promise<void> {
    const reader = this.#reader;
    if (reader === null) return;
    await this.prove();
    const { links, size } = await reader.content.info();
    if (size !== reader.position && !reader.content.compressed) {
      const generation = this.#log.generation(this.#generation)!;
      const isSame = beginsAs(generation, await reader.content.head()) && await holds(reader.content, reader);
      if (size > reader.position && isSame) {
        // Stored so that a shorter copy is not taken for all of it, even if this file is gone later.
        this.#log.known.note(this.#generation, { sizeSeen: size });
        await this.#log.known.save(this.#log.generation(this.#generation)!);
      } else await this.#log.scan(true);
    }
    if (links > 0 || size !== reader.position) return;
    // A copy that took its name, or a rotation, may hold more.
    await this.#log.scan(true);
    if (this.#log.file(this.#generation) !== undefined || this.#generation !== this.#log.newest) return;
    const generation = this.#log.generation(this.#generation)!;
    await this.#log.known.save({ ...generation, sizeSeen: reader.position, finished: true });
  }

  /** Stores a digest of the bytes before the position, to recognise the file after a restart: its name and inode may be another file's by then. */
  async prove(): Promise<void> {
    const reader = this.#reader;
    if (reader === null || !this.#noteLast(reader)) return;
    this.#provedAt = this.#log.options.clock.now();
    this.#provedTo = reader.position;
    const generation = this.#log.generation(this.#generation)!;
    await this.#log.known.save({ ...generation, path: this.#path });
  }

  /** Time of the event in the last line that was delivered, epoch ms; undefined if it has none. */
  get lastTime(): number | undefined {
    return this.#reader === null ? undefined : this.#timeOf(this.#reader);
  }

  #timeOf({ last }: Delivered): number | undefined {
    if (last.length === 0) return undefined;
    const begin = last.subarray(0, -1).lastIndexOf(0x0a) + 1;
    const end = contentEnd(last, begin, last.length);
    // Only the end of a longer line is kept.
    return begin > 0 || last.length < LAST_BYTES ? this.#log.options.firstEventTime(last, begin, end) : undefined;
  }

  #noteLast(delivered: Delivered): boolean {
    const { last, position } = delivered;
    if (last.length === 0) return false;
    const before = this.#log.generation(this.#generation)!;
    if (before.proof?.to === position && before.lastTime !== null) return true;
    const time = this.#timeOf(delivered);
    this.#log.known.note(this.#generation, {
      sizeSeen: position,
      proof: { to: position, bytes: last.length, digest: fingerprintOf(last, last.length) },
      lastTime: time === undefined ? before.lastTime : Math.max(time, before.lastTime ?? time),
    });
    return true;
  }

  async #open(number: number, byte: number): Promise<"open" | "begin" | "hop" | "none" | "wait"> {
    if (this.#reader && this.#generation === number && this.#reader.position === byte) return "open";
    await this.close();
    if (!this.#log.generation(number)) await this.#log.scanIfDue();
    const generation = this.#log.generation(number);
    if (!generation) {
      if (number === this.#log.newest + 1 && byte === 0) return "none";
      throw lost(this.#log.options.name, `nothing is known of file ${number} of the log, where reading should go on`);
    }
    if (generation.finished && byte >= generation.sizeSeen) return "hop";
    if (byte < generation.fromByte) return "begin";
    this.#log.known.note(number, { sizeSeen: byte });
    const seen = this.#log.file(number);
    // A shorter copy may have been taken for it.
    if (!seen || (!seen.compressed && seen.size < byte)) await this.#log.scan(true);
    const file = this.#log.file(number);
    if (!file) {
      if (this.#log.changed !== null) throw changed(this.#log.changed);
      if (number === this.#log.newest && !generation.finished) throw this.#log.absent(generation, byte);
      throw lost(generation.path, `its content from byte ${byte} on is gone`);
    }
    return await this.#openFile(generation, file, byte);
  }

  async #openFile(generation: Generation, file: SeenFile, byte: number): Promise<"open" | "wait"> {
    const content = await this.#opened(generation, file, byte), { path } = file;
    if (content === null) {
      await this.#log.scan(true);
      return "wait";
    }
    const origin = packPosition({ generation: generation.generation, byte: 0 });
    // After a crash the stored proof may be older than the position. From here on these bytes identify the file.
    const last = await content.reread(Math.max(0, byte - LAST_BYTES), byte);
    // What was added behind the end of a finished one is a generation of its own, also if this one is read again after a crash.
    const end = generation.finished ? generation.sizeSeen : Infinity;
    this.#reader = new LineReader(content, { byte, origin, line: await lineAt(content, byte), last, end });
    this.#content = content;
    this.#generation = generation.generation;
    this.#path = path;
    this.#provedTo = null;
    this.#head = new Uint8Array(0);
    this.#endSince = null;
    this.#readTo = byte;
    const { size, identity } = await content.info();
    this.#size = size;
    this.#identity = identity;
    return "open";
  }

  /** Null if the name belongs to another file by now, or if a compressed file is still being written. */
  async #opened(
    generation: Generation,
    { path, identity }: SeenFile,
    byte: number,
  ): Promise<FileContent | null> {
    let content: FileContent | undefined;
    try {
      content = await openContent(path, byte, this.#log.options.files);
      const isSame = (await content.info()).identity === identity;
      if (isSame && beginsAs(generation, await content.head()) && await proves(content, generation.proof)) {
        return content;
      }
      await content.close();
      return null;
    } catch (error) {
      await content?.close();
      if (isMissing(error)) return null;
      if (error instanceof NamedError) throw error;
      if (!(error instanceof GzipDamaged)) throw unreadable(path, error);
      await this.#awaitRest(path, error);
      return null;
    }
  }

  /** Whether the open plain file still holds what was read of it. Also extends a short fingerprint once the file has grown. */
  async #unchanged(reader: LineReader, before: Delivered): Promise<boolean> {
    const now = this.#log.options.clock.now();
    const generation = this.#log.generation(this.#generation)!;
    const head = await reader.content.head();
    const { size } = await reader.content.info();
    // A beginning that was compared already is not hashed again.
    const begins = isSame(head, this.#head) || beginsAs(generation, head);
    if (size < reader.readTo || !begins || !await holds(reader.content, before)) return false;
    this.#head = head;
    if (size !== this.#size) this.#endSince = null;
    this.#size = size;
    this.#readTo = reader.readTo;
    this.checkedAt = now;
    if (generation.fingerprintBytes < FINGERPRINT_BYTES_MAX && head.length > generation.fingerprintBytes) {
      const fingerprintBytes = Math.min(head.length, FINGERPRINT_BYTES_MAX);
      await this.#log.known.save({
        ...generation,
        fingerprintBytes,
        fingerprint: fingerprintOf(head, fingerprintBytes),
      });
    }
    return true;
  }

  async #atEnd(at: Offset, reader: LineReader): Promise<TailRead> {
    const { clock, follow, lastLine } = this.#log.options;
    if (reader.content.compressed || this.#log.generation(this.#generation)!.finished) {
      return await this.#finish(reader);
    }
    const rest = reader.readTo - reader.position;
    if (!follow) {
      if (this.#generation < this.#log.newest) return await this.#finish(reader);
      if (rest > 0 && lastLine === "leave") this.#tellRest(rest);
      const taken = lastLine === "take" ? reader.takeRest(clock.now()) : { next: reader.position };
      return this.#caughtUp(
        "run" in taken && taken.run ? [taken.run] : [],
        packPosition({ generation: this.#generation, byte: taken.next }),
      );
    }
    this.#noteLast(reader);
    if (reader.position !== this.#provedTo && elapsed(this.#provedAt, clock.now()) >= PROVE_EVERY) await this.prove();
    await this.#log.scanIfDue();
    if (this.#isReplaced(reader)) {
      // A copy that holds all this and more was put in its place.
      await this.prove();
      await this.close();
      return this.#moved([], at);
    }
    if (this.#log.newest === this.#generation) return this.#caughtUp([], at);
    // The size is taken after the successor was seen, so it includes all that a writer added before that.
    const now = clock.now();
    const { size } = await reader.content.info();
    if (size !== reader.readTo) return this.#moved([], at);
    const isReturn = this.#log.generation(this.#generation + 1)!.fromByte > 0;
    // A line that has begun is left until this file is read again.
    if (isReturn) return await this.#finish(reader, true);
    this.#endSince ??= now;
    const grace = rest > 0 ? LINE_GRACE : ROTATION_GRACE;
    if (elapsed(this.#endSince, now) < grace) return this.#moved([], at, true);
    return await this.#finish(reader);
  }

  #isReplaced(reader: LineReader): boolean {
    const file = this.#log.file(this.#generation);
    return file !== undefined && file.identity !== this.#identity && !file.compressed && file.size > reader.readTo;
  }

  #tellRest(bytes: number): void {
    this.#log.options.log.warn(
      "the last line has no end yet and is left for the next run (FILE_LAST_LINE=take takes it)",
      {
        file: this.#path,
        bytes,
      },
    );
  }

  /** Goes on to the next generation. Delivers the line without an end, if any, unless `leave`. */
  async #finish(reader: LineReader, leave = false): Promise<TailRead> {
    const number = this.#generation;
    const rest: ReadLines = leave
      ? { next: reader.position, atEnd: true }
      : reader.takeRest(this.#log.options.clock.now());
    this.#noteLast(reader);
    if (rest.next >= GENERATION_BYTES_MAX) throw tooLarge(this.#path);
    const generation = this.#log.generation(number)!;
    await this.#log.known.save({ ...generation, path: this.#path, sizeSeen: rest.next, finished: true });
    await this.close();
    return this.#moved(rest.run ? [rest.run] : [], packPosition({ generation: number + 1, byte: 0 }));
  }

  /** The open file was emptied or written anew. Goes on in a copy of it, else with what is there now. @throws {StreamStopped} if unread content is lost */
  async #truncated(at: Offset, before: Delivered): Promise<TailRead> {
    const number = this.#generation;
    const byte = unpackPosition(at).byte;
    // A look at the folder may have shown more than was there when the file was read last.
    const shown = Math.max(this.#size, this.#log.generation(number)!.sizeSeen);
    const unread = shown - this.#readTo;
    this.#noteLast(before);
    this.#log.known.note(number, { sizeSeen: Math.max(byte, 1) });
    await this.close();
    await this.#log.scan(true);
    if (this.#log.file(number)) return this.#moved([], at);
    if (this.#log.changed !== null) throw changed(this.#log.changed);
    const generation = this.#log.generation(number)!;
    const sizeSeen = unread > 0 ? shown : byte;
    await this.#log.known.save({ ...generation, sizeSeen, finished: true });
    if (unread > 0) throw lost(this.#path, `it was emptied with ${unread} bytes unread, and there is no copy of it`);
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

  /** Puts the next try off while a compressed file may still be growing. @throws {StreamStopped} if it cannot be */
  async #awaitRest(path: string, error: GzipDamaged): Promise<void> {
    const { clock, follow, log, files } = this.#log.options;
    if (!follow) throw damaged(path, error);
    const now = clock.now();
    const state = await stateOf(path, files);
    if (this.#damaged?.state !== state) this.#damaged = { state, since: now };
    if (elapsed(this.#damaged.since, now) >= COMPRESSING_FOR) throw damaged(path, error);
    log.info("a compressed file ends too early; waiting for its rest", { file: path, reason: messageOf(error) });
    this.#retryAt = now;
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
