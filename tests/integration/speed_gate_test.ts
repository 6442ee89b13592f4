// A gate that does not depend on the machine: how many times less CPU the engine's path takes than the naive way, in the same process and on
// the same events, alternating. Not a benchmark: it only says that something has become slower.
import { assert, assertEquals } from "@std/assert";
import { cpuMicros, EnginePath, NaivePath, valuesOf } from "../../bench/engine_path.ts";
import { quantile } from "../../bench/support.ts";
import { Traffic, type TrafficPlan } from "../../bench/traffic.ts";

/**
 * Recorded by this test (it prints the figure) on a machine with nothing else to do: 1.85 to 2.18 over six runs. Where others compete for the
 * caches the naive path suffers more, and the ratio rises to 2.8. The engine may lose the share below before the gate is red.
 */
const RECORDED_RATIO = 2.05;
const LOSS_MAX = 0.15;

const PLAN: TrafficPlan = { seed: 6, partitions: 4, keys: 20_000, valueBytes: 340, windows: 2 };
const EVENTS = 30_000;
const WARM_UP_ROUNDS = 20;
const ROUNDS = 80;

Deno.test("the engine keeps its lead over the naive path", async () => {
  const traffic = new Traffic(PLAN);
  const engine = new EnginePath(PLAN), naive = new NaivePath(PLAN);
  let slice = traffic.slice(EVENTS);
  const values = await valuesOf(slice);
  const fast: number[] = [], slow: number[] = [];
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
    if (round > 0) slice = traffic.again(slice);
    const engineMicros = await cpuMicros(async () => {
      await engine.count(slice);
      engine.freeze();
    });
    const naiveMicros = await cpuMicros(() => naive.count(values));
    if (round < WARM_UP_ROUNDS) continue;
    fast.push(engineMicros);
    slow.push(naiveMicros);
  }
  assertEquals(engine.counted, EVENTS * (WARM_UP_ROUNDS + ROUNDS));
  assertEquals(naive.counted, engine.counted);
  // The lower quarter: what is left of a neighbour's noise in CPU time (shared caches, collections that fall into one side) is always upwards.
  const ratio = quantile(slow, 0.25) / quantile(fast, 0.25);
  const figures = `${(quantile(fast, 0.25) / EVENTS).toFixed(2)} µs an event, ${
    ratio.toFixed(2)
  } times less CPU than the naive path`;
  Deno.stdout.writeSync(new TextEncoder().encode(`${figures}, recorded ${RECORDED_RATIO}\n`));
  assert(ratio >= RECORDED_RATIO * (1 - LOSS_MAX), `${figures}; recorded: ${RECORDED_RATIO}`);
});
