// Knows the generations of one logical log: finds them again, numbers new ones, and says where the log begins and ends. Shell over its parts.
import { StreamStopped, Unavailable } from "../../shared/errors.ts";
import { type DurationMs, type Offset, SECOND } from "../../shared/units.ts";
import { statedLength } from "./compression.ts";
import { lost, missing } from "./errors.ts";
import {
  BEGINNING,
  type Content,
  contentsOf,
  type Generation,
  type GenerationStore,
  isAfterChange,
  newGeneration,
  proofOf,
} from "./generations.ts";
import { lastLineEnd, proofBefore } from "./file_state.ts";
import { KnownGenerations } from "./known.ts";
import { likenessOf } from "./likeness.ts";
import { elapsed, FileListing, type FileListingOptions } from "./listing.ts";
import { type FileMatch, matchFiles, type NewFile, type SeenFile } from "./match.ts";
import { GENERATIONS_MAX, packPosition, startOf, unfinishedBefore } from "./position.ts";
import { guard, Proofs, repeatsRead } from "./proofs.ts";
import { lostOf, type LostPart, ShownFiles } from "./shown.ts";
import { wholeLinesEnd } from "../lines.ts";

/** How often the folder is looked at for a rotation. */
const SCAN_EVERY = SECOND;
/** How often a look is repeated if a file is not found. */
const LOOKS_MAX = 10;
/** How many of the newest contents have their files looked for again if they are not found. */
const NEWEST = 3;
/** Bounds of the pause between two returns to a rotated file that still grows. Each return uses two generation numbers. */
const RETURN_AFTER_MIN = SECOND;
const RETURN_AFTER_MAX = 30 * SECOND;

export interface FileLogOptions extends FileListingOptions {
  readonly generations: GenerationStore;
  /** Whether a file at this path can have been one of the log. */
  readonly isOwn: (path: string) => boolean;
  /** How long to wait for a file that is gone and was not read to its end. It may be between two names. */
  readonly missingFor: DurationMs;
}

/** What a look at the folder gave. */
interface Look extends FileMatch {
  readonly lost: readonly LostPart[];
}

/** The files of one log. Only the holder of the lease registers generations. */
export class FileLog {
  readonly options: FileLogOptions;
  readonly known: KnownGenerations;
  #located: ReadonlyMap<number, SeenFile> = new Map();
  /** Device and inode of each content's file when it was last found. */
  readonly #identities = new Map<number, string>();
  /** Contents whose file was not found at the last look. */
  readonly #missed = new Set<number>();
  readonly #shown = new ShownFiles();
  readonly #proofs: Proofs;
  readonly #listing: FileListing;
  #scannedAt = -Infinity;
  #returnedAt = -Infinity;
  #returnAfter: number = RETURN_AFTER_MIN;
  /** When the file to be read was first not found, by this process's clock. */
  #missingSince: number | null = null;
  #changed: string | null = null;
  readonly #told = new Set<string>();

  constructor(options: FileLogOptions) {
    this.options = options;
    this.known = new KnownGenerations(options.generations, options.isOwn);
    this.#proofs = new Proofs(options.files);
    this.#listing = new FileListing(options);
  }

  /** Number of the newest generation; 0 if there is none. */
  get newest(): number {
    return this.known.newest;
  }

  /** Format of the newest file whose format is known; null if no format is known yet. */
  get format(): string | null {
    for (let number = this.newest; number > BEGINNING; number--) {
      const format = this.known.get(number)?.format ?? null;
      if (format !== null) return format;
    }
    return null;
  }

  generation(number: number): Generation | undefined {
    return this.known.get(number);
  }

  /** The file that held the generation at the last look. */
  file(number: number): SeenFile | undefined {
    return this.#located.get(number);
  }

  /** The file whose read part was found changed, if any. */
  get changed(): string | null {
    return this.#changed;
  }

