// Compares the published and the replayed breakdowns of the same windows. Pure.
import type { Chunk } from "../store/port.ts";
import { addTo, differing, type Hits, NONE } from "./replay_tables.ts";

/** Dimensions with values, by their numbers in the database from 1. */
export const DIMENSION_NAMES = ["page", "client", "campaign", "entry_channel"] as const;
export type DimensionName = typeof DIMENSION_NAMES[number];

interface PairKey {
  readonly table: "counted" | "late";
  /** Start of the window, epoch ms. */
  readonly window: number;
  readonly dimension: DimensionName;
  readonly host: string;
  readonly value: string;
}

/** A value that differs. A side without it has zeros. */
export interface PairDifference extends PairKey {
  /** client: the hits of (window, host) are equal, only their clients differ. */
  readonly kind: "hits" | "client";
  readonly published: Hits;
  readonly replayed: Hits;
}

/** Hits by {@link pairKey}. */
type Pairs = ReadonlyMap<string, Hits>;

/** What is known of the published side. */
export interface Published {
  readonly pairs: Pairs;
  /** By start of a closed window: its dimensions, as a sum of DIMENSION_BITS. */
  readonly masks: ReadonlyMap<number, number>;
  /** `window dimension` where pairs were folded into others: only their sums can be compared. */
  readonly folded: ReadonlySet<string>;
  /** Late hits by start of window. */
  readonly late: ReadonlyMap<number, number>;
}

export const pairKey = ({ table, window, dimension, host, value }: PairKey): string =>
  JSON.stringify([table, window, dimension, host, value]);

export const foldedKey = (window: number, dimension: string): string => `${window} ${dimension}`;

function parsed(key: string): PairKey {
  const [table, window, dimension, host, value] = JSON.parse(key) as [
    PairKey["table"],
    number,
    DimensionName,
    string,
    string,
  ];
  return { table, window, dimension, host, value };
}

/** The pairs of a chunk, as the engine would send it. */
export function* pairsOf(
  { late, windowStart, hosts, breakdown }: Chunk,
): Generator<readonly [key: string, hits: Hits]> {
  if (breakdown === null) return;
  const texts = (list: string) => list.split("\x1f").slice(0, -1);
  const numbers = (list: string) => list === "" ? [] : list.split(",").map(Number);
  const names = texts(hosts), values = texts(breakdown.values), ends = numbers(breakdown.ends);
  const hostIx = numbers(breakdown.hostIx), valueIx = numbers(breakdown.valueIx);
  const hits = numbers(breakdown.hits), bots = numbers(breakdown.botHits);
  for (let i = 0; i < hits.length; i++) {
    const key = pairKey({
      table: late ? "late" : "counted",
      window: windowStart,
      dimension: DIMENSION_NAMES[ends.findIndex((end) => i < end)]!,
      host: names[hostIx[i]! - 1]!,
      value: values[valueIx[i]! - 1]!,
    });
    yield [key, { hits: hits[i]!, bots: bots[i]! }];
  }
}

/** Every difference in what can be compared, ascending by window. */
export function comparePairs(published: Published, replayed: Pairs): PairDifference[] {
  const isWhole = wholeDimensions(published);
  const ours = comparable(published.pairs, published, isWhole), theirs = comparable(replayed, published, isWhole);
  const differences = differing(ours, theirs, hostOf).map(({ key, isWithin, ...sides }): PairDifference => {
    const pair = parsed(key);
    return { ...pair, kind: isWithin && pair.dimension === "client" ? "client" : "hits", ...sides };
  });
  return differences.sort((a, b) => a.window - b.window || (a.value < b.value ? -1 : a.value > b.value ? 1 : 0));
}

/**
 * Whether a window has a dimension for all of its hits. Late records carry no mask: there it has, if its values add up to the late hits of
 * the window.
 */
function wholeDimensions({ pairs, masks, late }: Published): (pair: PairKey) => boolean {
  const lateSums = new Map<string, Hits>();
  for (const [key, hits] of pairs) {
    const { table, window, dimension } = parsed(key);
    if (table === "late") addTo(lateSums, foldedKey(window, dimension), hits);
  }
  return ({ table, window, dimension }) =>
    table === "counted"
      ? ((masks.get(window) ?? 0) >> DIMENSION_NAMES.indexOf(dimension) & 1) === 1
      : (lateSums.get(foldedKey(window, dimension)) ?? NONE).hits === late.get(window);
}

/** The pairs that can be compared; those of a folded dimension as one. */
function comparable(pairs: Pairs, { folded }: Published, isWhole: (pair: PairKey) => boolean): Pairs {
  const result = new Map<string, Hits>();
  for (const [key, hits] of pairs) {
    const pair = parsed(key);
    if (!isWhole(pair)) continue;
    const isFolded = pair.table === "counted" && folded.has(foldedKey(pair.window, pair.dimension));
    addTo(result, isFolded ? pairKey({ ...pair, host: "(all)", value: "" }) : key, hits);
  }
  return result;
}

function hostOf(key: string): string {
  const { table, window, dimension, host } = parsed(key);
  return JSON.stringify([table, window, dimension, host]);
}
