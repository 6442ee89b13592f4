// Decompresses record batches: gzip and zstd by the runtime, lz4 and snappy by small libraries, each within a cap. No I/O.
import { Buffer } from "node:buffer";
import zlib from "node:zlib";
import lz4 from "lz4js";
import snappy from "snappyjs";

/** Codec numbers in the low three bits of a batch's attributes (Kafka protocol, record batch format). */
export const CODEC_NAMES = ["none", "gzip", "snappy", "lz4", "zstd"] as const;

/**
 * What one compressed batch may expand to. Brokers take batches of 1 MiB by default; 64 MiB leaves room for raised limits and very
 * repetitive data, and keeps a batch that was made to explode from taking the process down.
 */
export const MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024;

/** A batch that cannot be expanded: broken, or larger than the cap. Becomes `corrupt_batch` where the batch's position is known. */
export class DecompressError extends Error {
  override readonly name = "DecompressError";
}

/**
 * Expands one batch body.
 *
 * @param codec codec number, 1–4; others are the caller's `unsupported_codec`
 * @throws DecompressError where the body is broken or would exceed `maxBytes`. A truncated zstd or snappy body may pass: the record
 *   framing and the checksum catch it.
 */
export function decompress(codec: number, body: Uint8Array, maxBytes = MAX_DECOMPRESSED_BYTES): Uint8Array {
  try {
    switch (codec) {
      case 1:
        return zlib.gunzipSync(body, { maxOutputLength: maxBytes });
      case 2:
        return unsnap(body, maxBytes);
      case 3:
        return unlz4(body, maxBytes);
      case 4:
        return zlib.zstdDecompressSync(body, { maxOutputLength: maxBytes });
      default:
        throw new Error(`codec ${codec} is unknown`);
    }
  } catch (cause) {
    const tooLarge = cause instanceof RangeError && (cause as { code?: string }).code === "ERR_BUFFER_TOO_LARGE";
    const message = tooLarge || cause instanceof TooLarge
      ? `expands to more than ${maxBytes} bytes`
      : `cannot be expanded: ${cause instanceof Error ? cause.message : cause}`;
    throw new DecompressError(`The ${CODEC_NAMES[codec] ?? codec} body ${message}`, { cause });
  }
}

class TooLarge extends Error {}

function unlz4(body: Uint8Array, maxBytes: number): Uint8Array {
  const bound = lz4.decompressBound(body);
  if (!(bound <= maxBytes)) throw new TooLarge();
  return lz4.decompress(body, bound);
}

/** The header that snappy-java puts before its blocks: magic, then two version numbers; blocks are [int32 length][raw snappy]. */
const XERIAL_MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00];
const XERIAL_HEADER_BYTES = 16;

function unsnap(body: Uint8Array, maxBytes: number): Uint8Array {
  const framed = body.length >= XERIAL_HEADER_BYTES && XERIAL_MAGIC.every((byte, i) => body[i] === byte);
  if (!framed) return unsnapBlock(body, maxBytes);
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const blocks: Uint8Array[] = [];
  let total = 0;
  for (let p = XERIAL_HEADER_BYTES; p < body.length;) {
    if (p + 4 > body.length) throw new Error("the last block has no length");
    const length = view.getInt32(p);
    p += 4;
    if (length < 0 || p + length > body.length) throw new Error("a block overruns the body");
    const block = unsnapBlock(body.subarray(p, p + length), maxBytes - total);
    total += block.length;
    blocks.push(block);
    p += length;
  }
  return blocks.length === 1 ? blocks[0]! : Buffer.concat(blocks, total);
}

function unsnapBlock(block: Uint8Array, maxBytes: number): Uint8Array {
  // snappyjs reads the declared length before it allocates, and takes plain Uint8Arrays faster than Buffers.
  if (declaredSnappyLength(block) > maxBytes) throw new TooLarge();
  return snappy.uncompress(new Uint8Array(block.buffer, block.byteOffset, block.byteLength));
}

/** The uncompressed length at the head of a raw snappy stream: a little-endian base-128 number of at most 32 bits. */
function declaredSnappyLength(block: Uint8Array): number {
  let length = 0;
  for (let i = 0; i < 5 && i < block.length; i++) {
    length += (block[i]! & 127) * 2 ** (7 * i);
    if (block[i]! < 128) break;
  }
  return length;
}
