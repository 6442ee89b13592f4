import { assert, assertLess } from "@std/assert";
import { systemClock } from "../../src/shared/clock.ts";
import { durationMs, HOUR } from "../../src/shared/units.ts";

Deno.test("sleep() resolves after its duration, and at once when aborted before or meanwhile", async () => {
  const start = performance.now();
  await systemClock.sleep(durationMs(5));
  assert(performance.now() - start >= 4);
  await systemClock.sleep(HOUR, AbortSignal.abort());
  const controller = new AbortController();
  const sleeping = systemClock.sleep(HOUR, controller.signal);
  controller.abort();
  await sleeping;
  assertLess(performance.now() - start, 5_000);
});
