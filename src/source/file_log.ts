// Knows the files of one logical log: finds them on disk, numbers the new ones, and says where the log begins and ends. Shell over the file system.
import { glob, readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Clock } from "../shared/clock.ts";
import { messageOf, StreamStopped, Unavailable } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { durationMs, type Offset, SECOND } from "../shared/units.ts";
import { damaged, isMissing, missing, unreadable } from "./file_errors.ts";
import { type FileHead, lastLineEnd, readHead } from "./file_content.ts";
import {
  FINGERPRINT_BYTES_MAX,
  fingerprintOf,
  type Generation,
  type GenerationStore,
  matchFiles,
  type SeenFile,
} from "./file_generations.ts";
import { isGlob, isRotatedName } from "./file_names.ts";
import { GENERATIONS_MAX, packPosition } from "./file_position.ts";
import { contentEnd } from "./lines.ts";

/** A first line that nobody has added to for this long, or since another file was written to, is taken as it is. */
const SETTLED_AFTER = durationMs(10 * SECOND);
/** File systems keep times in ticks of up to 2 s. */
const STABLE_AFTER = durationMs(2 * SECOND);
/** How often the folder is looked at for a rotation. */
const SCAN_EVERY = SECOND;

/** Event time in epoch ms of the line `bytes[start, end)`, or undefined where it has none. */
export type FirstEventTime = (bytes: Uint8Array, start: number, end: number) => number | undefined;

export interface FileLogOptions {
  /** One file's path, or a glob. */
  readonly path: string;
  /** False: read what is there once. */
  readonly follow: boolean;
  readonly generations: GenerationStore;
  readonly firstEventTime: FirstEventTime;
  readonly clock: Clock;
  readonly log: Log;
}

interface Peek {
  readonly head: FileHead;
  /** Our clock when it was read. */
  readonly readAt: number;
  /** In epoch ms. */
  readonly firstTime: number;
}

interface Entry extends Peek {
  readonly path: string;
  readonly listed: boolean;
}

/** The files of one log. Generations are registered only by the lease's holder. */
export class FileLog {
  readonly options: FileLogOptions;
  readonly #known = new Map<number, Generation>();
  #located: ReadonlyMap<number, SeenFile> = new Map();
  #heads = new Map<string, Peek>();
  #scannedAt = -Infinity;
  readonly #told = new Set<string>();

  constructor(options: FileLogOptions) {
    this.options = options;
  }

