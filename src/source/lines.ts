// Cuts chunks of a text log into records, one a line, without an object a line. Pure.
import type { Offset } from "../shared/units.ts";
import type { RecordRun, RecordVisitor } from "./port.ts";

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;

/** A line may hold this many bytes (DESIGN §3: 1 MiB); of a longer one this many plus one are delivered, so that the reader says `too_large`. */
export const LINE_BYTES_MAX = 1 << 20;

/** Numbers of lines over the runs of one reader, which are walked one after the other. */
export interface LineNumbers {
  /** Of the line behind the run that was walked last, from 1; NaN where it is not known. */
  next: number;
}

/** Whole lines of one log. Each record's offset is the position of its line's first byte; blank lines are no records. */
export class LineRun implements RecordRun {
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  readonly #base: number;
  readonly #recordTime: number;
  readonly #numbers: LineNumbers;
  #firstLine: number | null = null;
  /** Number of the line that is being visited, from 1; NaN where it is not known. */
  line = Number.NaN;

  /**
   * @param lines `bytes[start, end)` begins at a line's first byte and ends behind a newline, or at the log's end; `base` is the
   *   position of `bytes[start]`; `recordTime` is the clock when the bytes were read, in epoch ms. A run is walked, at least once, before
   *   the next run of the same `numbers` is.
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

/** End of the record in the line `bytes[start, next)`: before its line ending, capped; `start` where the line is blank. */
export function contentEnd(bytes: Uint8Array, start: number, next: number): number {
  let end = next;
  if (end > start && bytes[end - 1] === NEWLINE) end--;
  if (end > start && bytes[end - 1] === RETURN) end--;
  let first = start;
  while (first < end && (bytes[first] === SPACE || bytes[first] === 0x09)) first++;
  return first === end ? start : Math.min(end, start + LINE_BYTES_MAX + 1);
}

/** One past the last newline in `bytes[0, end)`, or 0 where there is none. */
export function wholeLinesEnd(bytes: Uint8Array, end: number): number {
  return end === 0 ? 0 : bytes.lastIndexOf(NEWLINE, end - 1) + 1;
}
