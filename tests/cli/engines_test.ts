import { assertEquals, assertRejects } from "@std/assert";
import { engineCount, runTogether } from "../../src/app/engines.ts";

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

/** Runs until it is stopped, then takes a moment for its last commit. */
class Engine {
  ended = false;
  async run(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    await Promise.resolve();
    this.ended = true;
  }
}

Deno.test("runTogether() ends all when one fails, and tells its error once the others have ended", async () => {
  const others = [new Engine(), new Engine()];
  const failing = { run: () => Promise.reject(new Error("the second cannot go on")) };
  const running = runTogether([others[0]!, failing, others[1]!], new AbortController().signal);
  await assertRejects(() => running, Error, "the second cannot go on");
  assertEquals(others.map(({ ended }) => ended), [true, true]);
});

Deno.test("runTogether() ends all by the signal", async () => {
  const engines = [new Engine(), new Engine()], stop = new AbortController();
  const running = runTogether(engines, stop.signal);
  stop.abort();
  await running;
  assertEquals(engines.map(({ ended }) => ended), [true, true]);
});
