// Invariants of the database, checked after every change of it against the auditor's own copy of what went before. Pure.
import type { CommitPayload } from "../../src/store/port.ts";
import { dayEnd, DIMENSIONS, hasDimension } from "./model_breakdown.ts";
import type { ClosedWindow, ModelDatabase } from "./model_database.ts";

interface Seen {
  readonly next: number;
  readonly watermark: number;
  readonly commitId: string;
}

/** Throws away nothing: the first violations are kept in words. */
export class Audit {
  readonly violations: string[] = [];
  /** What the run has seen, for the counts at its end. */
  commits = 0;
  closings = 0;
  /** End of the highest window that ever held a counted record, restores included. */
  #highest = -Infinity;
  #rows = new Map<number, Seen>();
  #closed = new Map<number, ClosedWindow>();
  #closedThrough = -Infinity;
  readonly #database: ModelDatabase;
  readonly #windowSize: number;
  readonly #where: () => string;

  constructor(database: ModelDatabase, windowSize: number, where: () => string) {
    this.#database = database;
    this.#windowSize = windowSize;
    this.#where = where;
  }

  violation = (text: string): void => {
    if (this.violations.length < 20) this.violations.push(`${this.#where()} ${text}`);
  };

  /** A deliberate restore: what is there now is the new base. */
  rebase(): void {
    const { state } = this.#database;
    this.#closedThrough = state.stream?.closedThrough ?? -Infinity;
    this.#closed = new Map(state.closed);
    this.#look();
  }

  joined(): void {
    const { state } = this.#database;
    for (const row of state.rows.values()) {
      const seen = this.#rows.get(row.partition);
      if (seen && (seen.next !== row.nextOffset || seen.commitId !== row.commitId)) {
        this.violation(`joining moved partition ${row.partition}`);
      }
      if (!seen && row.watermark !== state.stream!.closedThrough) {
        this.violation(
          `new partition ${row.partition} begins at watermark ${row.watermark}, closed through ${
            state.stream!.closedThrough
          }`,
        );
      }
    }
    this.#always();
  }

