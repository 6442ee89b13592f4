// What `deno task test` runs: its command line as runs of `deno test`. Pure.

const INTEGRATION = "tests/integration";

/** These measure time or memory: nothing runs beside them. */
const ALONE = ["speed_gate_test.ts", "browser_pages_test.ts"].map((name) => `${INTEGRATION}/${name}`);

/** Files at a time: each starts servers of its own, and waits for them half of its time. */
const INTEGRATION_JOBS = 3;

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
 * @throws RangeError where N is not a whole number from 1
 */
export function plan(args: readonly string[]): Plan {
  const at = args.indexOf("--repeat");
  const repeat = at < 0 ? 1 : Number(args[at + 1]);
  if (!Number.isInteger(repeat) || repeat < 1) throw new RangeError("--repeat takes a whole number from 1.");
  const others = args.filter((arg, i) => arg !== "--unit" && (at < 0 || i < at || i > at + 1));
  const options = others.filter((arg) => !isPath(arg));
  const paths = others.filter(isPath).map((path) => path.replace(/^\.\//, ""));
  const all = paths.length === 0, unitOnly = args.includes("--unit");
  const unitPaths = paths.filter((path) => !path.startsWith(INTEGRATION));
  const integrationPaths = unitOnly ? [] : paths.filter((path) => path.startsWith(INTEGRATION));
  const whole = all || integrationPaths.some((path) => path.replace(/\/$/, "") === INTEGRATION);
  const together = whole ? [INTEGRATION] : integrationPaths.filter((path) => !ALONE.includes(path));
  const alone = whole ? ALONE : integrationPaths.filter((path) => ALONE.includes(path));
  const integration = !unitOnly && (all || integrationPaths.length > 0);
  const runs: Run[] = [];
  if (all || unitPaths.length > 0) {
    runs.push({
      name: "unit",
      args: ["--parallel", `--ignore=${INTEGRATION}`, ...options, ...(all ? ["tests"] : unitPaths)],
    });
  }
  if (integration && together.length > 0) {
    runs.push({
      name: "integration",
      args: ["--parallel", `--ignore=${ALONE.join(",")}`, ...options, ...together],
      jobs: INTEGRATION_JOBS,
    });
  }
  if (integration && alone.length > 0) runs.push({ name: "alone", args: [...options, ...alone] });
  return { runs, integration, repeat };
}

/** Tells `tests/geo` from the value of an option such as `--filter geo`. */
function isPath(arg: string): boolean {
  return /^(\.\/)?tests(\/|$)/.test(arg);
}
