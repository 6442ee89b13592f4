// Breakdowns and visitors in the model database: what a chunk's lists mean, how chunks become a window, salts and sketches. Pure.
import { DIMENSION_BITS } from "../../src/breakdown/dimensions.ts";
import { rankOf, registerOf } from "../../src/breakdown/sketch.ts";
import type { Chunk, VisitorUpdates } from "../../src/store/port.ts";
import type { KeyHits } from "./model_database.ts";

/** Dimensions with values, by their numbers in the database from 1. */
export const DIMENSIONS = ["page", "client", "campaign", "channel"] as const;
export type Dimension = typeof DIMENSIONS[number];

/** Hits by `host U+001F value`; dimensions that are not in the mask have none. */
export interface Breakdown {
  readonly mask: number;
  readonly dimensions: Readonly<Record<Dimension, KeyHits>>;
}

export const hasDimension = (mask: number, dimension: Dimension): boolean => (mask & DIMENSION_BITS[dimension]) !== 0;

/** Reads a chunk's breakdowns as ddl/ does. @throws Error in words */
export function decodeBreakdown({ hosts: hostList, breakdown, hits, botHits }: Chunk): Breakdown {
  const dimensions: Record<Dimension, KeyHits> = {
    page: new Map(),
    client: new Map(),
    campaign: new Map(),
    channel: new Map(),
  };
  if (breakdown === null) return { mask: 0, dimensions };
  const texts = (list: string) => list.split("\x1f").slice(0, -1);
  const numbers = (list: string) => list === "" ? [] : list.split(",").map(Number);
  const hosts = texts(hostList), values = texts(breakdown.values), ends = numbers(breakdown.ends);
  const hostIx = numbers(breakdown.hostIx), valueIx = numbers(breakdown.valueIx);
  const pairHits = numbers(breakdown.hits), pairBots = numbers(breakdown.botHits);
  if (breakdown.mask === 0) throw new Error("a mask of 0");
  if (ends.length !== 4) throw new Error(`${ends.length} ends`);
  if ([hostIx, valueIx, pairHits, pairBots].some((list) => list.length !== ends[3])) {
    throw new Error("lists differ in length");
  }
  DIMENSIONS.forEach((dimension, d) => {
    const sum = { hits: 0, bots: 0 };
    for (let i = ends[d - 1] ?? 0; i < ends[d]!; i++) {
      const key = [hosts[hostIx[i]! - 1], values[valueIx[i]! - 1]].join("\x1f");
      if (dimensions[dimension].has(key) || key.includes("undefined")) {
        throw new Error(`${dimension}: ${key} is not unique or not there`);
      }
      dimensions[dimension].set(key, { hits: pairHits[i]!, bots: pairBots[i]! });
      sum.hits += pairHits[i]!;
      sum.bots += pairBots[i]!;
    }
    const expected = hasDimension(breakdown.mask, dimension) ? { hits, bots: botHits } : { hits: 0, bots: 0 };
    if (sum.hits !== expected.hits || sum.bots !== expected.bots) {
      throw new Error(
        `${dimension} sums to ${sum.hits} (${sum.bots}), the chunk to ${expected.hits} (${expected.bots})`,
      );
    }
  });
  return { mask: breakdown.mask, dimensions };
}

/** The breakdowns of a window out of those of its chunks. @param byAll a dimension counts if all chunks have it; false for a mutant */
export function merged(chunks: readonly Breakdown[], byAll: boolean): Breakdown {
  const mask = chunks.reduce((all, one) => byAll ? all & one.mask : all | one.mask, byAll ? -1 : 0) & 31;
  const of = (dimension: Dimension): KeyHits => {
    const sums: KeyHits = new Map();
    if (!hasDimension(mask, dimension)) return sums;
    for (const { dimensions } of chunks) {
      for (const [key, { hits, bots }] of dimensions[dimension]) {
        const known = sums.get(key) ?? { hits: 0, bots: 0 };
        sums.set(key, { hits: known.hits + hits, bots: known.bots + bots });
      }
    }
    return sums;
  };
  return {
    mask,
    dimensions: { page: of("page"), client: of("client"), campaign: of("campaign"), channel: of("channel") },
  };
}

/** Row of visitor_salt. */
export interface SaltRow {
  readonly id: string;
  readonly salt: Uint8Array;
}

/** Everything of visitors that is stored. */
export interface VisitorState {
  /** By day, `2026-01-31`. */
  salts: Map<string, SaltRow>;
  /** Registers by `day U+001F host`. A map is never changed once made. */
  sketches: Map<string, ReadonlyMap<number, number>>;
  /** For the oracle: the salt of the first update that was stored for a day. */
  used: Map<string, string>;
}

export const noVisitors = (): VisitorState => ({ salts: new Map(), sketches: new Map(), used: new Map() });

export const copyVisitors = ({ salts, sketches, used }: VisitorState): VisitorState => ({
  salts: new Map(salts),
  sketches: new Map(sketches),
  used: new Map(used),
});

/** End of a UTC day, epoch ms. */
export const dayEnd = (day: string): number => Date.parse(`${day}T00:00:00Z`) + 86_400_000;

/** Merges updates into the sketches of their hosts. */
export function addUpdates(visitors: VisitorState, { day, saltId, hosts, hostIx, updates }: VisitorUpdates): void {
  const names = hosts.split("\x1f").slice(0, -1), positions = hostIx.split(",").map(Number);
  if (!visitors.used.has(day)) visitors.used.set(day, saltId);
  updates.split(",").map(Number).forEach((update, i) => {
    const key = `${day}\x1f${names[positions[i]! - 1]}`;
    const before = visitors.sketches.get(key), register = registerOf(update), rank = rankOf(update);
    if ((before?.get(register) ?? 0) >= rank) return;
    visitors.sketches.set(key, new Map(before).set(register, rank));
  });
}
