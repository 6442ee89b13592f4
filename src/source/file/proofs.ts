// Whether files hold what was read of the contents that they may be: each look is remembered until the file changes. Shell over the files.
import { digestOf } from "./content.ts";
import { isMissing, missing, unreadable } from "./errors.ts";
import type { FileSystem } from "./file_system.ts";
import type { Content } from "./generations.ts";
import { candidatesOf, type SeenFile } from "./match.ts";

/** What was read of contents, looked for in files. */
export class Proofs {
  readonly #files: FileSystem;
  /** By all that could change the answer. */
  #held = new Map<string, boolean>();

  constructor(files: FileSystem) {
    this.#files = files;
  }

  /** Whether what was read of the content is not in the file where it was. @throws {Unavailable} where a file cannot be read */
  async refuted(
    seen: readonly SeenFile[],
    contents: readonly Content[],
  ): Promise<(file: SeenFile, content: Content) => boolean> {
    const refuted = new Set<string>();
    const held = new Map<string, boolean>();
    for (const file of seen) {
      const candidates = candidatesOf(file, contents);
      for (const { number, proof } of candidates) {
        // Decompressing up to the position is dear: only where the beginning does not decide.
        if (proof === null || (file.compressed && candidates.length === 1)) continue;
        const key = `${file.identity} ${file.size} ${file.modified} ${number} ${proof.digest}`;
        const holds = this.#held.get(key) ?? await guard(file.path, this.#holds(file.path, proof));
        held.set(key, holds);
        if (!holds) refuted.add(`${file.path} ${number}`);
      }
    }
    this.#held = held;
    return (file, content) => refuted.has(`${file.path} ${content.number}`);
  }

  async #holds(path: string, { to, bytes, digest }: NonNullable<Content["proof"]>): Promise<boolean> {
    return await digestOf(path, to - bytes, to, this.#files) === digest;
  }
}

/** What reading the file at `path` gives. @throws {Unavailable} in the log's words */
export async function guard<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw isMissing(error) ? missing(path) : unreadable(path, error);
  }
}
