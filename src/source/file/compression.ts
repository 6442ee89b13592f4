// Finds how a file is compressed, by its first bytes, and the length that a gzip file states. Shell over the file system.
import { StreamStopped } from "../../shared/errors.ts";
import type { FileSystem, OpenFile } from "./file_system.ts";

/** The formats that can be decompressed. */
export type Compression = "gzip" | "zstd";

/** How the content is compressed, by its first bytes. @throws {StreamStopped} for xz and bzip2, which cannot be decompressed */
export async function compressionOf(path: string, handle: OpenFile): Promise<Compression | null> {
  const magic = new Uint8Array(6);
  const filled = await handle.read(magic, 0);
  const compression = compressionAt(magic.subarray(0, filled));
  if (compression !== "xz" && compression !== "bzip2") return compression;
  const command = compression === "xz" ? "xz" : "bzip2";
  throw new StreamStopped(
    "source_refused",
    `${path} is compressed with ${command}, which cannot be read`,
    `Decompress it (\`${command} -dk ${path}\`), or compress it with gzip or zstd instead.`,
  );
}

/** The format that the first six bytes identify; null if it is not a compressed one. */
export function compressionAt(magic: Uint8Array): Compression | "xz" | "bzip2" | null {
  const begins = (...bytes: number[]) => bytes.every((byte, i) => magic[i] === byte);
  if (begins(0x1f, 0x8b)) return "gzip";
  if (begins(0x28, 0xb5, 0x2f, 0xfd)) return "zstd";
  if (begins(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) return "xz";
  if (begins(0x42, 0x5a, 0x68) && magic[3]! >= 0x31 && magic[3]! <= 0x39 && magic[4] === 0x31) return "bzip2";
  return null;
}

/** Length of a gzip file's content modulo 2^32, as its last four bytes state it (RFC 1952; that of its last member); null for other files. */
export async function statedLength(path: string, size: number, files: FileSystem): Promise<number | null> {
  const handle = await files.open(path);
  try {
    if (await compressionOf(path, handle) !== "gzip") return null;
    const trailer = new Uint8Array(4);
    await handle.read(trailer, Math.max(0, size - 4));
    return new DataView(trailer.buffer).getUint32(0, true);
  } finally {
    await handle.close();
  }
}
