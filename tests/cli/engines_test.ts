import { assertEquals } from "@std/assert";
import { engineCount } from "../../src/cli/engines.ts";

Deno.test("engineCount() is one where a log has one reader, with --once, and otherwise what WORKERS says", () => {
  const cases: [workers: number | "auto", source: "kafka" | "file" | "demo", once: boolean, count: number][] = [
    [1, "kafka", false, 1],
    [3, "kafka", false, 3],
    ["auto", "kafka", false, 8],
    ["auto", "kafka", true, 1],
    [3, "kafka", true, 1],
    ["auto", "file", false, 1],
    ["auto", "demo", false, 1],
  ];
  for (const [WORKERS, SOURCE, once, count] of cases) {
    assertEquals(engineCount({ WORKERS, SOURCE }, once, 8), count, `${WORKERS} ${SOURCE} ${once}`);
  }
  assertEquals(engineCount({ WORKERS: "auto", SOURCE: "kafka" }, false, 0), 1);
});
