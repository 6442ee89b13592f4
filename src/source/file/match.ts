// Decides which file on disk holds which content of the log, and in which order new files are read. No I/O but through the comparison of two files.
import { basename } from "node:path";
import { beginsAs, type Content, FINGERPRINT_BYTES_MAX, isCopied } from "./generations.ts";
import { baseOf, rotationOf } from "./names.ts";

/** What two files have in common. */
export interface Likeness {
  /** How many bytes of uncompressed content both begin with. */
  readonly common: number;
  /** Whether one of them ends there, as far as they were compared: then the shorter one may be a copy of the other. */
  readonly ends: boolean;
}

/** What a look at one file showed. */
export interface SeenFile {
  readonly path: string;
  /** Device and inode. */
  readonly identity: string;
  readonly compressed: boolean;
  /** Bytes on disk: of a compressed file, compressed bytes. */
  readonly size: number;
  /** Bytes of uncompressed content; null if that is not known. */
  readonly length: number | null;
  /** Modification time in epoch ms, by the file system's clock. */
  readonly modified: number;
  /** The first bytes of the uncompressed content, at most 1 KiB; empty for an empty file. */
  readonly head: Uint8Array;
  /** A longer beginning, by which copies differ from files that only begin alike. */
  readonly beginning: Uint8Array;
  /** Byte at which the first line that is not a comment begins, as far as `beginning` shows. */
  readonly recordStart: number;
  /** One past that line; Infinity if it has no end yet. */
  readonly recordEnd: number;
  /** Whether its beginning is long or old enough to identify it. False while its first line is being written. */
  readonly settled: boolean;
  /** Whether nothing was added for some seconds, or files are read only once. */
  readonly quiet: boolean;
  /** Time of its first event in epoch ms, else its modification time. */
  readonly firstTime: number;
  /** Times of the events in its beginning, epoch ms. */
  readonly times: readonly number[];
  /** True if the setting names the file; false for a rotated file beside a single path. */
  readonly listed: boolean;
}

interface MatchOptions {
  /** Whether the file does not hold, in their place, the bytes that were read of the content. */
  readonly refuted: (file: SeenFile, content: Content) => boolean;
  /** How far two files hold the same bytes. */
  readonly likeness: (a: SeenFile, b: SeenFile) => Promise<Likeness>;
  /** Device and inode of the file that held a content at the last look. */
  readonly identities: ReadonlyMap<number, string>;
  /** Whether the files from before the stream are known, so that every unknown one is new. */
  readonly begun: boolean;
}

/** A file that holds none of the known contents. */
export interface NewFile {
  readonly file: SeenFile;
  /** The bytes before this one are also in another file. */
  readonly copiedTo: number;
}

/** A file whose whole content is also in another file of the log. */
interface CopiedFile {
  readonly file: SeenFile;
  /** Its stored content; undefined if it is not stored yet. */
  readonly known: Content | undefined;
}

/** Which file holds which content, and what the other files are. */
export interface FileMatch {
  /** By the content's number. */
  readonly located: ReadonlyMap<number, SeenFile>;
  /** In reading order. */
  readonly fresh: readonly NewFile[];
  /** Rotated files from before the stream. */
  readonly history: readonly SeenFile[];
  /** Copies of other files, to be stored as copies, so that they are not taken for new files later. */
  readonly copied: readonly CopiedFile[];
  /** Copies of files in `fresh`, to be stored as such once those have numbers. */
  readonly copiedFresh: readonly SeenFile[];
  /** All files that this look ignores as copies. */
  readonly copies: readonly SeenFile[];
}

/** The contents that the file may hold, by its beginning and length. A file that is shorter than a content was written anew. */
export function candidatesOf(file: SeenFile, contents: readonly Content[]): Content[] {
  if (file.head.length === 0) return [];
  return contents.filter((content) =>
    beginsAs(content, file.head) && (file.compressed || file.size >= content.sizeSeen)
  );
}

