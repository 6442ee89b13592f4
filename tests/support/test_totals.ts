// How many tests passed and failed, from the reports that `deno test --junit-path` writes. Pure.

/** Sums over one or more runs; steps count as tests of their own, ignored tests as nothing. */
export interface Totals {
  readonly passed: number;
  readonly failed: number;
}

/**
 * Totals of one run.
 *
 * @param report the JUnit report, or undefined where the run ended before it wrote one
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
