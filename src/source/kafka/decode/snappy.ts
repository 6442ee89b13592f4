// Expands raw Snappy; every length is checked before it is used. No I/O.
// Format: format_description.txt of https://github.com/google/snappy. Why not npm's snappyjs: a length with its highest bit set moves it
// back in its input, and it never ends.

/** From this size on, one call copies faster than a loop; measured on batches of events. */
const BULK_BYTES = 24;

/**
 * Expands one block.
 *
 * @throws RangeError if it states a size of more than `maxBytes`
 * @throws Error if it is broken
 */
export function expandSnappy(input: Uint8Array, maxBytes: number): Uint8Array {
  let size = 0, at = 0;
  for (let scale = 1;; scale *= 128) {
    if (at >= input.length || at === 5) throw new Error("its Snappy block has no size");
    const byte = input[at++]!;
    size += (byte & 127) * scale;
    if (byte < 128) break;
  }
  if (size > maxBytes) throw new RangeError("the size that it states is too large");
  const output = new Uint8Array(size);
  let to = 0;
  while (at < input.length) {
    const tag = input[at++]!, kind = tag & 3;
    if (kind === 0) {
      let length = (tag >>> 2) + 1;
      if (length > 60) {
        const bytes = length - 60;
        length = little(input, at, bytes) + 1;
        at += bytes;
      }
      if (at + length > input.length || to + length > size) throw new Error("a Snappy literal overruns its block");
      if (length >= BULK_BYTES) output.set(input.subarray(at, at + length), to);
      else for (let i = 0; i < length; i++) output[to + i] = input[at + i]!;
      at += length;
      to += length;
      continue;
    }
    const bytes = kind === 3 ? 4 : kind;
    const distance = little(input, at, bytes) + (kind === 1 ? (tag >>> 5) * 256 : 0);
    const length = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1;
    at += bytes;
    if (distance === 0 || distance > to) throw new Error("a Snappy copy begins before the output");
    if (to + length > size) throw new Error("a Snappy copy overruns its block");
    const from = to - distance;
    if (length >= BULK_BYTES && distance >= length) output.copyWithin(to, from, from + length);
    else for (let i = 0; i < length; i++) output[to + i] = output[from + i]!;
    to += length;
  }
  if (to !== size) throw new Error(`its Snappy block states ${size} bytes and holds ${to}`);
  return output;
}

/** A little-endian number of 1 to 4 bytes. */
function little(input: Uint8Array, at: number, bytes: number): number {
  if (at + bytes > input.length) throw new Error("its Snappy block is cut off");
  let value = 0;
  for (let i = bytes - 1; i >= 0; i--) value = value * 256 + input[at + i]!;
  return value;
}
