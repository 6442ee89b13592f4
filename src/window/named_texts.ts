// Which table named a text last: a commit sends each text once a table, however many keys name it. Pure bookkeeping, no I/O, hot.
import type { Dictionary } from "../event/types.ts";

/** Texts of one dictionary. Ids may be given anew between two tables. */
export class NamedTexts {
  /** By id: number of the table. Numbers are never used twice, so a text of another table or dictionary is a new one. */
  #table = new Float64Array(1024);

  /** Bytes that naming the text `id` adds to the table of that number: 0 where no other table has named it since this one did. */
  bytesOf(id: number, dictionary: Pick<Dictionary, "bytes">, table: number): number {
    if (id >= this.#table.length) this.#grow(id);
    if (this.#table[id] === table) return 0;
    this.#table[id] = table;
    return dictionary.bytes(id);
  }

  #grow(id: number): void {
    const wider = new Float64Array(Math.max(id + 1, this.#table.length * 2));
    wider.set(this.#table);
    this.#table = wider;
  }
}