  /** Calls {@link scan} if the last one is over a second old. */
  async scanIfDue(): Promise<void> {
    if (elapsed(this.#scannedAt, this.options.clock.now()) >= SCAN_EVERY) await this.scan(true);
  }

  /**
   * Looks at all files, finds the known generations again and numbers the new ones. Without `register` new files are left
   * for a later scan.
   *
   * @throws {Unavailable} if a file or the store cannot be read
   */
  async scan(register: boolean): Promise<void> {
    const contents = contentsOf(this.known.all());
    const begun = this.known.has(BEGINNING);
    const match = await this.#look(contents, begun);
    this.#scannedAt = this.options.clock.now();
    if (this.#isPutBack(contents, match.located)) {
      contents.pop();
      this.known.dropNewest();
      this.#changed = null;
    }
    const all = new Map<number, SeenFile>();
    for (const content of contents) {
      const file = match.located.get(content.number);
      if (file === undefined) {
        await this.#miss(content);
        continue;
      }
      this.#missed.delete(content.number);
      this.#identities.set(content.number, file.identity);
      for (const number of content.generations) all.set(number, file);
      // If the file is shorter than this at a later look, it is another file.
      const { generation, finished } = content.latest;
      if (generation > BEGINNING && !finished && !file.compressed) this.known.note(generation, { sizeSeen: file.size });
    }
    this.#located = all;
    if (all.has(this.newest)) this.#missingSince = null;
    for (const copy of match.copies) {
      this.#tellOnce("a file is a copy of another one, and their content is read once", copy.path);
    }
    if (!register) return this.#shown.keep([]);
    if (!begun) await this.#begin(match.history);
    for (const { file, known } of match.copied) await this.#keepCopy(file, known);
    // Before the files that are there: an operator who accepts the gap loses nothing of those.
    for (const part of match.lost) await this.#registerLost(part);
    for (const fresh of match.fresh) {
      const number = await this.#register(fresh, contents, match.located);
      if (number !== null) all.set(number, fresh.file);
    }
    // At once: what they are copies of may be read and gone by the next look.
    const isNumbered = new Set(all.values());
    if (match.fresh.every(({ file }) => isNumbered.has(file))) {
      for (const file of match.copiedFresh) await this.#keepCopy(file, undefined);
    }
    const growing: SeenFile[] = [];
    for (const content of contents) {
      const file = match.located.get(content.number);
      if (file === undefined || content.number < 1 || !content.latest.finished) continue;
      if (!await this.#hasGrown(content, file)) continue;
      const number = await this.#readOn(content, file);
      if (number !== null) all.set(number, file);
      else growing.push(file);
    }
    this.#shown.keep(growing);
  }

  /** The last {@link scan} before the log is left: what has grown is numbered without a pause, because it may be gone when the log is read again. */
  async scanLast(): Promise<void> {
    this.#returnedAt = -Infinity;
    await this.scan(true);
  }

  /** Looks again while a rotation is under way: it may hide a file between two names, or put another file under a name. */
  async #look(contents: readonly Content[], begun: boolean): Promise<Look> {
    for (let looks = 1;; looks++) {
      try {
        const match = await this.#lookOnce(contents, begun);
        if (looks > LOOKS_MAX || !this.#hides(contents, match)) return match;
      } catch (error) {
        if (looks > LOOKS_MAX || !(error instanceof Unavailable) || error.code !== "file_missing") throw error;
      }
    }
  }

  async #lookOnce(contents: readonly Content[], begun: boolean): Promise<Look> {
    const { before, seen } = await this.#listing.look();
    const gone = this.#shown.add(before, seen);
    const match = await matchFiles(contents, seen, {
      refuted: await this.#proofs.refuted(seen, contents),
      likeness: (a, b) => likenessOf(a, b, this.options.files),
      identities: this.#identities,
      begun,
    });
    const identityOf = (number: number) => this.#located.has(number) ? this.#identities.get(number) : undefined;
    const { located } = match;
    // Before the stream begins, a file that is gone is not part of it.
    return { ...match, lost: begun ? lostOf(gone, contents, { seen, located, identityOf }) : [] };
  }

  /** Whether a file is not found that a look has shown, or that is one of the newest: an earlier process may have been reading it. */
  #hides(contents: readonly Content[], { located, lost }: Look): boolean {
    const isFirst = this.#scannedAt === -Infinity;
    return lost.length > 0 || contents.some(({ number, latest }, i) =>
      number > BEGINNING && !located.has(number) &&
      (this.#located.has(number) || (i >= contents.length - NEWEST && (isFirst || !latest.finished)))
    );
  }

  /** Stores the known length of a content that is gone, so that a shorter copy is not taken for all of it. */
  async #miss({ number, latest }: Content): Promise<void> {
    if (number < BEGINNING || latest.finished || this.#missed.has(number)) return;
    this.#missed.add(number);
    await this.known.save(latest);
  }

  /** Whether a file that had been changed is there again as it was read, under its name: a backup beside it is not. */
  #isPutBack(contents: readonly Content[], located: ReadonlyMap<number, SeenFile>): boolean {
    const newest = contents.at(-1), before = contents.at(-2);
    if (newest === undefined || before === undefined || newest.generations.length > 1) return false;
    const { latest, number } = newest;
    return isAfterChange(latest) && !latest.finished && !located.has(number) &&
      located.get(before.number)?.path === latest.path;
  }

  /**
   * The error to throw if the newest file is to be read and is not there. At first the file is waited for, because it may be between two
   * names. Then the stream stops, because what the file held after `byte` is not known.
   */
  absent({ path }: Generation, byte: number): Unavailable | StreamStopped {
    const now = this.options.clock.now();
    this.#missingSince ??= now;
    return elapsed(this.#missingSince, now) < this.options.missingFor
      ? missing(path)
      : lost(path, `it is gone, and what it held from byte ${byte} on is not known`);
  }

  /** As {@link startOf}. `held` is a generation that is open, so it can be read even if its file is gone. */
  start(held?: number): Offset {
    return startOf(this.known, (number) => number === held || this.#located.has(number));
  }

  /**
   * Finishes all before generation `number`, where reading begins: an operator accepted a gap over it. What is added to the files later is
   * read on. A file that is gone is not read on if it comes back, because it is not known what of it was counted.
   *
   * @throws {Unavailable} if a file or the store cannot be read
   */
  async skipTo(number: number): Promise<void> {
    for (const generation of unfinishedBefore(number, this.known.all())) {
      const file = this.#located.get(generation.generation);
      const end = file === undefined || file.compressed
        ? generation.sizeSeen
        : await guard(file.path, lastLineEnd(file, file.size, this.options.files));
      const sizeSeen = Math.max(generation.fromByte, end), sealed = generation.sealed || file === undefined;
      await this.known.save({ ...generation, sizeSeen, finished: true, sealed });
    }
  }

  /**
   * The log's end now: after the last whole line of the newest file, or after the whole file if it is compressed.
   *
   * @throws {Unavailable} while the newest file is not there, is unfinished, and is waited for
   */
  async end(held?: number): Promise<Offset> {
    const number = this.newest;
    const generation = this.known.get(number);
    if (generation === undefined || generation.finished) return packPosition({ generation: number + 1, byte: 0 });
    const file = this.#located.get(number);
    if (file === undefined) {
      if (number === held) return packPosition({ generation: number, byte: generation.sizeSeen });
      const absent = this.absent(generation, generation.sizeSeen);
      if (absent instanceof Unavailable) throw absent;
      return packPosition({ generation: number + 1, byte: 0 });
    }
    if (file.compressed) return packPosition({ generation: number + 1, byte: 0 });
    const whole = this.options.lastLine === "take" && !this.options.follow
      ? file.size
      : await guard(file.path, lastLineEnd(file, file.size, this.options.files));
    return packPosition({ generation: number, byte: Math.max(whole, generation.fromByte) });
  }

  /** The log's end as of the last look, without reading anything; never below a position that was delivered. */
  roughEnd(): Offset {
    const number = this.newest;
    const file = this.#located.get(number);
    if (file === undefined || file.compressed || this.known.get(number)?.finished) {
      return packPosition({ generation: number + 1, byte: 0 });
    }
    return packPosition({ generation: number, byte: file.size });
  }

  /** Stores which rotated files were there before the stream, so that every other file is known to be new. */
  async #begin(history: readonly SeenFile[]): Promise<void> {
    for (const file of history) {
      const row = newGeneration(this.#numberOutside(), file);
      const proof = proofOf(file.beginning, file.beginning.length);
      await this.known.save({ ...row, sizeSeen: file.compressed ? 0 : file.size, finished: true, proof });
    }
    await this.known.save({
      generation: BEGINNING,
      fingerprint: "",
      fingerprintBytes: 0,
      path: this.options.name,
      sizeSeen: 0,
      finished: true,
      content: BEGINNING,
      fromByte: 0,
      proof: null,
      lastTime: null,
      sealed: true,
      format: null,
    });
  }

  /** The next number, below 0, for a file that is not read. */
  #numberOutside(): number {
    return Math.min(BEGINNING, ...this.known.numbers()) - 1;
  }

  /** Stores a copy, so that it is not taken for a new file once its original is gone. */
  async #keepCopy(file: SeenFile, known: Content | undefined): Promise<void> {
    const whole = file.compressed ? 1 : await guard(file.path, lastLineEnd(file, file.size, this.options.files));
    if (whole === 0 || (known !== undefined && (file.compressed || known.sizeSeen >= whole))) return;
    const row = newGeneration(known?.number ?? this.#numberOutside(), file);
    await this.known.save({
      ...row,
      // The length of compressed content is not known.
      sizeSeen: file.compressed ? 0 : whole,
      fromByte: whole,
      finished: true,
      proof: proofOf(file.beginning, file.compressed ? Infinity : whole),
    });
  }

  /** Numbers a new file. Null if it cannot be decided yet whether the file repeats what was read; a later scan decides. */
  async #register(
    { file, copiedTo }: NewFile,
    contents: readonly Content[],
    located: ReadonlyMap<number, SeenFile>,
  ): Promise<number | null> {
    const isChanged = await repeatsRead(file, contents, located, this.options);
    if (isChanged === "later") return null;
    const row = newGeneration(this.#nextNumber(), file);
    if (isChanged) {
      // Only what is added from now on is read: the rest may have been counted.
      const fromByte = await guard(file.path, lastLineEnd(file, file.size, this.options.files));
      const proof = await guard(file.path, proofBefore(file, fromByte - 1, this.options.files));
      // What it holds may have been read, so it is judged by the same time if it is edited again.
      const times = contents.flatMap(({ lastTime }) => lastTime ?? []);
      const lastTime = times.length > 0 ? Math.max(...times) : null;
      // Stored at once: if an operator accepts this, reading goes on from here, even if the file has grown by then.
      await this.known.saveNow({ ...row, fromByte, sizeSeen: fromByte, proof, lastTime });
      this.#changed = file.path;
      return row.generation;
    }
    const format = this.#examine(file);
    const fromByte = copiedTo <= file.beginning.length
      ? wholeLinesEnd(file.beginning, copiedTo)
      : await guard(file.path, lastLineEnd(file, copiedTo, this.options.files));
    // The proof covers what is there now, because the file may be written anew before anything of it is read.
    const proof = proofOf(file.beginning, wholeLinesEnd(file.beginning, file.beginning.length));
    await this.known.save({ ...row, fromByte, sizeSeen: fromByte, proof, format });
    this.options.log.info("a file joins the log", { file: file.path, generation: row.generation, format });
    return row.generation;
  }

  /** Numbers lines that a look has shown and that are gone, so that their loss is noticed where they would be read. */
  async #registerLost({ file, content, from, to }: LostPart): Promise<void> {
    if (content !== undefined) {
      const { generation } = content.latest;
      this.known.note(generation, { sizeSeen: to });
      return await this.known.save(this.known.get(generation)!);
    }
    const row = newGeneration(this.#nextNumber(), file), { beginning } = file;
    const proof = proofOf(beginning, wholeLinesEnd(beginning, beginning.length));
    await this.known.save({ ...row, fromByte: from, sizeSeen: to, proof });
    this.options.log.warn("a file is gone that was not read to its end", { file: file.path, bytes: to - from });
  }

  /** The format of a file's first lines. @throws UsageError if none of them can be read and nothing was stored yet */
  #examine({ path, beginning }: SeenFile): string | null {
    const { format, refusal } = this.options.examine?.(beginning, path) ?? { format: null, refusal: null };
    if (refusal === null) return format;
    if (this.options.refuseUnread && !this.known.storing) throw refusal;
    this.options.log.warn(refusal.message, { code: refusal.code, action: refusal.action });
    return null;
  }

  /** Whether a finished content's file holds more than was read of it. */
  async #hasGrown(content: Content, file: SeenFile): Promise<boolean> {
    const { latest } = content;
    if (latest.sealed) return false;
    if (!file.compressed) return file.size > latest.sizeSeen;
    const length = await guard(file.path, statedLength(file.path, file.size, this.options.files));
    const grown = length !== null && length > latest.sizeSeen % 2 ** 32;
    if (!grown) await this.known.save({ ...this.known.get(latest.generation)!, sealed: true });
    return grown;
  }

  /** Numbers the rest of a file that grew after it had been left. Null during the pause: the rest is numbered after it, with what is added until then. */
  async #readOn(content: Content, file: SeenFile): Promise<number | null> {
    const now = this.options.clock.now();
    const isNewestFile = content.number === Math.max(...[...this.known.all()].map((g) => g.content));
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
    await this.known.save({
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
        `The log has had ${GENERATIONS_MAX} files, the most that positions can number`,
        "Start a new stream in another POSTGRES_SCHEMA.",
      );
    }
    return number;
  }

  #tellOnce(message: string, file: string): void {
    const key = `${message} ${file}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.options.log.warn(message, { file });
  }
}
