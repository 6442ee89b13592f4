// When the closer looks: at once for a commit that may have released a window, soon where another instance was closing, seldom otherwise.
import { assertEquals } from "@std/assert";
import { silentLog } from "../../src/shared/log.ts";
import { ENGINE_STEPS, StepBoard } from "../../src/shared/steps.ts";
import { type DurationMs, epochMs } from "../../src/shared/units.ts";
import { Closer } from "../../src/store/closer.ts";
import type { CloseOutcome, Store } from "../../src/store/port.ts";

const CLOSED = {
  kind: "closed",
  windowStart: epochMs(0),
  rows: 1,
  hits: 1,
  foldedKeys: 0,
  foldedValues: 0,
  chunks: 1,
} as const;

/** Runs a closer over these outcomes; returns its pauses, ms, and what was closed. `asked` is called at each try. */
async function pauses(outcomes: (CloseOutcome | Error)[], asked?: (closer: Closer) => void) {
  const ending = new AbortController(), slept: number[] = [];
  let closed = 0;
  const clock = {
    now: () => epochMs(0),
    sleep(duration: DurationMs, signal?: AbortSignal) {
      slept.push(signal?.aborted ? 0 : duration);
      if (outcomes.length === 0) ending.abort();
      return Promise.resolve();
    },
  };
  const store: Pick<Store, "close"> = {
    close() {
      asked?.(closer);
      const outcome = outcomes.shift()!;
      return outcome instanceof Error ? Promise.reject(outcome) : Promise.resolve(outcome);
    },
  };
  const closer: Closer = new Closer({
    store: store as Store,
    clock,
    log: silentLog,
    steps: new StepBoard(ENGINE_STEPS, clock),
    onClosed: () => closed++,
  });
  await closer.run(ending.signal);
  return { slept, closed };
}

Deno.test("run() waits long where nothing could be closed, and not at all after a window", async () => {
  const { slept, closed } = await pauses([CLOSED, CLOSED, { kind: "nothing" }, { kind: "nothing" }]);
  assertEquals([slept, closed], [[3_000, 3_000], 2]);
});

Deno.test("run() comes again soon where another instance was closing: it may not have seen our commit", async () => {
  assertEquals((await pauses([{ kind: "busy" }, CLOSED, { kind: "nothing" }])).slept, [500, 3_000]);
});

Deno.test("run() does not sleep over a wake that came while it asked", async () => {
  let first = true;
  const { slept } = await pauses([{ kind: "nothing" }, { kind: "nothing" }], (closer) => {
    if (first) closer.wake();
    first = false;
  });
  assertEquals(slept, [0, 3_000]);
});

Deno.test("run() tries again after a failure, later each time up to five seconds", async () => {
  const failing = () => new Error("no");
  const { slept } = await pauses([failing(), failing(), failing(), failing(), { kind: "nothing" }, failing()]);
  assertEquals(slept, [1_000, 2_000, 4_000, 5_000, 3_000, 1_000]);
});
