// The oracle's side of comparisons: which time a range is compared with, and the events in it. Pure.
import { dayAfter, dayEnd, daysOf, dayStart, HOUR, localDay } from "./calendar.ts";
import type { Fact, Filter, Oracle, Worth } from "./oracle.ts";
import type { Question } from "./questions.ts";

interface Asked {
  readonly oracle: Oracle;
  readonly params: Question["params"];
  readonly filter: Filter;
  /** Whether the question is about what retention drops. */
  readonly filtered: boolean;
}

/** Period that is compared, by the words of the documentation; `until` is Infinity where all of its last day belongs to it. */
function comparison({ oracle, params }: Asked): { readonly from: string; readonly to: string; readonly until: number } {
  const { compare = "previous_period", from, to, tz } = params;
  const days = daysOf(from!, to!).length;
  const shift = compare === "same_weekday"
    ? Math.ceil(days / 7) * 7
    : compare === "previous_year"
    ? daysOf(yearBefore(from!), from!).length - 1
    : days;
  const period = compare === "previous_day"
    ? { from: dayAfter(from!, -1), to: dayAfter(from!, -1) }
    : { from: dayAfter(from!, -shift), to: dayAfter(to!, -shift) };
  if (oracle.firstWindow === Infinity || oracle.edge >= dayEnd(to!, tz!) || (compare === "previous_day" && days > 1)) {
    return { ...period, until: Infinity };
  }
  const edge = Math.max(oracle.edge, dayStart(from!, tz!));
  const edgeDay = localDay(edge, tz!), day = dayAfter(edgeDay, -shift);
  const until = Math.min(dayStart(day, tz!) + edge - dayStart(edgeDay, tz!), dayEnd(day, tz!));
  // What retention keeps is known by the hour.
  return { ...period, until: until < oracle.retiredThrough ? Math.floor((until + HOUR / 2) / HOUR) * HOUR : until };
}

const yearBefore = (day: string) => `${Number(day.slice(0, 4)) - 1}${day.endsWith("-02-29") ? "-02-28" : day.slice(4)}`;

/** Events of the compared period; null where none of it is known. */
export function comparedEvents(asked: Asked): { readonly facts: Fact[] | null; readonly mayLack: Worth["unknown"] } {
  const { oracle, params: { tz }, filter, filtered } = asked;
  const { from, to, until } = comparison(asked);
  const parts = daysOf(from, to).map((day) => {
    const start = dayStart(day, tz!), end = Math.min(dayEnd(day, tz!), until);
    const seen = start < end && (oracle.firstWindow === Infinity || oracle.windowsEnd(end) > oracle.firstWindow);
    return { start, end, unknown: seen ? oracle.dayWorth(day, tz!, filtered).unknown : "yes" as const };
  });
  const known = parts.filter(({ unknown }) => unknown !== "yes");
  return {
    facts: known.length === 0 ? null : known.flatMap(({ start, end }) => oracle.select(start, end, filter)),
    mayLack: known.some(({ unknown }) => unknown === "no") ? "no" : "may",
  };
}
