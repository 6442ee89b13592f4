// One question's sheet: numbers and states of an answer are held against the oracle, and what came of them is tallied. Pure.
import { dayEnd, daysOf } from "./calendar.ts";
import type { Fact, Filter, Oracle, Worth } from "./oracle.ts";
import type { Question } from "./questions.ts";

/** What came of the numbers of one answer, or of many. */
export interface Tally {
  /** Numbers that were asked for. */
  asked: number;
  /** Those that were given, and equal to the oracle's. */
  known: number;
  /** Known ones that the product called final. */
  final: number;
  readonly violations: string[];
}

export const noTally = (): Tally => ({ asked: 0, known: 0, final: 0, violations: [] });

export type Json = Record<string, unknown>;
export type Params = Question["params"];
type Status = "final" | "provisional" | "unknown";

/** The oracle's side of one question. */
export class Sheet {
  readonly tally: Tally;
  readonly oracle: Oracle;
  readonly params: Params;
  readonly filter: Filter;
  /** Whether the question is about a host or referrer, which retention drops. */
  readonly filtered: boolean;

  constructor(oracle: Oracle, params: Params, tally: Tally = noTally()) {
    this.tally = tally;
    this.oracle = oracle;
    this.params = params;
    this.filter = params as unknown as Filter;
    this.filtered = ["host", "referrer", "channel"].some((name) => params[name] !== undefined);
  }

  violate(what: string): void {
    this.tally.violations.push(what);
  }

  /** One number. `expected` null = it must be unknown. */
  number(name: string, given: unknown, expected: number | null, unknown: Worth["unknown"] = "no"): void {
    const { tally } = this;
    tally.asked++;
    if (given === null || given === undefined) {
      if (expected !== null && unknown === "no") this.violate(`${name} is unknown, the oracle counts ${expected}`);
      return;
    }
    if (expected === null) return this.violate(`${name} is ${given}, the oracle demands unknown`);
    if (given !== expected) return this.violate(`${name} is ${given}, the oracle counts ${expected}`);
    tally.known++;
  }

  /** What a number is called; one that must or may be unknown may be called so. */
  status(name: string, given: unknown, final: boolean, unknown: Worth["unknown"] = "no"): void {
    const expected: Status = final ? "final" : "provisional";
    if (unknown !== "no" && given === "unknown") return;
    if (given === expected) {
      if (final) this.tally.final++;
      return;
    }
    this.violate(`${name} is called ${given}, the oracle says ${expected}`);
  }

  /** Known local days of a range, both ends inclusive. */
  known(from: string, to: string, raw = this.filtered): string[] {
    const { tz } = this.params;
    return daysOf(from, to).filter((day) => this.oracle.dayWorth(day, tz!, raw).unknown !== "yes");
  }

  /** Whether a whole range must or may be called unknown. */
  rangeUnknown(from: string, to: string, raw = this.filtered): Worth["unknown"] {
    const worths = daysOf(from, to).map((day) => this.oracle.dayWorth(day, this.params.tz!, raw).unknown);
    return worths.includes("no") ? "no" : worths.includes("may") ? "may" : "yes";
  }

  /** Events of the known days of a range; null where no day is known. */
  events(from: string, to: string, raw = this.filtered, filter = this.filter): Fact[] | null {
    const days = this.known(from, to, raw);
    return days.length === 0 ? null : days.flatMap((day) => this.oracle.day(day, this.params.tz!, filter));
  }

  end(day: string): number {
    return dayEnd(day, this.params.tz!);
  }

  isFinal(to: string): boolean {
    return this.oracle.isFinal(this.end(to));
  }

  completeness(name: string, given: Json, from: string, to: string, raw = this.filtered): void {
    this.status(`${name}.status`, given.status, this.isFinal(to), this.rangeUnknown(from, to, raw));
    const { oracle } = this;
    const inside = daysOf(from, to).filter((day) =>
      oracle.firstWindow === Infinity || oracle.windowsEnd(this.end(day)) > oracle.firstWindow
    );
    const gap = inside.some((day) => oracle.dayWorth(day, this.params.tz!, raw).unknown === "yes");
    if (given.gap !== gap) this.violate(`${name}.gap is ${given.gap}`);
  }
}

export const size = (facts: readonly Fact[] | null) => facts === null ? null : facts.length;

export function counts(facts: readonly Fact[] | null, key: (fact: Fact) => string): Map<string, number> {
  const result = new Map<string, number>();
  for (const fact of facts ?? []) result.set(key(fact), (result.get(key(fact)) ?? 0) + 1);
  return result;
}

/** Rows of a page, each once, all with hits; complete where the page is not full. */
export function rowSet(
  sheet: Sheet,
  name: string,
  given: readonly string[],
  expected: ReadonlyMap<string, number>,
  limit: number,
) {
  if (new Set(given).size < given.length) sheet.violate(`${name} holds a row twice: ${given.join(", ")}`);
  const missing = [...expected.keys()].filter((key) => !given.includes(key));
  if (given.length < Math.min(limit, expected.size)) sheet.violate(`${name} lacks ${missing.join(", ")}`);
  for (const key of given) {
    if (!expected.has(key)) sheet.violate(`${name} holds ${key}, which the oracle does not know`);
  }
}
