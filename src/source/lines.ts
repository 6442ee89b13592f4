// Cuts chunks of a text log into records, one per line, without an object per line. No I/O.
import type { Offset } from "../shared/units.ts";
import type { RecordRun, RecordVisitor } from "./port.ts";

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;

/** Longest line. Of a longer one, this many bytes plus one are delivered, so that the event reader reports `too_large`. */
export const LINE_BYTES_MAX = 1 << 20;

/** The line count over the runs of one reader, which are walked one after the other. */
export interface LineNumbers {
  /** Number of the line behind the last run, from 1; NaN if it is not known. */
  next: number;
}

/** Whole lines of one log. A record's offset is the position of its line's first byte. Blank lines are not records. */
export class LineRun implements RecordRun {
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  readonly #base: number;
  readonly #recordTime: number;
  readonly #numbers: LineNumbers;
  #firstLine: number | null = null;
  /** Number of the line that is visited now, from 1; NaN if it is not known. */
  line = Number.NaN;

  /**
   * @param lines `bytes[start, end)` begins at a line's first byte and ends behind a newline, or at the log's end; `base` is the
   *   position of `bytes[start]`
   * @param recordTime when the bytes were read, in epoch ms
   * @param numbers shared by the runs of one reader; each run must be walked before the next one
   */
  constructor(
    lines: { readonly bytes: Uint8Array; readonly start: number; readonly end: number; readonly base: number },
    recordTime: number,
    numbers: LineNumbers = { next: Number.NaN },
  ) {
    this.#numbers = numbers;
    this.#bytes = lines.bytes;
    this.#start = lines.start;
    this.#end = lines.end;
    this.#base = lines.base;
    this.#recordTime = recordTime;
  }

  walk(from: Offset, visit: RecordVisitor): void {
    const bytes = this.#bytes;
    const shift = this.#base - this.#start;
    let line = this.#firstLine ??= this.#numbers.next;
    for (let start = this.#start; start < this.#end;) {
      const newline = bytes.indexOf(NEWLINE, start);
      const next = newline < 0 || newline >= this.#end ? this.#end : newline + 1;
      this.line = line++;
      if (start + shift >= from) {
        const end = contentEnd(bytes, start, next);
        if (end > start) visit(bytes, start, end, start + shift, this.#recordTime);
      }
      start = next;
    }
    this.#numbers.next = line;
  }
}

/** End of the record in the line `bytes[start, next)`: before its line ending, within the longest line; `start` for a blank line. */
export function contentEnd(bytes: Uint8Array, start: number, next: number): number {
  let end = next;
  if (end > start && bytes[end - 1] === NEWLINE) end--;
  if (end > start && bytes[end - 1] === RETURN) end--;
  let first = start;
  while (first < end && (bytes[first] === SPACE || bytes[first] === 0x09)) first++;
  return first === end ? start : Math.min(end, start + LINE_BYTES_MAX + 1);
}

/** One past the last newline in `bytes[0, end)`, or 0 without one. */
export function wholeLinesEnd(bytes: Uint8Array, end: number): number {
  return end === 0 ? 0 : bytes.lastIndexOf(NEWLINE, end - 1) + 1;
}
