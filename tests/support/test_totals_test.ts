import { assertEquals } from "@std/assert";
import { javaMajor } from "./requirements.ts";
import { redTable, redTests, runTotals, sumTotals } from "./test_totals.ts";

const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="9" failures="3" errors="0" time="0.124">
    <testsuite name="./a_test.ts" tests="6" disabled="1" errors="0" failures="3">
        <testcase name="&lt;testsuite tests=&quot;5&quot;&gt;" classname="./a_test.ts"></testcase>
    </testsuite>
    <testsuite name="./b_test.ts" tests="3" disabled="0" errors="0" failures="0">
    </testsuite>
</testsuites>`;

Deno.test("runTotals() adds the suites and leaves ignored tests out", () => {
  assertEquals(runTotals(REPORT, false), { passed: 5, failed: 3 });
});

Deno.test("runTotals() counts a run that failed without a failed test as one failure", () => {
  assertEquals(runTotals(undefined, false), { passed: 0, failed: 1 });
  assertEquals(runTotals(undefined, true), { passed: 0, failed: 0 });
});

Deno.test("sumTotals() adds runs", () => {
  assertEquals(sumTotals([{ passed: 1, failed: 0 }, { passed: 2, failed: 3 }]), { passed: 3, failed: 3 });
});

Deno.test("javaMajor() reads old and new version texts", () => {
  assertEquals(javaMajor('openjdk version "17.0.19" 2026-04-21'), 17);
  assertEquals(javaMajor('openjdk version "21" 2023-09-19'), 21);
  assertEquals(javaMajor('java version "1.8.0_392"'), 8);
  assertEquals(javaMajor("command not found"), undefined);
});

Deno.test("redTests() names what failed, and a run that failed without a report", () => {
  const report = `<testsuite name="./a_test.ts" tests="3">
    <testcase name="a &quot;b&quot; &amp; c" classname="./a_test.ts" time="0.1">
      <failure message="1 test step failed">1 test step failed.</failure>
    </testcase>
    <testcase name="ok" classname="./a_test.ts" time="0.1">
    </testcase>
    <testcase name="empty" classname="./a_test.ts"/>
    <testcase name="last" classname="./a_test.ts"><failure message="x">y</failure></testcase></testsuite>`;
  assertEquals(redTests(report, false, "unit"), ['a_test.ts: a "b" & c', "a_test.ts: last"]);
  assertEquals(redTests(undefined, false, "unit"), ["the unit run itself"]);
  assertEquals(redTests("", true, "unit"), []);
});

Deno.test("redTable() counts the rounds in which a test was red, most often first", () => {
  assertEquals(redTable([["a"], [], ["b", "a"]], 3).slice(1), ["   2  a", "   1  b"]);
  assertEquals(redTable([[], []], 2), ["No test was red in 2 rounds."]);
});
