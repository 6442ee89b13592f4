// Decompresses record batches, with a limit of size: gzip and zstd by the runtime, lz4 and snappy by our own readers. No I/O.
import { Buffer } from "node:buffer";
import zlib from "node:zlib";
import { expandLz4 } from "./lz4.ts";
import { expandSnappy } from "./snappy.ts";

/** Codec numbers in the low three bits of a batch's attributes (Kafka protocol, record batch format). */
export const CODEC_NAMES = ["none", "gzip", "snappy", "lz4", "zstd"] as const;

/**
 * Largest expanded batch. Brokers accept batches of 1 MiB by default. 64 MiB leaves room for raised limits and very repetitive data, and
 * a batch that was built to expand without end cannot exhaust the process's memory.
 */
const MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024;

/** A batch that cannot be expanded: broken, or too large. The caller, which knows the offset, makes it `corrupt_batch`. */
export class DecompressError extends Error {
  override readonly name = "DecompressError";
}

/**
 * Expands one batch body.
 *
 * @param codec codec number, 1–4; others are the caller's `unsupported_codec`
 * @throws DecompressError if the body is broken or expands to more than `maxBytes`. A truncated zstd body may pass; the record framing and
 *   the checksum find it.
 */
export function decompress(codec: number, body: Uint8Array, maxBytes = MAX_DECOMPRESSED_BYTES): Uint8Array {
  try {
    switch (codec) {
      case 1:
        return zlib.gunzipSync(body, { maxOutputLength: maxBytes });
      case 2:
        return unsnap(body, maxBytes);
      case 3:
        return expandLz4(body, maxBytes);
      case 4:
        return zlib.zstdDecompressSync(body, { maxOutputLength: maxBytes });
      default:
        throw new Error(`codec ${codec} is unknown`);
    }
  } catch (cause) {
    // Thrown by the runtime and by our readers.
    const message = cause instanceof RangeError
      ? `expands to more than ${maxBytes} bytes`
      : `cannot be expanded: ${cause instanceof Error ? cause.message : cause}`;
    throw new DecompressError(`The ${CODEC_NAMES[codec] ?? codec} body ${message}`, { cause });
  }
}

/** The header that snappy-java puts before its blocks: magic, then two version numbers; blocks are [int32 length][raw snappy]. */
const XERIAL_MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00];
const XERIAL_HEADER_BYTES = 16;

function unsnap(body: Uint8Array, maxBytes: number): Uint8Array {
  const framed = body.length >= XERIAL_HEADER_BYTES && XERIAL_MAGIC.every((byte, i) => body[i] === byte);
  if (!framed) return expandSnappy(body, maxBytes);
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const blocks: Uint8Array[] = [];
  let total = 0;
  for (let p = XERIAL_HEADER_BYTES; p < body.length;) {
    if (p + 4 > body.length) throw new Error("the last block has no length");
    const length = view.getInt32(p);
    p += 4;
    if (length < 0 || p + length > body.length) throw new Error("a block overruns the body");
    const block = expandSnappy(body.subarray(p, p + length), maxBytes - total);
    total += block.length;
    blocks.push(block);
    p += length;
  }
  return blocks.length === 1 ? blocks[0]! : Buffer.concat(blocks, total);
}
