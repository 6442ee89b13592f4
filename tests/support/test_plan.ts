// What `deno task test` runs: its command line as runs of `deno test`. Pure.

const INTEGRATION = "tests/integration";

/** Tests that measure time or memory, so nothing runs beside them. */
export const ALONE: readonly string[] = ["speed_gate_test.ts", "browser_pages_test.ts"].map((name) =>
  `${INTEGRATION}/${name}`
);

/** The tests that take longest, the longest first. If they began last, cores would be idle at the end. */
export const LONGEST: readonly string[] = [
  "tests/simulation/simulation_test.ts",
  "tests/fuzz/event_fuzz_test.ts",
  "tests/fuzz/fuzz_test.ts",
  "tests/fuzz/http_fuzz_test.ts",
  ...[
    "model_test.ts",
    "kill_test.ts",
    "resume_test.ts",
    "browser_dashboard_test.ts",
    "produce_faults_test.ts",
    "kafka_strangers_test.ts",
    "kafka_group_test.ts",
    "replay_test.ts",
    "security_test.ts",
    "workers_test.ts",
    "end_to_end_test.ts",
    "steps_test.ts",
    "store_faults_test.ts",
    "released_test.ts",
  ].map((name) => `${INTEGRATION}/${name}`),
];

/** Files that run at a time: each starts its own servers and waits for them half of the time. */
const INTEGRATION_JOBS = 4;

/** One run of `deno test`. */
export interface Run {
  readonly name: string;
  readonly args: readonly string[];
  /** Files at a time; undefined = one a core. */
  readonly jobs?: number;
}

export interface Plan {
  readonly runs: readonly Run[];
  /** Whether servers and a browser are needed. */
  readonly integration: boolean;
  /** How often all of it is run; more than once means under load. */
  readonly repeat: number;
}

/**
 * Sorts the command line: `--unit`, `--repeat N`, paths below `tests`, and options that go to `deno test` as they are.
 *
 * @param files all test files, as paths from the repository's folder
 * @throws RangeError if N is not a whole number from 1, or a path has no tests
 */
export function plan(args: readonly string[], files: readonly string[]): Plan {
  const at = args.indexOf("--repeat");
  const repeat = at < 0 ? 1 : Number(args[at + 1]);
  if (!Number.isInteger(repeat) || repeat < 1) throw new RangeError("--repeat takes a whole number from 1.");
  const others = args.filter((arg, i) => arg !== "--unit" && (at < 0 || i < at || i > at + 1));
  const options = others.filter((arg) => !isPath(arg));
  const paths = others.filter(isPath).map((path) => path.replace(/^\.\//, "").replace(/\/$/, ""));
  const below = (path: string) => files.filter((file) => file === path || file.startsWith(`${path}/`));
  for (const path of paths) if (below(path).length === 0) throw new RangeError(`${path} has no tests.`);
  const chosen = longestFirst(paths.length === 0 ? files : [...new Set(paths.flatMap(below))]);
  const servers = args.includes("--unit") ? [] : chosen.filter((file) => file.startsWith(`${INTEGRATION}/`));
  const sets = {
    unit: chosen.filter((file) => !file.startsWith(`${INTEGRATION}/`)),
    integration: servers.filter((file) => !ALONE.includes(file)),
    alone: servers.filter((file) => ALONE.includes(file)),
  };
  const runs: Run[] = [
    { name: "unit", args: ["--parallel", ...options, ...sets.unit] },
    { name: "integration", args: ["--parallel", ...options, ...sets.integration], jobs: INTEGRATION_JOBS },
    { name: "alone", args: [...options, ...sets.alone] },
  ];
  return {
    runs: runs.filter(({ name }) => sets[name as keyof typeof sets].length > 0),
    integration: servers.length > 0,
    repeat,
  };
}

/** Sorts the longest files first: `deno test` begins files in the order of its arguments. */
function longestFirst(files: readonly string[]): readonly string[] {
  return [...LONGEST.filter((file) => files.includes(file)), ...files.filter((file) => !LONGEST.includes(file))];
}

/** Whether an argument is a path such as `tests/geo` and not the value of an option such as `--filter geo`. */
function isPath(arg: string): boolean {
  return /^(\.\/)?tests(\/|$)/.test(arg);
}
