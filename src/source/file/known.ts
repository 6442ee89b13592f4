// The generations of one log in memory, and when they are stored. Shell over the port to where they are kept.
import { messageOf, Unavailable } from "../../shared/errors.ts";
import type { Generation, GenerationStore } from "./generations.ts";

/** What is known of a log's files. */
export class KnownGenerations {
  readonly #store: GenerationStore;
  readonly #isOwn: (path: string) => boolean;
  readonly #rows = new Map<number, Generation>();
  /** Not stored yet. */
  readonly #unsaved = new Set<number>();
  /** Of which more is remembered than is stored. */
  readonly #noted = new Set<number>();
  #newest = 0;
  #storing = false;

  /** @param isOwn whether a file at this path can have been one of the log */
  constructor(store: GenerationStore, isOwn: (path: string) => boolean) {
    this.#store = store;
    this.#isOwn = isOwn;
  }

  /** Number of the newest generation, 0 where there is none. */
  get newest(): number {
    return this.#newest;
  }

  /** Whether the stream has taken a position, so that what is known is stored. */
  get storing(): boolean {
    return this.#storing;
  }

  get(number: number): Generation | undefined {
    return this.#rows.get(number);
  }

  has(number: number): boolean {
    return this.#rows.has(number);
  }

  all(): Iterable<Generation> {
    return this.#rows.values();
  }

  numbers(): Iterable<number> {
    return this.#rows.keys();
  }

  /** Reads what was stored, forgetting everything else. @throws {Unavailable} */
  async load(): Promise<void> {
    const rows = await stored(this.#store.load());
    this.#rows.clear();
    this.#unsaved.clear();
    this.#noted.clear();
    this.#storing = false;
    this.#newest = 0;
    rows.sort((a, b) => a.generation - b.generation);
    // Left behind by runs of earlier releases over another path, which were refused: nothing of them was ever read.
    while (rows.length > 0 && this.#isForeign(rows.at(-1)!)) rows.pop();
    for (const row of rows) {
      const isForeign = this.#isForeign(row);
      this.#remember(isForeign ? { ...row, finished: true } : row);
      if (isForeign) this.#unsaved.add(row.generation);
    }
  }

  /** From here on what is known is stored: until a stream has taken a position, a run may still be refused and must change nothing. */
  async store(): Promise<void> {
    if (this.#storing && this.#unsaved.size === 0) return;
    this.#storing = true;
    for (const number of [...this.#unsaved].sort((a, b) => a - b)) await this.save(this.#rows.get(number)!);
  }

  /** Stores all that is remembered: before the log is left. @throws {Unavailable} */
  async storeNotes(): Promise<void> {
    await this.store();
    for (const number of [...this.#noted]) await this.save(this.#rows.get(number)!);
  }

  /** Stores a generation before any position inside it is handed out. @throws {Unavailable} */
  async save(generation: Generation): Promise<void> {
    if (this.#storing) {
      await stored(this.#store.save(generation));
      this.#unsaved.delete(generation.generation);
    } else this.#unsaved.add(generation.generation);
    this.#remember(generation);
  }

  /** Stores a generation at once, whether the stream has taken a position or not. @throws {Unavailable} */
  async saveNow(generation: Generation): Promise<void> {
    await stored(this.#store.save(generation));
    this.#remember(generation);
  }

  /** Remembers what reading has shown, to be stored with the next {@link save}: how long the content is at least, and what was read last. */
  note(number: number, facts: Partial<Pick<Generation, "sizeSeen" | "proof" | "lastTime">>): void {
    const generation = this.#rows.get(number);
    if (generation === undefined) return;
    const sizeSeen = Math.max(generation.sizeSeen, facts.sizeSeen ?? 0);
    this.#rows.set(number, { ...generation, ...facts, sizeSeen });
    this.#noted.add(number);
  }

  /** Takes the newest generation back. */
  dropNewest(): void {
    this.#rows.delete(this.#newest);
    this.#noted.delete(this.#newest);
    this.#newest--;
  }

  #remember(generation: Generation): void {
    this.#noted.delete(generation.generation);
    this.#rows.set(generation.generation, generation);
    this.#newest = Math.max(this.#newest, generation.generation);
  }

  #isForeign({ generation, path, sizeSeen, finished, proof }: Generation): boolean {
    return generation > 0 && sizeSeen === 0 && !finished && proof === null && !this.#isOwn(path);
  }
}

async function stored<T>(work: Promise<T>): Promise<T> {
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
