// Reads one file's content from a position on and returns whole lines. Memory is bounded for lines of any length. Shell over FileContent.
import type { FileContent } from "./content.ts";
import { LINE_BYTES_MAX, type LineNumbers, LineRun, wholeLinesEnd } from "../lines.ts";

/** Bytes read at once: large enough that system calls cost little, small enough that a batch takes a fraction of a second. */
const CHUNK_BYTES = 512 * 1024;
/** The same at the end of a file, where little comes at once. */
const SMALL_CHUNK_BYTES = 64 * 1024;
/** The part of an over-long line that is kept. */
const KEPT_BYTES = LINE_BYTES_MAX + 1;

/** How many of the last delivered bytes are kept, to recognise the content by. */
export const LAST_BYTES = 4096;

/** Up to this byte the lines before a position are counted, which takes a tenth of a second at most. */
const LINES_COUNTED_MAX = 128 * 2 ** 20;
const COUNT_BYTES = 2 ** 20;

/** What {@link LineReader.read} found. */
export interface ReadLines {
  /** Absent if there was no whole line. */
  readonly run?: LineRun;
  /** First byte after what was delivered: read on from here. */
  readonly next: number;
  /** Whether the content's end (for now) was reached. */
  readonly atEnd: boolean;
}

/** Lines of one generation, from a byte that begins a line. */
export class LineReader {
  readonly content: FileContent;
  readonly #origin: number;
  /** One past the last byte to be read. */
  readonly #end: number;
  readonly #numbers: LineNumbers;
  #buffer = new Uint8Array(SMALL_CHUNK_BYTES);
  #filled = 0;
  /** `#buffer[0, #searched)` holds no newline. */
  #searched = 0;
  /** Byte in the content of `#buffer[0]`: the first one not delivered. */
  #position: number;
  /** Bytes of an over-long line that were read and dropped after the kept ones. */
  #skipped = 0;
  #last: Uint8Array = new Uint8Array(0);

  /**
   * @param at `byte` is the position in the content; `origin` is added to bytes to make records' offsets; `line` is the number of the line
   *   that begins there, NaN if it is not known; `last` are the bytes right before it, if an earlier reader delivered them; what lies from
   *   `end` on is not read
   */
  constructor(
    content: FileContent,
    at: {
      readonly byte: number;
      readonly origin: number;
      readonly line?: number;
      readonly last?: Uint8Array;
      readonly end?: number;
    },
  ) {
    this.content = content;
    this.#end = at.end ?? Infinity;
    this.#last = at.last ?? this.#last;
    this.#numbers = { next: at.line ?? (at.byte === 0 ? 1 : Number.NaN) };
    this.#origin = at.origin;
    this.#position = at.byte;
  }

  /** The first byte not delivered. */
  get position(): number {
    return this.#position;
  }

  /** The last bytes that were delivered, right before `position`; empty before the first delivery and after an over-long line. */
  get last(): Uint8Array {
    return this.#last;
  }

  /** One past the last byte that was read, delivered or not. */
  get readTo(): number {
    return this.#position + this.#filled + this.#skipped;
  }

  /** Reads until a whole line is there or the content ends. `recordTime` is the clock now, in epoch ms. */
  async read(recordTime: number): Promise<ReadLines> {
    while (true) {
      if (this.#filled > this.#searched) {
        const end = wholeLinesEnd(this.#buffer, this.#filled);
        if (end > 0) return { run: this.#deliver(end, recordTime), next: this.#position, atEnd: false };
        this.#searched = this.#filled;
      }
      if (this.#filled === KEPT_BYTES) return await this.#skipLine(recordTime);
      this.#makeRoom();
      const n = await this.#take(this.#buffer.subarray(this.#filled));
      if (n === 0) return { next: this.#position, atEnd: true };
      this.#filled += n;
    }
  }

  /** Delivers the unterminated line at the end, if any. To be called once nothing will be added to it. */
  takeRest(recordTime: number): ReadLines {
    if (this.#filled === 0) return { next: this.#position, atEnd: true };
    const skipped = this.#skipped;
    const run = this.#deliver(this.#filled, recordTime);
    this.#position += skipped;
    if (skipped > 0) this.#last = new Uint8Array(0);
    this.#skipped = 0;
    return { run, next: this.#position, atEnd: true };
  }

  close(): Promise<void> {
    return this.content.close();
  }

  /** Fills `into` from the content; 0 at the end. */
  async #take(into: Uint8Array): Promise<number> {
    const room = this.#end - this.readTo;
    return room > 0 ? await this.content.read(into.subarray(0, Math.min(into.length, room))) : 0;
  }

  #makeRoom(): void {
    if (this.#filled < this.#buffer.length) return;
    const larger = new Uint8Array(Math.min(this.#buffer.length * 2, KEPT_BYTES));
    larger.set(this.#buffer.subarray(0, this.#filled));
    this.#buffer = larger;
  }

  /** Delivers `#buffer[0, end)`, which is never written to again, and moves what follows to a new buffer. */
  #deliver(end: number, recordTime: number): LineRun {
    const base = this.#origin + this.#position;
    const run = new LineRun({ bytes: this.#buffer, start: 0, end, base }, recordTime, this.#numbers);
    this.#last = this.#buffer.slice(Math.max(0, end - LAST_BYTES), end);
    const rest = this.#buffer.subarray(end, this.#filled);
    const chunk = this.#filled < this.#buffer.length ? SMALL_CHUNK_BYTES : CHUNK_BYTES;
    const next = new Uint8Array(Math.max(chunk, rest.length));
    next.set(rest);
    this.#buffer = next;
    this.#filled = rest.length;
    this.#searched = rest.length;
    this.#position += end;
    return run;
  }

  /** Skips a line that is longer than any record. Its kept part is delivered once its end is found; the rest is not held in memory. */
  async #skipLine(recordTime: number): Promise<ReadLines> {
    const scratch = new Uint8Array(CHUNK_BYTES);
    while (true) {
      const n = await this.#take(scratch);
      if (n === 0) return { next: this.#position, atEnd: true };
      const newline = scratch.subarray(0, n).indexOf(0x0a);
      if (newline < 0) {
        this.#skipped += n;
        continue;
      }
      const run = this.#deliver(KEPT_BYTES, recordTime);
      this.#position += this.#skipped + newline + 1;
      this.#last = new Uint8Array(0);
      this.#skipped = 0;
      this.#buffer.set(scratch.subarray(newline + 1, n));
      this.#filled = n - newline - 1;
      this.#searched = 0;
      return { run, next: this.#position, atEnd: false };
    }
  }
}

/** Number, from 1, of the line that begins at `byte`; NaN in compressed content, and if counting would take long. */
export async function lineAt(content: FileContent, byte: number): Promise<number> {
  if (byte === 0) return 1;
  if (content.compressed || byte > LINES_COUNTED_MAX) return Number.NaN;
  let line = 1;
  for (let at = 0; at < byte;) {
    const bytes = await content.reread(at, Math.min(byte, at + COUNT_BYTES));
    if (bytes.length === 0) return Number.NaN;
    for (let p = bytes.indexOf(0x0a); p >= 0; p = bytes.indexOf(0x0a, p + 1)) line++;
    at += bytes.length;
  }
  return line;
}
