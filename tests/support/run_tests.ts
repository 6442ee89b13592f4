// `deno task test [--unit] [--repeat N] [PATHS] [OPTIONS of deno test]`: sets the machine up, runs unit tests and integration tests, and prints one
// line of totals. `deno task check` checks the types. `--repeat N` runs the tests N times beside one busy process per core and lists the tests that
// failed at least once. Shell.
import { walkFiles } from "./files.ts";
import { REPOSITORY, spawn } from "./process.ts";
import { setUp } from "./setup.ts";
import { plan, type Run } from "./test_plan.ts";
import { redTable, redTests, runTotals, sumTotals, type Totals } from "./test_totals.ts";

interface Outcome {
  readonly totals: Totals;
  readonly red: readonly string[];
}

async function run({ name, args, jobs }: Run, folder: string): Promise<Outcome> {
  const report = `${folder}/${name}.xml`;
  await Deno.remove(report).catch(() => {/* the first round has none */});
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", "--quiet", "--permit-no-files", `--junit-path=${report}`, ...args],
    cwd: REPOSITORY,
    stdin: "null",
    env: jobs === undefined ? {} : { DENO_JOBS: String(jobs) },
  }).spawn().status;
  const text = await Deno.readTextFile(report).catch(() => undefined);
  return { totals: runTotals(text, success), red: redTests(text, success, name) };
}

/** Keeps every core busy until disposed. */
function busyProcesses(): AsyncDisposable {
  const stack = new AsyncDisposableStack();
  for (let core = 0; core < navigator.hardwareConcurrency; core++) {
    stack.use(spawn("sh", ["-c", "while :; do :; done"]));
  }
  return stack;
}

async function main(): Promise<number> {
  const below = await Array.fromAsync(walkFiles(new URL("tests/", REPOSITORY)));
  const files = below.filter((file) => /_test\.tsx?$/.test(file)).map((file) => `tests/${file}`).sort();
  const { runs, integration, repeat } = plan(Deno.args, files);
  if (integration && !await setUp(say)) return 1;
  const folder = await Deno.makeTempDir({ prefix: "tidemark-tests-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  if (repeat > 1) stack.use(busyProcesses());
  const outcomes: Outcome[] = [];
  for (let round = 1; round <= repeat; round++) {
    for (const one of runs) {
      const startedAt = performance.now();
      outcomes.push(await run(one, folder));
      const of = repeat > 1 ? ` of round ${round} of ${repeat}` : "";
      say(`The ${one.name} tests${of} took ${Math.round((performance.now() - startedAt) / 1000)} s.`);
    }
  }
  const { passed, failed } = sumTotals(outcomes.map(({ totals }) => totals));
  if (repeat > 1) { for (const line of redTable(outcomes.map(({ red }) => red), repeat)) say(line); }
  if (passed + failed === 0) say("No test ran.");
  say(`${passed} passed, ${failed} failed`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

function say(line: string) {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

Deno.exit(await main());
