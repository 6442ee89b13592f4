// Checks the encoded bytes of an MMDB value before the library decodes it, so that decoding ends soon. Pure.
// Format: https://maxmind.github.io/MaxMind-DB/ (data section). Reason: a few hundred bytes can describe billions of values (lists of pointers to
// lists of pointers), and mmdb-lib, the decoder of `maxmind`, reads them all: one small file stopped the process (tests/fuzz, `mmdb`).

/** Most values of a record, with pointers and repetitions. The largest city records have less than two hundred. */
const VALUES_MAX = 4_096;
/** Deepest nesting of lists, maps and pointers. */
const DEPTH_MAX = 32;
/** Most bytes of a record's texts and byte strings, with repetitions. */
const TEXT_BYTES_MAX = 1_048_576;

const TYPE = {
  extended: 0,
  pointer: 1,
  text: 2,
  double: 3,
  bytes: 4,
  map: 7,
  list: 11,
  boolean: 14,
  float: 15,
} as const;
/** Most bytes of a number by its type: double, uint16, uint32, int32, uint64, uint128 and float. */
const NUMBER_BYTES_MAX: Readonly<Record<number, number>> = { 3: 8, 5: 2, 6: 4, 8: 4, 9: 8, 10: 16, 15: 4 };
/** Added to a pointer's value, by the number of bytes after its first, minus one. */
const POINTER_FROM = [0, 2_048, 526_336, 0];
/** Added to a size if the low five bits of its first byte are 29, 30 or 31: then 1, 2 or 3 bytes of size follow. */
const SIZE_FROM = [29, 285, 65_821];

/** One section of a file. */
export class MmdbBounds {
  #at = 0;
  #values = 0;
  #textBytes = 0;

  /** The section `bytes[start, end)`; pointers in it count from `start`. */
  constructor(private readonly bytes: Uint8Array, private readonly start: number, private readonly end: number) {}

  /**
   * Checks that the library may decode the value at `offset` from the section's start.
   * @throws {Error} if it is not a value, points out of the section, or is larger than any record of places: the caller refuses the file or the record.
   */
  check(offset: number): void {
    this.#values = VALUES_MAX;
    this.#textBytes = TEXT_BYTES_MAX;
    this.#at = this.start + offset;
    this.#value(DEPTH_MAX);
  }

  /** Skips one value and returns its type; for a pointer, that of its target. */
  #value(depth: number): number {
    if (--this.#values < 0) throw new Error("a record has too many values");
    if (depth === 0) throw new Error("a record is nested too deeply");
    const first = this.#number(1);
    let type = first >>> 5;
    if (type === TYPE.pointer) return this.#pointed(first, depth);
    if (type === TYPE.extended) type = this.#number(1) + 7;
    const small = first & 31, size = small < 29 ? small : SIZE_FROM[small - 29]! + this.#number(small - 28);
    if (type === TYPE.map || type === TYPE.list) {
      for (let i = 0; i < size; i++) {
        // The library converts any key to text, even a large list or map.
        if (type === TYPE.map && this.#value(depth - 1) !== TYPE.text) {
          throw new Error("a record has a key that is not text");
        }
        this.#value(depth - 1);
      }
    } else if (type === TYPE.text || type === TYPE.bytes) {
      if ((this.#textBytes -= size) < 0) throw new Error("a record has too long texts");
      this.#take(size);
    } else if (type !== TYPE.boolean) {
      // Whole numbers may leave out leading zeros.
      const most = NUMBER_BYTES_MAX[type] ?? -1, exact = type === TYPE.double || type === TYPE.float;
      if (size > most || (exact && size < most)) {
        throw new Error(`a record has a value of type ${type} and ${size} bytes`);
      }
      this.#take(size);
    }
    return type;
  }

  #pointed(first: number, depth: number): number {
    const form = (first >>> 3) & 3;
    // The largest form leaves the first byte's bits unused.
    const high = form === 3 ? 0 : (first & 7) * 256 ** (form + 1);
    const offset = high + this.#number(form + 1) + POINTER_FROM[form]!;
    const back = this.#at;
    this.#at = this.start + offset;
    const type = this.#value(depth - 1);
    this.#at = back;
    return type;
  }

  /** Reads a number of `size` bytes. */
  #number(size: number): number {
    let number = 0;
    for (let at = this.#take(size); at < this.#at; at++) number = number * 256 + this.bytes[at]!;
    return number;
  }

  /** Skips `size` bytes and returns their start. */
  #take(size: number): number {
    const start = this.#at;
    if (!(start >= this.start && start + size <= this.end)) throw new Error("a record leads out of its section");
    this.#at = start + size;
    return start;
  }
}
