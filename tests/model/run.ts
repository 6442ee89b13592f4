// Plays many histories on one server and adds up what came of them. Shell.
import { type Curiosity, play } from "./history.ts";
import { type Hazard, planOf } from "./plan.ts";
import { noTally } from "./sheet.ts";
import { Server } from "./world.ts";

/** What came of many histories. */
export interface Totals {
  histories: number;
  steps: number;
  /** Numbers asked for; those given and right; those of them that were called final. */
  asked: number;
  known: number;
  final: number;
  /** Steps played and faults that came, by kind. */
  readonly counts: Record<string, number>;
  /** Seeds, with what is wrong. */
  readonly failed: { readonly seed: number; readonly violations: readonly string[] }[];
}

/** Histories at once: one asks while the server answers another. */
const LANES = 2;

/** Plays `count` seeds from `from`; no new one is begun after `failuresMax` failures. */
export async function run(
  { from, count, failuresMax, spared, onPlayed, ...curiosity }: Curiosity & {
    readonly from: number;
    readonly count: number;
    readonly failuresMax: number;
    /** What no history holds; the default is what the product does not do right yet. */
    readonly spared?: ReadonlySet<Hazard>;
    /** Called after each history. */
    readonly onPlayed?: (totals: Totals) => void;
  },
): Promise<Totals> {
  const totals: Totals = { histories: 0, steps: 0, ...noTally(), counts: {}, failed: [] };
  let next = from;
  await using server = await Server.start();
  const lane = async () => {
    while (next < from + count && totals.failed.length < failuresMax) {
      const seed = next++;
      const { steps, asked, known, final, counts, violations } = await play(planOf(seed, spared), server, curiosity);
      totals.histories++;
      totals.steps += steps;
      totals.asked += asked;
      totals.known += known;
      totals.final += final;
      for (const [name, n] of Object.entries(counts)) totals.counts[name] = (totals.counts[name] ?? 0) + n;
      if (violations.length > 0) totals.failed.push({ seed, violations });
      onPlayed?.(totals);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return totals;
}
