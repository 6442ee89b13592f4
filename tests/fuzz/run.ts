// Runs one target on any number of cases, slice by slice, and makes what fails smaller. No I/O but a clock.
import { randomBelow, spliced } from "./random.ts";
import type { Case, Judge, Target, Verdict } from "./target.ts";

/** Each slice has its own seed, so that a failure is made again in seconds. */
export const SLICE = 10_000;
const CASE_MS_MAX = 10_000;
/** Tries to make a failing case smaller. */
const SHRINK_TRIES = 2_000;

export interface FuzzOptions {
  /** Seed of the first slice; the next ones count up. */
  readonly seed: number;
  readonly cases: number;
  /** Told before each case: which slice, and which case of it. A watchdog can say where a run hangs. */
  readonly onCase?: (sliceSeed: number, n: number) => void;
}

export interface FuzzReport {
  readonly target: string;
  readonly seed: number;
  /** How many were judged. */
  readonly cases: number;
  readonly outcomes: ReadonlyMap<string, number>;
  readonly failure: Failure | null;
}

/** A case that does not hold. */
export interface Failure {
  readonly sliceSeed: number;
  /** Position in the slice: a run of one more case from this seed meets it again. */
  readonly n: number;
  /** As small as it could be made, where it fails by itself; else as it was generated. */
  readonly found: Case;
  readonly outcome: string;
  readonly fault: string;
}

/** Judges `cases` cases; ends at the first failure. */
export async function fuzz(target: Target, options: FuzzOptions): Promise<FuzzReport> {
  const { seed, cases, onCase } = options;
  const outcomes = new Map<string, number>();
  const judge = await target.open();
  let done = 0;
  try {
    for (let slice = 0; done < cases; slice++) {
      const sliceSeed = (seed + slice) | 0;
      const below = randomBelow(sliceSeed);
      judge.restart?.();
      for (let n = 0; n < SLICE && done < cases; n++, done++) {
        onCase?.(sliceSeed, n);
        const given = target.generate(below);
        // Awaiting what is not a promise would cost more than most judges.
        const judged = judgeCase(judge, given, target);
        let verdict = judged instanceof Promise ? await judged : judged;
        // Once may be the machine: it was busy, or stopped.
        if (verdict.outcome === SLOW) verdict = await judgeCase(judge, given, target);
        outcomes.set(verdict.outcome, (outcomes.get(verdict.outcome) ?? 0) + 1);
        if (verdict.fault !== undefined) {
          const small = target.isWhole ? null : await shrink(target, judge, given, verdict.outcome);
          const failure = { sliceSeed, n, ...(small ?? { found: given, ...verdict, fault: verdict.fault }) };
          return { target: target.name, seed, cases: done + 1, outcomes, failure };
        }
      }
    }
  } finally {
    await judge.close?.();
  }
  return { target: target.name, seed, cases: done, outcomes, failure: null };
}

/** The `n`th case of a slice, for a run that ended without naming it. */
export function caseOf(target: Target, sliceSeed: number, n: number): Case {
  const below = randomBelow(sliceSeed);
  for (let i = 0; i < n; i++) target.generate(below);
  return target.generate(below);
}

const SLOW = "slow";

/** One case's verdict; what the judge throws and what takes too long are faults. */
export function judgeCase(judge: Judge, given: Case, target: Target): Verdict | Promise<Verdict> {
  const startedAt = performance.now(), msMax = target.msMax ?? CASE_MS_MAX;
  try {
    const verdict = judge.check(given);
    return verdict instanceof Promise
      ? verdict.then((settled) => inTime(settled, startedAt, msMax), thrown)
      : inTime(verdict, startedAt, msMax);
  } catch (error) {
    return thrown(error);
  }
}

function inTime(verdict: Verdict, startedAt: number, msMax: number): Verdict {
  const tookMs = performance.now() - startedAt;
  if (tookMs <= msMax || verdict.fault !== undefined) return verdict;
  return { outcome: SLOW, fault: `one case took ${Math.round(tookMs)} ms, it may take ${msMax}` };
}

function thrown(error: unknown): Verdict {
  return { outcome: "thrown", fault: error instanceof Error ? error.stack ?? error.message : String(error) };
}

type Found = Pick<Failure, "found" | "outcome" | "fault">;

/** The case with everything left out that can be while it fails as it did, or `null` where it does not fail by itself. */
async function shrink(
  target: Target,
  judge: Judge,
  { variant, input }: Case,
  outcome: string,
): Promise<Found | null> {
  const judged = async (input: Uint8Array): Promise<Found | null> => {
    judge.restart?.();
    const found = { variant, input };
    const verdict = await judgeCase(judge, found, target);
    return verdict.fault === undefined || verdict.outcome !== outcome ? null : { found, outcome, fault: verdict.fault };
  };
  let best = await judged(input);
  let tries = SHRINK_TRIES;
  for (let size = input.length >> 1; best !== null && size >= 1; size >>= 1) {
    for (let at = 0; at + size <= best.found.input.length && tries > 0; tries--) {
      const less = await judged(spliced(best.found.input, at, at + size, []));
      if (less === null) at += size;
      else best = less;
    }
  }
  return best;
}

/** What of `shares` a report does not reach, in words; empty where a run was too short to tell. */
export function missingShares(target: Target, report: FuzzReport): string[] {
  if (report.cases < 1_000) return [];
  return Object.entries(target.shares).flatMap(([outcome, share]) => {
    const count = report.outcomes.get(outcome) ?? 0;
    return count >= share * report.cases && count > 0
      ? []
      : [`${outcome}: ${count} of ${report.cases}, expected at least ${share * 100} %`];
  });
}
