// Opens one log file and reads its uncompressed content, plain or gzip told apart by the first two bytes. The only file I/O of this source.
import { type FileHandle, open, stat } from "node:fs/promises";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { FINGERPRINT_BYTES_MAX } from "./generations.ts";

/** How much of a beginning is looked at for the first event's time. */
const PEEK_BYTES = 64 * 1024;
const COMPRESSED_CHUNK_BYTES = 128 * 1024;
const GUNZIP_CHUNK_BYTES = 256 * 1024;

/** The compressed content ends in the middle or is damaged. Caught where files are read: it may still be in the making. */
export class GzipDamaged extends Error {
  override readonly name = "GzipDamaged";
}

/** An open file. Not safe for two callers at once. */
export interface FileContent {
  readonly gzip: boolean;
  /** Fills `into` from where it stands and returns how many bytes that were; 0 at the end, which a plain file may later move. */
  read(into: Uint8Array): Promise<number>;
  /** Bytes on disk and modification time (epoch ms) now, of the opened file even where its name is another's by now. */
  stat(): Promise<{ readonly size: number; readonly modified: number }>;
  /** The first bytes of the content, at most {@link FINGERPRINT_BYTES_MAX}: of a plain file as they are now. */
  head(): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** The beginning of a file. */
export interface FileHead {
  readonly gzip: boolean;
  readonly size: number;
  readonly modified: number;
  readonly inode: number;
  /** Up to 64 KiB of uncompressed content. */
  readonly bytes: Uint8Array;
  /** A compressed file that ends in the middle of what was looked at: still being written, or damaged. */
  readonly damaged: boolean;
}

/**
 * Opens `path` at byte `at` of its uncompressed content.
 *
 * @throws {GzipDamaged} where compressed content ends before `at`; and what the operating system says (`code` ENOENT, EACCES, …)
 */
export async function openContent(path: string, at: number): Promise<FileContent> {
  const handle = await open(path);
  try {
    if (!await isGzip(handle)) return plainContent(handle, at);
    const content = gzipContent(handle);
    await discard(content, at);
    return content;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Looks at the beginning of `path`. @throws what the operating system says (`code` ENOENT, EACCES, …) */
export async function readHead(path: string): Promise<FileHead> {
  const handle = await open(path);
  try {
    const { size, mtimeMs, ino } = await handle.stat();
    const gzip = await isGzip(handle);
    const content = gzip ? gzipContent(handle) : plainContent(handle, 0);
    const into = new Uint8Array(PEEK_BYTES);
    let filled = 0;
    let damaged = false;
    try {
      for (let n = 1; n > 0 && filled < into.length; filled += n) n = await content.read(into.subarray(filled));
    } catch (error) {
      if (!(error instanceof GzipDamaged)) throw error;
      damaged = true;
    }
    return { gzip, size, modified: mtimeMs, inode: ino, bytes: into.subarray(0, filled), damaged };
  } finally {
    await handle.close();
  }
}

/** Modification time of what `path` names, epoch ms; `-Infinity` where there is nothing. */
export async function modifiedAt(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return -Infinity;
    throw error;
  }
}

async function isGzip(handle: FileHandle): Promise<boolean> {
  const magic = new Uint8Array(2);
  const { bytesRead } = await handle.read(magic, 0, 2, 0);
  return bytesRead === 2 && magic[0] === 0x1f && magic[1] === 0x8b;
}

function plainContent(handle: FileHandle, at: number): FileContent {
  let position = at;
  return {
    gzip: false,
    async read(into) {
      const { bytesRead } = await handle.read(into, 0, into.length, position);
      position += bytesRead;
      return bytesRead;
    },
    async stat() {
      const { size, mtimeMs } = await handle.stat();
      return { size, modified: mtimeMs };
    },
    async head() {
      const head = new Uint8Array(FINGERPRINT_BYTES_MAX);
      const { bytesRead } = await handle.read(head, 0, head.length, 0);
      return head.subarray(0, bytesRead);
    },
    close: () => handle.close(),
  };
}

/** Content that comes from a stream (standard input), gzip or not. It has neither size nor time, and its end is final. */
export async function streamContent(chunks: AsyncIterator<Uint8Array>): Promise<FileContent> {
  let first: Uint8Array = new Uint8Array(0);
  while (first.length < 2) {
    const { done, value } = await chunks.next();
    if (done) break;
    first = concat(first, value);
  }
  const all = { [Symbol.asyncIterator]: () => prefixed(first, chunks) };
  const gzip = first[0] === 0x1f && first[1] === 0x8b;
  return chunkedContent(gzip ? gunzip(all) : all[Symbol.asyncIterator](), {
    gzip,
    stat: () => Promise.resolve({ size: 0, modified: 0 }),
    close: async () => void await chunks.return?.(),
  });
}

async function* prefixed(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

// DecompressionStream refuses files of several gzip members (`cat a.gz b.gz`), which log tools write; node:zlib reads them.
function gzipContent(handle: FileHandle): FileContent {
  return chunkedContent(gunzip(compressedChunks(handle)), {
    gzip: true,
    async stat() {
      const { size, mtimeMs } = await handle.stat();
      return { size, modified: mtimeMs };
    },
    close: () => handle.close(),
  });
}

function chunkedContent(
  chunks: AsyncIterator<Uint8Array>,
  file: Pick<FileContent, "gzip" | "stat" | "close">,
): FileContent {
  let rest: Uint8Array = new Uint8Array(0);
  let head: Uint8Array | null = null;
  /** False at the end. */
  const more = async () => {
    const { done, value } = await nextChunk(chunks);
    if (done) return false;
    rest = rest.length === 0 ? value : concat(rest, value);
    return true;
  };
  /** Kept from the same stream that is read, so that a file put under the name in between cannot be taken for this one. */
  const begin = async () => {
    while (rest.length < FINGERPRINT_BYTES_MAX && await more());
    return rest.slice(0, FINGERPRINT_BYTES_MAX);
  };
  return {
    gzip: file.gzip,
    async read(into) {
      head ??= await begin();
      while (rest.length === 0) if (!await more()) return 0;
      const taken = Math.min(rest.length, into.length);
      into.set(rest.subarray(0, taken));
      rest = rest.subarray(taken);
      return taken;
    },
    stat: file.stat,
    head: async () => head ??= await begin(),
    async close() {
      await chunks.return?.();
      await file.close();
    },
  };
}

/** Decompresses a stream of gzip members. Stopping early releases it; a broken end surfaces as zlib's own error. */
function gunzip(compressed: AsyncIterable<Uint8Array>): AsyncIterator<Uint8Array> {
  const stream = createGunzip({ chunkSize: GUNZIP_CHUNK_BYTES });
  pipeline(
    Readable.from(compressed, { objectMode: true }),
    stream,
    () => {/* the iterator below sees the same error */},
  );
  return stream[Symbol.asyncIterator]();
}

async function* compressedChunks(handle: FileHandle): AsyncGenerator<Uint8Array> {
  for (let at = 0;;) {
    const chunk = new Uint8Array(COMPRESSED_CHUNK_BYTES);
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield chunk.subarray(0, bytesRead);
  }
}

async function nextChunk(
  chunks: AsyncIterator<Uint8Array>,
): Promise<IteratorResult<Uint8Array>> {
  try {
    return await chunks.next();
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (typeof code === "string" && code.startsWith("Z_")) {
      throw new GzipDamaged((error as Error).message, { cause: error });
    }
    throw error;
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

async function discard(content: FileContent, bytes: number): Promise<void> {
  const scratch = new Uint8Array(Math.min(bytes, GUNZIP_CHUNK_BYTES));
  for (let left = bytes; left > 0;) {
    const n = await content.read(left < scratch.length ? scratch.subarray(0, left) : scratch);
    if (n === 0) throw new GzipDamaged(`ends ${left} bytes before the position to read from`);
    left -= n;
  }
}

/** One past the last newline in the first `size` bytes of a plain file; 0 where it has none. */
export async function lastLineEnd(path: string, size: number): Promise<number> {
  const handle = await open(path);
  try {
    const block = new Uint8Array(PEEK_BYTES);
    for (let end = size; end > 0;) {
      const start = Math.max(0, end - block.length);
      const { bytesRead } = await handle.read(block, 0, end - start, start);
      const found = block.subarray(0, bytesRead).lastIndexOf(0x0a);
      if (found >= 0) return start + found + 1;
      end = start;
    }
    return 0;
  } finally {
    await handle.close();
  }
}
