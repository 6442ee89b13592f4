// The twin of the sketches in ddl/0011_breakdown.sql, and the reference for what may be left out of a commit: registers, bytes, estimates. No I/O;
// a Sketch changes itself and nothing else.
// Estimator: Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (arXiv:1702.01284, 2017), algorithm 6: without bias
// from 0 up, without tables and without a change of method in between.
import { PRECISION, rankOf, registerOf } from "../../src/breakdown/sketch.ts";

export const REGISTERS = 1 << PRECISION;
/** Bits of a hash in which the rank is found. */
const RANK_BITS = 64 - PRECISION;
export const RANK_MAX = RANK_BITS + 1;

/** Whether a number is an update that `updateOf` can give. */
const isUpdate = (update: number) =>
  Number.isInteger(update) && update >= 0 && registerOf(update) < REGISTERS && rankOf(update) >= 1 &&
  rankOf(update) <= RANK_MAX;

/** The registers of one set of visitors. */
export class Sketch {
  readonly #ranks = new Uint8Array(REGISTERS);

  /** Takes an update in. Returns whether a register rose: an update that raised none need not be stored. */
  add(update: number): boolean {
    const register = registerOf(update), rank = rankOf(update);
    if (rank <= this.#ranks[register]!) return false;
    this.#ranks[register] = rank;
    return true;
  }

  /** Takes in what `other` holds. */
  merge(other: Sketch): void {
    const from = other.#ranks;
    for (let register = 0; register < REGISTERS; register++) {
      if (from[register]! > this.#ranks[register]!) this.#ranks[register] = from[register]!;
    }
  }

  /** The updates that make this sketch of an empty one: at most one a register, ascending. */
  updates(): number[] {
    const list: number[] = [];
    for (let register = 0; register < REGISTERS; register++) {
      const rank = this.#ranks[register]!;
      if (rank > 0) list.push(register * 64 + rank);
    }
    return list;
  }

  /** How many different hashes were taken in; not rounded. */
  estimate(): number {
    const counts = new Array<number>(RANK_MAX + 1).fill(0);
    for (const rank of this.#ranks) counts[rank]!++;
    return estimateOf(counts);
  }

  /** {@link sketchBytes} of this sketch. */
  bytes(): Uint8Array<ArrayBuffer> {
    return sketchBytes(this.updates());
  }
}

/**
 * Ertl's improved raw estimate.
 *
 * @param counts by rank from 0 to {@link RANK_MAX}: the number of registers of that rank
 */
export function estimateOf(counts: readonly number[]): number {
  let z = REGISTERS * tau(1 - counts[RANK_MAX]! / REGISTERS);
  for (let rank = RANK_BITS; rank >= 1; rank--) z = 0.5 * (z + counts[rank]!);
  z += REGISTERS * sigma(counts[0]! / REGISTERS);
  return (REGISTERS / (2 * Math.LN2)) * (REGISTERS / z);
}

/** Ertl, equation 6.3: x + sum over k ≥ 1 of x^(2^k) 2^(k-1). Infinite for 1, an empty sketch. */
function sigma(x: number): number {
  if (x === 1) return Infinity;
  let power = x, weight = 1, sum = x, before;
  do {
    power *= power;
    before = sum;
    sum += power * weight;
    weight += weight;
  } while (sum !== before);
  return sum;
}

/** Ertl, equation 6.5: (1 - x - sum over k ≥ 1 of (1 - x^(2^-k))² 2^-k) / 3. */
function tau(x: number): number {
  if (x === 0 || x === 1) return 0;
  let root = x, weight = 1, sum = 1 - x, before;
  do {
    root = Math.sqrt(root);
    before = sum;
    weight *= 0.5;
    sum -= (1 - root) * (1 - root) * weight;
  } while (sum !== before);
  return sum / 3;
}

// The bytes of a sketch, as a column holds them. There is one form for each sketch, so that equal sketches are equal bytes:
//   sparse  0x01, then each update in three bytes, ascending        while that is shorter than the dense form
//   dense   0x02, then one byte a register: its rank                (16,385 bytes; PostgreSQL compresses it)

const SPARSE = 1;
const DENSE = 2;
const UPDATE_BYTES = 3;
/** Updates up to which the sparse form is used: 1 + 3 n < 1 + 16384. */
export const SPARSE_UPDATES_MAX = Math.floor((REGISTERS - 1) / UPDATE_BYTES);

/** The bytes of the sketch that these updates make. They may come in any order, with several for one register. */
export function sketchBytes(updates: Iterable<number>): Uint8Array<ArrayBuffer> {
  const ranks = new Uint8Array(REGISTERS);
  let used = 0;
  for (const update of updates) {
    const register = registerOf(update), rank = rankOf(update);
    if (rank <= ranks[register]!) continue;
    if (ranks[register] === 0) used++;
    ranks[register] = rank;
  }
  if (used > SPARSE_UPDATES_MAX) {
    const bytes = new Uint8Array(1 + REGISTERS);
    bytes[0] = DENSE;
    bytes.set(ranks, 1);
    return bytes;
  }
  const bytes = new Uint8Array(1 + UPDATE_BYTES * used);
  bytes[0] = SPARSE;
  let at = 1;
  for (let register = 0; register < REGISTERS; register++) {
    if (ranks[register] === 0) continue;
    const update = register * 64 + ranks[register]!;
    bytes[at++] = update >>> 16;
    bytes[at++] = update >>> 8;
    bytes[at++] = update;
  }
  return bytes;
}

/** The updates in the bytes of a sketch, ascending; `undefined` if they are not of the form that {@link sketchBytes} gives. */
export function updatesOfBytes(bytes: Uint8Array): number[] | undefined {
  const updates: number[] = [];
  if (bytes[0] === DENSE && bytes.length === 1 + REGISTERS) {
    for (let register = 0; register < REGISTERS; register++) {
      const rank = bytes[1 + register]!;
      if (rank > RANK_MAX) return undefined;
      if (rank > 0) updates.push(register * 64 + rank);
    }
    return updates.length > SPARSE_UPDATES_MAX ? updates : undefined;
  }
  if (bytes[0] !== SPARSE || bytes.length % UPDATE_BYTES !== 1) return undefined;
  for (let at = 1; at < bytes.length; at += UPDATE_BYTES) {
    const update = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
    const last = updates.at(-1);
    if (!isUpdate(update) || (last !== undefined && registerOf(last) >= registerOf(update))) return undefined;
    updates.push(update);
  }
  return updates.length > SPARSE_UPDATES_MAX ? undefined : updates;
}

/** The sketch in bytes; `undefined` if they are not of the form that {@link sketchBytes} gives. */
export function sketchOfBytes(bytes: Uint8Array): Sketch | undefined {
  const updates = updatesOfBytes(bytes);
  if (updates === undefined) return undefined;
  const sketch = new Sketch();
  for (const update of updates) sketch.add(update);
  return sketch;
}