  /** Whether the path or glob names any file now. */
  async hasFiles(): Promise<boolean> {
    for (const { path, listed } of await this.#list()) {
      if (listed && await this.#look(path, listed)) return true;
    }
    return false;
  }

  /** Number of the newest generation, 0 where there is none. */
  get newest(): number {
    return this.#known.size === 0 ? 0 : Math.max(...this.#known.keys());
  }

  generation(number: number): Generation | undefined {
    return this.#known.get(number);
  }

  /** The file that held the generation at the last look. */
  file(number: number): SeenFile | undefined {
    return this.#located.get(number);
  }

  /** Reads what was stored, forgetting everything else. @throws {Unavailable} */
  async load(): Promise<void> {
    const rows = await this.#stored(this.options.generations.load());
    this.#known.clear();
    for (const row of rows) this.#known.set(row.generation, row);
  }

  /** Stores a generation before any position inside it is handed out. @throws {Unavailable} */
  async save(generation: Generation): Promise<void> {
    await this.#stored(this.options.generations.save(generation));
    this.#known.set(generation.generation, generation);
  }

  /** Remembers that the content has at least `byte` bytes, so that a shorter file is not taken for it. */
  expect(number: number, byte: number): void {
    const generation = this.#known.get(number);
    if (generation && generation.sizeSeen < byte) this.#known.set(number, { ...generation, sizeSeen: byte });
  }

  /** {@link scan} where the last one is over a second old. */
  async scanIfDue(): Promise<void> {
    if (this.options.clock.now() - this.#scannedAt >= SCAN_EVERY) await this.scan(true);
  }

  /**
   * Looks at all files, finds the known generations again and numbers the new ones. Without `register` nothing is stored, and new files
   * are only counted as the log's future.
   *
   * @throws {Unavailable} where a file or the store cannot be read
   */
  async scan(register: boolean): Promise<void> {
    const now = this.options.clock.now();
    this.#scannedAt = now;
    const entries: Entry[] = [];
    const heads = new Map<string, Peek>();
    for (const { path, listed } of await this.#list()) {
      const entry = await this.#look(path, listed);
      if (entry === null) continue;
      heads.set(path, entry);
      entries.push({ path, listed, ...entry });
    }
    this.#heads = heads;
    const quietSince = Math.max(now - SETTLED_AFTER, ...entries.filter(isKnowable).map((entry) => entry.head.modified));
    const seen = entries.map((entry) => this.#asSeen(entry, quietSince));

    const { located, fresh, copies } = matchFiles([...this.#known.values()], seen);
    const all = new Map(located);
    for (const copy of copies) this.#tellOnce("info", "a file begins like another one and is read once", copy.path);
    if (register) {
      for (const file of fresh) all.set(await this.#register(file), file);
    }
    this.#located = all;
    for (const [number, file] of located) {
      const generation = this.#known.get(number)!;
      if (generation.finished && !file.gzip && file.size > generation.sizeSeen) {
        this.#tellOnce(
          "warn",
          "a finished file has grown; what was added is not read (one log has one live file)",
          file.path,
        );
      }
    }
  }

  /**
   * First position from which the log is still whole. `held` is a generation that is open, and so readable even where its file is gone.
   */
  start(held?: number): Offset {
    let first = packPosition({ generation: this.newest + 1, byte: 0 });
    for (let number = this.newest; number >= 1; number--) {
      const generation = this.#known.get(number);
      if (generation === undefined) break;
      if (number !== held && !this.#located.has(number)) {
        return generation.finished ? packPosition({ generation: number, byte: generation.sizeSeen }) : first;
      }
      first = packPosition({ generation: number, byte: 0 });
    }
    return first;
  }

  /**
   * The log's end now: behind the last whole line where the newest file may still grow, behind its last byte when reading once.
   *
   * @throws {Unavailable} where the newest file is known, unfinished and not there
   */
  async end(held?: number): Promise<Offset> {
    const number = this.newest;
    const generation = this.#known.get(number);
    if (generation === undefined || generation.finished) return packPosition({ generation: number + 1, byte: 0 });
    const file = this.#located.get(number);
    if (file === undefined) {
      if (number === held) return packPosition({ generation: number, byte: generation.sizeSeen });
      throw missing(generation.path);
    }
    if (file.gzip) return packPosition({ generation: number + 1, byte: 0 });
    const whole = this.options.follow ? await this.#guard(file.path, lastLineEnd(file.path, file.size)) : file.size;
    return packPosition({ generation: number, byte: whole });
  }

  /** The log's end as of the last look, without reading anything; never below a position already handed out. */
  roughEnd(): Offset {
    const number = this.newest;
    const file = this.#located.get(number);
    if (file === undefined || file.gzip || this.#known.get(number)?.finished) {
      return packPosition({ generation: number + 1, byte: 0 });
    }
    return packPosition({ generation: number, byte: file.size });
  }

  async #register(file: SeenFile): Promise<number> {
    const number = this.newest + 1;
    if (number >= GENERATIONS_MAX) {
      throw new StreamStopped(
        "source_refused",
        `The log has had ${GENERATIONS_MAX} files, the most that positions can tell apart`,
        "Start a new stream in another POSTGRES_SCHEMA.",
      );
    }
    const fingerprintBytes = Math.min(file.head.length, FINGERPRINT_BYTES_MAX);
    await this.save({
      generation: number,
      fingerprint: fingerprintOf(file.head, fingerprintBytes),
      fingerprintBytes,
      path: file.path,
      sizeSeen: 0,
      finished: false,
    });
    this.options.log.info("a file joins the log", { file: file.path, generation: number });
    return number;
  }

  async #list(): Promise<{ path: string; listed: boolean }[]> {
    const { path } = this.options;
    const found: { path: string; listed: boolean }[] = [];
    if (isGlob(path)) {
      for await (const match of glob(path)) found.push({ path: match, listed: true });
      return found;
    }
    found.push({ path, listed: true });
    const folder = dirname(path);
    const base = basename(path);
    try {
      for (const name of await readdir(folder)) {
        if (isRotatedName(base, name)) found.push({ path: join(folder, name), listed: false });
      }
    } catch (error) {
      if (!isMissing(error)) {
        this.#tellOnce(
          "warn",
          "the folder cannot be listed: a rotation during a stop cannot be followed",
          folder,
          error,
        );
      }
    }
    return found;
  }

  async #look(path: string, listed: boolean): Promise<Peek | null> {
    try {
      const info = await stat(path);
      if (!info.isFile()) return null;
      const cached = this.#heads.get(path);
      if (cached && isSame(cached, { inode: info.ino, size: info.size, modified: info.mtimeMs })) return cached;
      const readAt = this.options.clock.now();
      const head = await readHead(path);
      const firstTime = firstTimeOf(head, this.options.firstEventTime);
      return { readAt, head: { ...head, bytes: head.bytes.slice(0, FINGERPRINT_BYTES_MAX) }, firstTime };
    } catch (error) {
      if (isMissing(error)) return null;
      if (listed) throw unreadable(path, error);
      this.#tellOnce("warn", "a rotated file cannot be read", path, error);
      return null;
    }
  }

  /** Files not written to since `quietSince` are taken as they are. */
  #asSeen(entry: Entry, quietSince: number): SeenFile {
    const { path, listed, head, firstTime } = entry;
    if (head.damaged && !this.options.follow && head.bytes.length < FINGERPRINT_BYTES_MAX) throw damaged(path);
    const final = head.gzip ? !head.damaged : !this.options.follow || !listed || head.modified <= quietSince;
    return {
      path,
      gzip: head.gzip,
      size: head.size,
      head: head.bytes,
      settled: isKnowable(entry) || final,
      firstTime,
      listed,
    };
  }

