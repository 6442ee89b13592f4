// The real engine against model broker, group and database: one seed is one history. Fails with the seed, the smallest history found and the
// command that plays it again. SIMULATION_SEEDS and SIMULATION_FROM override how many and from where, SIMULATION_SHRINK=false reports
// the failing seed at once.
import { assertEquals, assertGreater } from "@std/assert";
import { play } from "./history.ts";
import { planOf } from "./plan.ts";
import { noTotals, playSeed, report, seedsOf } from "./seeds.ts";

const COUNT = Number(Deno.env.get("SIMULATION_SEEDS") ?? 5_000);
const SHRINK = Deno.env.get("SIMULATION_SHRINK") !== "false";
const FROM = Number(Deno.env.get("SIMULATION_FROM") ?? 1_000_000);

Deno.test(`play() leaves tables equal to the oracle's over ${COUNT} seeds from ${FROM}`, async () => {
  const totals = noTotals();
  for (const seed of seedsOf(FROM, COUNT)) {
    const violations = await playSeed(seed, totals);
    if (violations.length > 0) throw new Error(SHRINK ? await report(seed, violations) : violations.join("\n"));
  }
  // A simulation in which nothing happens finds nothing.
  for (
    const kind of ["kill", "freeze", "heartbeats_lost", "database_flaky", "restore", "clock_jump", "add_partition"]
  ) {
    assertGreater(totals.faults[kind] ?? 0, COUNT / 100, kind);
  }
  assertGreater(totals.commits, totals.seeds * 10);
  assertGreater(totals.closings, totals.seeds);
});

Deno.test("play() is deterministic: the same plan gives the same history to the step", async () => {
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    assertEquals(await play(planOf(seed)), await play(planOf(seed)));
  }
});
