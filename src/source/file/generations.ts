// Tells which file on disk is which generation of the log, by the beginning of its content. Pure but for the port to where generations are kept.
import { createHash } from "node:crypto";

/** A fingerprint covers at most this much of a file's uncompressed beginning: several log lines with their times. */
export const FINGERPRINT_BYTES_MAX = 1024;

/** One file's content as the log knows it. */
export interface Generation {
  /** From 1, in reading order. */
  readonly generation: number;
  /** SHA-256 in hex of the first `fingerprintBytes` bytes of the uncompressed content. */
  readonly fingerprint: string;
  /** 1 to {@link FINGERPRINT_BYTES_MAX}; it grows with a file that was short when it was first seen. */
  readonly fingerprintBytes: number;
  /** Where the content was last seen. */
  readonly path: string;
  /** Uncompressed bytes that the content is known to have; its exact length once `finished`. */
  readonly sizeSeen: number;
  /** Nothing of it is read any more. */
  readonly finished: boolean;
}

/** Keeps generations beside the positions that refer to them. */
export interface GenerationStore {
  /** All generations of this log, in any order. */
  load(): Promise<Generation[]>;
  /** Inserts or replaces the row of `generation.generation`; durable when it resolves. */
  save(generation: Generation): Promise<void>;
}

/** Generations in memory, for tests and for reading a log without keeping positions. */
export class MemoryGenerations implements GenerationStore {
  readonly #rows = new Map<number, Generation>();
  load(): Promise<Generation[]> {
    return Promise.resolve([...this.#rows.values()]);
  }
  save(generation: Generation): Promise<void> {
    this.#rows.set(generation.generation, generation);
    return Promise.resolve();
  }
}

/** What a look at one file showed. */
export interface SeenFile {
  readonly path: string;
  readonly gzip: boolean;
  /** Bytes on disk: compressed ones where `gzip`. */
  readonly size: number;
  /** The first bytes of the uncompressed content, at most {@link FINGERPRINT_BYTES_MAX}; empty for an empty file. */
  readonly head: Uint8Array;
  /** Its beginning is long or old enough to be known by: a file whose first line is still being written is not. */
  readonly settled: boolean;
  /** Time of its first event in epoch ms, else its modification time: files are read in this order. */
  readonly firstTime: number;
  /** Named by the setting itself; false for a rotated neighbour of a single path. */
  readonly listed: boolean;
}

/** Which file holds which generation, and the files that none knows, in reading order. */
export interface FileMatch {
  readonly located: ReadonlyMap<number, SeenFile>;
  readonly fresh: readonly SeenFile[];
  /** Files left out because an earlier one has the same beginning: copies. */
  readonly copies: readonly SeenFile[];
}

/** SHA-256 in hex of `head[0, bytes)`. */
export function fingerprintOf(head: Uint8Array, bytes: number): string {
  return createHash("sha256").update(head.subarray(0, bytes)).digest("hex");
}

/** Whether a file that begins with `head` can still be the generation's. */
export function beginsAs(generation: Generation, head: Uint8Array): boolean {
  return head.length >= generation.fingerprintBytes &&
    fingerprintOf(head, generation.fingerprintBytes) === generation.fingerprint;
}

/**
 * Assigns files to generations. A plain file shorter than what its generation was known to hold is another one (truncated and written
 * anew). Of several generations with one beginning the newest is meant, of several files the uncompressed, then the longest one.
 */
export function matchFiles(known: readonly Generation[], seen: readonly SeenFile[]): FileMatch {
  const byFingerprint = new Map<string, Generation[]>();
  const lengths = new Set<number>();
  for (const generation of known) {
    lengths.add(generation.fingerprintBytes);
    const rows = byFingerprint.get(generation.fingerprint);
    if (rows) rows.push(generation);
    else byFingerprint.set(generation.fingerprint, [generation]);
  }
  const longestFirst = [...lengths].sort((a, b) => b - a);

  const located = new Map<number, SeenFile>();
  const unknown: SeenFile[] = [];
  for (const file of seen) {
    if (file.head.length === 0) continue;
    const match = generationOf(file, longestFirst, byFingerprint);
    if (match === undefined) {
      if (file.settled) unknown.push(file);
      continue;
    }
    const other = located.get(match.generation);
    located.set(match.generation, other ? better(match, other, file) : file);
  }

  const newest = known.reduce((max, g) => Math.max(max, g.generation), 0);
  const newestTime = located.get(newest)?.firstTime ?? Infinity;
  const { fresh, copies } = withoutCopies(unknown.filter((file) => file.listed || file.firstTime > newestTime));
  return { located, fresh, copies };
}

function generationOf(
  file: SeenFile,
  longestFirst: readonly number[],
  byFingerprint: ReadonlyMap<string, readonly Generation[]>,
): Generation | undefined {
  for (const bytes of longestFirst) {
    if (file.head.length < bytes) continue;
    const match = (byFingerprint.get(fingerprintOf(file.head, bytes)) ?? [])
      .filter((g) => g.fingerprintBytes === bytes && (file.gzip || file.size >= g.sizeSeen))
      .sort((a, b) => b.generation - a.generation)[0];
    if (match) return match;
  }
  return undefined;
}

function better(generation: Generation, a: SeenFile, b: SeenFile): SeenFile {
  if (a.gzip !== b.gzip) return a.gzip ? b : a;
  if (a.size !== b.size) return a.size > b.size ? a : b;
  return b.path === generation.path ? b : a;
}

function withoutCopies(files: readonly SeenFile[]): { fresh: SeenFile[]; copies: SeenFile[] } {
  const fresh = new Map<string, SeenFile>();
  const copies: SeenFile[] = [];
  for (const file of files) {
    const key = fingerprintOf(file.head, file.head.length);
    const other = fresh.get(key);
    if (other === undefined) {
      fresh.set(key, file);
    } else {
      const keep = other.gzip === file.gzip ? (file.size > other.size ? file : other) : (other.gzip ? file : other);
      fresh.set(key, keep);
      copies.push(keep === file ? other : file);
    }
  }
  const order = (a: SeenFile, b: SeenFile) => a.firstTime - b.firstTime || (a.path < b.path ? -1 : 1);
  return { fresh: [...fresh.values()].sort(order), copies };
}
