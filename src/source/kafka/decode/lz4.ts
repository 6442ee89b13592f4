// Expands LZ4 frames; every length is checked before it is used. No I/O.
// Format: lz4_Frame_format.md and lz4_Block_format.md of https://github.com/lz4/lz4. Why not npm's lz4js: it takes block checksums for data
// and reads past the end of its input.

const MAGIC = 0x184d2204;
const FLAG = { blockChecksums: 0x10, contentSize: 0x08, contentChecksum: 0x04, dictionary: 0x01 } as const;
const VERSION_MASK = 0xc0, VERSION = 0x40;
/** A block whose size has this bit is not compressed. */
const STORED = 0x80000000;
const MATCH_MIN = 4;
/** From this size on, one call copies faster than a loop; measured on batches of events. */
const BULK_BYTES = 24;

/**
 * Expands one frame and ignores what follows it. Checksums are not checked, because the record batch has its own.
 *
 * @throws RangeError if the frame expands to more than `maxBytes`
 * @throws Error if it is broken
 */
export function expandLz4(input: Uint8Array, maxBytes: number): Uint8Array {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  if (input.length < 7 || view.getUint32(0, true) !== MAGIC) throw new Error("it begins with no LZ4 frame");
  const flags = input[4]!;
  if ((flags & VERSION_MASK) !== VERSION) throw new Error("its LZ4 frame is of an unknown version");
  if ((flags & FLAG.dictionary) !== 0) throw new Error("its LZ4 frame needs a dictionary");
  let at = 6;
  if ((flags & FLAG.contentSize) !== 0) {
    if (at + 8 > input.length) throw new Error("its LZ4 frame is cut off");
    if (view.getBigUint64(at, true) > BigInt(maxBytes)) throw new RangeError("the size that it states is too large");
    at += 8;
  }
  at++; // checksum of the header
  const output = new Output(Math.min(maxBytes, Math.max(1 << 16, input.length * 4)), maxBytes);
  for (;;) {
    if (at + 4 > input.length) throw new Error("its LZ4 frame is cut off");
    const size = view.getUint32(at, true), length = size & ~STORED;
    at += 4;
    if (size === 0) return output.whole();
    if (length < 0 || at + length > input.length) throw new Error("an LZ4 block overruns the body");
    if (size >= STORED) output.take(input, at, length);
    else expandBlock(input, at, at + length, output);
    at += length + ((flags & FLAG.blockChecksums) !== 0 ? 4 : 0);
  }
}

/** Expands a block: a row of literals and of copies of earlier output. */
function expandBlock(input: Uint8Array, start: number, end: number, output: Output): void {
  for (let at = start; at < end;) {
    const token = input[at++]!;
    let literals = token >>> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255) {
        if (at >= end) throw new Error("an LZ4 length is cut off");
        literals += more = input[at++]!;
      }
    }
    if (at + literals > end) throw new Error("an LZ4 literal overruns its block");
    output.take(input, at, literals);
    at += literals;
    if (at === end) return; // the last sequence has no copy
    if (at + 2 > end) throw new Error("an LZ4 offset is cut off");
    const distance = input[at]! | (input[at + 1]! << 8);
    at += 2;
    let length = (token & 15) + MATCH_MIN;
    if ((token & 15) === 15) {
      let more = 255;
      while (more === 255) {
        if (at >= end) throw new Error("an LZ4 length is cut off");
        length += more = input[at++]!;
      }
    }
    output.repeat(distance, length);
  }
}

/** The output so far, in an array that grows up to a limit. */
class Output {
  #bytes: Uint8Array;
  #length = 0;

  constructor(first: number, private readonly maxBytes: number) {
    this.#bytes = new Uint8Array(first);
  }

  whole(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  take(from: Uint8Array, start: number, length: number): void {
    const at = this.#length, bytes = this.#room(length);
    if (length >= BULK_BYTES) bytes.set(from.subarray(start, start + length), at);
    else for (let i = 0; i < length; i++) bytes[at + i] = from[start + i]!;
  }

  /** Repeats the output from `distance` bytes ago; the copy may overlap itself. */
  repeat(distance: number, length: number): void {
    const at = this.#length;
    if (distance === 0 || distance > at) throw new Error("an LZ4 copy begins before the output");
    const bytes = this.#room(length), from = at - distance;
    if (length >= BULK_BYTES && distance >= length) bytes.copyWithin(at, from, from + length);
    else for (let i = 0; i < length; i++) bytes[at + i] = bytes[from + i]!;
  }

  /** The array, with space for `length` more bytes, which then count as written. */
  #room(length: number): Uint8Array {
    const needed = this.#length + length;
    if (needed > this.maxBytes) throw new RangeError("it expands to more than the cap");
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(this.maxBytes, Math.max(needed, this.#bytes.length * 2)));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#length = needed;
    return this.#bytes;
  }
}
