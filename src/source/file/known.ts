// Keeps the generations of one log in memory and decides when they are stored. Shell over the generation store.
import { messageOf, Unavailable } from "../../shared/errors.ts";
import type { Generation, GenerationStore } from "./generations.ts";

/** What is known of a log's files. */
export class KnownGenerations {
  readonly #store: GenerationStore;
  readonly #isOwn: (path: string) => boolean;
  readonly #rows = new Map<number, Generation>();
  /** Not stored yet. */
  readonly #unsaved = new Set<number>();
  /** Changed by {@link note} since they were last saved. */
  readonly #noted = new Set<number>();
  #newest = 0;
  #storing = false;

  /** @param isOwn whether a file at this path can have been one of the log */
  constructor(store: GenerationStore, isOwn: (path: string) => boolean) {
    this.#store = store;
    this.#isOwn = isOwn;
  }

  /** Number of the newest generation; 0 if there is none. */
  get newest(): number {
    return this.#newest;
  }

  /** Whether the stream has taken a position: from then on, changes are stored. */
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

  /** Reads the stored generations and forgets all others. @throws {Unavailable} */
  async load(): Promise<void> {
    const rows = await stored(this.#store.load());
    this.#rows.clear();
    this.#unsaved.clear();
    this.#noted.clear();
    this.#storing = false;
    this.#newest = 0;
    rows.sort((a, b) => a.generation - b.generation);
    // Rows of refused runs of earlier releases over another path. Nothing of those files was read.
    while (rows.length > 0 && this.#isForeign(rows.at(-1)!)) rows.pop();
    for (const row of rows) {
      const isForeign = this.#isForeign(row);
      this.#remember(isForeign ? { ...row, finished: true } : row);
      if (isForeign) this.#unsaved.add(row.generation);
    }
  }

  /** Stores everything, and from now on each change. Called once the stream has taken a position: before, a run may be refused and must not change anything. */
  async store(): Promise<void> {
    if (this.#storing && this.#unsaved.size === 0) return;
    this.#storing = true;
    for (const number of [...this.#unsaved].sort((a, b) => a - b)) await this.save(this.#rows.get(number)!);
  }

  /** Stores everything that is only in memory. Called before the log is left. @throws {Unavailable} */
  async storeNotes(): Promise<void> {
    await this.store();
    for (const number of [...this.#noted]) await this.save(this.#rows.get(number)!);
  }

  /** Stores a generation; until the stream has taken a position, only remembers it. Called before any position in it is delivered. @throws {Unavailable} */
  async save(generation: Generation): Promise<void> {
    if (this.#storing) {
      await stored(this.#store.save(generation));
      this.#unsaved.delete(generation.generation);
    } else this.#unsaved.add(generation.generation);
    this.#remember(generation);
  }

  /** Stores a generation even if the stream has not taken a position yet. @throws {Unavailable} */
  async saveNow(generation: Generation): Promise<void> {
    await stored(this.#store.save(generation));
    this.#remember(generation);
  }

  /** Remembers the least length of a content and what was read of it last, without storing them. The next {@link save} or {@link storeNotes} does. */
  note(number: number, facts: Partial<Pick<Generation, "sizeSeen" | "proof" | "lastTime">>): void {
    const generation = this.#rows.get(number);
    if (generation === undefined) return;
    const sizeSeen = Math.max(generation.sizeSeen, facts.sizeSeen ?? 0);
    this.#rows.set(number, { ...generation, ...facts, sizeSeen });
    this.#noted.add(number);
  }

  /** Removes the newest generation from memory. */
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
      "Check the database; reading goes on by itself.",
      { cause: error },
    );
  }
}
