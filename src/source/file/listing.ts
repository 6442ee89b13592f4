// Finds the files of one logical log on disk and looks at their beginnings. Shell over the file system; it does not decide about generations.
import type { Clock } from "../../shared/clock.ts";
import { messageOf, NamedError } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";
import { durationMs, SECOND } from "../../shared/units.ts";
import { statedLength } from "./compression.ts";
import { type FileHead, readHead } from "./content.ts";
import { damaged, isMissing, notAFile, unreadable } from "./errors.ts";
import type { LogFile } from "./catalog.ts";
import { isSame } from "./file_state.ts";
import type { FileInfo, FileSystem } from "./file_system.ts";
import { FINGERPRINT_BYTES_MAX, PEEK_BYTES } from "./generations.ts";
import type { SeenFile } from "./match.ts";
import { contentEnd } from "../lines.ts";

/** A first line that has not grown for this long, or since another file was written to, is taken as complete. */
const SETTLED_AFTER = durationMs(10 * SECOND);
/** File systems round times to as much as 2 s: within them, an equal time does not mean that the file is unchanged. */
const STABLE_AFTER = durationMs(2 * SECOND);

/** How many events of a file's beginning have their times read. */
const TIMES_MAX = 16;
/** How often the folder is looked at again while a rotation changes it. */
const LOOKS_MAX = 3;

/** Event time in epoch ms of the line `bytes[start, end)`; undefined if it has none. */
export type FirstEventTime = (bytes: Uint8Array, start: number, end: number) => number | undefined;

/** What the first lines of a file say. */
interface Examined {
  /** Name of their format; null if none was found. */
  readonly format: string | null;
  /** Why the file is refused, if none of the lines can be read; else null. */
  readonly refusal: NamedError | null;
}

export interface FileListingOptions {
  /** The log's name; the first log's if a stream of an earlier release read several as one. */
  readonly name: string;
  /** The files that may be the log's now. */
  readonly list: () => Promise<readonly LogFile[]>;
  /** False to read once what is there. */
  readonly follow: boolean;
  readonly firstEventTime: FirstEventTime;
  /** Finds the format of a file that joins the log, from the whole lines in its beginning; it is stored with the file. `host`: for lines that name none. */
  readonly examine?: (bytes: Uint8Array, path: string, host?: string) => Examined;
  /** Whether a file is refused if none of its first lines can be read; if not, its lines become dead letters. */
  readonly refuseUnread?: boolean;
  /** What to do with a last line without an end when reading once: `leave` it to the next run, or `take` it. */
  readonly lastLine: "leave" | "take";
  readonly clock: Clock;
  readonly log: Log;
  readonly files: FileSystem;
}

/** Milliseconds from `then` to `now`; Infinity if the clock was set back in between, so that every wait is over. */
export function elapsed(then: number, now: number): number {
  return now < then ? Infinity : now - then;
}

interface Peek {
  readonly head: FileHead;
  /** The bytes that a fingerprint may cover. */
  readonly first: Uint8Array;
  /** When it was read, by this process's clock. */
  readonly readAt: number;
  /** When the file was first seen with this length and time, by this process's clock. */
  readonly unchangedSince: number;
  /** Times of the events in what was read, epoch ms. */
  readonly times: readonly number[];
  readonly lead: Lead;
  /** Length that a compressed file states, if it is longer than what was read of it; right once the file is complete. Else null. */
  readonly stated: number | null;
}

interface Entry extends Peek {
  readonly path: string;
  readonly listed: boolean;
}

/** The files of one log. */
export class FileListing {
  readonly #options: FileListingOptions;
  #peeks = new Map<string, Peek>();
  readonly #told = new Set<string>();

  constructor(options: FileListingOptions) {
    this.#options = options;
  }

