// What has been counted since the last commit: tables by window, late tables, visitors, dead letters. Pure.
import type { Breakdowns } from "../breakdown/dimensions.ts";
import type { VisitorSalt } from "../breakdown/visitor.ts";
import { DeadLetters, type Mask } from "./dead_letters.ts";
import { KeyTable } from "./key_table.ts";
import { PairTables } from "./pair_table.ts";
import { UpdateList } from "./update_list.ts";
import { dayOfWindow } from "./visitors.ts";

/**
 * Cost of a window beside its keys: the objects of its table here, and in the commit a row of open_delta, its JSON and eight array elements.
 * This keeps a commit at some thousands of windows, which a database stores in about a second.
 */
const WINDOW_BYTES = 4_096;
/** Cost of a key beside its texts: 28 bytes of a full table, twice that while the table grows, and five numbers as text. */
const KEY_BYTES = 80;
/** As that of a key, of a pair in a breakdown: 24 bytes of a full table, twice that while it grows, and four numbers as text. */
const PAIR_BYTES = 68;
/** Cost of a visitor's update: 8 bytes of a full list, twice that while it grows, and two numbers as text. */
const UPDATE_BYTES = 28;

/** Bounds of one delta. Counting stops at the record that reaches one of them. */
export interface DeltaBounds {
  /** Keys over all windows, and pairs of their breakdowns. */
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
  /** Updates of sketches by UTC day, as days since 1970. */
  readonly visitors = new Map<number, UpdateList>();
  readonly dead: DeadLetters;
  /** Distinct keys over all windows, and distinct pairs of their breakdowns. */
  keys = 0;
  /** Upper bound of the bytes that its commit sends; its memory is about the same. */
  bytes = 0;
  #recentStart = NaN;
  #recentTable: KeyTable | undefined;
  readonly #counted: Breakdowns;

  /** @param counted what is counted beside the rows */
  constructor(mask: Mask, counted: Breakdowns = 0) {
    this.dead = new DeadLetters(mask);
    this.#counted = counted;
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

  /** Adds the cost of a pair that is new in its table; as {@link Delta.addKey}. */
  addPair(textBytes: number): void {
    this.keys++;
    this.bytes += PAIR_BYTES + textBytes;
  }

  /** Updates of the day of a window. `salt` is that day's. */
  updates(windowStart: number, salt: VisitorSalt): UpdateList {
    const day = dayOfWindow(windowStart);
    let list = this.visitors.get(day);
    if (!list) this.visitors.set(day, list = new UpdateList(salt.id));
    return list;
  }

  /** Adds the cost of an update. `textBytes`: that of its host, if the list did not name it before. */
  addUpdate(textBytes: number): void {
    this.bytes += UPDATE_BYTES + textBytes;
  }

  /** Whether the delta, or the dictionaries of `dictionaryBytes` that its ids refer to, have reached a bound. An empty delta never has. */
  reached(bounds: DeltaBounds, dictionaryBytes: number): boolean {
    return this.keys > 0 &&
      (this.keys >= bounds.maxDeltaKeys || this.bytes >= bounds.maxDeltaBytes ||
        dictionaryBytes >= bounds.maxDictionaryBytes);
  }

  #newTable(): KeyTable {
    this.bytes += WINDOW_BYTES;
    const table = new KeyTable();
    if (this.#counted !== 0) table.pairs = new PairTables(this.#counted);
    return table;
  }
}
