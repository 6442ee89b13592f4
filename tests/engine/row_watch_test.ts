// When a look at the stored rows says something, and when it was overtaken. An engine's state reduced to what the look uses.
import { assertEquals } from "@std/assert";
import { RowWatch } from "../../src/engine/row_watch.ts";
import type { EngineState } from "../../src/engine/state.ts";
import { silentLog } from "../../src/shared/log.ts";
import { offset, partitionId } from "../../src/shared/units.ts";

const P0 = partitionId(0);

function rig() {
  const given: number[][] = [];
  const tracker = { partition: P0, expected: { commitId: "mine", nextOffset: offset(5) } };
  const state = {
    expectation: 1,
    sending: null as Promise<void> | null,
    wanted: null as unknown,
    stopped: null,
    trackers: new Map([[P0, tracker]]),
    storeAnswered: () => {},
    storeFailed: () => {},
    giveUp: (moved: number[]) => given.push(moved),
    parts: {
      clock: { steady: () => 1_000_000 },
      log: silentLog,
      store: {
        read: () => Promise.resolve({ stopped: null, rows: [{ partition: P0, commitId: "theirs", nextOffset: 9 }] }),
      },
    },
  };
  const watch = new RowWatch(state as unknown as EngineState, () => {});
  return { watch, state, given };
}

async function looked({ watch }: ReturnType<typeof rig>) {
  watch.lookIfDue();
  while (!watch.seen) await Promise.resolve();
}

Deno.test("take() gives up partitions whose rows another instance has moved", async () => {
  const one = rig();
  await looked(one);
  one.watch.take();
  assertEquals(one.given, [[0]]);
  one.watch.take();
  assertEquals(one.given, [[0]], "what was taken says nothing again");
});

Deno.test("take() leaves a look alone that a commit of our own has overtaken: its rows are older than what we expect", async () => {
  const one = rig();
  await looked(one);
  one.state.expectation++; // sent, and in already
  one.watch.take();
  assertEquals(one.given, []);
});

Deno.test("take() leaves a look alone that began while a commit was on its way: its rows may be those before it", async () => {
  const one = rig();
  one.state.sending = Promise.resolve();
  one.watch.lookIfDue();
  one.state.sending = null;
  for (let turns = 0; turns < 20; turns++) await Promise.resolve();
  assertEquals(one.watch.seen, false);
  one.watch.take();
  assertEquals(one.given, []);
});

Deno.test("take() leaves a look alone while rows are being read anew", async () => {
  const one = rig();
  await looked(one);
  one.state.wanted = {};
  one.watch.take();
  assertEquals(one.given, []);
});
