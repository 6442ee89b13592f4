// Makes a failing history shorter: leaves out faults, then traffic, then liveliness, for as long as it goes on failing. Pure but for playing.
import type { Guards } from "./model_database.ts";
import { play } from "./history.ts";
import type { Plan, Settings } from "./plan.ts";

/** Plays at most this often. */
const ATTEMPTS_MAX = 400;

/** Values that make a history easier to read. */
const CALMER: Partial<Settings> = {
  sloppiness: 0,
  forgetful: false,
  instances: 1,
  latencyMax: 20,
  longPollMax: 500,
  pollSlack: 300,
  maxDeltaKeys: 1_000,
  maxDeltaBytes: 1e9,
  batchMax: 100,
  intervalMs: 1_000,
};

/** The smallest plan found that still fails, and in what it fails. */
export async function shrink(plan: Plan, guards: Guards): Promise<{ readonly plan: Plan; readonly violation: string }> {
  let best = plan, violation = "", attempts = 0;
  const fails = async (candidate: Plan): Promise<boolean> => {
    if (attempts++ >= ATTEMPTS_MAX) return false;
    const { violations } = await play(candidate, guards);
    if (violations.length === 0) return false;
    best = candidate;
    violation = violations[0]!;
    return true;
  };
  await fails(plan);
  for (let before = -1; before !== attempts && attempts < ATTEMPTS_MAX;) {
    before = attempts;
    const size = best.faults.length + best.bursts.length;
    await without("faults");
    for (const [name, value] of Object.entries(CALMER)) {
      if (best.settings[name as keyof Settings] !== value) {
        await fails({ ...best, settings: { ...best.settings, [name]: value } });
      }
    }
    await without("bursts");
    if (best.faults.length + best.bursts.length === size) break;
  }
  return { plan: best, violation };

  /** Leaves out halves, then quarters, … then single ones. */
  async function without(list: "faults" | "bursts"): Promise<void> {
    for (let part = Math.ceil(best[list].length / 2); part >= 1; part = part === 1 ? 0 : Math.ceil(part / 2)) {
      for (let at = 0; at < best[list].length;) {
        const items = best[list];
        const shorter = [...items.slice(0, at), ...items.slice(at + part)];
        if (!await fails({ ...best, [list]: shorter })) at += part;
      }
    }
  }
}

/** A plan in words: what to change in the drawn one. */
export function describe(plan: Plan): string {
  return [
    `  settings ${JSON.stringify(plan.settings)}`,
    ...plan.faults.map((fault) => `  fault    ${JSON.stringify(fault)}`),
    ...plan.bursts.slice(0, 12).map((burst) => `  traffic  ${JSON.stringify(burst)}`),
    ...(plan.bursts.length > 12 ? [`  … and ${plan.bursts.length - 12} more`] : []),
  ].join("\n");
}
