// Knows the generations of one logical log: finds them again, numbers new ones, and says where the log begins and ends. Shell over its parts.
import { messageOf, StreamStopped, Unavailable } from "../../shared/errors.ts";
import { type Offset, SECOND } from "../../shared/units.ts";
import { digestOf, lastLineEnd, statedLength } from "./content.ts";
import { isMissing, missing, unreadable } from "./errors.ts";
import {
  BEGINNING,
  type Content,
  contentsOf,
  FINGERPRINT_BYTES_MAX,
  fingerprintOf,
  type Generation,
  type GenerationStore,
} from "./generations.ts";
import { elapsed, FileListing, type FileListingOptions } from "./listing.ts";
import { candidatesOf, matchFiles, repeats, type SeenFile } from "./match.ts";
import { isOwnPath } from "./names.ts";
import { GENERATIONS_MAX, packPosition } from "./position.ts";

/** How often the folder is looked at for a rotation. */
const SCAN_EVERY = SECOND;
/** Pauses between two returns to a rotated file that still grows: each takes two numbers of generations. */
const RETURN_AFTER_MIN = SECOND;
const RETURN_AFTER_MAX = 30 * SECOND;

export interface FileLogOptions extends FileListingOptions {
  readonly generations: GenerationStore;
}

/** The files of one log. Generations are registered only by the lease's holder. */
export class FileLog {
  readonly options: FileLogOptions;
  readonly #known = new Map<number, Generation>();
  /** Generations that are not stored yet. */
  readonly #unsaved = new Set<number>();
  #located: ReadonlyMap<number, SeenFile> = new Map();
  /** Device and inode by content: of the last look at which its file was found. */
  readonly #identities = new Map<number, string>();
  /** Whether a file holds what was read of a content, by all that could change the answer. */
  #proofs = new Map<string, boolean>();
  readonly #listing: FileListing;
  #newest = 0;
  #scannedAt = -Infinity;
  #returnedAt = -Infinity;
  #returnAfter: number = RETURN_AFTER_MIN;
  #storing = false;
  #changed: string | null = null;
  readonly #told = new Set<string>();

  constructor(options: FileLogOptions) {
    this.options = options;
    this.#listing = new FileListing(options);
  }

  /** Whether the path or glob names any file now. @throws UsageError where it names something else */
  hasFiles(): Promise<boolean> {
    return this.#listing.hasFiles();
  }

  /** Number of the newest generation, 0 where there is none. */
  get newest(): number {
    return this.#newest;
  }

  generation(number: number): Generation | undefined {
    return this.#known.get(number);
  }

  /** The file that held the generation at the last look. */
  file(number: number): SeenFile | undefined {
    return this.#located.get(number);
  }

  /** The file whose read part was found changed, if any. */
  get changed(): string | null {
    return this.#changed;
  }

  /** Reads what was stored, forgetting everything else. @throws {Unavailable} */
  async load(): Promise<void> {
    const rows = await this.#stored(this.options.generations.load());
    this.#known.clear();
    this.#unsaved.clear();
    this.#storing = false;
    this.#newest = 0;
    rows.sort((a, b) => a.generation - b.generation);
    // Left behind by runs of earlier releases over another path, which were refused: nothing of them was ever read.
    while (rows.length > 0 && isForeign(this.options.path, rows.at(-1)!)) rows.pop();
    for (const row of rows) this.#remember(row);
  }

