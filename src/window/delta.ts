// What has been counted since the last commit: tables by window, late tables, dead letters. Pure.
import { DeadLetters, type Mask } from "./dead_letters.ts";
import { KeyTable } from "./key_table.ts";

/** One delta. It is filled by the counter, then frozen into a payload and replaced by an empty one. */
export class Delta {
  readonly windows = new Map<number, KeyTable>();
  readonly late = new Map<number, KeyTable>();
  readonly dead: DeadLetters;
  #recentStart = NaN;
  #recentTable: KeyTable | undefined;

  constructor(mask: Mask) {
    this.dead = new DeadLetters(mask);
  }

  /** The table of the open window that starts at `start`. Consecutive records mostly share one. */
  table(start: number): KeyTable {
    if (start === this.#recentStart) return this.#recentTable!;
    let table = this.windows.get(start);
    if (!table) this.windows.set(start, table = new KeyTable());
    this.#recentStart = start;
    this.#recentTable = table;
    return table;
  }

  /** The table of late records of the window that starts at `start`. */
  lateTable(start: number): KeyTable {
    let table = this.late.get(start);
    if (!table) this.late.set(start, table = new KeyTable());
    return table;
  }

  /** Distinct keys over all windows: what a commit would write. */
  get keys(): number {
    let keys = 0;
    for (const table of this.windows.values()) keys += table.size;
    for (const table of this.late.values()) keys += table.size;
    return keys;
  }
}