  /** Looks at every file. `before`: what was shown until the folder changed during the look. @throws {Unavailable} if one cannot be read, {StreamStopped} if one is damaged and files are read once */
  async look(): Promise<{ readonly before: readonly SeenFile[]; readonly seen: readonly SeenFile[] }> {
    let entries = await this.#lookOnce();
    const superseded: Entry[] = [];
    // A rotation during the look may have hidden a file: it had neither of its two names when they were looked at.
    for (let i = 0; i < LOOKS_MAX; i++) {
      const again = await this.#lookOnce(), isSettled = sameFiles(entries, again);
      superseded.push(...entries.filter(({ head }) => !head.damaged));
      // The later one: what was written meanwhile has been shown by it.
      entries = again;
      if (isSettled) break;
    }
    const now = this.#options.clock.now();
    const latest = entries.filter(isKnowable).reduce((max, { head }) => Math.max(max, head.info.modified), -Infinity);
    const [before, seen] = [superseded, entries].map((all) => all.map((entry) => this.#asSeen(entry, latest, now)));
    return { before: before!, seen: seen! };
  }

  async #lookOnce(): Promise<Entry[]> {
    const entries = new Map<string, Entry>();
    for (const file of await this.#options.list()) {
      const peek = await this.#look(file);
      // A file under two names, one of them a link, is one file.
      if (peek === null) continue;
      const { identity, size, modified } = peek.head.info, key = `${identity} ${size} ${modified}`;
      if (entries.get(key)?.listed) continue;
      entries.set(key, { path: file.path, listed: file.listed, ...peek });
    }
    this.#peeks = new Map([...entries.values()].map((entry) => [entry.path, entry]));
    return [...entries.values()];
  }

  async #look({ path, listed, single }: LogFile): Promise<Peek | null> {
    const { clock, files, firstEventTime } = this.#options;
    try {
      const info = await files.info(path);
      if (info.kind !== "file") {
        if (single) throw notAFile(path, info.kind);
        return null;
      }
      const cached = this.#peeks.get(path);
      const same = cached !== undefined && isUnchanged(cached.head.info, info);
      if (same && elapsed(cached.unchangedSince, cached.readAt) >= STABLE_AFTER) return cached;
      const readAt = clock.now();
      const head = await readHead(path, files);
      const unchangedSince = same && isUnchanged(cached.head.info, head.info) ? cached.unchangedSince : readAt;
      const times = same && isSame(cached.head.bytes, head.bytes) ? cached.times : timesOf(head.bytes, firstEventTime);
      const isLong = head.compressed && head.bytes.length === PEEK_BYTES;
      const stated = isLong ? await statedLength(path, head.info.size, files) : null;
      const first = head.bytes.subarray(0, FINGERPRINT_BYTES_MAX);
      return { readAt, unchangedSince, head, first, times, lead: leadOf(head.bytes), stated };
    } catch (error) {
      if (isMissing(error)) return null;
      if (listed) throw error instanceof NamedError ? error : unreadable(path, error);
      this.#warnOnce("a rotated file cannot be read", path, error);
      return null;
    }
  }

  /** A file that was not written to since another one was is taken as complete. */
  #asSeen(entry: Entry, latest: number, now: number): SeenFile {
    const { path, listed, head, times, lead } = entry, { info, compressed } = head;
    if (head.damaged && !this.#options.follow && head.bytes.length < FINGERPRINT_BYTES_MAX) throw damaged(path);
    const quiet = !this.#options.follow || elapsed(entry.unchangedSince, now) >= SETTLED_AFTER;
    const final = compressed ? !head.damaged : quiet || info.modified <= latest;
    return {
      path,
      identity: info.identity,
      compressed,
      size: info.size,
      length: !compressed ? info.size : entry.stated === null ? head.bytes.length : quiet ? entry.stated : null,
      modified: info.modified,
      head: entry.first,
      beginning: head.bytes,
      settled: (isKnowable(entry) || final) &&
        (lead.recordStart < head.bytes.length || head.bytes.length === PEEK_BYTES),
      quiet,
      ...lead,
      firstTime: times[0] ?? info.modified,
      times,
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

function isUnchanged(a: FileInfo, b: FileInfo): boolean {
  return a.identity === b.identity && a.size === b.size && a.modified === b.modified;
}

function sameFiles(a: readonly Entry[], b: readonly Entry[]): boolean {
  return a.length === b.length &&
    a.every(({ path, head }, i) => b[i]!.path === path && b[i]!.head.info.identity === head.info.identity);
}

/** Whether the beginning is long enough to distinguish this file from others. */
function isKnowable({ head }: Peek): boolean {
  return head.bytes.length >= FINGERPRINT_BYTES_MAX || (!head.compressed && head.bytes.includes(0x0a));
}

/** Where the first record of a file lies. */
interface Lead {
  /** Byte at which the first line begins that is neither blank nor a comment; the end of what was read if there is none. */
  readonly recordStart: number;
  /** One past that line; Infinity if it has no end yet. */
  readonly recordEnd: number;
}

/** Finds the first record behind a file's comments. */
export function leadOf(bytes: Uint8Array): Lead {
  for (let start = 0; start < bytes.length;) {
    const newline = bytes.indexOf(0x0a, start), next = newline < 0 ? bytes.length : newline + 1;
    if (bytes[start] !== 0x23 && contentEnd(bytes, start, next) > start) {
      return { recordStart: start, recordEnd: newline < 0 ? Infinity : next };
    }
    start = next;
  }
  return { recordStart: bytes.length, recordEnd: Infinity };
}

/** Times of the first `most` events. */
export function timesOf(bytes: Uint8Array, firstEventTime: FirstEventTime, most = TIMES_MAX): number[] {
  const times: number[] = [];
  for (let start = 0; start < bytes.length && times.length < most;) {
    const newline = bytes.indexOf(0x0a, start);
    const next = newline < 0 ? bytes.length : newline + 1;
    const end = contentEnd(bytes, start, next);
    const time = end > start ? firstEventTime(bytes, start, end) : undefined;
    if (time !== undefined && Number.isFinite(time)) times.push(time);
    start = next;
  }
  return times;
}
