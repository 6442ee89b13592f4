// The oracle's side of breakdowns and visitors: which windows count a dimension, what folding and retention leave of its values, and the sketches of
// a day's visitors. As the oracle, it keeps every event, and shares no code with the product. Pure.
import { NaiveVisitors, type Ranks, type Sketches, sketchKey } from "../faults/visitors.ts";
import { DAY, HOUR } from "./calendar.ts";
import { CHANNEL_OF as CHANNELS, OWN_REFERRER as OWN } from "./event.ts";
import type { Fact, Oracle } from "./oracle.ts";

export type Dimension = "page" | "client" | "campaign" | "channel";

/** What a process may count beside the rows, as bits. */
export const BITS = { page: 1, client: 2, campaign: 4, channel: 8, visitors: 16 } as const;
export const COUNTS_ALL = 31;

/** How far the database says that it is. Values are folded when a window is closed, again when its hour is rolled up, and lose their names later. */
export interface BreakdownProgress {
  readonly closedWindows: ReadonlySet<number>;
  readonly hoursThrough: number;
  readonly forgottenThrough: number;
}

export const NO_PROGRESS: BreakdownProgress = {
  closedWindows: new Set(),
  hoursThrough: -Infinity,
  forgottenThrough: -Infinity,
};

/** Hits of one value. `isNamed`: late records of a retired day, which lose their names some time after it. */
export interface Entry {
  readonly value: string;
  readonly hits: number;
  readonly bots: number;
  readonly isNamed: boolean;
}

/** A stretch of time; the end is exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

const FOLDED = "(other)";
const RETIRED = "(retired)";
/** Dimensions whose values may hold what retention is meant to delete. */
const NAMES: readonly Dimension[] = ["page", "campaign"];

export const utcDay = (time: number): string => new Date(time).toISOString().slice(0, 10);

/** The windows that hold counted events, and whether all of these were counted with the bit. */
export function windowsOf(oracle: Oracle, bit: number): ReadonlyMap<number, boolean> {
  const windows = new Map<number, boolean>();
  for (const { window, late, counted } of oracle.facts()) {
    if (!late) windows.set(window, (windows.get(window) ?? true) && (counted & bit) !== 0);
  }
  return windows;
}

/** When a dimension was counted, for what a report over `range` says of it. */
export function countedTime(oracle: Oracle, bit: number, range: Span): {
  readonly since: number | null;
  readonly counting: boolean;
  readonly notCounted: readonly Span[];
} {
  const { windowSize } = oracle.rules;
  const windows = windowsOf(oracle, bit);
  const starts = [...windows.keys()].sort((a, b) => a - b);
  const since = starts.find((window) => windows.get(window)) ?? null;
  const lacking = starts.filter((window) => !windows.get(window));
  const last = lacking.at(-1);
  const counting = since !== null && (last === undefined || last + windowSize < oracle.closedThrough);
  const read = oracle.firstWindow === Infinity ? range : {
    start: Math.max(range.start, oracle.firstWindow),
    end: Math.min(range.end, oracle.lastWindowEnd),
  };
  const spans = [
    { start: -Infinity, end: since ?? Infinity },
    ...lacking.map((window) => ({ start: window, end: window + windowSize })),
  ].map(({ start, end }) => ({ start: Math.max(start, read.start), end: Math.min(end, read.end) }))
    .filter(({ start, end }) => start < end);
  return { since, counting, notCounted: joined(spans) };
}

/** Whether no part of [start, end) that was read was counted. */
export function isMissed(oracle: Oracle, spans: readonly Span[], { start, end }: Span): boolean {
  const from = oracle.firstWindow === Infinity ? start : Math.max(start, oracle.firstWindow);
  const to = oracle.firstWindow === Infinity ? end : Math.min(end, oracle.lastWindowEnd);
  return spans.some((span) => span.start <= from && span.end >= to);
}

/** Neighbours become one. @param spans by their start */
export function joined(spans: readonly Span[]): Span[] {
  const result: Span[] = [];
  for (const span of spans) {
    const before = result.at(-1);
    if (before !== undefined && before.end >= span.start) {
      result[result.length - 1] = { start: before.start, end: Math.max(before.end, span.end) };
    } else result.push(span);
  }
  return result;
}

/** What the database must hold of a dimension over some spans of time, by value; a value may be there several times. */
export function entries(
  oracle: Oracle,
  dimension: Dimension,
  spans: readonly Span[],
  { host, late }: { readonly host?: string | undefined; readonly late: boolean },
): Entry[] {
  const { breakdownProgress: { closedWindows, hoursThrough, forgottenThrough }, rules: { valuesMax = Infinity } } =
    oracle;
  const bit = BITS[dimension], windows = windowsOf(oracle, bit);
  const isIn = ({ start, end }: Span, time: number) => time >= start && time < end;
  const facts = oracle.facts().filter((fact) => host === undefined || fact.host === host);
  const result: Entry[] = [];
  for (const span of spans) {
    // Whole hours that are rolled up are read as such, the rest by windows.
    const hours = {
      start: Math.ceil(span.start / HOUR) * HOUR,
      end: Math.min(Math.floor(span.end / HOUR) * HOUR, hoursThrough),
    };
    const byHour = Map.groupBy(
      facts.filter((fact) => !fact.late && windows.get(fact.window) && isIn(span, fact.window)),
      ({ window }) => isIn(hours, window) ? `hour ${Math.floor(window / HOUR)}` : "rest",
    );
    for (const [kind, some] of byHour) {
      const closed = windowEntries(
        some,
        dimension,
        valuesMax,
        (window) => closedWindows.has(window) || window < hoursThrough,
      );
      const kept = kind === "rest" ? closed : folded(closed, valuesMax);
      const isForgotten = Math.floor(some[0]!.window / DAY) * DAY < forgottenThrough;
      for (const [, values] of kept) {
        for (const [value, [hits, bots]] of values) {
          const name = isForgotten && kind !== "rest" && NAMES.includes(dimension) ? RETIRED : value;
          result.push({ value: name, hits, bots, isNamed: false });
        }
      }
    }
    for (const fact of late ? facts : []) {
      if (!fact.late || (fact.counted & bit) === 0 || !isIn(span, fact.window)) continue;
      const isNamed = fact.window < oracle.retiredThrough && NAMES.includes(dimension);
      result.push({ value: valueOf(fact, dimension), hits: 1, bots: Number(fact.bot), isNamed });
    }
  }
  return result;
}