  async #stored<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (error instanceof Unavailable) throw error;
      throw new Unavailable(
        "generations_unavailable",
        `Cannot read or store what is known of the log's files: ${messageOf(error)}`,
        "Look at the database; reading goes on by itself.",
        { cause: error },
      );
    }
  }

  async #guard<T>(path: string, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw isMissing(error) ? missing(path) : unreadable(path, error);
    }
  }

  #tellOnce(level: "info" | "warn", message: string, file: string, error?: unknown): void {
    const key = `${message} ${file}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.options.log[level](message, { file, reason: error === undefined ? undefined : messageOf(error) });
  }
}

/** Whether a file need not be looked at again. One that had just been written to may have been so again within its clock's tick. */
function isSame(
  cached: Peek,
  now: { readonly inode: number; readonly size: number; readonly modified: number },
): boolean {
  const { head, readAt } = cached;
  return head.inode === now.inode && head.size === now.size && head.modified === now.modified &&
    readAt - head.modified >= STABLE_AFTER;
}

/** Whether enough of the beginning is there to tell this file from others. */
function isKnowable({ head }: Peek): boolean {
  return head.bytes.length >= FINGERPRINT_BYTES_MAX || (!head.gzip && head.bytes.includes(0x0a));
}

function firstTimeOf(head: FileHead, firstEventTime: FirstEventTime): number {
  const bytes = head.bytes;
  for (let start = 0; start < bytes.length;) {
    const newline = bytes.indexOf(0x0a, start);
    const next = newline < 0 ? bytes.length : newline + 1;
    const end = contentEnd(bytes, start, next);
    const time = end > start ? firstEventTime(bytes, start, end) : undefined;
    if (time !== undefined && Number.isFinite(time)) return time;
    start = next;
  }
  return head.modified;
}
