// Checks every equation of the ledger over one snapshot. Pure.
import { isoAlways } from "../schemas.ts";
import type { LedgerBreakdownFault, LedgerPartition, LedgerSums, LedgerWindow } from "./ledger_query.ts";

/** An equation that does not hold. */
interface Imbalance {
  readonly kind: "stream" | "partition" | "window" | "late" | "breakdown";
  readonly partition: number | null;
  /** RFC 3339, for windows. */
  readonly window_start: string | null;
  /** The stored sum. */
  readonly expected: number;
  /** The sum of the rows. */
  readonly found: number;
  readonly message: string;
}

/** @param start of its window, epoch ms; null if it is not of one */
const imbalance = (
  kind: Exclude<Imbalance["kind"], "partition">,
  start: number | null,
  expected: number,
  found: number,
  message: string,
): Imbalance => ({
  kind,
  partition: null,
  window_start: start === null ? null : isoAlways(start),
  expected,
  found,
  message,
});

/** Every equation that does not hold; empty = balanced. */
export function imbalances(sums: LedgerSums): Imbalance[] {
  return [
    ...sums.partitions.flatMap((p) => partitionImbalances(p, sums.offsets_count_records)),
    ...streamImbalances(sums),
    ...sums.both.map((start) =>
      imbalance("window", start, 0, 1, `window ${isoAlways(start)} is closed and still holds open deltas`)
    ),
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
  return [imbalance("stream", null, counted, there, message)];
}

function deepImbalances(sums: LedgerSums): Imbalance[] {
  if (sums.deep === null) return [];
  const found = [
    ...sums.deep.windows_wrong.map((w) =>
      imbalance("window", w.window_start, w.booked_hits ?? 0, w.found_hits ?? 0, windowInWords(w))
    ),
    ...sums.deep.chunks_wrong.map(({ window_start, booked_hits, found_hits }) => {
      const message = `an open delta of window ${
        isoAlways(window_start)
      } says ${booked_hits} hits and holds ${found_hits}`;
      return imbalance("window", window_start, booked_hits, found_hits, message);
    }),
    ...sums.deep.breakdowns_wrong.map((fault) =>
      imbalance("breakdown", fault.window_start, fault.expected ?? 0, fault.found ?? 0, breakdownInWords(fault))
    ),
  ];
  const late = sum(sums.partitions, (p) => p.late);
  const there = sums.deep.late_stored + sum(sums.partitions, (p) => p.late_dropped) + sums.retired_late;
  if (late !== there) {
    const message = `${late} records are late; the late table, dropped and retired ones add up to ${there}`;
    found.push(imbalance("late", null, late, there, message));
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

/** By number, as in the database. */
const DIMENSIONS = ["", "pages", "clients", "campaigns", "entry channels", "visitors"];

function breakdownInWords({ what, window_start, dimension, expected, found }: LedgerBreakdownFault): string {
  const of = DIMENSIONS[dimension ?? 0]!, start = window_start === null ? "" : isoAlways(window_start);
  switch (what) {
    case "window":
      if (found === null) return `the ${of} of window ${start} are missing, it has ${expected} hits`;
      if (expected === null) return `the table holds ${of} of window ${start}, which was not closed with them`;
      return `the ${of} of window ${start} add up to ${found} hits (or to other bots' hits), the window has ${expected}`;
    case "digest":
      return `the ${of} of window ${start} were changed after it was closed: their digest does not agree`;
    case "host":
      return `a host of window ${start} has ${found ?? 0} hits by ${of} and ${expected ?? 0} in its rows`;
    case "chunk":
      return `the breakdowns of an open delta of window ${start} do not add up to its ${expected} hits`;
    case "late":
      return `late ${of} add up to ${found} hits, the late table holds ${expected}`;
    case "sketch":
      return `a sketch of the visitors of ${start.slice(0, 10)} is not in its form: it was changed by hand`;
    case "salt":
      return `the salt of ${start.slice(0, 10)} is still stored, although that day is closed`;
  }
}

/** Sum over partitions. */
export function sum(partitions: readonly LedgerPartition[], pick: (p: LedgerPartition) => number): number {
  return partitions.reduce((total, p) => total + pick(p), 0);
}