  committed(payload: CommitPayload): void {
    this.commits++;
    const { state } = this.#database;
    for (const chunk of payload.chunks) {
      const end = chunk.windowStart + this.#windowSize;
      if (chunk.late) continue;
      if (end > this.#highest) this.#highest = end;
      if (state.closed.has(chunk.windowStart)) {
        this.violation(`commit into window ${chunk.windowStart}, which is closed`);
      }
      if (end <= state.stream!.closedThrough) {
        this.violation(`commit into window ${chunk.windowStart}, closed through ${state.stream!.closedThrough}`);
      }
    }
    for (const { day, saltId } of payload.visitors) {
      if (state.visitors.salts.get(day)?.id !== saltId) this.violation(`visitors of ${day} under another salt`);
    }
    for (const move of payload.moves) {
      const seen = this.#rows.get(move.partition), row = state.rows.get(move.partition)!;
      const name = `partition ${move.partition}`;
      if (!seen) {
        this.violation(`${name}: commit without a row`);
        continue;
      }
      if (move.oldNextOffset !== seen.next) {
        this.violation(`${name}: records from ${move.oldNextOffset} committed, ${seen.next} was next`);
      }
      if (move.oldCommitId !== seen.commitId) this.violation(`${name}: commit on top of a commit that is not the last`);
      if (move.nextOffset < seen.next) {
        this.violation(`${name}: position went back from ${seen.next} to ${move.nextOffset}`);
      }
      if (row.nextOffset !== move.nextOffset) this.violation(`${name}: stored position is not the committed one`);
      if (move.watermark < seen.watermark) {
        this.violation(`${name}: watermark ${move.watermark} was sent on top of ${seen.watermark}`);
      }
      let at = seen.next, reached = -Infinity;
      for (const { atOffset, watermark } of move.idleAdvances) {
        if (atOffset < at || atOffset > move.nextOffset) this.violation(`${name}: idle advance outside of its commit`);
        if (watermark <= reached || watermark > move.watermark) this.violation(`${name}: idle advances out of order`);
        if (watermark > this.#highest) {
          this.violation(`${name}: idle advance to ${watermark}, above every counted record (${this.#highest})`);
        }
        at = atOffset;
        reached = watermark;
      }
    }
    this.#always();
  }

  closed(window: number): void {
    this.closings++;
    const { state } = this.#database;
    const end = window + this.#windowSize;
    for (const row of state.rows.values()) {
      if (!row.retired && row.watermark < end) {
        this.violation(`window ${window} closed, partition ${row.partition} is at ${row.watermark}`);
      }
    }
    if (this.#closed.has(window)) this.violation(`window ${window} closed twice`);
    const { hits, botHits, breakdown } = state.closed.get(window)!;
    for (const dimension of DIMENSIONS) {
      const pairs = [...breakdown.dimensions[dimension].values()], isThere = hasDimension(breakdown.mask, dimension);
      const sum = pairs.reduce((all, pair) => all + pair.hits, 0),
        bots = pairs.reduce((all, pair) => all + pair.bots, 0);
      if (sum !== (isThere ? hits : 0) || bots !== (isThere ? botHits : 0)) {
        this.violation(`window ${window} closed with ${hits} (${botHits}) hits, ${dimension} has ${sum} (${bots})`);
      }
    }
    this.#closed.set(window, state.closed.get(window)!);
    if (state.open.some((delta) => delta.windowStart === window)) {
      this.violation(`window ${window} closed with deltas left`);
    }
    this.#always();
  }

  #always(): void {
    const { state } = this.#database;
    const sum = { counted: 0, stored: 0, late: 0, dropped: 0, dead: 0 };
    for (const row of state.rows.values()) {
      const seen = this.#rows.get(row.partition);
      if (seen && row.nextOffset < seen.next) this.violation(`partition ${row.partition}: stored position went back`);
      if (seen && row.watermark < seen.watermark) {
        this.violation(`partition ${row.partition}: stored watermark went back`);
      }
      const booked = row.counted + row.late + row.dead + row.nulls + row.skipped;
      if (row.nextOffset - row.firstOffset !== booked) {
        this.violation(
          `ledger: partition ${row.partition} moved by ${row.nextOffset - row.firstOffset}, booked ${booked}`,
        );
      }
      sum.counted += row.counted;
      sum.late += row.late;
      sum.dropped += row.lateDropped;
      sum.dead += row.dead;
    }
    for (const [window, closed] of this.#closed) {
      if (state.closed.get(window) !== closed) this.violation(`closed window ${window} changed`);
      sum.stored += closed.hits;
    }
    for (const delta of state.open) sum.stored += delta.hits;
    if (sum.counted !== sum.stored) {
      this.violation(`ledger: ${sum.counted} counted, ${sum.stored} in closed windows and open deltas`);
    }
    let late = 0, dead = 0;
    for (const keys of state.late.values()) for (const { hits } of keys.values()) late += hits;
    for (const records of state.deadCounts.values()) dead += records;
    if (late !== sum.late - sum.dropped) this.violation(`ledger: ${sum.late - sum.dropped} late, ${late} stored`);
    if (dead !== sum.dead) this.violation(`ledger: ${sum.dead} dead, ${dead} in dead letters`);
    const through = state.stream?.closedThrough ?? -Infinity;
    if (through < this.#closedThrough) this.violation(`closed-through went back`);
    for (const day of state.visitors.salts.keys()) {
      if (dayEnd(day) <= through) this.violation(`the salt of ${day} is kept, closed through ${through}`);
    }
    this.#closedThrough = through;
    this.#look();
  }

  #look(): void {
    this.#rows = new Map(
      [...this.#database.state.rows.values()].map((row) => [row.partition, {
        next: row.nextOffset,
        watermark: row.watermark,
        commitId: row.commitId,
      }]),
    );
  }
}
