// What shows that a file has changed since it was looked at or read, where its lines end, and what is too large to be read. Shell over the file system.
import { StreamStopped } from "../../shared/errors.ts";
import { type FileContent, GzipDamaged, openContent, PEEK_BYTES } from "./content.ts";
import { isMissing, unreadable } from "./errors.ts";
import type { FileInfo, FileSystem, OpenFile } from "./file_system.ts";
import { fingerprintOf, type Generation } from "./generations.ts";
import type { LineReader } from "./line_reader.ts";
import { GENERATION_BYTES_MAX } from "./position.ts";

/** What was delivered last, and the position behind it. */
export type Delivered = Pick<LineReader, "last" | "position">;

/** Whether what was delivered last is still where it was: a file may be emptied and grow beyond it, with the same first lines. */
export async function holds(content: FileContent, { last, position }: Delivered): Promise<boolean> {
  return isSame(await content.reread(position - last.length, position), last);
}

/** Whether what the proof covers is in a plain file where it was: it may have been emptied since the last look, and begin as before. */
export async function proves(content: FileContent, proof: Generation["proof"]): Promise<boolean> {
  if (content.compressed || proof === null) return true;
  const bytes = await content.reread(proof.to - proof.bytes, proof.to);
  return fingerprintOf(bytes, bytes.length) === proof.digest;
}

/** Whether both hold the same bytes. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** What changes whenever the file at `path` is written to. */
export async function stateOf(path: string, files: FileSystem): Promise<string> {
  try {
    const { identity, size, modified } = await files.info(path);
    return `${path} ${identity} ${size} ${modified}`;
  } catch (error) {
    if (isMissing(error)) return path;
    throw unreadable(path, error);
  }
}

/** @returns what ends a stream whose file does not fit into positions */
export function tooLarge(path: string): StreamStopped {
  return new StreamStopped(
    "source_refused",
    `${path} holds more than ${GENERATION_BYTES_MAX} bytes, the most that positions can tell apart in one file`,
    "Split the file (`split --line-bytes`), give the parts as a glob, and start a new stream.",
  );
}

/** A file as a look showed it: its name may be another one's by now. */
interface NamedFile {
  readonly path: string;
  readonly identity: string;
}

/** @throws as for a missing file where the name means another file by now, or the file got shorter than `size` */
function checkSame({ path, identity }: NamedFile, info: FileInfo, size: number): void {
  if (info.identity === identity && info.size >= size) return;
  throw Object.assign(new Error(`${path} is another file by now`), { code: "ENOENT" });
}

/**
 * One past the last newline in the first `size` bytes of a plain file; 0 where it has none.
 *
 * @throws as for a missing file where it is not the file, or not as long, any more
 */
export async function lastLineEnd(file: NamedFile, size: number, files: FileSystem): Promise<number> {
  const handle = await files.open(file.path);
  try {
    const end = await lastNewlineEnd(handle, size);
    checkSame(file, await handle.info(), size);
    return end;
  } finally {
    await handle.close();
  }
}

async function lastNewlineEnd(handle: OpenFile, size: number): Promise<number> {
  const block = new Uint8Array(PEEK_BYTES);
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - block.length);
    const n = await handle.read(block.subarray(0, end - start), start);
    const found = block.subarray(0, n).lastIndexOf(0x0a);
    if (found >= 0) return start + found + 1;
    end = start;
  }
  return 0;
}

/**
 * SHA-256 in hex of bytes `[from, to)` of the content; null where it ends before, undefined where it is damaged: a compressed file may still
 * be in the making.
 *
 * @throws as for a missing file where its name means another one by now
 */
export async function digestOf(
  file: NamedFile,
  from: number,
  to: number,
  files: FileSystem,
): Promise<string | null | undefined> {
  let content: FileContent | undefined;
  try {
    content = await openContent(file.path, from, files);
    checkSame(file, await content.info(), 0);
    const bytes = new Uint8Array(to - from);
    let filled = 0;
    for (let n = 1; n > 0 && filled < bytes.length; filled += n) n = await content.read(bytes.subarray(filled));
    return filled < bytes.length ? null : fingerprintOf(bytes, bytes.length);
  } catch (error) {
    if (error instanceof GzipDamaged) return error.short ? null : undefined;
    throw error;
  } finally {
    await content?.close();
  }
}
