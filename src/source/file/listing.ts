// Finds the files of one logical log on disk and looks at their beginnings. Shell over the file system; decides nothing about generations.
import { glob, readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Clock } from "../../shared/clock.ts";
import { messageOf } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";
import { durationMs, SECOND } from "../../shared/units.ts";
import { type FileHead, readHead } from "./content.ts";
import { damaged, isMissing, unreadable } from "./errors.ts";
import { FINGERPRINT_BYTES_MAX, type SeenFile } from "./generations.ts";
import { isGlob, isRotatedName } from "./names.ts";
import { contentEnd } from "../lines.ts";

/** A first line that nobody has added to for this long, or since another file was written to, is taken as it is. */
const SETTLED_AFTER = durationMs(10 * SECOND);
/** File systems keep times in ticks of up to 2 s. */
const STABLE_AFTER = durationMs(2 * SECOND);

/** Event time in epoch ms of the line `bytes[start, end)`, or undefined where it has none. */
export type FirstEventTime = (bytes: Uint8Array, start: number, end: number) => number | undefined;

export interface FileListingOptions {
  /** One file's path, or a glob. */
  readonly path: string;
  /** False: read what is there once. */
  readonly follow: boolean;
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

/** The files that a path or glob names, with a single path's rotated neighbours. */
export class FileListing {
  readonly #options: FileListingOptions;
  #peeks = new Map<string, Peek>();
  readonly #told = new Set<string>();

  constructor(options: FileListingOptions) {
    this.#options = options;
  }

  /** Whether the path or glob names any file now. */
  async hasFiles(): Promise<boolean> {
    for (const { path, listed } of await this.#list()) {
      if (listed && await this.#look(path, listed)) return true;
    }
    return false;
  }

  /** Looks at every file. @throws {Unavailable} where one cannot be read, {StreamStopped} where one to be read once is damaged */
  async look(): Promise<SeenFile[]> {
    const now = this.#options.clock.now();
    const entries: Entry[] = [];
    for (const { path, listed } of await this.#list()) {
      const peek = await this.#look(path, listed);
      if (peek !== null) entries.push({ path, listed, ...peek });
    }
    this.#peeks = new Map(entries.map((entry) => [entry.path, entry]));
    const quietSince = entries.filter(isKnowable).reduce(
      (max, { head }) => Math.max(max, head.modified),
      now - SETTLED_AFTER,
    );
    return entries.map((entry) => this.#asSeen(entry, quietSince));
  }

  async #list(): Promise<{ path: string; listed: boolean }[]> {
    const { path } = this.#options;
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
        this.#warnOnce(
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
      const cached = this.#peeks.get(path);
      if (cached && isSame(cached, { inode: info.ino, size: info.size, modified: info.mtimeMs })) return cached;
      const readAt = this.#options.clock.now();
      const head = await readHead(path);
      const firstTime = firstTimeOf(head, this.#options.firstEventTime);
      return { readAt, head: { ...head, bytes: head.bytes.slice(0, FINGERPRINT_BYTES_MAX) }, firstTime };
    } catch (error) {
      if (isMissing(error)) return null;
      if (listed) throw unreadable(path, error);
      this.#warnOnce("a rotated file cannot be read", path, error);
      return null;
    }
  }

  /** Files not written to since `quietSince` are taken as they are. */
  #asSeen(entry: Entry, quietSince: number): SeenFile {
    const { path, listed, head, firstTime } = entry;
    if (head.damaged && !this.#options.follow && head.bytes.length < FINGERPRINT_BYTES_MAX) throw damaged(path);
    const final = head.gzip ? !head.damaged : !this.#options.follow || head.modified <= quietSince;
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

  #warnOnce(message: string, file: string, error: unknown): void {
    const key = `${message} ${file}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#options.log.warn(message, { file, reason: messageOf(error) });
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
