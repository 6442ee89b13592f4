// Knows the generations of one logical log: finds them again, numbers new ones, and says where the log begins and ends. Shell over its parts.
import { messageOf, StreamStopped, Unavailable } from "../../shared/errors.ts";
import { type Offset, SECOND } from "../../shared/units.ts";
import { isMissing, missing, unreadable } from "./errors.ts";
import { lastLineEnd } from "./content.ts";
import {
  FINGERPRINT_BYTES_MAX,
  fingerprintOf,
  type Generation,
  type GenerationStore,
  matchFiles,
  type SeenFile,
} from "./generations.ts";
import { FileListing, type FileListingOptions } from "./listing.ts";
import { GENERATIONS_MAX, packPosition } from "./position.ts";

/** How often the folder is looked at for a rotation. */
const SCAN_EVERY = SECOND;

export interface FileLogOptions extends FileListingOptions {
  readonly generations: GenerationStore;
}

/** The files of one log. Generations are registered only by the lease's holder. */
export class FileLog {
  readonly options: FileLogOptions;
  readonly #known = new Map<number, Generation>();
  #located: ReadonlyMap<number, SeenFile> = new Map();
  readonly #listing: FileListing;
  #newest = 0;
  #scannedAt = -Infinity;
  readonly #told = new Set<string>();

  constructor(options: FileLogOptions) {
    this.options = options;
    this.#listing = new FileListing(options);
  }

  /** Whether the path or glob names any file now. */
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

  /** Reads what was stored, forgetting everything else. @throws {Unavailable} */
  async load(): Promise<void> {
    const rows = await this.#stored(this.options.generations.load());
    this.#known.clear();
    this.#newest = 0;
    for (const row of rows) this.#remember(row);
  }

  /** Stores a generation before any position inside it is handed out. @throws {Unavailable} */
  async save(generation: Generation): Promise<void> {
    await this.#stored(this.options.generations.save(generation));
    this.#remember(generation);
  }

  #remember(generation: Generation): void {
    this.#known.set(generation.generation, generation);
    this.#newest = Math.max(this.#newest, generation.generation);
  }

  /** Remembers that the content has at least `byte` bytes, so that a shorter file is not taken for it. */
  expect(number: number, byte: number): void {
    const generation = this.#known.get(number);
    if (generation && generation.sizeSeen < byte) this.#known.set(number, { ...generation, sizeSeen: byte });
  }

  /** {@link scan} where the last one is over a second old. */
  async scanIfDue(): Promise<void> {
    if (this.options.clock.now() - this.#scannedAt >= SCAN_EVERY) await this.scan(true);
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
    const { located, fresh, copies } = matchFiles([...this.#known.values()], seen);
    const all = new Map(located);
    for (const copy of copies) this.#tellOnce("a file begins like another one and is read once", copy.path);
    if (register) {
      for (const file of fresh) all.set(await this.#register(file), file);
    }
    this.#located = all;
    for (const [number, file] of located) {
      const generation = this.#known.get(number)!;
      if (generation.finished && !file.gzip && file.size > generation.sizeSeen) {
        this.#tellOnce(
          "a finished file has grown; what was added is not read (one log has one live file)",
          file.path,
        );
      }
    }
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
      first = packPosition({ generation: number, byte: 0 });
    }
    return first;
  }

  /**
   * The log's end now: behind the last whole line where the newest file may still grow, behind its last byte when reading once.
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
    if (file.gzip) return packPosition({ generation: number + 1, byte: 0 });
    const whole = this.options.follow ? await this.#guard(file.path, lastLineEnd(file.path, file.size)) : file.size;
    return packPosition({ generation: number, byte: whole });
  }

  /** The log's end as of the last look, without reading anything; never below a position already handed out. */
  roughEnd(): Offset {
    const number = this.newest;
    const file = this.#located.get(number);
    if (file === undefined || file.gzip || this.#known.get(number)?.finished) {
      return packPosition({ generation: number + 1, byte: 0 });
    }
    return packPosition({ generation: number, byte: file.size });
  }

  async #register(file: SeenFile): Promise<number> {
    const number = this.newest + 1;
    if (number >= GENERATIONS_MAX) {
      throw new StreamStopped(
        "source_refused",
        `The log has had ${GENERATIONS_MAX} files, the most that positions can tell apart`,
        "Start a new stream in another POSTGRES_SCHEMA.",
      );
    }
    const fingerprintBytes = Math.min(file.head.length, FINGERPRINT_BYTES_MAX);
    await this.save({
      generation: number,
      fingerprint: fingerprintOf(file.head, fingerprintBytes),
      fingerprintBytes,
      path: file.path,
      sizeSeen: 0,
      finished: false,
    });
    this.options.log.info("a file joins the log", { file: file.path, generation: number });
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
