// Byte strings to dense slots: open addressing over typed arrays, seeded hash, full comparison. No I/O.
// Why it exists: decoding host, referrer and user agent and looking them up in a Map takes 0.39 µs per event and makes garbage; the slots
// of all three take 0.15 µs without an allocation (bench/event_bench.ts).
import { grown } from "../shared/typed_tables.ts";

const FIRST_TABLE_SIZE = 1 << 10;
const FIRST_ARENA_BYTES = 1 << 14;
/** The arena doubles, but grows by this at most, so that one step cannot go far beyond the limit of dictionaries. */
const ARENA_STEP_BYTES_MAX = 1 << 23;

/** Gives each distinct byte string a slot, dense from 0, until {@link ByteInterner.clear}. */
export class ByteInterner {
  /** Slot + 1; 0 = free. At most half full. */
  #table = new Int32Array(0);
  #mask = 0;
  #hashes = new Int32Array(0);
  /** Start of each slot's bytes in the arena. It has one more entry than there are slots: the next entry is the end. */
  #starts = new Int32Array(0);
  #arena = new Uint8Array(0);
  #arenaView = new DataView(this.#arena.buffer);
  #size = 0;
  readonly #wordMultiplier: number;
  readonly #stateMultiplier: number;
  readonly #seed: number;

  /** @param seed 32 random bits: without them an attacker cannot construct strings of equal hash */
  constructor(seed: number) {
    this.#seed = seed | 0;
    // Both multipliers are secret and odd. With public ones, a difference in the top bits passes a multiplication unchanged and the next
    // word can cancel it, whatever the seed is.
    this.#wordMultiplier = Math.imul(seed ^ 0x9e3779b1, 0x85ebca6b) | 1;
    this.#stateMultiplier = Math.imul(seed ^ 0xc2b2ae35, 0x27d4eb2f) | 1;
    this.clear();
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes held by the tables. */
  get memoryBytes(): number {
    return this.#table.byteLength + this.#hashes.byteLength + this.#starts.byteLength + this.#arena.byteLength;
  }

  /**
   * The slot of `bytes[start, end)`; a new one (= the old `size`) if these bytes were not seen since the last `clear`.
   *
   * @param view over the same memory as `bytes`
   */
  intern(bytes: Uint8Array, view: DataView, start: number, end: number): number {
    const hash = this.#hash(bytes, view, start, end);
    const table = this.#table;
    const mask = this.#mask;
    for (let i = hash & mask;; i = (i + 1) & mask) {
      const slot = table[i]! - 1;
      if (slot < 0) return this.#add(bytes, start, end, hash, i);
      if (this.#hashes[slot] === hash && this.#holds(slot, bytes, view, start, end)) return slot;
    }
  }

  /** Forgets everything and gives the memory back. */
  clear(): void {
    this.#table = new Int32Array(FIRST_TABLE_SIZE);
    this.#mask = FIRST_TABLE_SIZE - 1;
    this.#hashes = new Int32Array(FIRST_TABLE_SIZE / 2);
    this.#starts = new Int32Array(FIRST_TABLE_SIZE / 2 + 1);
    this.#arena = new Uint8Array(FIRST_ARENA_BYTES);
    this.#arenaView = new DataView(this.#arena.buffer);
    this.#size = 0;
  }

  /** Murmur-like, four bytes per step; the last step overlaps the one before, in place of a loop over the rest. */
  #hash(b: Uint8Array, view: DataView, start: number, end: number): number {
    const m = this.#wordMultiplier;
    const n = this.#stateMultiplier;
    const length = end - start;
    let h = this.#seed ^ length;
    if (length >= 4) {
      const last = end - 4;
      for (let p = start; p < last; p += 4) {
        const k = Math.imul(view.getInt32(p, true), m);
        h = Math.imul(h ^ ((k << 15) | (k >>> 17)), n);
        h = (h << 13) | (h >>> 19);
      }
      const k = Math.imul(view.getInt32(last, true), m);
      h = Math.imul(h ^ ((k << 15) | (k >>> 17)), n);
    } else {
      for (let p = start; p < end; p++) h = Math.imul(h ^ b[p]!, n);
    }
    h ^= h >>> 16;
    h = Math.imul(h, m);
    return h ^ (h >>> 15);
  }

  #holds(slot: number, b: Uint8Array, view: DataView, start: number, end: number): boolean {
    const at = this.#starts[slot]!;
    const length = end - start;
    if (this.#starts[slot + 1]! - at !== length) return false;
    if (length < 4) {
      for (let k = 0; k < length; k++) if (this.#arena[at + k] !== b[start + k]) return false;
      return true;
    }
    const arena = this.#arenaView;
    const last = length - 4;
    for (let k = 0; k < last; k += 4) {
      if (arena.getInt32(at + k, true) !== view.getInt32(start + k, true)) return false;
    }
    return arena.getInt32(at + last, true) === view.getInt32(start + last, true);
  }

  #add(b: Uint8Array, start: number, end: number, hash: number, free: number): number {
    const slot = this.#size++;
    const at = this.#starts[slot]!;
    const next = at + end - start;
    if (next > this.#arena.length) {
      const arena = new Uint8Array(
        Math.max(this.#arena.length + Math.min(this.#arena.length, ARENA_STEP_BYTES_MAX), next),
      );
      arena.set(this.#arena.subarray(0, at));
      this.#arena = arena;
      this.#arenaView = new DataView(arena.buffer);
    }
    this.#arena.set(b.subarray(start, end), at);
    this.#starts[slot + 1] = next;
    this.#hashes[slot] = hash;
    this.#table[free] = slot + 1;
    if (this.#size * 2 === this.#table.length) this.#grow();
    return slot;
  }

  #grow(): void {
    const table = new Int32Array(this.#table.length * 2);
    const mask = table.length - 1;
    for (let slot = 0; slot < this.#size; slot++) {
      let i = this.#hashes[slot]! & mask;
      while (table[i] !== 0) i = (i + 1) & mask;
      table[i] = slot + 1;
    }
    this.#table = table;
    this.#mask = mask;
    this.#hashes = grown(this.#hashes, table.length / 2);
    this.#starts = grown(this.#starts, table.length / 2 + 1);
  }
}
