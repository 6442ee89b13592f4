// Chance from a seed, and how a case is taken from it. Pure: the same seed gives the same cases.

/** A number in [0, n) from a stream that a 32-bit seed decides. */
export type Below = (n: number) => number;

/** The stream of a seed (mulberry32), so that a case can be made again. */
export function randomBelow(seed: number): Below {
  let state = seed | 0;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor(((t ^ (t >>> 14)) >>> 0) / 4294967296 * n);
  };
}

/** What generators are written with. */
export interface Chance {
  readonly below: Below;
  /** True once in `n` times. */
  once(n: number): boolean;
  pick<T>(pool: readonly T[]): T;
  /** Almost always of `good`: a case with one fault reaches further than one with many. */
  mostly<T>(good: readonly T[], bad: readonly T[]): T;
  /** Whole, both ends inclusive. */
  int(low: number, high: number): number;
  /** `count` results, or a random number of them up to `max`. */
  many<T>(max: number, make: () => T): T[];
}

export function chanceOf(below: Below): Chance {
  const pick = <T>(pool: readonly T[]): T => pool[below(pool.length)]!;
  return {
    below,
    once: (n) => below(n) === 0,
    pick,
    mostly: (good, bad) => below(40) === 0 ? pick(bad) : pick(good),
    int: (low, high) => low + below(high - low + 1),
    many: (max, make) => Array.from({ length: below(max + 1) }, make),
  };
}

/** Bytes that mean something to one of the grammars. */
const SPECIAL_BYTES = [
  ...[
    0x00,
    0x09,
    0x0a,
    0x0d,
    0x1f,
    0x20,
    0x22,
    0x25,
    0x2c,
    0x2d,
    0x2e,
    0x30,
    0x31,
    0x39,
    0x3a,
    0x3d,
    0x40,
    0x5b,
    0x5c,
    0x5d,
  ],
  ...[0x65, 0x6e, 0x7b, 0x7d, 0x7f, 0x80, 0xbf, 0xc0, 0xc3, 0xe2, 0xed, 0xef, 0xf0, 0xf4, 0xff],
];
/** Sequences on both sides of every bound of Unicode's table of well-formed UTF-8. */
const UTF8_EDGES = [
  [0xc1, 0xbf],
  [0xc2, 0x80],
  [0xdf, 0xbf],
  [0xe0, 0x9f, 0xbf],
  [0xe0, 0xa0, 0x80],
  [0xed, 0x9f, 0xbf],
  [0xed, 0xa0, 0x80],
  [0xee, 0x80, 0x80],
  [0xef, 0xbf, 0xbf],
  [0xf0, 0x8f, 0xbf, 0xbf],
  [0xf0, 0x90, 0x80, 0x80],
  [0xf4, 0x8f, 0xbf, 0xbf],
  [0xf4, 0x90, 0x80, 0x80],
  [0xf5, 0x80, 0x80, 0x80],
  [0xc3],
  [0xe2, 0x82],
  [0xf0, 0x9f, 0x98],
  [0xc3, 0x22],
  [0xe2, 0x82, 0x22],
  [0xef, 0xbb, 0xbf],
];

/** One small damage: a byte or sequence put in, taken out, exchanged, repeated or flipped, or the end cut off. */
export function mutated(bytes: Uint8Array, below: Below): Uint8Array<ArrayBuffer> {
  const at = below(bytes.length + 1);
  const odd = SPECIAL_BYTES[below(SPECIAL_BYTES.length)]!;
  switch (below(7)) {
    case 0:
      return spliced(bytes, at, at, [odd]);
    case 1:
      return spliced(bytes, at, at + 1, [odd]);
    case 2:
      return spliced(bytes, at, at + 1, []);
    case 3:
      return bytes.slice(0, at);
    case 4:
      return spliced(bytes, at, at, UTF8_EDGES[below(UTF8_EDGES.length)]!);
    case 5:
      return spliced(bytes, at, at, bytes.subarray(at, at + below(12)));
    default:
      return spliced(bytes, at, at + 1, [(bytes[at] ?? 0) ^ (1 << below(8))]);
  }
}

/** `bytes` with `[from, to)` replaced. */
export function spliced(
  bytes: Uint8Array,
  from: number,
  to: number,
  insert: ArrayLike<number>,
): Uint8Array<ArrayBuffer> {
  const end = Math.min(to, bytes.length);
  const whole = new Uint8Array(bytes.length - (end - from) + insert.length);
  whole.set(bytes.subarray(0, from));
  whole.set(insert, from);
  whole.set(bytes.subarray(end), from + insert.length);
  return whole;
}
