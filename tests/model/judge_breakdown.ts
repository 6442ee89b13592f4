// Holds rankings of breakdowns and visitors against the oracle. Pure.
import { dayEnd, daysOf, dayStart } from "./calendar.ts";
import {
  BITS,
  countedTime,
  type Dimension,
  entries,
  type Entry,
  isMissed,
  joined,
  sketchesOf,
  type Span,
  visitorsOn,
} from "./oracle_breakdown.ts";
import type { Json, Sheet } from "./sheet.ts";

const PART_END = "\x1e";
const FOLDED = "(other)";
const RETIRED = "(retired)";
/** Values that name nothing: they have no rank. */
const RESERVED = /^\((?:asset|error|none|bot|unknown|retired)\)$/;

/** What is stored for each ranking, and which part of it is ranked. */
const STORED: Readonly<Record<string, readonly [dimension: Dimension, part: number | null]>> = {
  page: ["page", null],
  browser: ["client", 0],
  os: ["client", 1],
  device: ["client", 2],
  campaign: ["campaign", null],
  entry_channel: ["channel", null],
};

/** The oracle's side of one ranking. */
interface Ranking {
  /** Hits by value, of the kind of traffic that was asked for. */
  readonly values: ReadonlyMap<string, number>;
  /** By value: how many of its hits may be called `(retired)` as well. */
  readonly named: ReadonlyMap<string, number>;
  readonly total: number;
  readonly range: Span;
  readonly bit: number;
  readonly host: string | undefined;
}

function ranking(sheet: Sheet): Ranking {
  const { oracle, params } = sheet;
  const { from, to, tz, by, host, traffic = "all", late } = params;
  const [dimension, part] = STORED[by!]!;
  const days = daysOf(from!, to!).map((day) => ({ start: dayStart(day, tz!), end: dayEnd(day, tz!) }));
  const known = joined(days.filter(({ start, end }) => oracle.isKnown(start, end, host !== undefined)));
  const values = new Map<string, number>(), named = new Map<string, number>();
  let total = 0;
  for (const entry of entries(oracle, dimension, known, { host, late: late === "include" })) {
    const hits = hitsOf(entry, traffic), value = partOf(entry.value, part);
    if (hits === 0) continue;
    total += hits;
    values.set(value, (values.get(value) ?? 0) + hits);
    if (entry.isNamed) named.set(value, (named.get(value) ?? 0) + hits);
  }
  const range = { start: dayStart(from!, tz!), end: dayEnd(to!, tz!) };
  return { values, named, total, range, bit: BITS[dimension], host };
}

const hitsOf = ({ hits, bots }: Entry, traffic: string) =>
  traffic === "bot" ? bots : traffic === "human" ? hits - bots : hits;

const partOf = (value: string, part: number | null) =>
  part === null || !value.includes(PART_END) ? value : value.split(PART_END)[part]!;

/** A ranking by the API. */
export function breakdownTop(sheet: Sheet, answer: Json): void {
  const { oracle, params } = sheet;
  const { from, to, tz, by } = params;
  const limit = Number(params.limit);
  const asked = ranking(sheet);
  const { values, named, total, host } = asked;
  const raw = host !== undefined;
  const time = countedTime(oracle, asked.bit, asked.range);
  const worths = daysOf(from!, to!).map((day) => {
    const span = { start: dayStart(day, tz!), end: dayEnd(day, tz!) };
    const { unknown } = oracle.worth(span.start, span.end, raw);
    return unknown === "no" && isMissed(oracle, time.notCounted, span) ? "yes" : unknown;
  });
  const unknown = worths.includes("no") ? "no" : worths.includes("may") ? "may" : "yes";
  sheet.number("total_count", answer.total_count, unknown === "yes" ? null : total, unknown);
  const rows = answer.rows as Json[], reserved = answer.reserved as Json[];
  const given = new Map([...rows, ...reserved].map((row) => [row.key as string, row.count as number]));
  if (given.size < rows.length + reserved.length) sheet.violate(`a value is there twice: ${[...given.keys()]}`);
  checkValues(sheet, given, asked);
  const rest = total - [...given.values()].reduce((sum, count) => sum + count, 0);
  if (answer.total_count !== null) sheet.number("(other)", (answer.other as Json | null)?.count ?? 0, rest);
  if (
    reserved.some(({ key }) => !RESERVED.test(key as string)) || rows.some(({ key }) => RESERVED.test(key as string))
  ) {
    sheet.violate(`ranked ${rows.map(({ key }) => key)}, apart from it ${reserved.map(({ key }) => key)}`);
  }
  const shown = rows.map(({ count }) => count as number);
  if (shown.some((count, i) => i > 0 && count > shown[i - 1]!)) sheet.violate(`the ranking is not in order: ${shown}`);
  if (named.size === 0) {
    const ranked = [...values].filter(([value]) => value !== FOLDED && !RESERVED.test(value));
    sheet.number("total_rows", answer.total_rows, ranked.length);
    const best = ranked.map(([, hits]) => hits).sort((a, b) => b - a).slice(0, limit);
    if (best.join() !== shown.join()) sheet.violate(`the ranking has ${shown}, the oracle ${best}`);
    const apart = [...values.keys()].filter((value) => RESERVED.test(value));
    for (const value of apart) if (!given.has(value)) sheet.violate(`${value} is missing`);
  }
  marks(sheet, answer.breakdown as Json, time);
  const { status } = answer.completeness as Json;
  sheet.status("status", status, sheet.isFinal(to!), unknown);
  if (by === "page" && named.size === 0 && answer.total_count !== null) {
    const views = [...values].filter(([value]) => value.startsWith("/")).reduce((sum, [, hits]) => sum + hits, 0);
    sheet.number("views", (answer.breakdown as Json).views, views);
  }
}

