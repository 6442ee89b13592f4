// How many tests passed and failed, from the reports that `deno test --junit-path` writes. Pure.

/** Sums over one or more runs. Steps count as tests; ignored tests do not count. */
export interface Totals {
  readonly passed: number;
  readonly failed: number;
}

/**
 * Totals of one run.
 *
 * @param report the JUnit report, or undefined if the run ended before it wrote one
 * @param success whether the run exited with 0; a run that failed without a failed test (a module that throws) counts as one failure
 */
export function runTotals(report: string | undefined, success: boolean): Totals {
  let tests = 0, failed = 0, disabled = 0;
  for (const [suite] of (report ?? "").matchAll(/<testsuite\s[^>]*>/g)) {
    const count = (name: string) => Number(new RegExp(`\\s${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
    tests += count("tests");
    disabled += count("disabled");
    failed += count("failures") + count("errors");
  }
  const passed = tests - disabled - failed;
  return { passed, failed: success ? failed : Math.max(failed, 1) };
}

export function sumTotals(all: readonly Totals[]): Totals {
  return {
    passed: all.reduce((sum, { passed }) => sum + passed, 0),
    failed: all.reduce((sum, { failed }) => sum + failed, 0),
  };
}

/**
 * Names of the tests that failed in one run, each with its file.
 *
 * @param run the name for a run without a report
 */
export function redTests(report: string | undefined, success: boolean, run: string): string[] {
  const red: string[] = [];
  for (const [, attributes, body] of (report ?? "").matchAll(/<testcase\s([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)) {
    if (body === undefined || !/<(failure|error)\b/.test(body)) continue;
    const attribute = (name: string) => unescape(new RegExp(`\\b${name}="([^"]*)"`).exec(attributes!)?.[1] ?? "");
    red.push(`${attribute("classname").replace(/^\.\//, "")}: ${attribute("name")}`);
  }
  return red.length === 0 && !success ? [`the ${run} run itself`] : red;
}

const unescape = (text: string) => text.replace(/&(quot|apos|lt|gt|amp);/g, (_, name: string) => ENTITIES[name]!);
const ENTITIES: Readonly<Record<string, string>> = { quot: '"', apos: "'", lt: "<", gt: ">", amp: "&" };

/** Lines of the table of all tests that failed at least once: in how many of `repeat` rounds, and which. */
export function redTable(reds: readonly (readonly string[])[], repeat: number): string[] {
  const times = new Map<string, number>();
  for (const name of reds.flat()) times.set(name, (times.get(name) ?? 0) + 1);
  if (times.size === 0) return [`No test was red in ${repeat} rounds.`];
  const rows = [...times].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  return [`Red in how many of ${repeat} rounds:`, ...rows.map(([name, n]) => `${String(n).padStart(4)}  ${name}`)];
}
