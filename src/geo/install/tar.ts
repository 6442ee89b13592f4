// Reads a tar archive from a stream. No I/O but the given stream. Format: POSIX.1-1988 ustar, as npm writes its packages.
// Not a library, because a file of 64 MB is hashed while it streams, and a damaged archive must stop it.

/** One regular file of an archive. */
interface TarEntry {
  readonly path: string;
  readonly sizeBytes: number;
  /** The content. The next entry skips what was not read. */
  readonly content: AsyncIterable<Uint8Array>;
}

const BLOCK = 512;
const REGULAR_FILES = new Set(["0", "\0"]);

/**
 * The regular files of an archive, in order.
 * @throws {Error} if the archive is cut off or a header's checksum is wrong.
 */
export async function* readTar(stream: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const input = new ByteInput(stream[Symbol.asyncIterator]());
  for (;;) {
    const header = await input.exactly(BLOCK);
    if (header.every((byte) => byte === 0)) return await input.drain();
    verifyChecksum(header);
    const sizeBytes = octal(header, 124, 12);
    let left = sizeBytes;
    const content = async function* () {
      while (left > 0) {
        const chunk = await input.upTo(left);
        left -= chunk.length;
        yield chunk;
      }
    };
    const prefix = text(header, 345, 155), name = text(header, 0, 100);
    if (REGULAR_FILES.has(String.fromCharCode(header[156]!))) {
      yield { path: prefix === "" ? name : `${prefix}/${name}`, sizeBytes, content: content() };
    }
    while (left > 0) left -= (await input.upTo(left)).length;
    await input.exactly((BLOCK - sizeBytes % BLOCK) % BLOCK);
  }
}

/** Reads a stream of chunks in wanted lengths. */
class ByteInput {
  #chunk: Uint8Array = new Uint8Array(0);

  constructor(private readonly source: AsyncIterator<Uint8Array>) {}

  /** At least one and at most `limit` bytes. */
  async upTo(limit: number): Promise<Uint8Array> {
    while (this.#chunk.length === 0) {
      const next = await this.source.next();
      if (next.done) throw new Error("The archive is cut off.");
      this.#chunk = next.value;
    }
    const taken = this.#chunk.subarray(0, limit);
    this.#chunk = this.#chunk.subarray(taken.length);
    return taken;
  }

  /** Reads to the end, so that a hash covers the whole stream. */
  async drain(): Promise<void> {
    while (!(await this.source.next()).done);
  }

  async exactly(length: number): Promise<Uint8Array> {
    const whole = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const part = await this.upTo(length - at);
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }
}

function verifyChecksum(header: Uint8Array): void {
  let sum = 0;
  // The checksum's own field counts as spaces.
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : header[i]!;
  if (sum !== octal(header, 148, 8)) throw new Error("The archive is damaged: a header's checksum is wrong.");
}

function text(header: Uint8Array, at: number, length: number): string {
  const field = header.subarray(at, at + length), end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

function octal(header: Uint8Array, at: number, length: number): number {
  const digits = text(header, at, length).trim();
  if (!/^[0-7]+$/.test(digits)) throw new Error("The archive is damaged: a header's number is wrong.");
  return parseInt(digits, 8);
}