/** Each value's hits; late records of a retired day count under their name or under `(retired)`. */
function checkValues(sheet: Sheet, given: ReadonlyMap<string, number>, { values, named }: Ranking): void {
  const softSum = [...named.values()].reduce((sum, hits) => sum + hits, 0);
  for (const [value, count] of given) {
    const most = (values.get(value) ?? 0) + (value === RETIRED ? softSum : 0),
      least = (values.get(value) ?? 0) - (named.get(value) ?? 0);
    if (count >= least && count <= most && softSum > 0) sheet.number(JSON.stringify(value), count, count);
    else sheet.number(JSON.stringify(value), count, values.get(value) ?? 0);
  }
}

/** What the answer says about the time in which it was counted. */
function marks(sheet: Sheet, given: Json, { since, counting, notCounted }: ReturnType<typeof countedTime>): void {
  const time = (value: unknown) => value === null ? null : Date.parse(value as string);
  if (time(given.counted_since) !== since) {
    sheet.violate(`counted since ${given.counted_since}, the oracle says ${since}`);
  }
  if (given.counting !== counting) sheet.violate(`counting is ${given.counting}`);
  const spans = (given.not_counted as Json[]).map(({ start, end }) => `${time(start)}–${time(end)}`).join();
  const expected = notCounted.map(({ start, end }) => `${start}–${end}`).join();
  if (spans !== expected) sheet.violate(`not counted ${spans}, the oracle says ${expected}`);
}

/** A ranking by the SQL function, which lists all values alike. */
export function breakdownFunction(sheet: Sheet, rows: Json[]): void {
  const asked = ranking(sheet);
  const given = new Map(rows.map(({ value, num_hits }) => [value as string, num_hits as number]));
  if (given.size < rows.length) sheet.violate(`a value is there twice: ${[...given.keys()]}`);
  checkValues(sheet, given, asked);
  const { since } = countedTime(sheet.oracle, asked.bit, asked.range);
  for (const row of rows) {
    sheet.number("total", row.total_hits, asked.total);
    sheet.status("row", row.is_final ? "final" : "provisional", sheet.isFinal(sheet.params.to!));
    if (row.counted_since !== since) sheet.violate(`counted since ${row.counted_since}, the oracle says ${since}`);
  }
  const sum = [...given.values()].reduce((all, hits) => all + hits, 0);
  if (sum !== asked.total) sheet.violate(`the rows add up to ${sum}, the oracle counts ${asked.total}`);
}

/** Visitors of UTC days. */
export function visitors(sheet: Sheet, answer: Json): void {
  const { oracle, params: { from, to, tz, host } } = sheet;
  const sketches = sketchesOf(oracle);
  let sum = 0, known = 0, maybe = 0;
  for (const { day, visitors: count, status } of answer.days as Json[]) {
    const worth = oracle.dayWorth(day as string, tz!, host !== undefined);
    const expected = worth.unknown === "yes" ? null : visitorsOn(oracle, day as string, host, sketches);
    sheet.number(`visitors of ${day}`, count, expected, worth.unknown);
    sheet.status(`visitors of ${day}`, status, worth.final, expected === null ? "yes" : worth.unknown);
    if (expected === null) continue;
    known++;
    if (worth.unknown === "may") maybe++;
    sum += expected;
  }
  sheet.number("visitors", answer.visitors, known === 0 ? null : sum, known === maybe ? "may" : "no");
  const days = (answer.days as Json[]).map(({ day }) => day).join();
  if (days !== daysOf(from!, to!).join()) sheet.violate(`days are ${days}`);
  const { since, counting } = countedTime(oracle, BITS.visitors, { start: -Infinity, end: Infinity });
  const given = answer.counted_since === null ? null : Date.parse(answer.counted_since as string);
  if (given !== since) sheet.violate(`counted since ${answer.counted_since}, the oracle says ${since}`);
  if (answer.counting !== counting) sheet.violate(`counting is ${answer.counting}`);
}
