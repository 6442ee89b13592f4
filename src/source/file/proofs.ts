// Checks whether files hold the bytes that were read of the contents they may be. Each result is kept until the file changes. Shell over the files.
import { basename, dirname } from "node:path";
import { openContent } from "./content.ts";
import { digestOf } from "./file_state.ts";
import { NamedError } from "../../shared/errors.ts";
import { isMissing, missing, unreadable } from "./errors.ts";
import type { FileSystem } from "./file_system.ts";
import { LAST_BYTES } from "./line_reader.ts";
import { type FileListingOptions, type FirstEventTime, timesOf } from "./listing.ts";
import { BEGINNING, type Content, FINGERPRINT_BYTES_MAX } from "./generations.ts";
import { candidatesOf, repeats, type SeenFile } from "./match.ts";
import { isBackupOf } from "./names.ts";

/** Looks in files for the bytes that were read of contents. */
export class Proofs {
  readonly #files: FileSystem;
  /** Results, by everything that could change them. */
  #held = new Map<string, boolean>();
  /** For compressed files that end too early: a byte of the content before which they end, by the file's state. */
  #ends = new Map<string, number>();

  constructor(files: FileSystem) {
    this.#files = files;
  }

  /** Whether a file does not hold, in their place, the bytes that were read of a content. @throws {Unavailable} if a file cannot be read */
  async refuted(
    seen: readonly SeenFile[],
    contents: readonly Content[],
  ): Promise<(file: SeenFile, content: Content) => boolean> {
    const refuted = new Set<string>();
    const held = new Map<string, boolean>(), ends = new Map<string, number>();
    const candidates = new Map(seen.map((file) => [file, candidatesOf(file, contents)]));
    const claims = new Map<number, number>();
    for (const { number } of [...candidates.values()].flat()) claims.set(number, (claims.get(number) ?? 0) + 1);
    for (const file of seen) {
      const own = candidates.get(file)!;
      for (const { number, proof } of own) {
        if (proof === null) continue;
        // Decompressing up to the position is expensive, so it is done only if the beginning does not decide.
        const decides = own.length === 1 && claims.get(number) === 1 && file.recordEnd <= FINGERPRINT_BYTES_MAX;
        if (file.compressed && decides) continue;
        const state = `${file.identity} ${file.size} ${file.modified}`, key = `${state} ${number} ${proof.digest}`;
        const end = this.#ends.get(state) ?? Infinity;
        // The look did not show what was added to a plain file after it.
        const isShorter = end <= proof.to || (!file.compressed && file.size < proof.to);
        const holds = isShorter ? false : this.#held.get(key) ?? await guard(file.path, this.#holds(file, proof));
        if (file.compressed && holds === null) ends.set(state, proof.to);
        else if (end < Infinity) ends.set(state, end);
        held.set(key, holds ?? false);
        if (!holds) refuted.add(`${file.path} ${number}`);
      }
    }
    this.#held = held;
    this.#ends = ends;
    return (file, content) => refuted.has(`${file.path} ${content.number}`);
  }

  /** Null if the file ends before. True for a compressed file that is still being written, which does not prove anything yet. */
  async #holds(file: SeenFile, { to, bytes, digest }: NonNullable<Content["proof"]>): Promise<boolean | null> {
    const found = await digestOf(file, to - bytes, to, this.#files);
    return found === null ? null : found === undefined || found === digest;
  }
}

/**
 * Whether a file that holds no known content repeats one that was read: an editor rewrote that file, or an older copy of it was put back. In
 * both cases the file that was read is gone or has a backup's name. The times of their events decide.
 *
 * @throws {Unavailable} if a file cannot be read
 */
export async function repeatsRead(
  file: SeenFile,
  contents: readonly Content[],
  located: ReadonlyMap<number, SeenFile>,
  { files, firstEventTime }: Pick<FileListingOptions, "files" | "firstEventTime">,
): Promise<boolean | "later"> {
  if (file.compressed) return false;
  const own = contents.filter(({ number }) => number > BEGINNING);
  const backup = own.flatMap(({ number }) => located.get(number) ?? []).findLast(({ path }) =>
    dirname(path) === dirname(file.path) && isBackupOf(basename(file.path), basename(path))
  );
  // The content that had this name last, or the one that was being read.
  const before = own.findLast(({ latest }) => latest.path === file.path), newest = own.at(-1);
  const gone = [before, newest?.latest.finished ? undefined : newest].find((content) =>
    content !== undefined && !located.has(content.number)
  );
  const times = [gone?.lastTime ?? null, backup === undefined ? null : await lastTimeIn(backup, files, firstEventTime)];
  const told = times.map((time) => time === null ? false : repeats(file, time));
  return told.includes(true) || (told.includes("later") ? "later" : false);
}

/** Time of the last event in a plain file, read or not; null if it has none. */
async function lastTimeIn(
  { path, size, compressed, identity }: SeenFile,
  files: FileSystem,
  firstEventTime: FirstEventTime,
): Promise<number | null> {
  if (compressed) return null;
  const content = await guard(path, openContent(path, 0, files));
  try {
    if ((await content.info()).identity !== identity) throw missing(path);
    const end = await guard(path, content.reread(Math.max(0, size - LAST_BYTES), size));
    return timesOf(end, firstEventTime, Infinity).at(-1) ?? null;
  } finally {
    await content.close();
  }
}

/** Waits for `work`, which reads the file at `path`. @throws {Unavailable} if the file is missing or cannot be read */
export async function guard<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof NamedError) throw error;
    throw isMissing(error) ? missing(path) : unreadable(path, error);
  }
}
