// Plays many seeds and adds up what happened. Pure but for playing.
import { CASES } from "./cases.ts";
import { play } from "./history.ts";
import { ALL_GUARDS, type Guards } from "./model_database.ts";
import { planOf } from "./plan.ts";
import { describe, shrink } from "./shrink.ts";

/** Sums over histories. */
export interface Totals {
  seeds: number;
  records: number;
  commits: number;
  closings: number;
  steps: number;
  faults: Record<string, number>;
  stops: Record<string, number>;
  failed: number[];
}

export const noTotals = (): Totals => ({
  seeds: 0,
  records: 0,
  commits: 0,
  closings: 0,
  steps: 0,
  faults: {},
  stops: {},
  failed: [],
});

export function addTotals(sum: Totals, more: Totals): void {
  for (const name of ["seeds", "records", "commits", "closings", "steps"] as const) sum[name] += more[name];
  for (const name of ["faults", "stops"] as const) {
    for (const [key, count] of Object.entries(more[name])) sum[name][key] = (sum[name][key] ?? 0) + count;
  }
  sum.failed.push(...more.failed);
}

/** Plays one seed into `totals`; returns its violations. */
export async function playSeed(seed: number, totals: Totals, guards: Guards = ALL_GUARDS): Promise<readonly string[]> {
  const { violations, stopped, faults, ...counts } = await play(planOf(seed), guards);
  addTotals(totals, {
    ...counts,
    seeds: 1,
    faults,
    stops: stopped === null ? {} : { [stopped]: 1 },
    failed: violations.length > 0 ? [seed] : [],
  });
  return violations;
}

/** The report of a failing seed: what broke, the smallest history that still breaks, how to play it again. */
export async function report(
  seed: number,
  violations: readonly string[],
  guards: Guards = ALL_GUARDS,
): Promise<string> {
  const small = await shrink(planOf(seed), guards);
  return [
    `Seed ${seed} fails:`,
    ...violations.slice(0, 5).map((text) => `  ${text}`),
    `Again: deno task simulate --from ${seed} --seeds 1`,
    `Smallest history found (${small.violation}):`,
    describe(small.plan),
  ].join("\n");
}

/** The seeds of one run: the named cases, then `count` from `from`. */
export function* seedsOf(from: number, count: number): Generator<number> {
  for (const { seed } of CASES) yield seed;
  for (let seed = from; seed < from + count; seed++) yield seed;
}
