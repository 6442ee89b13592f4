// Tells which file on disk holds which content of the log, and in which order new files are read. No I/O but through the comparison of two files.
import { basename } from "node:path";
import { beginsAs, type Content, FINGERPRINT_BYTES_MAX, isCopied } from "./generations.ts";
import { baseOf, rotationOf } from "./names.ts";

/** What two files have in common. */
export interface Likeness {
  /** Bytes that both begin with, of uncompressed content. */
  readonly common: number;
  /** One of them ends there, as far as was looked: the shorter one may be a copy of the other. */
  readonly ends: boolean;
}

/** What a look at one file showed. */
export interface SeenFile {
  readonly path: string;
  /** Device and inode. */
  readonly identity: string;
  readonly compressed: boolean;
  /** Bytes on disk: compressed ones where `compressed`. */
  readonly size: number;
  /** Bytes of uncompressed content; null where that is not known. */
  readonly length: number | null;
  /** By the file system's clock. */
  readonly modified: number;
  /** The first bytes of the uncompressed content, at most 1 KiB; empty for an empty file. */
  readonly head: Uint8Array;
  /** More of the beginning, which tells copies from files that begin alike. */
  readonly beginning: Uint8Array;
  /** Where the first line begins that is not a comment, as far as `beginning` shows. */
  readonly recordStart: number;
  /** One past that line; Infinity where it has no end yet. */
  readonly recordEnd: number;
  /** Its beginning is long or old enough to be known by: a file whose first line is still being written is not. */
  readonly settled: boolean;
  /** Nothing was added for some seconds, or nothing will be. */
  readonly quiet: boolean;
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
  /** How far two files hold the same bytes. */
  readonly likeness: (a: SeenFile, b: SeenFile) => Promise<Likeness>;
  /** Device and inode of the file that held a content at the last look. */
  readonly identities: ReadonlyMap<number, string>;
  /** The files from before the stream are known: every unknown one is new. */
  readonly begun: boolean;
}

/** A file that holds none of the known contents. */
export interface NewFile {
  readonly file: SeenFile;
  /** Up to this byte it holds what another file holds. */
  readonly copiedTo: number;
}

/** A file that holds nothing but what another file of the log holds. */
interface CopiedFile {
  readonly file: SeenFile;
  /** What is stored of it; undefined before. */
  readonly known: Content | undefined;
}

