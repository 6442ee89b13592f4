// Breakdowns and visitors as the log gives them, against what the tables hold. It believes the database only in which salt a day has; which
// salts were made, and what each instance counts, others have seen. Pure.
import { DIMENSION_BITS } from "../../src/breakdown/dimensions.ts";
import { rankOf, registerOf } from "../../src/breakdown/sketch.ts";
import { type Breakdown, type Dimension, DIMENSIONS, hasDimension } from "./model_breakdown.ts";
import type { State } from "./model_database.ts";
import { campaignText, clientText, hostText, pageText, type TinyEvent, visitorUpdate } from "./tiny_reader.ts";

/** A counted or late record. */
interface Counted {
  readonly event: TinyEvent;
  readonly window: number;
  readonly isLate: boolean;
  /** What the instance that committed it counts beside the rows. */
  readonly counted: number;
}

/** Hosts are never those of referrers: a hit has no referrer, or one of another site. */
const channelText = (referrer: number) => referrer === 0 ? "direct" : "referral";

const valueOf: Readonly<Record<Dimension, (event: TinyEvent) => string>> = {
  page: ({ page }) => pageText(page),
  client: ({ client }) => clientText(client),
  campaign: ({ campaign }) => campaignText(campaign),
  channel: ({ referrer }) => channelText(referrer),
};

/** Adds records up, one after the other. */
export class Recount {
  /** By window: the dimensions that all of its records have. */
  readonly masks = new Map<number, number>();
  /** Hits by `counted or late, window, dimension, host, value`, and the bots among them. */
  readonly sums = new Map<string, readonly [hits: number, bots: number]>();
  /** Visitors by day and host. */
  readonly visitors = new Map<string, Set<number>>();

  add({ event, window, isLate, counted }: Counted): void {
    const host = hostText(event.host);
    if (!isLate) this.masks.set(window, (this.masks.get(window) ?? -1) & counted);
    for (const dimension of DIMENSIONS) {
      if (!hasDimension(counted, dimension)) continue;
      const key = [isLate ? "late" : "window", window, dimension, host, valueOf[dimension](event)].join("\x1f");
      const [hits, bots] = this.sums.get(key) ?? [0, 0];
      this.sums.set(key, [hits + 1, bots + event.bot]);
    }
    if (isLate || event.bot === 1 || (counted & DIMENSION_BITS.visitors) === 0) return;
    const key = `${new Date(window).toISOString().slice(0, 10)}\x1f${host}`;
    const visitors = this.visitors.get(key) ?? new Set();
    this.visitors.set(key, visitors.add(event.visitor));
  }
}

/** Every difference between the database and the log, in words. */
export function breakdownDifferences(
  state: State,
  recount: Recount,
  { latePolicy, salts }: { readonly latePolicy: "store" | "drop"; readonly salts: ReadonlyMap<string, Uint8Array> },
): string[] {
  const found: string[] = [];
  const stored = new Map<string, readonly [number, number]>(), masks = new Map<number, number>();
  const take = (kind: string, window: number, { dimensions }: Breakdown) => {
    for (const dimension of DIMENSIONS) {
      for (const [pair, { hits, bots }] of dimensions[dimension]) {
        const key = [kind, window, dimension, pair].join("\x1f"), before = stored.get(key) ?? [0, 0];
        stored.set(key, [before[0] + hits, before[1] + bots]);
      }
    }
  };
  for (const [window, { breakdown }] of state.closed) {
    masks.set(window, breakdown.mask);
    take("window", window, breakdown);
  }
  for (const { windowStart, breakdown } of state.open) {
    masks.set(windowStart, (masks.get(windowStart) ?? -1) & breakdown.mask);
    take("window", windowStart, breakdown);
  }
  for (const { windowStart, breakdown } of state.lateBreakdowns) take("late", windowStart, breakdown);
  for (const [window, mask] of recount.masks) {
    if (masks.get(window) !== mask) {
      found.push(`window ${window}: dimensions ${masks.get(window)}, the log gives ${mask}`);
    }
  }
  for (const key of new Set([...stored.keys(), ...recount.sums.keys()])) {
    const [kind, start, dimension] = key.split("\x1f") as [string, string, Dimension], window = Number(start);
    // The closing drops a dimension that not all chunks have. Until then each chunk has its part.
    const isKept = kind === "late"
      ? latePolicy === "store"
      : !state.closed.has(window) || hasDimension(recount.masks.get(window) ?? 0, dimension);
    const has = stored.get(key) ?? [0, 0], wants = (isKept ? recount.sums.get(key) : undefined) ?? [0, 0];
    if (has[0] !== wants[0] || has[1] !== wants[1]) {
      found.push(
        `${key.split("\x1f").join(" | ")}: stored ${has[0]} (${has[1]}), the log gives ${wants[0]} (${wants[1]})`,
      );
    }
  }
  return [...found, ...sketchDifferences(state, recount, salts)];
}

function sketchDifferences(
  { visitors: { used, sketches } }: State,
  recount: Recount,
  salts: ReadonlyMap<string, Uint8Array>,
): string[] {
  const found: string[] = [];
  for (const key of new Set([...sketches.keys(), ...recount.visitors.keys()])) {
    const [day] = key.split("\x1f") as [string];
    const salt = salts.get(used.get(day) ?? "");
    if (salt === undefined) {
      found.push(`visitors of ${key}: nothing is stored`);
      continue;
    }
    const word = new DataView(salt.buffer, salt.byteOffset).getInt32(0, true);
    const expected = new Map<number, number>();
    for (const visitor of recount.visitors.get(key) ?? []) {
      const update = visitorUpdate(visitor, word), register = registerOf(update);
      expected.set(register, Math.max(expected.get(register) ?? 0, rankOf(update)));
    }
    const text = (sketch: ReadonlyMap<number, number> = new Map()) =>
      [...sketch].sort(([a], [b]) => a - b).map(([register, rank]) => `${register}:${rank}`).join(" ");
    const has = text(sketches.get(key)), wants = text(expected);
    if (has !== wants) found.push(`visitors of ${key.replace("\x1f", " | ")}: stored ${has}, the log gives ${wants}`);
  }
  return found;
}
