// `deno task fuzz [TARGET…|all|list] [--cases N] [--seed S] [--keep]`: any number of cases against the targets, one line each at the end. With
// --keep what is found goes into the corpus. Exit code 6 where something does not hold. Shell: arguments, threads, the terminal.
import { corpusLine, keep } from "./corpus.ts";
import { caseOf, type FuzzReport, missingShares } from "./run.ts";
import type { Case, Target } from "./target.ts";
import { targetOf, TARGETS } from "./targets.ts";
import type { Done, Job } from "./worker.ts";

/** Looks at a run this often, and ends it where it has stood at one case from one look to the next but one. */
const LOOK_EVERY_MS = 15_000;
/** Larger cases are not printed: the seed makes them again. */
const KEPT_BYTES_MAX = 64 * 1024;

interface Arguments {
  readonly names: readonly string[];
  /** Without it each target has as many as in the tests. */
  readonly cases: number | undefined;
  readonly seed: number;
  readonly keep: boolean;
}

function parse(args: readonly string[]): Arguments {
  const names: string[] = [];
  let cases: number | undefined, seed = crypto.getRandomValues(new Int32Array(1))[0]!, keep = false;
  for (let i = 0; i < args.length; i++) {
    const number = () => {
      const value = Number(args[++i]);
      if (!Number.isSafeInteger(value)) throw new Error(`${args[i - 1]} needs a whole number`);
      return value;
    };
    if (args[i] === "--cases") cases = number();
    else if (args[i] === "--seed") seed = number() | 0;
    else if (args[i] === "--keep") keep = true;
    else names.push(args[i]!);
  }
  return { names, cases, seed, keep };
}

/** What a run came to; a run that hung or died says where it stood. */
type Outcome = FuzzReport | { readonly stuck: string; readonly sliceSeed: number; readonly n: number };

async function run(target: Target, cases: number, seed: number): Promise<Outcome> {
  const at = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: `fuzz ${target.name}` });
  const done = Promise.withResolvers<Outcome>();
  const stuck = (why: string) => done.resolve({ stuck: why, sliceSeed: at[0]!, n: at[1]! });
  worker.onmessage = ({ data }: MessageEvent<Done>) => "report" in data ? done.resolve(data.report) : stuck(data.error);
  worker.onerror = (event) => {
    event.preventDefault();
    stuck(event.message);
  };
  let before = "", looks = 0;
  const watchdog = setInterval(() => {
    const now = `${at[0]} ${at[1]}`;
    looks = now === before ? looks + 1 : 0;
    before = now;
    if (looks >= 2) stuck(`one case has not ended for ${2 * LOOK_EVERY_MS / 1000} s`);
  }, LOOK_EVERY_MS);
  worker.postMessage({ target: target.name, seed, cases, at } satisfies Job);
  try {
    return await done.promise;
  } finally {
    clearInterval(watchdog);
    worker.terminate();
  }
}

/** What does not hold of an outcome, if anything, with the case where one is known. */
function faultOf(target: Target, outcome: Outcome) {
  if ("stuck" in outcome) {
    const { sliceSeed, n, stuck } = outcome;
    return { sliceSeed, n, fault: stuck, outcome: "?", found: caseOf(target, sliceSeed, n) };
  }
  return outcome.failure;
}

function shareText({ outcomes, cases }: FuzzReport): string {
  return [...outcomes].sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${(100 * count / cases).toPrecision(3)} %`).join(", ");
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

async function main(): Promise<number> {
  const given = parse(Deno.args);
  if (given.names.includes("list")) {
    for (const { name, holds } of TARGETS) say(`${name.padEnd(14)} ${holds}`);
    return 0;
  }
  const all = given.names.length === 0 || given.names.includes("all");
  const wanted = all ? TARGETS : given.names.map(targetOf);
  say(`seed ${given.seed}`);
  let failed = 0;
  for (const target of wanted) {
    const cases = given.cases ?? target.testCases, startedAt = performance.now();
    const outcome = await run(target, cases, given.seed);
    const seconds = (performance.now() - startedAt) / 1000;
    const fault = faultOf(target, outcome);
    if (fault === null && !("stuck" in outcome)) {
      const missing = missingShares(target, outcome);
      if (missing.length > 0) failed++;
      const each = `${seconds.toFixed(1)} s, ${Math.round(cases / seconds)} a second`;
      say(
        `${target.name}: ${cases} cases, ${each}; ${missing.length > 0 ? `too few of ${missing.join("; ")}; ` : ""}${
          shareText(outcome)
        }`,
      );
      continue;
    }
    failed++;
    const { sliceSeed, n, found, fault: why, outcome: expect } = fault!;
    const kept = { why: `seed ${sliceSeed}, case ${n}: ${why.split("\n")[0]}`, ...(found satisfies Case), expect };
    say(`${target.name}: ${why}`);
    say(`  again: deno task fuzz ${target.name} --seed ${sliceSeed} --cases ${n + 1}`);
    if (found.input.length > KEPT_BYTES_MAX) say(`  ${found.input.length} bytes, too many for the corpus`);
    else {
      say(`  ${corpusLine(kept)}`);
      if (given.keep) await keep(target.name, kept);
    }
  }
  return failed === 0 ? 0 : 6;
}

Deno.exit(await main());
