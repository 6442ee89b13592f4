import { assertEquals, assertThrows } from "@std/assert";
import { walkFiles } from "./files.ts";
import { REPOSITORY } from "./process.ts";
import { ALONE, LONGEST, plan } from "./test_plan.ts";

const KILL = "tests/integration/kill_test.ts", GATE = "tests/integration/speed_gate_test.ts";
const FUZZ = "tests/fuzz/fuzz_test.ts", GEO = "tests/geo/place_test.ts";
const FILES = [FUZZ, GEO, "tests/integration/exact_test.ts", KILL, GATE];

const names = (args: readonly string[]) => plan(args, FILES).runs.map(({ name }) => name);

Deno.test("plan() runs every file once, the longest first, measuring tests with nothing beside them", () => {
  assertEquals(plan([], FILES), {
    runs: [
      { name: "unit", args: ["--parallel", FUZZ, GEO] },
      { name: "integration", args: ["--parallel", KILL, "tests/integration/exact_test.ts"], jobs: 4 },
      { name: "alone", args: [GATE] },
    ],
    integration: true,
    repeat: 1,
  });
});

Deno.test("plan() knows files that exist", async () => {
  const files = (await Array.fromAsync(walkFiles(new URL("tests/", REPOSITORY)))).map((file) => `tests/${file}`);
  assertEquals([...LONGEST, ...ALONE].filter((file) => !files.includes(file)), []);
});

Deno.test("plan() needs no servers for unit tests, and takes paths and options apart", () => {
  assertEquals([plan(["--unit"], FILES).integration, names(["--unit"])], [false, ["unit"]]);
  assertEquals(names(["./tests/geo/", "--filter", "geo"]), ["unit"]);
  assertEquals(plan(["tests/geo", "--filter", "geo"], FILES).runs[0]!.args, ["--parallel", "--filter", "geo", GEO]);
  assertEquals(names([KILL, KILL]), ["integration"]);
  assertEquals(names([GATE]), ["alone"]);
  assertEquals(names(["tests/integration"]), ["integration", "alone"]);
  assertThrows(() => plan(["tests/gone"], FILES), RangeError, "tests/gone has no tests.");
});

Deno.test("plan() takes --repeat with a number", () => {
  assertEquals([plan(["--repeat", "4"], FILES).repeat, names(["--repeat", "4", "tests/geo"])], [4, ["unit"]]);
  for (const wrong of ["0", "x", "1.5"]) assertThrows(() => plan(["--repeat", wrong], FILES), RangeError, "--repeat");
  assertThrows(() => plan(["--repeat"], FILES), RangeError, "--repeat");
});