/**
 * Assigns files to contents. First, a file keeps the content that it held at the last look. Then each other file, oldest first, gets the
 * content of which it shows the most. Of several copies the longest is taken; of equally long ones the uncompressed one. Two files that
 * differ are two contents, even if both hold all that was read.
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
  const open = (file: SeenFile) =>
    candidates.get(file)!.filter((content) => !isCopied(content) && !isRatherCopy(content, candidates.get(file)!));
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
  // A stream of an earlier release knows only the files that it has read. Times decide which of the others are older than the stream.
  const isNew = (file: SeenFile) =>
    file.listed || options.begun ||
    (last !== undefined && (file.firstTime > last.firstTime || (!last.listed && file.modified > last.modified)));
  const copied: CopiedFile[] = [], fresh: NewFile[] = [], copiedFresh: SeenFile[] = [], homes = [...located.values()];
  for (const file of unknown.filter(isNew).toSorted(compressedLast)) {
    const known = candidates.get(file)!.filter(isCopied).toSorted(bySeen)[0];
    const copiedTo = Math.max(known?.sizeSeen ?? 0, await copiedPart(file, homes, options));
    if (copiedTo === Infinity || (known !== undefined && !hasMore(file, known))) copied.push({ file, known });
    else if (!file.settled) continue;
    else if (await copiedPart(file, fresh.map((other) => other.file), options) === Infinity) copiedFresh.push(file);
    else fresh.push({ file, copiedTo });
  }
  const order = readingOrder(fresh.map(({ file }) => file));
  return {
    located,
    fresh: fresh.toSorted((a, b) => order.indexOf(a.file) - order.indexOf(b.file)),
    copied,
    copiedFresh,
    copies: [...copies, ...copiedFresh, ...copied.map(({ file }) => file)],
    history: unknown.filter((file) => !isNew(file) && file.settled),
  };
}

interface Places extends MatchOptions {
  readonly located: Map<number, SeenFile>;
  readonly files: readonly SeenFile[];
  readonly placed: ReadonlySet<SeenFile>;
  readonly open: (file: SeenFile) => readonly Content[];
}

/** Gives the file a content that has no file yet, or finds that it is a copy of a content's file. Changes `located`. */
async function place(
  file: SeenFile,
  candidates: readonly Content[],
  { located, files, placed, open, identities, likeness }: Places,
): Promise<"placed" | "copy" | "unknown"> {
  const free = candidates.filter(({ number }) => !located.has(number));
  const rivals = files.filter((other) =>
    !placed.has(other) && (other === file || !beginAlike(other, file)) && open(other).some((c) => free.includes(c))
  );
  // With as many files as contents, the oldest file is the oldest content's. With fewer, the oldest contents' files are gone.
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

/** Whether a file that may be the content is a stored copy with more: nothing is known of the content behind its first byte to be read. */
function isRatherCopy({ latest, sizeSeen }: Content, candidates: readonly Content[]): boolean {
  return latest.fromByte > 0 && sizeSeen <= latest.fromByte &&
    candidates.some((other) => isCopied(other) && other.sizeSeen > sizeSeen);
}

/** How many bytes both begin with. */
export function commonLength(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
  return length;
}

/** Whether both are equal up to the end of the shorter beginning. */
function beginAlike(a: SeenFile, b: SeenFile): boolean {
  return commonLength(a.beginning, b.beginning) === Math.min(a.beginning.length, b.beginning.length);
}

/** Sorts the content of which more was read first. */
function bySeen(a: Content, b: Content): number {
  return (b.proof?.to ?? -1) - (a.proof?.to ?? -1) || b.fingerprintBytes - a.fingerprintBytes;
}

/** Equal comments alone do not make a copy: all files of one server begin with the same comments. */
function isCopy(file: SeenFile, { common, ends }: Likeness): boolean {
  return ends && common > file.recordStart;
}

/** How many bytes at the file's beginning are also in one of the others; Infinity if all of them are. */
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
    // The first line or two may be equal by chance.
    if (alike.common >= Math.max(FINGERPRINT_BYTES_MAX, file.recordEnd)) part = Math.max(part, alike.common);
  }
  return part;
}

function hasMore(file: SeenFile, known: Content): boolean {
  return !file.compressed && file.size > known.sizeSeen;
}

/** Sorts the file first that is kept if the other one is its copy. */
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

/** The part of a file that decides the reading order. */
export type DatedFile = Pick<SeenFile, "path" | "firstTime" | "modified">;

/** Oldest first: by what rotation added to the names if they are one log's, else by the first events. Names go first because a first event may be hours old: long requests are logged when they end. */
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
  // Some loggers count upwards. Then both times fall from each name to the next.
  const rotated = byName.filter((file) => rotations.get(file)!.kind === "count");
  const falls = (time: (file: File) => number) =>
    rotated.length > 1 && rotated.every((file, i) => i === 0 || time(file) < time(rotated[i - 1]!));
  if (!falls((file) => file.firstTime) || !falls((file) => file.modified)) return byName;
  return [...rotated.reverse(), ...byName.filter((file) => !rotated.includes(file))];
}

/**
 * Whether the file repeats what was read until `lastTime`: most events in its beginning are older, or no event is newer and nothing is added.
 * A single old event may be a long request.
 *
 * @returns `later` if that cannot be decided yet
 */
export function repeats({ times, quiet }: Pick<SeenFile, "times" | "quiet">, lastTime: number): boolean | "later" {
  const older = times.filter((time) => time < lastTime).length;
  if (times.length > 1 && older * 2 > times.length) return true;
  if (times.length === 0 || times.some((time) => time > lastTime)) return false;
  return quiet ? true : "later";
}
