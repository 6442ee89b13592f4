// `deno task mutate [--suite unit|source|files|steps|postgres|network|produce] [--only TEXT] [--after TEXT] [--workers W]`: takes one protective check after the other away, in copies of the tree,
// and runs the tests that must notice. Prints a table; exit code 1 where a mutant survives. Shell: copies files, starts `deno test`.
import { REPOSITORY } from "../support/process.ts";
import { type Mutant, MUTANTS, mutate, type Suite } from "./mutants.ts";

const COPIED = ["src", "tests", "ddl", "docs", "bench", "tools", "deno.json", "deno.lock"];
const FILES: Readonly<Record<Suite, readonly string[]>> = {
  unit: [
    "tests/window",
    "tests/engine",
    "tests/store/decision_test.ts",
    "tests/store/encode_test.ts",
    "tests/store/encode_breakdown_test.ts",
    "tests/source/assignment_test.ts",
    "tests/source/kafka",
    "tests/shared/faults_test.ts",
    "tests/simulation/boundaries_test.ts",
    "tests/simulation/breakdown_test.ts",
    "tests/simulation/model_store_test.ts",
    "tests/simulation/simulation_test.ts",
  ],
  source: ["tests/source", "tests/shared/config/postgres_test.ts"],
  files: ["tests/source/file", "tests/simulation/files"],
  steps: [
    "tests/store/embedded_test.ts",
    "tests/http/caching_test.ts",
    "tests/http/readiness_test.ts",
    "tests/shared/steps_test.ts",
    "tests/report/completeness_test.ts",
  ],
  postgres: [
    "tests/integration/postgres_store_test.ts",
    "tests/integration/exact_test.ts",
    "tests/integration/retention_test.ts",
    "tests/integration/maintenance_test.ts",
    "tests/integration/report_roll_up_test.ts",
    "tests/integration/report_coverage_test.ts",
    "tests/integration/breakdown",
    "tests/integration/model_test.ts",
  ],
  network: ["tests/integration/postgres_network_test.ts"],
  produce: ["tests/integration/produce_faults_test.ts"],
};
/** A mutant that makes the tests hang is noticed too. */
const HANGS_AFTER_MS = 900_000;
/** Enough for every mutant that was ever killed by a seed, with a margin. */
const SEEDS = 2_000;

interface Verdict {
  readonly mutant: Mutant;
  readonly killed: boolean;
  /** The first test that failed, or how else it showed. */
  readonly by: string;
  readonly seconds: number;
}

async function runTests(folder: string, suite: Suite): Promise<{ readonly red: boolean; readonly by: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", "--quiet", "--fail-fast", ...FILES[suite]],
    cwd: folder,
    env: { SIMULATION_SEEDS: String(SEEDS), FILES_SEEDS: String(SEEDS), SIMULATION_SHRINK: "false", NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let hangs = false;
  const timer = setTimeout(() => {
    hangs = true;
    child.kill("SIGKILL");
  }, HANGS_AFTER_MS);
  const { success, stdout, stderr } = await child.output();
  clearTimeout(timer);
  if (hangs) return { red: true, by: "hangs" };
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  const failed = /^ *(.+?) \.\.\. FAILED/m.exec(text)?.[1] ?? /error: (.+)/.exec(text)?.[1] ?? "";
  const detail = /error: (?:AssertionError|Error|BugError)?:? ?(\+\d+ ms: .+)/.exec(text)?.[1];
  return { red: !success, by: detail === undefined ? failed : `a seed: ${detail.replace(/^\+\d+ ms: /, "")}` };
}

/** A copy of what the tests need, to be changed at will. */
async function copyTree(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "tidemark-mutant-" });
  // PostgreSQL runs as a user of its own, with this as its working directory.
  await Deno.chmod(folder, 0o755);
  const { success } = await new Deno.Command("cp", { args: ["-r", ...COPIED, folder], cwd: REPOSITORY }).output();
  if (!success) throw new Error(`Cannot copy ${COPIED.join(", ")} to ${folder}`);
  return folder;
}

async function judge(folder: string, mutant: Mutant): Promise<Verdict> {
  const path = `${folder}/${mutant.file}`;
  const text = await Deno.readTextFile(path);
  const startedAt = performance.now();
  await Deno.writeTextFile(path, mutate(mutant, text));
  try {
    const { red, by } = await runTests(folder, mutant.suite);
    return { mutant, killed: red, by, seconds: (performance.now() - startedAt) / 1000 };
  } finally {
    await Deno.writeTextFile(path, text);
  }
}

function option(name: string): string | undefined {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? undefined : Deno.args[at + 1];
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

async function main(): Promise<number> {
  const suite = option("suite"), only = option("only"), after = option("after");
  const wanted = MUTANTS.filter((m) =>
    (suite === undefined || m.suite === suite) && (only === undefined || m.guard.includes(only))
  );
  // Goes on with a run that was stopped.
  const begin = after === undefined ? 0 : wanted.findIndex((m) => m.guard.includes(after)) + 1;
  if (after !== undefined && begin === 0) throw new Error(`No mutant of these is called ${after}.`);
  const chosen = wanted.slice(begin);
  const texts = new Map<string, string>();
  for (const { file } of chosen) texts.set(file, await Deno.readTextFile(new URL(file, REPOSITORY)));
  for (const mutant of chosen) mutate(mutant, texts.get(mutant.file)!);

  const lanes = await Promise.all(Array.from({ length: Number(option("workers") ?? 1) }, copyTree));
  const verdicts: Verdict[] = [];
  try {
    for (const needed of new Set(chosen.map((mutant) => mutant.suite))) {
      const { red, by } = await runTests(lanes[0]!, needed);
      if (red) throw new Error(`The ${needed} suite is red without any mutant: ${by}`);
    }
    const queue = [...chosen];
    await Promise.all(lanes.map(async (folder) => {
      for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
        const verdict = await judge(folder, mutant);
        verdicts.push(verdict);
        const { killed, by, seconds } = verdict;
        say(
          `${killed ? "killed  " : "SURVIVED"} ${mutant.suite.padEnd(8)} ${mutant.guard}: ${killed ? by : ""} (${
            seconds.toFixed(0)
          } s)`,
        );
      }
    }));
  } finally {
    await Promise.all(lanes.map((folder) => Deno.remove(folder, { recursive: true })));
  }
  const alive = verdicts.filter((verdict) => !verdict.killed);
  say(`${verdicts.length} mutants, ${verdicts.length - alive.length} killed, ${alive.length} survived`);
  return alive.length === 0 ? 0 : 1;
}

Deno.exit(await main());
