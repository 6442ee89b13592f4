// Which updates of sketches were put into a delta already: most visitors come again, and their update changes nothing. No I/O; hot path.
// A cache of fixed size in place of a sketch for each host, which would be 16 KiB for each of thousands of hosts. A lost entry costs one more
// update in a commit. An entry that is kept too long would lose a visitor, so what was not stored, or has another id, must be forgotten.
import { PRECISION, rankOf, registerOf } from "../breakdown/sketch.ts";
import { mix } from "../shared/typed_tables.ts";

const BITS = 19;
const MASK = (1 << BITS) - 1;
const RANK_BITS = 6;
const DAY_SHIFT = PRECISION + RANK_BITS;
/** Days that have a number at a time: an entry's second word has 12 bits for it, beside 14 of the register and 6 of the rank. */
const DAYS_MAX = 1 << (32 - DAY_SHIFT);

/** Ranks that were sent, by day, host and register. */
export class SentUpdates {
  /** Direct-mapped: host + 1 (0 = free), and day, register and rank. */
  readonly #hosts = new Int32Array(1 << BITS);
  readonly #rest = new Int32Array(1 << BITS);
  readonly #numbers = new Map<number, number>();
  #recentDay = NaN;
  #recentNumber = 0;

  /** Notes an update of a host's sketch. Returns whether it has to be sent: false if the register is known to have this rank or a higher one. */
  add(day: number, host: number, update: number): boolean {
    const number = day === this.#recentDay ? this.#recentNumber : this.#numberOf(day);
    const register = registerOf(update), rank = rankOf(update);
    const slot = mix(host, register, number) & MASK;
    const key = (number << DAY_SHIFT) | (register << RANK_BITS), known = this.#rest[slot]!;
    if (this.#hosts[slot] === host + 1 && known - rankOf(known) === key && rankOf(known) >= rank) return false;
    this.#hosts[slot] = host + 1;
    this.#rest[slot] = key | rank;
    return true;
  }

  clear(): void {
    this.#hosts.fill(0);
    this.#numbers.clear();
    this.#recentDay = NaN;
  }

  #numberOf(day: number): number {
    let number = this.#numbers.get(day);
    if (number === undefined) {
      if (this.#numbers.size === DAYS_MAX) this.clear();
      this.#numbers.set(day, number = this.#numbers.size);
    }
    this.#recentDay = day;
    this.#recentNumber = number;
    return number;
  }
}
