// Positions of texts in the list of one chunk. No I/O.
import type { Dictionary } from "../event/types.ts";

export const TEXT_END = "\x1f";

/** Maps ids of a process-wide dictionary to dense 1-based indexes into one chunk's list. It is reused, so unused ids cost nothing per chunk. */
export class Indexes {
  #stamp = new Int32Array(1024);
  #index = new Int32Array(1024);
  #round = 0;
  count = 0;
  /** The texts, each ended by U+001F. */
  list = "";
  readonly #texts: Pick<Dictionary, "text" | "size">;

  constructor(texts: Pick<Dictionary, "text" | "size">) {
    this.#texts = texts;
  }

  /** Begins a chunk. */
  begin(): void {
    const { size } = this.#texts;
    if (this.#stamp.length < size) {
      const capacity = Math.max(size, this.#stamp.length * 2);
      this.#stamp = new Int32Array(capacity);
      this.#index = new Int32Array(capacity);
      this.#round = 0;
    }
    this.#round++;
    this.count = 0;
    this.list = "";
  }

  of(id: number): number {
    if (this.#stamp[id] === this.#round) return this.#index[id]!;
    this.#stamp[id] = this.#round;
    this.list += this.#texts.text(id) + TEXT_END;
    return this.#index[id] = ++this.count;
  }
}
