// Compares two files: is one a copy of the other, or do they only begin alike? Shell over the file system.
import { PEEK_BYTES } from "./generations.ts";
import type { FileSystem } from "./file_system.ts";
import { commonLength, type Likeness, type SeenFile } from "./match.ts";
import { missing } from "./errors.ts";
import { guard } from "./proofs.ts";

/**
 * Compares the beginnings of two files byte by byte. If they are equal, only the last bytes of the shorter plain file are compared with the
 * same place in the longer one, so that a long copy costs two reads. Compressed files that are equal for 64 KiB are taken as copies.
 *
 * @throws {Unavailable} if a file cannot be read
 */
export async function likenessOf(a: SeenFile, b: SeenFile, files: FileSystem): Promise<Likeness> {
  const common = commonLength(a.beginning, b.beginning);
  if (common < Math.min(a.beginning.length, b.beginning.length)) return { common, ends: false };
  if (isWhole(a) || isWhole(b) || a.compressed || b.compressed) return { common, ends: true };
  const end = Math.min(a.size, b.size);
  return await guard(a.path, plainLikeness([a, b], end, files));
}

function isWhole({ beginning, compressed, size }: SeenFile): boolean {
  return beginning.length < PEEK_BYTES || (!compressed && size <= beginning.length);
}

/** For two files whose first {@link PEEK_BYTES} are equal. Both have at least `end` bytes. */
async function plainLikeness(
  seen: readonly [SeenFile, SeenFile],
  end: number,
  files: FileSystem,
): Promise<Likeness> {
  const a = await files.open(seen[0].path);
  try {
    const b = await files.open(seen[1].path);
    try {
      for (const [i, { path, identity }] of seen.entries()) {
        if ((await [a, b][i]!.info()).identity !== identity) throw missing(path);
      }
      const commonIn = async (from: number, to: number) => {
        const parts = [new Uint8Array(to - from), new Uint8Array(to - from)] as const;
        const n = Math.min(await a.read(parts[0], from), await b.read(parts[1], from));
        return commonLength(parts[0].subarray(0, n), parts[1].subarray(0, n));
      };
      const isSameBefore = async (to: number) => await commonIn(to - PEEK_BYTES, to) === PEEK_BYTES;
      if (await isSameBefore(end)) return { common: end, ends: true };
      // Binary search: they are equal before `low` and differ before `high`. After the first difference, everything is taken to differ.
      let low = PEEK_BYTES, high = end;
      while (high - low > PEEK_BYTES) {
        const middle = Math.floor((low + high) / 2);
        if (await isSameBefore(middle)) low = middle;
        else high = middle;
      }
      return { common: low + await commonIn(low, high), ends: false };
    } finally {
      await b.close();
    }
  } finally {
    await a.close();
  }
}
