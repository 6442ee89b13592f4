// Which table named a text last: a commit sends each text once per table, however many keys name it. No I/O; hot path.
import type { Dictionary } from "../event/types.ts";

/** Texts of one dictionary. Between two tables, ids may come to mean other texts. */
export class NamedTexts {
  /** By id: number of the table. Table numbers are never used twice, so an id seen by another table counts as new. */
  #table = new Float64Array(1024);

  /** Bytes that the text `id` adds to table number `table`: 0 if no other table has named it since this one did. */
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
