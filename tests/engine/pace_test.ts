// Until when records may gather: the next commit, and before it any moment at which a window may be released.
import { assertEquals } from "@std/assert";
import { gatherUntil, releaseIsNear } from "../../src/engine/pace.ts";
import { type DurationMs, epochMs } from "../../src/shared/units.ts";

const RULES = { windowSize: 60_000 as DurationMs, watermarkDelay: 5_000 as DurationMs };
/** A window ends here. */
const END = 1_800_000_000_000;

/** Live traffic whose event times are those of our clock, looked at `ago` ms before `now`. */
const live = (now: number, over: { lag?: number; ago?: number; commitIn?: number } = {}) => {
  const { lag = 0, ago = 100, commitIn = 1_000 } = over;
  const pace = {
    now: epochMs(now),
    seenAt: epochMs(now - ago),
    watermark: now - ago - lag - RULES.watermarkDelay,
    commitAt: epochMs(now + commitIn),
  };
  return gatherUntil(pace, RULES) - now;
};

Deno.test("gatherUntil() is the next commit while no window is about to be released", () => {
  assertEquals(live(END + 30_000), 1_000);
  assertEquals(live(END), 1_000);
});

Deno.test("gatherUntil() ends shortly before a window can be released, and stays quick until it was", () => {
  const release = END + RULES.watermarkDelay;
  assertEquals(live(release - 900), 700);
  assertEquals(live(release - 200), 0);
  assertEquals(live(release + 50), 0, "records of a moment ago do not reach it yet");
  assertEquals(live(release + 150), 1_000, "released: the next one is a window away");
});

Deno.test("gatherUntil() follows event times that run ahead of our clock", () => {
  assertEquals(live(END + RULES.watermarkDelay - 2_000, { lag: -2_000 }), 0);
  assertEquals(live(END + RULES.watermarkDelay - 2_600, { lag: -2_000, ago: 0 }), 400);
});

Deno.test("gatherUntil() is quick for seconds, not without end, where the events that release a window come late", () => {
  const release = END + RULES.watermarkDelay;
  assertEquals(live(release + 2_999, { lag: 20_000 }), 0);
  assertEquals(live(release + 3_000, { lag: 20_000 }), 1_000);
  assertEquals(live(release + 19_900, { lag: 20_000 }), 0, "and again when they are due by what was seen");
});

Deno.test("gatherUntil() is now where a partition has no watermark yet", () => {
  const now = epochMs(END);
  assertEquals(gatherUntil({ now, seenAt: now, watermark: -Infinity, commitAt: epochMs(END + 1_000) }, RULES), now);
});

Deno.test("releaseIsNear() within half a second of the moment at which a window should be released", () => {
  const near = (now: number, watermark: number) =>
    releaseIsNear({ now: epochMs(now), seenAt: epochMs(now - 100), watermark }, RULES);
  const release = END + RULES.watermarkDelay, live = (now: number) => near(now, now - 100 - RULES.watermarkDelay);
  assertEquals([-501, -499, 0, 99].map((ms) => live(release + ms)), [false, true, true, true]);
  assertEquals(live(release + 101), false, "released: the next one is a window away");
  assertEquals(near(release + 499, END - 20_000), true);
  assertEquals(near(release + 501, END - 20_000), false);
  assertEquals(near(END, -Infinity), false);
});
