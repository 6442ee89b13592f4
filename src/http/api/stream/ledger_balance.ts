// Checks every equation of the ledger over one snapshot. Pure.
import { isoAlways } from "../schemas.ts";
import type { LedgerPartition, LedgerSums, LedgerWindow } from "./ledger_query.ts";

/** An equation that does not hold. */
interface Imbalance {
  readonly kind: "stream" | "partition" | "window" | "late";
  readonly partition: number | null;
  /** RFC 3339, for windows. */
  readonly window_start: string | null;
  /** The stored sum. */
  readonly expected: number;
  /** The sum of the rows. */
  readonly found: number;
  readonly message: string;
}

const at = { partition: null, window_start: null };

/** Every equation that does not hold; empty = balanced. */
export function imbalances(sums: LedgerSums): Imbalance[] {
  return [
    ...sums.partitions.flatMap((p) => partitionImbalances(p, sums.offsets_count_records)),
    ...streamImbalances(sums),
    ...sums.both.map((start): Imbalance => ({
      kind: "window",
      partition: null,
      window_start: isoAlways(start),
      expected: 0,
      found: 1,
      message: `window ${isoAlways(start)} is closed and still holds open deltas`,
    })),
    ...deepImbalances(sums),
  ];
}

/** Offsets of a partition, by what became of their records. */
export function booked(p: LedgerPartition): number {
  return p.counted + p.late + p.dead + p.null_records + p.skipped;
}

function partitionImbalances(p: LedgerPartition, offsetsCountRecords: boolean): Imbalance[] {
  const found: Imbalance[] = [];
  const say = (expected: number, actual: number, message: string) =>
    found.push({ kind: "partition", partition: p.partition, window_start: null, expected, found: actual, message });
  const moved = p.next_offset - p.first_offset;
  if (offsetsCountRecords && moved !== booked(p)) {
    say(moved, booked(p), `partition ${p.partition} moved over ${moved} offsets and booked ${booked(p)} of them`);
  }
  if (p.dead !== p.dead_by_reason) {
    say(
      p.dead,
      p.dead_by_reason,
      `partition ${p.partition} has ${p.dead} dead letters, and ${p.dead_by_reason} by reason`,
    );
  }
  return found;
}

function streamImbalances(sums: LedgerSums): Imbalance[] {
  const counted = sum(sums.partitions, (p) => p.counted);
  const there = sums.closed_hits + sums.open_hits + sums.retired_hits;
  if (counted === there) return [];
  const message = `${counted} records are counted; closed windows, open deltas and retired days hold ${there}`;
  return [{ kind: "stream", ...at, expected: counted, found: there, message }];
}

function deepImbalances(sums: LedgerSums): Imbalance[] {
  if (sums.deep === null) return [];
  const found: Imbalance[] = sums.deep.windows_wrong.map((w) => ({
    kind: "window",
    partition: null,
    window_start: isoAlways(w.window_start),
    expected: w.booked_hits ?? 0,
    found: w.found_hits ?? 0,
    message: windowInWords(w),
  }));
  for (const chunk of sums.deep.chunks_wrong) {
    found.push({
      kind: "window",
      partition: null,
      window_start: isoAlways(chunk.window_start),
      expected: chunk.booked_hits,
      found: chunk.found_hits,
      message: `an open delta of window ${
        isoAlways(chunk.window_start)
      } says ${chunk.booked_hits} hits and holds ${chunk.found_hits}`,
    });
  }
  const late = sum(sums.partitions, (p) => p.late);
  const there = sums.deep.late_stored + sum(sums.partitions, (p) => p.late_dropped) + sums.retired_late;
  if (late !== there) {
    const message = `${late} records are late; the late table, dropped and retired ones add up to ${there}`;
    found.push({ kind: "late", ...at, expected: late, found: there, message });
  }
  return found;
}

function windowInWords(w: LedgerWindow): string {
  const name = `window ${isoAlways(w.window_start)}`;
  if (w.booked_hits === null) return `${name} has ${w.found_rows} rows but was never closed`;
  const side = (rows: number | null, hits: number | null, bots: number | null) =>
    `${rows ?? 0} rows with ${hits ?? 0} hits (${bots ?? 0} by bots)`;
  const sums = [w.booked_rows, w.booked_hits, w.booked_bot_hits].join();
  if (sums === [w.found_rows, w.found_hits, w.found_bot_hits].join()) {
    return `the rows of ${name} were changed after it was closed: their sums agree, their digest does not`;
  }
  return `${name} was closed with ${side(w.booked_rows, w.booked_hits, w.booked_bot_hits)}, the table holds ${
    side(w.found_rows, w.found_hits, w.found_bot_hits)
  }`;
}

/** Sum over partitions. */
export function sum(partitions: readonly LedgerPartition[], pick: (p: LedgerPartition) => number): number {
  return partitions.reduce((total, p) => total + pick(p), 0);
}
