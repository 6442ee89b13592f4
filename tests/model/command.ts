// `deno task model [--histories N] [--from S] [--show] [--everything]`: plays histories against a real PostgreSQL, ends with counts; with
// --everything also what the product is known not to do right yet. Exit code 1 where one failed. Shell: starts a server, writes to the terminal.
import { describe, NOT_YET, planOf } from "./plan.ts";
import { run } from "./run.ts";

function number(name: string, otherwise: number): number {
  const at = Deno.args.indexOf(`--${name}`);
  const value = at < 0 ? otherwise : Number(Deno.args[at + 1]);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} must be a whole number`);
  return value;
}

const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));

const spared: typeof NOT_YET = Deno.args.includes("--everything") ? new Set() : NOT_YET;
const { histories, steps, asked, known, counts, failed } = await run({
  from: number("from", 1),
  count: number("histories", 1_000),
  perStep: number("questions", 3),
  atEnd: 1,
  failuresMax: number("failures", 5),
  spared,
});
for (const { seed, violations } of failed) {
  say(`Seed ${seed} fails:`);
  for (const text of violations) say(`  ${text}`);
  say(`Again: deno task model --from ${seed} --histories 1 --show`);
  if (Deno.args.includes("--show")) say(describe(planOf(seed, spared)));
}
say(Object.entries(counts).sort(([, a], [, b]) => b - a).map(([name, count]) => `${name} ${count}`).join(", "));
const share = (part: number, whole: number) => `${(100 * part / Math.max(1, whole)).toFixed(1)} %`;
say(
  `${histories} histories, ${steps} steps, ${asked} numbers asked, ${share(known, asked)} known: ` +
    (failed.length === 0 ? "0 failed" : `${failed.length} failed: ${failed.map(({ seed }) => seed).join(", ")}`),
);
Deno.exit(failed.length === 0 ? 0 : 1);