/** Which file holds which content, and the files that hold none. */
interface FileMatch {
  /** By the content's number. */
  readonly located: ReadonlyMap<number, SeenFile>;
  /** In reading order. */
  readonly fresh: readonly NewFile[];
  /** Rotated files from before the stream. */
  readonly history: readonly SeenFile[];
  /** Copies that can take the place of no content, since more than they hold was read of it: they are stored as what they are. */
  readonly copied: readonly CopiedFile[];
  /** All files that are left out of this look as copies. */
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
 * Assigns files to contents: a file to the content whose file it was, then each file, from the oldest on, to the content of which it shows
 * most. Of several files that are copies of each other the longest one is meant, then the uncompressed one. Two files that differ are two
 * contents, although all that was read is in both of them.
 */
export async function matchFiles(
  contents: readonly Content[],
  seen: readonly SeenFile[],
  options: MatchOptions,
): Promise<FileMatch> {
  const located = new Map<number, SeenFile>(), copies: SeenFile[] = [];
  const files = readingOrder(seen.filter(({ head }) => head.length > 0));
  const candidates = new Map(
    files.map((file) => [file, candidatesOf(file, contents).filter((content) => !options.refuted(file, content))]),
  );
  const open = (file: SeenFile) => candidates.get(file)!.filter((content) => !isCopied(content));
  for (const file of files) {
    const same = open(file).find(({ number }) => options.identities.get(number) === file.identity);
    if (same !== undefined && !located.has(same.number)) located.set(same.number, file);
  }
  const placed = new Set(located.values());
  const unknown: SeenFile[] = [];
  for (const file of files) {
    if (placed.has(file)) continue;
    const taken = await place(file, open(file), { located, files, placed, open, ...options });
    placed.add(file);
    if (taken === "unknown") unknown.push(file);
    else if (taken === "copy") copies.push(file);
  }
  const newest = contents.at(-1);
  const last = newest && newest.number > 0 ? located.get(newest.number) : undefined;
  // A stream of an earlier release knows only what it has read: times decide once what was there before it.
  const isNew = (file: SeenFile) =>
    file.listed || options.begun ||
    (last !== undefined && (file.firstTime > last.firstTime || (!last.listed && file.modified > last.modified)));
  const copied: CopiedFile[] = [], fresh: NewFile[] = [], homes = [...located.values()];
  for (const file of unknown.filter(isNew).toSorted(compressedLast)) {
    const known = candidates.get(file)!.filter(isCopied).toSorted(bySeen)[0];
    const copiedTo = Math.max(known?.sizeSeen ?? 0, await copiedPart(file, homes, options));
    if (copiedTo === Infinity || (known !== undefined && !hasMore(file, known))) copied.push({ file, known });
    else if (!file.settled) continue;
    else if (await copiedPart(file, fresh.map((other) => other.file), options) === Infinity) copies.push(file);
    else fresh.push({ file, copiedTo });
  }
  const order = readingOrder(fresh.map(({ file }) => file));
  return {
    located,
    fresh: fresh.toSorted((a, b) => order.indexOf(a.file) - order.indexOf(b.file)),
    copied,
    copies: [...copies, ...copied.map(({ file }) => file)],
    history: unknown.filter((file) => !isNew(file) && file.settled),
  };
}

interface Places extends MatchOptions {
  readonly located: Map<number, SeenFile>;
  readonly files: readonly SeenFile[];
  readonly placed: ReadonlySet<SeenFile>;
  readonly open: (file: SeenFile) => readonly Content[];
}

/** Gives the file a content that has none yet, or finds that it is a copy of one that has; its changes are in `located`. */
async function place(
  file: SeenFile,
  candidates: readonly Content[],
  { located, files, placed, open, identities, likeness }: Places,
): Promise<"placed" | "copy" | "unknown"> {
  const free = candidates.filter(({ number }) => !located.has(number));
  const rivals = files.filter((other) =>
    !placed.has(other) && (other === file || !beginAlike(other, file)) && open(other).some((c) => free.includes(c))
  );
  // As many files as contents: the oldest file is the oldest content's. Fewer: the oldest contents' files are gone.
  const age = rivals.length > 1 && rivals.length >= free.length ? 1 : -1;
  const isFree = (content: Content) => Number(free.includes(content));
  const order = (a: Content, b: Content) => bySeen(a, b) || isFree(a) - isFree(b) || age * (a.number - b.number);
  for (const content of candidates.toSorted(order)) {
    const home = located.get(content.number);
    if (home === undefined) {
      located.set(content.number, file);
      return "placed";
    }
    if (!isCopy(file, await likeness(file, home))) continue;
    located.set(content.number, better(content, home, file, identities.get(content.number)));
    return "copy";
  }
  return "unknown";
}

/** How many bytes both begin with. */
export function commonLength(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
  return length;
}

/** Whether the two are the same as far as the shorter beginning goes. */
function beginAlike(a: SeenFile, b: SeenFile): boolean {
  return commonLength(a.beginning, b.beginning) === Math.min(a.beginning.length, b.beginning.length);
}

/** The content of which more was read first. */
function bySeen(a: Content, b: Content): number {
  return (b.proof?.to ?? -1) - (a.proof?.to ?? -1) || b.fingerprintBytes - a.fingerprintBytes;
}

/** Comments alone make no copy: files of one server begin with the same ones. */
function isCopy(file: SeenFile, { common, ends }: Likeness): boolean {
  return ends && common > file.recordStart;
}

/** Up to which byte the file holds what one of the others holds: Infinity for all of it. */
async function copiedPart(
  file: SeenFile,
  others: readonly SeenFile[],
  { likeness }: Pick<MatchOptions, "likeness">,
): Promise<number> {
  let part = 0;
  for (const other of others) {
    const alike = await likeness(file, other);
    const isShorter = file.compressed || alike.common >= file.size;
    if (isCopy(file, alike) && isShorter) return Infinity;
    // A first line or two may be the same by chance.
    if (alike.common >= Math.max(FINGERPRINT_BYTES_MAX, file.recordEnd)) part = Math.max(part, alike.common);
  }
  return part;
}

function hasMore(file: SeenFile, known: Content): boolean {
  return !file.compressed && file.size > known.sizeSeen;
}

/** The file that is taken first, the other one being its copy. */
function compressedLast(a: SeenFile, b: SeenFile): number {
  return Number(a.compressed) - Number(b.compressed) || b.size - a.size;
}

function better(content: Content, a: SeenFile, b: SeenFile, identity: string | undefined): SeenFile {
  if (a.length !== null && b.length !== null && a.length !== b.length) return a.length > b.length ? a : b;
  if (a.compressed !== b.compressed) return a.compressed ? b : a;
  if (a.identity !== b.identity && (a.identity === identity || b.identity === identity)) {
    return a.identity === identity ? a : b;
  }
  return b.path === content.latest.path ? b : a;
}

/** What decides when a file is read. */
export type DatedFile = Pick<SeenFile, "path" | "firstTime" | "modified">;

/** By what rotation added to the names where they are one log's, else by first events: a request logged at its end may be hours old. */
export function readingOrder<File extends DatedFile>(files: readonly File[]): File[] {
  const byTime = (a: File, b: File) => a.firstTime - b.firstTime || (a.path < b.path ? -1 : 1);
  const names = new Set(files.map(({ path }) => basename(path)));
  const bases = new Set([...names].map((name) => baseOf(name, (base) => names.has(base))));
  if (bases.size !== 1) return files.toSorted(byTime);
  const [base] = bases;
  const rotations = new Map(files.map((file) => [file, rotationOf(base!, basename(file.path))]));
  const kinds = new Set([...rotations.values()].map((rotation) => rotation?.kind));
  kinds.delete("live");
  if (kinds.has(undefined) || kinds.size > 1) return files.toSorted(byTime);
  const age = (file: File) => {
    const { kind, rank } = rotations.get(file)!;
    return kind === "live" ? -Infinity : kind === "count" ? rank : -rank;
  };
  const byName = files.toSorted((a, b) => age(b) - age(a) || byTime(a, b));
  // Some loggers count upwards: there both times fall all along the names.
  const rotated = byName.filter((file) => rotations.get(file)!.kind === "count");
  const falls = (time: (file: File) => number) =>
    rotated.length > 1 && rotated.every((file, i) => i === 0 || time(file) < time(rotated[i - 1]!));
  if (!falls((file) => file.firstTime) || !falls((file) => file.modified)) return byName;
  return [...rotated.reverse(), ...byName.filter((file) => !rotated.includes(file))];
}

/**
 * Whether the file holds again what was read until `lastTime`: most of the events in its beginning are older, or none is newer and nothing
 * follows. One old event alone may be a request that took long.
 *
 * @returns `later` where that cannot be told yet
 */
export function repeats({ times, quiet }: Pick<SeenFile, "times" | "quiet">, lastTime: number): boolean | "later" {
  const older = times.filter((time) => time < lastTime).length;
  if (times.length > 1 && older * 2 > times.length) return true;
  if (times.length === 0 || times.some((time) => time > lastTime)) return false;
  return quiet ? true : "later";
}
