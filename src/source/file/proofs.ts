// Whether files hold what was read of the contents that they may be: each look is remembered until the file changes. Shell over the files.
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

/** What was read of contents, looked for in files. */
export class Proofs {
  readonly #files: FileSystem;
  /** By all that could change the answer. */
  #held = new Map<string, boolean>();
  /** Compressed files that end before this byte of their content, by all that could change it. */
  #ends = new Map<string, number>();

  constructor(files: FileSystem) {
    this.#files = files;
  }

  /** Whether what was read of the content is not in the file where it was. @throws {Unavailable} where a file cannot be read */
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
        // Decompressing up to the position is dear: only where the beginning does not decide.
        const decides = own.length === 1 && claims.get(number) === 1 && file.recordEnd <= FINGERPRINT_BYTES_MAX;
        if (file.compressed && decides) continue;
        const state = `${file.identity} ${file.size} ${file.modified}`, key = `${state} ${number} ${proof.digest}`;
        const end = this.#ends.get(state) ?? Infinity;
        const holds = end <= proof.to ? false : this.#held.get(key) ?? await guard(file.path, this.#holds(file, proof));
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

  /** Null where the file ends before. A compressed file that is still being written refutes nothing. */
  async #holds(file: SeenFile, { to, bytes, digest }: NonNullable<Content["proof"]>): Promise<boolean | null> {
    const found = await digestOf(file, to - bytes, to, this.#files);
    return found === null ? null : found === undefined || found === digest;
  }
}

/**
 * Whether a file that holds no known content is what an editor made of one that was read, or a copy of an older state of it: that one is nowhere
 * by now, or has the name of a backup. Told by the times of their events.
 *
 * @throws {Unavailable} where a file cannot be read
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
  // What had the name last, or was being read.
  const before = own.findLast(({ latest }) => latest.path === file.path), newest = own.at(-1);
  const gone = [before, newest?.latest.finished ? undefined : newest].find((content) =>
    content !== undefined && !located.has(content.number)
  );
  const times = [gone?.lastTime ?? null, backup === undefined ? null : await lastTimeIn(backup, files, firstEventTime)];
  const told = times.map((time) => time === null ? false : repeats(file, time));
  return told.includes(true) || (told.includes("later") ? "later" : false);
}

/** Time of the last event in a plain file, read or not; null where it has none. */
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

/** What reading the file at `path` gives. @throws {Unavailable} in the log's words */
export async function guard<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof NamedError) throw error;
    throw isMissing(error) ? missing(path) : unreadable(path, error);
  }
}
