// Tells which file on disk holds which content of the log, and in which order new files are read. Pure.
import { basename } from "node:path";
import { beginsAs, type Content } from "./generations.ts";
import { baseOf, rotationOf } from "./names.ts";

/** What a look at one file showed. */
export interface SeenFile {
  readonly path: string;
  /** Device and inode. */
  readonly identity: string;
  readonly compressed: boolean;
  /** Bytes on disk: compressed ones where `compressed`. */
  readonly size: number;
  /** By the file system's clock. */
  readonly modified: number;
  /** The first bytes of the uncompressed content, at most 1 KiB; empty for an empty file. */
  readonly head: Uint8Array;
  /** More of the beginning, which tells copies from files that begin alike. */
  readonly beginning: Uint8Array;
  /** Its beginning is long or old enough to be known by: a file whose first line is still being written is not. */
  readonly settled: boolean;
  /** Time of its first event in epoch ms, else its modification time. */
  readonly firstTime: number;
  /** Times of the events in its beginning, epoch ms. */
  readonly times: readonly number[];
  /** Named by the setting itself; false for a rotated neighbour of a single path. */
  readonly listed: boolean;
}

interface MatchOptions {
  /** Whether what was read of the content is not in the file where it was. */
  readonly refuted: (file: SeenFile, content: Content) => boolean;
  /** Device and inode of the file that held a content at the last look. */
  readonly identities: ReadonlyMap<number, string>;
  /** The files from before the stream are known: every unknown one is new. */
  readonly begun: boolean;
}

/** Which file holds which content, and the files that hold none. */
interface FileMatch {
  /** By the content's number. */
  readonly located: ReadonlyMap<number, SeenFile>;
  /** New files in reading order. */
  readonly fresh: readonly SeenFile[];
  /** Rotated files from before the stream. */
  readonly history: readonly SeenFile[];
  /** Files left out because an earlier one has the same beginning: copies. */
  readonly copies: readonly SeenFile[];
}

/** Contents that the file can hold by its beginning and its length: a shorter file was written anew. */
export function candidatesOf(file: SeenFile, contents: readonly Content[]): Content[] {
  if (file.head.length === 0) return [];
  return contents.filter((content) =>
    beginsAs(content, file.head) && (file.compressed || file.size >= content.sizeSeen)
  );
}

/**
 * Assigns files to contents. Of several contents with one beginning the one whose file this was is meant, then the one known by the longest
 * beginning, then the newest; of several files the one that it was, then the uncompressed, then the longest one.
 */
export function matchFiles(contents: readonly Content[], seen: readonly SeenFile[], options: MatchOptions): FileMatch {
  const located = new Map<number, SeenFile>();
  const unknown: SeenFile[] = [];
  for (const file of seen) {
    if (file.head.length === 0) continue;
    const isSame = (content: Content) => Number(options.identities.get(content.number) === file.identity);
    const [match] = candidatesOf(file, contents)
      .filter((content) => !options.refuted(file, content))
      .sort((a, b) => isSame(b) - isSame(a) || b.fingerprintBytes - a.fingerprintBytes || b.number - a.number);
    if (match === undefined) {
      if (file.settled) unknown.push(file);
      continue;
    }
    const other = located.get(match.number);
    located.set(match.number, other ? better(match, other, file, options.identities.get(match.number)) : file);
  }
  const newest = contents.at(-1);
  const last = newest && newest.number > 0 ? located.get(newest.number) : undefined;
  // A stream of an earlier release knows only what it has read: times decide once what was there before it.
  const isNew = (file: SeenFile) =>
    file.listed || options.begun ||
    (last !== undefined && (file.firstTime > last.firstTime || (!last.listed && file.modified > last.modified)));
  const { fresh, copies } = withoutCopies(unknown.filter(isNew));
  return { located, fresh: readingOrder(fresh), copies, history: unknown.filter((file) => !isNew(file)) };
}

function better(content: Content, a: SeenFile, b: SeenFile, identity: string | undefined): SeenFile {
  if (a.compressed !== b.compressed) return a.compressed ? b : a;
  if (a.identity !== b.identity && (a.identity === identity || b.identity === identity)) {
    return a.identity === identity ? a : b;
  }
  if (a.size !== b.size) return a.size > b.size ? a : b;
  return b.path === content.latest.path ? b : a;
}

function withoutCopies(files: readonly SeenFile[]): { fresh: SeenFile[]; copies: SeenFile[] } {
  const fresh: SeenFile[] = [];
  const copies: SeenFile[] = [];
  for (const file of files) {
    const at = fresh.findIndex((other) => beginAlike(other.beginning, file.beginning));
    if (at < 0) {
      fresh.push(file);
      continue;
    }
    const other = fresh[at]!;
    const keep = other.compressed === file.compressed
      ? (file.size > other.size ? file : other)
      : (other.compressed ? file : other);
    fresh[at] = keep;
    copies.push(keep === file ? other : file);
  }
  return { fresh, copies };
}

function beginAlike(a: Uint8Array, b: Uint8Array): boolean {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** By what rotation added to the names where they are one log's, else by first events: a request logged at its end may be hours old. */
export function readingOrder(files: readonly SeenFile[]): SeenFile[] {
  const byTime = (a: SeenFile, b: SeenFile) => a.firstTime - b.firstTime || (a.path < b.path ? -1 : 1);
  const names = new Set(files.map(({ path }) => basename(path)));
  const bases = new Set([...names].map((name) => baseOf(name, (base) => names.has(base))));
  if (bases.size !== 1) return files.toSorted(byTime);
  const [base] = bases;
  const rotations = new Map(files.map((file) => [file, rotationOf(base!, basename(file.path))]));
  const kinds = new Set([...rotations.values()].map((rotation) => rotation?.kind));
  kinds.delete("live");
  if (kinds.has(undefined) || kinds.size > 1) return files.toSorted(byTime);
  const age = (file: SeenFile) => {
    const { kind, rank } = rotations.get(file)!;
    return kind === "live" ? -Infinity : kind === "count" ? rank : -rank;
  };
  const byName = files.toSorted((a, b) => age(b) - age(a) || byTime(a, b));
  // Some loggers count upwards: there both times fall all along the names.
  const rotated = byName.filter((file) => rotations.get(file)!.kind === "count");
  const falls = (time: (file: SeenFile) => number) =>
    rotated.length > 1 && rotated.every((file, i) => i === 0 || time(file) < time(rotated[i - 1]!));
  if (!falls((file) => file.firstTime) || !falls((file) => file.modified)) return byName;
  return [...rotated.reverse(), ...byName.filter((file) => !rotated.includes(file))];
}

/**
 * Whether the file holds again what was read until `lastTime`: most of the events in its beginning are older. One old event alone is a
 * request that took long.
 */
export function repeats(file: SeenFile, lastTime: number): boolean {
  const older = file.times.filter((time) => time < lastTime).length;
  return file.times.length >= 2 && older * 2 > file.times.length;
}
