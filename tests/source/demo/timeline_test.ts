import { assert, assertAlmostEquals, assertEquals, assertGreater, assertLess } from "@std/assert";
import fc from "fast-check";
import { DAY, epochMs, HOUR } from "../../../src/shared/units.ts";
import { demoAnchor, DemoTimeline } from "../../../src/source/demo/timeline.ts";

const ANCHOR = epochMs(Date.UTC(2026, 0, 5)); // a Monday
const timeline = (shard = 0, shards = 4, rate = 0.4) =>
  new DemoTimeline({ seed: 7, shard, shards, anchor: ANCHOR, rate });

Deno.test("DemoTimeline.countAt() counts exactly the records whose time has come", () => {
  const used = timeline();
  fc.assert(
    fc.property(fc.integer({ min: -1_000, max: 400 * DAY }), (after) => {
      const now = epochMs(ANCHOR + after);
      const count = used.countAt(now);
      assert(count === 0 || used.timeOf(count - 1) <= now);
      assert(used.timeOf(count) > now);
    }),
  );
});

Deno.test("DemoTimeline.timeOf() never decreases and does not depend on what was asked before", () => {
  const forward = timeline();
  let last = -Infinity;
  for (let n = 0; n < 20_000; n++) {
    const time = forward.timeOf(n);
    assert(time >= last && time >= ANCHOR);
    last = time;
  }
  for (const n of [19_999, 3, 12_345, 0, 1_000_000, 77]) assertEquals(forward.timeOf(n), timeline().timeOf(n));
});

Deno.test("DemoTimeline.countAt() follows the rate, the hours and the weekdays", () => {
  const all = (from: number, to: number) =>
    [0, 1, 2, 3].reduce((sum, shard) => {
      const of = timeline(shard);
      return sum + of.countAt(epochMs(ANCHOR + to)) - of.countAt(epochMs(ANCHOR + from));
    }, 0);
  assertAlmostEquals(all(0, 28 * DAY) / (28 * 86_400), 0.4, 0.02);
  assertGreater(all(1 * DAY + 18 * HOUR, 1 * DAY + 20 * HOUR), 1.8 * all(1 * DAY + 3 * HOUR, 1 * DAY + 5 * HOUR));
  assertLess(all(5 * DAY, 7 * DAY), 0.95 * all(1 * DAY, 3 * DAY));
  assertGreater(all(21 * DAY, 28 * DAY), 1.03 * all(0, 7 * DAY));
});

Deno.test("demoAnchor() is midnight UTC, the days of history ago", () => {
  assertEquals(demoAnchor(epochMs(Date.UTC(2026, 1, 10, 23, 59)), 28), epochMs(Date.UTC(2026, 0, 13)));
  assertEquals(demoAnchor(epochMs(Date.UTC(2026, 1, 10)), 0), epochMs(Date.UTC(2026, 1, 10)));
});