type HostValues = Map<string, Map<string, [hits: number, bots: number]>>;

/** Sums by host and value: each window by itself, folded where it is closed. */
function windowEntries(
  facts: readonly Fact[],
  dimension: Dimension,
  valuesMax: number,
  isClosed: (window: number) => boolean,
): HostValues {
  const sum: HostValues = new Map();
  for (const [window, some] of Map.groupBy(facts, ({ window }) => window)) {
    const own: HostValues = new Map();
    for (const fact of some) add(own, fact.host, valueOf(fact, dimension), 1, Number(fact.bot));
    for (const [host, values] of isClosed(window) ? folded(own, valuesMax) : own) {
      for (const [value, [hits, bots]] of values) add(sum, host, value, hits, bots);
    }
  }
  return sum;
}

/** Keeps of each host the values with the most hits, and of equal ones the first by their bytes; what was folded stays folded. */
function folded(hosts: HostValues, most: number): HostValues {
  const result: HostValues = new Map();
  for (const [host, values] of hosts) {
    const ranked = [...values].sort(([a, [x]], [b, [y]]) =>
      Number(a === FOLDED) - Number(b === FOLDED) || y - x || byBytes(a, b)
    );
    for (const [i, [value, [hits, bots]]] of ranked.entries()) {
      add(result, host, ranked.length > most && i >= most - 1 ? FOLDED : value, hits, bots);
    }
  }
  return result;
}

function add(hosts: HostValues, host: string, value: string, hits: number, bots: number): void {
  let values = hosts.get(host);
  if (values === undefined) hosts.set(host, values = new Map());
  const before = values.get(value) ?? [0, 0];
  values.set(value, [before[0] + hits, before[1] + bots]);
}

const utf8 = new TextEncoder();
function byBytes(a: string, b: string): number {
  const x = utf8.encode(a), y = utf8.encode(b);
  for (let i = 0; i < x.length && i < y.length; i++) if (x[i] !== y[i]) return x[i]! - y[i]!;
  return x.length - y.length;
}

function valueOf(fact: Fact, dimension: Dimension): string {
  return dimension === "channel" ? entryChannel(fact) : fact[dimension];
}

/** By the host that the hit asks for, not by all hosts of the stream. */
function entryChannel({ host, referrer }: Fact): string {
  if (referrer === OWN.referrer) return host === OWN.host ? "internal" : "referral";
  return CHANNELS.get(referrer) ?? "referral";
}

/** Registers by UTC day and host, the empty host for all. Days whose salt is not known have none. */
export function sketchesOf(oracle: Oracle): Sketches {
  const visitors = new NaiveVisitors((day) => oracle.salts.get(day));
  for (const fact of oracle.facts()) {
    if (fact.late || fact.bot || (fact.counted & BITS.visitors) === 0) continue;
    visitors.add(utcDay(fact.window), fact.host, fact.address, fact.client);
  }
  return visitors.sketches;
}

/**
 * Visitors of a UTC day: 0 without human hits, null where a window of the day does not count them.
 *
 * @param host undefined: all hosts
 */
export function visitorsOn(oracle: Oracle, day: string, host: string | undefined, sketches: Sketches): number | null {
  const facts = oracle.facts().filter((fact) => !fact.late && utcDay(fact.window) === day);
  if (!facts.some((fact) => !fact.bot && (host === undefined || fact.host === host))) return 0;
  if (facts.some(({ counted }) => (counted & BITS.visitors) === 0)) return null;
  return Math.round(estimate(sketches.get(sketchKey(day, host ?? "")) ?? new Map()));
}

const REGISTERS = 2 ** 14;

/**
 * Otmar Ertl, arXiv:1702.01284, equation 4.13: m² / (2 ln 2) over the sum of C(k) 2^-k, where unused registers are added as m σ(C(0) / m) of
 * equation 4.11. No register of a history is full, so the last summand of the paper is 0.
 */
function estimate(ranks: Ranks): number {
  if (ranks.size === 0) return 0;
  let sum = 0;
  for (const rank of ranks.values()) sum += 2 ** -rank;
  let power = 1 - ranks.size / REGISTERS, sigma = power;
  for (let k = 1; power > 0 && k < 60; k++) sigma += (power *= power) * 2 ** (k - 1);
  return REGISTERS ** 2 / (2 * Math.LN2) / (sum + REGISTERS * sigma);
}
