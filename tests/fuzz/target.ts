// What a fuzz target is: a generator of cases, and a judge that says what became of one. No I/O.
import type { Below } from "./random.ts";

/** One input. `variant` says under which rules it is read, or what was done to it; a case is judged by these two alone. */
export interface Case {
  readonly variant: string;
  readonly input: Uint8Array;
}

/** What became of a case. */
export interface Verdict {
  /** A short word, such as `event` or `bad_json`: the run counts them, since agreement on nothing but refusals would mean little. */
  readonly outcome: string;
  /** What does not hold, in words. */
  readonly fault?: string | undefined;
}

/** Judges cases; whatever it throws is a fault, too. */
export interface Judge {
  check(given: Case): Verdict | Promise<Verdict>;
  /** Called before each slice: a judge that remembers (dictionaries, caches) begins anew, so that a slice fails again by its seed alone. */
  restart?(): void;
  close?(): Promise<void>;
}

/** One thing that parses, and what must hold of it. */
export interface Target {
  /** As on the command line. */
  readonly name: string;
  /** What is compared with what, or what must hold; one sentence for the table of targets. */
  readonly holds: string;
  generate(below: Below): Case;
  open(): Judge | Promise<Judge>;
  /** Outcomes and the least share of each that a run of 1,000 cases or more has. */
  readonly shares: Readonly<Record<string, number>>;
  /** Cases in `deno task test`. */
  readonly testCases: number;
  /** What one case may take, ms; ten seconds unless given. A sender of what takes longer would hold up all others. */
  readonly msMax?: number;
  /** Inputs are descriptions that make no sense in part: one that fails is not made smaller. */
  readonly isWhole?: true;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export const textCase = (text: string, variant = ""): Case => ({ variant, input: encoder.encode(text) });
export const textOf = (given: Case): string => decoder.decode(given.input);

/** Verdicts without a fault, made once each: some judges give a million a second. */
const SOUND = new Map<string, Verdict>();
export function sound(outcome: string): Verdict {
  let verdict = SOUND.get(outcome);
  if (verdict === undefined) SOUND.set(outcome, verdict = { outcome });
  return verdict;
}

export const faulty = (outcome: string, fault: string): Verdict => ({ outcome, fault });
