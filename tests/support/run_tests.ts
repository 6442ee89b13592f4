// `deno task test`: checks the machine, runs unit tests in parallel and integration tests file by file, ends with one line of totals.
import { missingRequirements } from "./requirements.ts";
import { REPOSITORY } from "./process.ts";
import { runTotals, sumTotals, type Totals } from "./test_totals.ts";

const INTEGRATION = "tests/integration";

/** Which of the two runs take place, and what `deno test` gets in each. */
interface Plan {
  readonly unit: readonly string[] | undefined;
  readonly integration: readonly string[] | undefined;
}

/** Sorts the command line: `--unit`, paths, and options that go to `deno test` as they are. */
function plan(args: readonly string[]): Plan {
  const unitOnly = args.includes("--unit");
  const options = args.filter((arg) => arg !== "--unit" && !isPath(arg));
  const paths = args.filter(isPath).map((path) => path.replace(/^\.\//, ""));
  const integrationPaths = paths.filter((path) => path.startsWith(INTEGRATION));
  const unitPaths = paths.filter((path) => !path.startsWith(INTEGRATION));
  const all = paths.length === 0;
  return {
    unit: all || unitPaths.length > 0
      ? ["--parallel", `--ignore=${INTEGRATION}`, ...options, ...(all ? ["tests"] : unitPaths)]
      : undefined,
    integration: !unitOnly && (all || integrationPaths.length > 0)
      ? [...options, ...(all ? [INTEGRATION] : integrationPaths)]
      : undefined,
  };
}

/** Tells `tests/geo` from the value of an option such as `--filter geo`. */
function isPath(arg: string): boolean {
  return /^(\.\/)?tests(\/|$)/.test(arg);
}

async function run(args: readonly string[], folder: string, name: string): Promise<Totals> {
  const report = `${folder}/${name}.xml`;
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--quiet", "--permit-no-files", `--junit-path=${report}`, ...args],
    cwd: REPOSITORY,
    stdin: "null",
  }).spawn().status;
  return runTotals(await Deno.readTextFile(report).catch(() => undefined), success);
}

async function main(): Promise<number> {
  const { unit, integration } = plan(Deno.args);
  if (integration) {
    const missing = await missingRequirements();
    if (missing.length > 0) {
      say("The integration tests need what this machine lacks (`deno task test:unit` runs without):");
      for (const { what, install } of missing) say(`- ${what}: ${install}`);
      return 1;
    }
  }
  const folder = await Deno.makeTempDir({ prefix: "tidemark-tests-" });
  try {
    const totals: Totals[] = [];
    if (unit) totals.push(await run(unit, folder, "unit"));
    // One file after the other: each starts servers of its own, and some measure time.
    if (integration) totals.push(await run(integration, folder, "integration"));
    const { passed, failed } = sumTotals(totals);
    if (passed + failed === 0) say("No test ran.");
    say(`${passed} passed, ${failed} failed`);
    return failed > 0 || passed === 0 ? 1 : 0;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function say(line: string) {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

Deno.exit(await main());
