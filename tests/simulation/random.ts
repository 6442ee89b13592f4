// Seeded pseudo-random numbers: the only source of chance in the simulation. Pure.

/** A stream of numbers that its seed alone decides. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d = 1;

  /** @param seed any integer; `stream` gives independent numbers for the same seed */
  constructor(seed: number, stream = 0) {
    // sfc32 (Doty-Humphrey, PractRand) over three words; the first rounds mix the seed in.
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 2 ** 32) | 0;
    this.#c = (stream ^ 0x9e3779b9) | 0;
    for (let i = 0; i < 12; i++) this.#next();
  }

  #next(): number {
    const t = (this.#a + this.#b | 0) + this.#d | 0;
    this.#d = this.#d + 1 | 0;
    this.#a = this.#b ^ this.#b >>> 9;
    this.#b = this.#c + (this.#c << 3) | 0;
    this.#c = (this.#c << 21 | this.#c >>> 11) + t | 0;
    return t >>> 0;
  }

  /** In [0, 1). */
  real(): number {
    return this.#next() / 2 ** 32;
  }

  /** Whole, from `low` to `high`, both inclusive. */
  int(low: number, high: number): number {
    return low + Math.floor(this.real() * (high - low + 1));
  }

  /** True with probability `p`. */
  chance(p: number): boolean {
    return this.real() < p;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.int(0, items.length - 1)]!;
  }

  /** Mostly near `low`, seldom near `high`: for latencies. */
  skewed(low: number, high: number): number {
    const x = this.real();
    return Math.round(low + (high - low) * x * x * x);
  }

  /** 128 bits as a UUID. */
  uuid(): string {
    const hex = Array.from({ length: 4 }, () => this.#next().toString(16).padStart(8, "0")).join("");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }
}
