import { assertEquals, assertThrows } from "@std/assert";
import { plan } from "./test_plan.ts";

const names = (args: readonly string[]) => plan(args).runs.map(({ name }) => name);

Deno.test("plan() runs everything, measuring tests with nothing beside them", () => {
  const { runs, integration, repeat } = plan([]);
  assertEquals(runs.map(({ name, jobs }) => [name, jobs]), [["unit", undefined], ["integration", 3], [
    "alone",
    undefined,
  ]]);
  assertEquals([integration, repeat], [true, 1]);
  const alone = runs[2]!.args;
  assertEquals(runs[1]!.args.includes(`--ignore=${alone.join(",")}`), true);
  assertEquals(runs[0]!.args.includes("--ignore=tests/integration"), true);
});

Deno.test("plan() needs no servers for unit tests, and takes paths and options apart", () => {
  assertEquals([plan(["--unit"]).integration, names(["--unit"])], [false, ["unit"]]);
  assertEquals(names(["./tests/geo", "--filter", "geo"]), ["unit"]);
  assertEquals(plan(["tests/geo", "--filter", "geo"]).runs[0]!.args.slice(-3), ["--filter", "geo", "tests/geo"]);
  assertEquals(names(["tests/integration/kill_test.ts"]), ["integration"]);
  assertEquals(names(["tests/integration/speed_gate_test.ts"]), ["alone"]);
  assertEquals(names(["tests/integration"]), ["integration", "alone"]);
});

Deno.test("plan() takes --repeat with a number", () => {
  assertEquals([plan(["--repeat", "4"]).repeat, names(["--repeat", "4", "tests/geo"])], [4, ["unit"]]);
  for (const wrong of ["0", "x", "1.5"]) assertThrows(() => plan(["--repeat", wrong]), RangeError, "--repeat");
  assertThrows(() => plan(["--repeat"]), RangeError, "--repeat");
});
