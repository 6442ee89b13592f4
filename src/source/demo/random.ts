// Numbers that look random and depend only on the arguments. Pure.

/** Mixes 32 bits: each input bit changes about half of the result's (the finaliser of MurmurHash3). */
export function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** An unsigned 32-bit number for position `n` (0 to 2^53) of the sequence that `key` names. */
export function numberAt(key: number, n: number): number {
  const high = Math.floor(n / 2 ** 32);
  return mix(mix((n >>> 0) ^ key) + Math.imul(high, 0x9e3779b1) + key);
}

/** A number in [0, 1) for position `n` of the sequence that `key` names. */
export function fractionAt(key: number, n: number): number {
  return numberAt(key, n) / 2 ** 32;
}

/** The key of a sequence, from a list of numbers. */
export function sequenceKey(...parts: readonly number[]): number {
  let key = 0x2545f491;
  for (const part of parts) key = mix(Math.imul(key, 31) + mix(part >>> 0) + mix(Math.floor(part / 2 ** 32)));
  return key;
}

/** A table of item numbers by weight; a random index into it picks an item. `slots` is a power of two. */
export function weightedTable(weights: readonly number[], slots: number): Uint16Array {
  const sum = weights.reduce((a, b) => a + b, 0);
  const table = new Uint16Array(slots);
  let item = 0;
  let reached = weights[0]! / sum;
  for (let slot = 0; slot < slots; slot++) {
    while ((slot + 0.5) / slots > reached && item < weights.length - 1) reached += weights[++item]! / sum;
    table[slot] = item;
  }
  return table;
}