  /** From here on what is known is stored: until a stream has taken a position, a run may still be refused and must change nothing. */
  async store(): Promise<void> {
    this.#storing = true;
    for (const number of [...this.#unsaved].sort((a, b) => a - b)) await this.save(this.#known.get(number)!);
  }

  /** Stores a generation before any position inside it is handed out. @throws {Unavailable} */
  async save(generation: Generation): Promise<void> {
    if (this.#storing) {
      await this.#stored(this.options.generations.save(generation));
      this.#unsaved.delete(generation.generation);
    } else this.#unsaved.add(generation.generation);
    this.#remember(generation);
  }

  #remember(generation: Generation): void {
    this.#known.set(generation.generation, generation);
    this.#newest = Math.max(this.#newest, generation.generation);
  }

  /** Remembers what reading has shown, to be stored with the next {@link save}: how long the content is at least, and what was read last. */
  note(number: number, facts: Partial<Pick<Generation, "sizeSeen" | "proof" | "lastTime">>): void {
    const generation = this.#known.get(number);
    if (generation === undefined) return;
    const sizeSeen = Math.max(generation.sizeSeen, facts.sizeSeen ?? 0);
    this.#known.set(number, { ...generation, ...facts, sizeSeen });
  }

  /** {@link scan} where the last one is over a second old. */
  async scanIfDue(): Promise<void> {
    if (elapsed(this.#scannedAt, this.options.clock.now()) >= SCAN_EVERY) await this.scan(true);
  }

  /**
   * Looks at all files, finds the known generations again and numbers the new ones. Without `register` nothing is stored, and new files
   * are only counted as the log's future.
   *
   * @throws {Unavailable} where a file or the store cannot be read
   */
  async scan(register: boolean): Promise<void> {
    this.#scannedAt = this.options.clock.now();
    const seen = await this.#listing.look();
    const contents = contentsOf(this.#known.values());
    const refuted = await this.#refuted(seen, contents);
    const begun = this.#known.has(BEGINNING);
    const match = matchFiles(contents, seen, {
      refuted: (file, content) => refuted.has(`${file.path} ${content.number}`),
      identities: this.#identities,
      begun,
    });
    if (this.#isPutBack(contents, match.located)) {
      const { number } = contents.pop()!;
      this.#known.delete(number);
      this.#newest = number - 1;
      this.#changed = null;
    }
    const all = new Map<number, SeenFile>();
    for (const content of contents) {
      const file = match.located.get(content.number);
      if (file === undefined) continue;
      this.#identities.set(content.number, file.identity);
      for (const number of content.generations) all.set(number, file);
    }
    this.#located = all;
    for (const copy of match.copies) this.#tellOnce("a file begins like another one and is read once", copy.path);
    if (!register) return;
    if (!begun) await this.#begin(match.history);
    for (const file of match.fresh) all.set(await this.#register(file, contents, match.located), file);
    for (const content of contents) {
      const file = match.located.get(content.number);
      if (file === undefined || content.number < 1 || !content.latest.finished) continue;
      if (!await this.#hasGrown(content, file)) continue;
      const number = await this.#readOn(content, file);
      if (number !== null) all.set(number, file);
    }
  }

  /** Whether a file that had been changed is there again as it was read. */
  #isPutBack(contents: readonly Content[], located: ReadonlyMap<number, SeenFile>): boolean {
    const newest = contents.at(-1), before = contents.at(-2);
    if (newest === undefined || before === undefined || newest.generations.length > 1) return false;
    const { fromByte, finished, proof } = newest.latest;
    return fromByte > 0 && !finished && proof === null && !located.has(newest.number) && located.has(before.number);
  }

  /** Pairs of path and content of which what was read is not in the file. */
  async #refuted(seen: readonly SeenFile[], contents: readonly Content[]): Promise<Set<string>> {
    const refuted = new Set<string>();
    const proofs = new Map<string, boolean>();
    for (const file of seen) {
      const candidates = candidatesOf(file, contents);
      for (const { number, proof } of candidates) {
        // Decompressing up to the position is dear: only where the beginning does not decide.
        if (proof === null || (file.compressed && candidates.length === 1)) continue;
        const key = `${file.identity} ${file.size} ${file.modified} ${number} ${proof.digest}`;
        const holds = this.#proofs.get(key) ?? await this.#guard(file.path, this.#holds(file.path, proof));
        proofs.set(key, holds);
        if (!holds) refuted.add(`${file.path} ${number}`);
      }
    }
    this.#proofs = proofs;
    return refuted;
  }

  async #holds(path: string, { to, bytes, digest }: NonNullable<Content["proof"]>): Promise<boolean> {
    return await digestOf(path, to - bytes, to, this.options.files) === digest;
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
      first = packPosition({ generation: number, byte: generation.fromByte });
    }
    return first;
  }

  /**
   * The log's end now: behind the last whole line of the newest file, behind a compressed one.
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
    if (file.compressed) return packPosition({ generation: number + 1, byte: 0 });
    const whole = this.options.lastLine === "take" && !this.options.follow
      ? file.size
      : await this.#guard(file.path, lastLineEnd(file.path, file.size, this.options.files));
    return packPosition({ generation: number, byte: Math.max(whole, generation.fromByte) });
  }

  /** The log's end as of the last look, without reading anything; never below a position already handed out. */
  roughEnd(): Offset {
    const number = this.newest;
    const file = this.#located.get(number);
    if (file === undefined || file.compressed || this.#known.get(number)?.finished) {
      return packPosition({ generation: number + 1, byte: 0 });
    }
    return packPosition({ generation: number, byte: file.size });
  }

  /** Remembers which rotated files were there before the stream, so that every other one is known to be new. */
  async #begin(history: readonly SeenFile[]): Promise<void> {
    let number = Math.min(0, ...this.#known.keys());
    for (const file of history) {
      const row = newGeneration(--number, file);
      await this.save({ ...row, sizeSeen: file.compressed ? 0 : file.size, finished: true });
    }
    await this.save({
      generation: BEGINNING,
      fingerprint: "",
      fingerprintBytes: 0,
      path: this.options.path,
      sizeSeen: 0,
      finished: true,
      content: BEGINNING,
      fromByte: 0,
      proof: null,
      lastTime: null,
      sealed: true,
    });
  }

  async #register(
    file: SeenFile,
    contents: readonly Content[],
    located: ReadonlyMap<number, SeenFile>,
  ): Promise<number> {
    const row = newGeneration(this.#nextNumber(), file);
    const before = contents.findLast(({ number, latest }) => number > 0 && latest.path === file.path);
    const isChanged = file.listed && !file.compressed && before !== undefined && !located.has(before.number) &&
      before.lastTime !== null && repeats(file, before.lastTime);
    if (isChanged) {
      // Nothing of it is read but what comes behind: the part before may have been counted.
      const fromByte = await this.#guard(file.path, lastLineEnd(file.path, file.size, this.options.files));
      // Stored at once: an operator who accepts this goes on from here, however the file grows until then.
      await this.#stored(this.options.generations.save({ ...row, fromByte, sizeSeen: fromByte }));
      this.#remember({ ...row, fromByte, sizeSeen: fromByte });
      this.#changed = file.path;
      return row.generation;
    }
    await this.save(row);
    this.options.log.info("a file joins the log", { file: file.path, generation: row.generation });
    return row.generation;
  }

  /** Whether a finished content's file holds more than was read of it. */
  async #hasGrown(content: Content, file: SeenFile): Promise<boolean> {
    const { latest } = content;
    if (!file.compressed) return file.size > latest.sizeSeen;
    if (latest.sealed) return false;
    const length = await this.#guard(file.path, statedLength(file.path, file.size, this.options.files));
    const grown = length !== null && length > latest.sizeSeen % 2 ** 32;
    if (!grown) await this.save({ ...this.#known.get(latest.generation)!, sealed: true });
    return grown;
  }

  /** Numbers the rest of a file that grew after it had been left; null: later, with what is added until then. */
  async #readOn(content: Content, file: SeenFile): Promise<number | null> {
    const now = this.options.clock.now();
    const isNewestFile = content.number === Math.max(...[...this.#known.values()].map((g) => g.content));
    if (!isNewestFile && !file.compressed) {
      const pause = elapsed(this.#returnedAt, now);
      if (pause < this.#returnAfter) return null;
      this.#returnAfter = pause > 2 * RETURN_AFTER_MAX
        ? RETURN_AFTER_MIN
        : Math.min(this.#returnAfter * 2, RETURN_AFTER_MAX);
      this.#returnedAt = now;
      this.options.log.info("a rotated file has grown and is read on", { file: file.path });
    }
    const number = this.#nextNumber();
    const { latest } = content;
    await this.save({
      ...latest,
      generation: number,
      path: file.path,
      fromByte: latest.sizeSeen,
      finished: false,
      sealed: file.compressed,
    });
    return number;
  }

  #nextNumber(): number {
    const number = this.newest + 1;
    if (number >= GENERATIONS_MAX) {
      throw new StreamStopped(
        "source_refused",
        `The log has had ${GENERATIONS_MAX} files, the most that positions can tell apart`,
        "Start a new stream in another POSTGRES_SCHEMA.",
      );
    }
    return number;
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

  #tellOnce(message: string, file: string): void {
    const key = `${message} ${file}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.options.log.warn(message, { file });
  }
}

/** Whether a generation was numbered for another path and never read. */
function isForeign(path: string, { generation, path: at, sizeSeen, finished }: Generation): boolean {
  return generation > 0 && sizeSeen === 0 && !finished && !isOwnPath(path, at);
}

function newGeneration(number: number, file: SeenFile): Generation {
  const fingerprintBytes = Math.min(file.head.length, FINGERPRINT_BYTES_MAX);
  return {
    generation: number,
    fingerprint: fingerprintOf(file.head, fingerprintBytes),
    fingerprintBytes,
    path: file.path,
    sizeSeen: 0,
    finished: false,
    content: number,
    fromByte: 0,
    proof: null,
    lastTime: null,
    sealed: file.compressed,
  };
}
