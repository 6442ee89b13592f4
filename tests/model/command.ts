// `deno task model [--histories N] [--from S] [--questions N] [--show] [--everything]`: plays histories against a real PostgreSQL, ends with counts; with
// --everything also what the product is known not to do right yet. Exit code 1 where one failed. Shell: starts a server, writes to the terminal.
import { describe, NOT_YET, planOf } from "./plan.ts";
import { run, type Totals } from "./run.ts";

function number(name: string, otherwise: number): number {
  const at = Deno.args.indexOf(`--${name}`);
  const value = at < 0 ? otherwise : Number(Deno.args[at + 1]);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} must be a whole number`);
  return value;
}

/** Histories between two lines of progress. */
const PROGRESS = 50;

const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));

/** Questions after each step; which ones are drawn depends on it. */
const QUESTIONS = number("questions", 3);

const spared: typeof NOT_YET = Deno.args.includes("--everything") ? new Set() : NOT_YET;
const totals = await run({
  from: number("from", 1),
  count: number("histories", 1_000),
  perStep: QUESTIONS,
  atEnd: 1,
  failuresMax: number("failures", 5),
  spared,
  onPlayed(totals) {
    if (totals.histories % PROGRESS === 0) say(summary(totals));
  },
});
for (const { seed, violations } of totals.failed) {
  say(`Seed ${seed} fails:`);
  for (const text of violations) say(`  ${text}`);
  say(`Again: deno task model --from ${seed} --histories 1 --questions ${QUESTIONS} --show`);
  if (Deno.args.includes("--show")) say(describe(planOf(seed, spared)));
}
say(Object.entries(totals.counts).sort(([, a], [, b]) => b - a).map(([name, count]) => `${name} ${count}`).join(", "));
say(summary(totals));
Deno.exit(totals.failed.length === 0 ? 0 : 1);

function summary({ histories, steps, asked, known, failed }: Totals): string {
  const share = (100 * known / Math.max(1, asked)).toFixed(1);
  return `${histories} histories, ${steps} steps, ${asked} numbers asked, ${share} % known: ` +
    (failed.length === 0 ? "0 failed" : `${failed.length} failed: ${failed.map(({ seed }) => seed).join(", ")}`);
}
