// What has been counted since the last commit: tables by window, late tables, dead letters. Pure.
import { DeadLetters, type Mask } from "./dead_letters.ts";
import { KeyTable } from "./key_table.ts";

/**
 * Cost of a window beside its keys: the objects of its table here, and in the commit a row of open_delta, its JSON and eight array elements.
 * This keeps a commit at some thousands of windows, which a database stores in about a second.
 */
const WINDOW_BYTES = 4_096;
/** Cost of a key beside its texts: 28 bytes of a full table, twice that while the table grows, and five numbers as text. */
const KEY_BYTES = 80;

/** Bounds of one delta. Counting stops at the record that reaches one of them. */
export interface DeltaBounds {
  /** Keys over all windows. */
  readonly maxDeltaKeys: number;
  /** Bytes as {@link Delta.bytes} counts them. */
  readonly maxDeltaBytes: number;
  /** Bytes of the reader's dictionaries. */
  readonly maxDictionaryBytes: number;
}

export const NO_BOUNDS: DeltaBounds = {
  maxDeltaKeys: Infinity,
  maxDeltaBytes: Infinity,
  maxDictionaryBytes: Infinity,
};

/** One delta. The counter fills it; a commit freezes it into a payload and replaces it by an empty one. */
export class Delta {
  readonly windows = new Map<number, KeyTable>();
  readonly late = new Map<number, KeyTable>();
  readonly dead: DeadLetters;
  /** Distinct keys over all windows. */
  keys = 0;
  /** Upper bound of the bytes that its commit sends; its memory is about the same. */
  bytes = 0;
  #recentStart = NaN;
  #recentTable: KeyTable | undefined;

  constructor(mask: Mask) {
    this.dead = new DeadLetters(mask);
  }

  /** The table of the open window that starts at `start`. Consecutive records mostly share one. */
  table(start: number): KeyTable {
    if (start === this.#recentStart) return this.#recentTable!;
    let table = this.windows.get(start);
    if (!table) this.windows.set(start, table = this.#newTable());
    this.#recentStart = start;
    this.#recentTable = table;
    return table;
  }

  /** The table of late records of the window that starts at `start`. */
  lateTable(start: number): KeyTable {
    let table = this.late.get(start);
    if (!table) this.late.set(start, table = this.#newTable());
    return table;
  }

  /** Adds the cost of a key that is new in its table. `textBytes`: texts that the table did not hold before. */
  addKey(textBytes: number): void {
    this.keys++;
    this.bytes += KEY_BYTES + textBytes;
  }

  /** Whether the delta, or the dictionaries of `dictionaryBytes` that its ids refer to, have reached a bound. An empty delta never has. */
  reached(bounds: DeltaBounds, dictionaryBytes: number): boolean {
    return this.keys > 0 &&
      (this.keys >= bounds.maxDeltaKeys || this.bytes >= bounds.maxDeltaBytes ||
        dictionaryBytes >= bounds.maxDictionaryBytes);
  }

  #newTable(): KeyTable {
    this.bytes += WINDOW_BYTES;
    return new KeyTable();
  }
}
