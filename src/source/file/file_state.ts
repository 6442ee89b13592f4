// Checks whether a file has changed since it was looked at or read, and finds where its lines end. Shell over the file system.
import { StreamStopped } from "../../shared/errors.ts";
import { type FileContent, GzipDamaged, openContent } from "./content.ts";
import { isMissing, unreadable } from "./errors.ts";
import type { FileInfo, FileSystem, OpenFile } from "./file_system.ts";
import { fingerprintOf, type Generation, PEEK_BYTES, PROOF_BYTES_MAX } from "./generations.ts";
import type { LineReader } from "./line_reader.ts";
import { GENERATION_BYTES_MAX } from "./position.ts";

/** What was delivered last, and the position after it. */
export type Delivered = Pick<LineReader, "last" | "position">;

/** Whether the bytes delivered last are still in their place. A file may be emptied and grow beyond them again, with the same first lines. */
export async function holds(content: FileContent, { last, position }: Delivered): Promise<boolean> {
  return isSame(await content.reread(position - last.length, position), last);
}

/** Whether a plain file still holds the bytes of the proof. It may have been emptied since the last look and begin as before. */
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

/** A text that changes whenever the file at `path` is written to. */
export async function stateOf(path: string, files: FileSystem): Promise<string> {
  try {
    const { identity, size, modified } = await files.info(path);
    return `${path} ${identity} ${size} ${modified}`;
  } catch (error) {
    if (isMissing(error)) return path;
    throw unreadable(path, error);
  }
}

/** @returns the error for a file that is too large for positions */
export function tooLarge(path: string): StreamStopped {
  return new StreamStopped(
    "source_refused",
    `${path} holds more than ${GENERATION_BYTES_MAX} bytes, the most that a position can address in one file`,
    "Split the file (`split --line-bytes`), give the parts as a glob, and start a new stream.",
  );
}

/** A file as a look showed it. Its name may belong to another file by now. */
interface NamedFile {
  readonly path: string;
  readonly identity: string;
}

/** @throws the error of a missing file (ENOENT) if the name belongs to another file by now, or the file is shorter than `size` */
function checkSame({ path, identity }: NamedFile, info: FileInfo, size: number): void {
  if (info.identity === identity && info.size >= size) return;
  throw Object.assign(new Error(`${path} is another file by now`), { code: "ENOENT" });
}

/**
 * Position after the last newline in the first `size` bytes of a plain file; 0 if they have no newline.
 *
 * @throws the error of a missing file (ENOENT) if the name belongs to another file by now, or the file is shorter than `size`
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
 * SHA-256 in hex of bytes `[from, to)` of the content; null if it ends before `to`, undefined if it is damaged: a compressed file may still
 * be written to.
 *
 * @throws the error of a missing file (ENOENT) if the name belongs to another file by now
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

/**
 * A proof of the bytes right before byte `to` of a file. Null if the file has no bytes there, or they cannot be read any more.
 *
 * @throws the error of a missing file (ENOENT) if the name belongs to another file by now
 */
export async function proofBefore(file: NamedFile, to: number, files: FileSystem): Promise<Generation["proof"]> {
  const bytes = Math.min(PROOF_BYTES_MAX, to);
  const digest = bytes > 0 ? await digestOf(file, to - bytes, to, files) : null;
  return typeof digest === "string" ? { to, bytes, digest } : null;
}
