// Names the period that a range is compared with. Pure.
import type { ComparisonPeriod } from "../../../report/comparison.ts";
import type { Reader } from "../reader.ts";

/** As in `16 Nov – 22 Nov, until 14:35`. */
export function periodWords(reader: Reader, { from, to, until }: ComparisonPeriod): string {
  const days = from === to ? reader.day(from) : `${dayWords(reader, from)} – ${dayWords(reader, to)}`;
  return until === null ? days : `${days}, until ${reader.clock(Date.parse(until))}`;
}

/** A date, with its year if it is not this year. */
function dayWords(reader: Reader, day: string): string {
  return day.startsWith(reader.year) ? reader.date(day) : reader.fullDate(day);
}

/** Why there is no change; empty if there is one. */
export function noChangeWords({ no_change_reason: reason }: ComparisonPeriod): string {
  switch (reason) {
    case null:
      return "";
    case "not_same_length":
      return "No change: one day is compared with several. ";
    case "not_covered":
      return "No change: the data does not cover both periods. ";
  }
}
