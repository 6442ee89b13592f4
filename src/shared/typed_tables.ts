// What tables over typed arrays share: how ids are mixed into a slot, and how an array grows. Pure; hot path.

/** Multiplicative mixing of three dense ids (the constants are the golden ratio and two odd constants of MurmurHash3's finaliser). */
export function mix(a: number, b: number, c: number): number {
  let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b) ^ Math.imul(c, 0xc2b2ae35);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  return h ^ (h >>> 13);
}

/** A copy of `old` with `length` numbers; new ones are 0. */
export function grown(old: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(length);
  copy.set(old);
  return copy;
}
