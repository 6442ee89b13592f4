// Reads the uncompressed content of one log file: plain, gzip or Zstandard, told apart by the first bytes. Shell over the file system.
import { pipeline, Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { type Compression, compressionAt, compressionOf } from "./compression.ts";
import { disk, type FileInfo, type FileSystem, type OpenFile } from "./file_system.ts";
import { FINGERPRINT_BYTES_MAX, PEEK_BYTES } from "./generations.ts";

const COMPRESSED_CHUNK_BYTES = 128 * 1024;
const GUNZIP_CHUNK_BYTES = 256 * 1024;

/** The compressed content ends in the middle or is damaged. Caught where files are read, because the file may still be written to. */
export class GzipDamaged extends Error {
  override readonly name = "GzipDamaged";
  /** True if the content is whole and ends before the position. */
  readonly short: boolean;
  constructor(message: string, options: ErrorOptions & { readonly short?: boolean } = {}) {
    super(message, options);
    this.short = options.short ?? false;
  }
}

/** An open file. Not safe for two callers at once. */
export interface FileContent {
  /** Compressed content has its final length. */
  readonly compressed: boolean;
  /** Bytes that were read from disk so far; for a compressed file, compressed bytes. 0 for a stream. */
  readonly taken: number;
  /** Fills `into` from the current position and returns the number of bytes; 0 at the end. A plain file may grow later. */
  read(into: Uint8Array): Promise<number>;
  /** What the file system says now of the opened file, even if its name belongs to another file by now. */
  info(): Promise<FileInfo>;
  /** The first bytes of the content, at most {@link FINGERPRINT_BYTES_MAX}: of a plain file as they are now. */
  head(): Promise<Uint8Array>;
  /** Bytes `[from, to)` of a plain file as they are now; fewer if it ends before. */
  reread(from: number, to: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** The beginning of a file. */
export interface FileHead {
  readonly compressed: boolean;
  readonly info: FileInfo;
  /** Up to 64 KiB of uncompressed content. */
  readonly bytes: Uint8Array;
  /** Whether a compressed file ends in the middle of what was looked at: it is still being written, or damaged. */
  readonly damaged: boolean;
}

/**
 * Opens `path` at byte `at` of its uncompressed content.
 *
 * @throws {GzipDamaged} if compressed content ends before `at`; and the operating system's error (`code` ENOENT, EACCES, …)
 */
export async function openContent(path: string, at: number, files: FileSystem = disk): Promise<FileContent> {
  const handle = await files.open(path);
  try {
    const compression = await compressionOf(path, handle);
    if (compression === null) return plainContent(handle, at);
    const content = compressedContent(handle, compression);
    await discard(content, at);
    return content;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Looks at the beginning of `path`. @throws the operating system's error (`code` ENOENT, EACCES, …) */
export async function readHead(path: string, files: FileSystem): Promise<FileHead> {
  const handle = await files.open(path);
  try {
    const info = await handle.info();
    const compression = await compressionOf(path, handle);
    const content = compression ? compressedContent(handle, compression) : plainContent(handle, 0);
    const into = new Uint8Array(compression ? PEEK_BYTES : Math.min(PEEK_BYTES, info.size));
    let filled = 0;
    let damaged = false;
    try {
      for (let n = 1; n > 0 && filled < into.length; filled += n) n = await content.read(into.subarray(filled));
    } catch (error) {
      if (!(error instanceof GzipDamaged)) throw error;
      damaged = true;
    }
    return { compressed: compression !== null, info, bytes: into.subarray(0, filled), damaged };
  } finally {
    await handle.close();
  }
}

function plainContent(handle: OpenFile, at: number): FileContent {
  let position = at;
  const reread = async (from: number, to: number) => {
    const bytes = new Uint8Array(to - from);
    let filled = 0;
    for (let n = 1; n > 0 && filled < bytes.length; filled += n) {
      n = await handle.read(bytes.subarray(filled), from + filled);
    }
    return bytes.subarray(0, filled);
  };
  return {
    compressed: false,
    get taken() {
      return position;
    },
    async read(into) {
      const n = await handle.read(into, position);
      position += n;
      return n;
    },
    info: () => handle.info(),
    head: () => reread(0, FINGERPRINT_BYTES_MAX),
    reread,
    close: () => handle.close(),
  };
}

/** Content that comes from a stream (standard input), gzip or not. It has neither size nor time, and its end is final. */
export async function streamContent(chunks: AsyncIterator<Uint8Array>): Promise<FileContent> {
  let first: Uint8Array = new Uint8Array(0);
  while (first.length < 4) {
    const { done, value } = await chunks.next();
    if (done) break;
    first = concat(first, value);
  }
  const all = { [Symbol.asyncIterator]: () => prefixed(first, chunks) };
  const found = compressionAt(first);
  const compression = found === "gzip" || found === "zstd" ? found : null;
  return chunkedContent(compression ? decompressed(all, compression) : all[Symbol.asyncIterator](), {
    compressed: compression !== null,
    taken: () => 0,
    info: () => Promise.resolve({ kind: "other", size: 0, modified: 0, identity: "stream", links: 0 }),
    close: async () => void await chunks.return?.(),
  });
}

async function* prefixed(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

// DecompressionStream refuses files of several gzip members (`cat a.gz b.gz`), which log tools write; node:zlib reads them.
function compressedContent(handle: OpenFile, compression: Compression): FileContent {
  let taken = 0;
  return chunkedContent(decompressed(compressedChunks(handle, (at) => taken = at), compression), {
    compressed: true,
    taken: () => taken,
    info: () => handle.info(),
    close: () => handle.close(),
  });
}

function chunkedContent(
  chunks: AsyncIterator<Uint8Array>,
  file: Pick<FileContent, "compressed" | "info" | "close"> & { readonly taken: () => number },
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
  /** Taken from the stream that is read: opening the name a second time could give another file. */
  const begin = async () => {
    while (rest.length < FINGERPRINT_BYTES_MAX && await more());
    return rest.slice(0, FINGERPRINT_BYTES_MAX);
  };
  return {
    compressed: file.compressed,
    get taken() {
      return file.taken();
    },
    async read(into) {
      head ??= await begin();
      while (rest.length === 0) if (!await more()) return 0;
      const taken = Math.min(rest.length, into.length);
      into.set(rest.subarray(0, taken));
      rest = rest.subarray(taken);
      return taken;
    },
    info: file.info,
    head: async () => head ??= await begin(),
    reread: () => Promise.resolve(new Uint8Array(0)),
    async close() {
      await chunks.return?.();
      await file.close();
    },
  };
}

/** Decompresses a stream of gzip members or Zstandard frames. Stopping early releases it; a broken end throws zlib's own error. */
function decompressed(
  compressed: AsyncIterable<Uint8Array>,
  compression: Compression,
): AsyncIterator<Uint8Array> {
  const options = { chunkSize: GUNZIP_CHUNK_BYTES };
  const stream = compression === "gzip" ? createGunzip(options) : createZstdDecompress(options);
  pipeline(
    Readable.from(compressed, { objectMode: true }),
    stream,
    () => {/* the iterator below sees the same error */},
  );
  return stream[Symbol.asyncIterator]();
}

async function* compressedChunks(handle: OpenFile, onRead: (at: number) => void): AsyncGenerator<Uint8Array> {
  for (let at = 0;;) {
    const chunk = new Uint8Array(COMPRESSED_CHUNK_BYTES);
    const n = await handle.read(chunk, at);
    if (n === 0) return;
    at += n;
    onRead(at);
    yield chunk.subarray(0, n);
  }
}

async function nextChunk(
  chunks: AsyncIterator<Uint8Array>,
): Promise<IteratorResult<Uint8Array>> {
  try {
    return await chunks.next();
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (typeof code === "string" && /^(Z_|ZSTD_)/.test(code)) {
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
    if (n === 0) {
      throw new GzipDamaged(`ends ${left} bytes before the position to read from`, { short: true });
    }
    left -= n;
  }
}
