// How the salt of a day is got: tried again after a pause, final where the database says so, positions given up where the day is closed. An
// engine's state reduced to what that uses.
import { assertEquals, assertRejects } from "@std/assert";
import { Salts } from "../../src/engine/salts.ts";
import type { EngineState } from "../../src/engine/state.ts";
import { Unavailable, UsageError } from "../../src/shared/errors.ts";
import { silentLog } from "../../src/shared/log.ts";
import { DAY } from "../../src/shared/units.ts";
import type { Salt } from "../../src/store/port.ts";
import { Visitors } from "../../src/window/visitors.ts";

const MIDNIGHT = Date.UTC(2026, 0, 31), SALT: Salt = { day: "2026-01-31", id: "one", salt: new Uint8Array(16).fill(7) };

function rig(answer: () => Promise<readonly Salt[]>) {
  const asked: string[][] = [], given: unknown[] = [], clock = { at: 0 }, failed: unknown[] = [];
  const visitors = new Visitors();
  const state = {
    sending: null as Promise<void> | null,
    visitors,
    storeReached: () => {},
    databaseIsBack: () => {},
    storeFailed: (error: unknown) => failed.push(error),
    giveUp: (moved: unknown) => given.push(moved),
    parts: {
      clock: { steady: () => clock.at },
      log: silentLog,
      store: {
        salts: (days: string[]) => {
          asked.push(days);
          return answer();
        },
      },
    },
  };
  return { state, salts: new Salts(state as unknown as EngineState), visitors, asked, given, failed, clock };
}

Deno.test("fetch() learns the salt of a day", async () => {
  const { salts, visitors, asked } = rig(() => Promise.resolve([SALT]));
  assertEquals(await salts.fetch(MIDNIGHT / DAY), true);
  assertEquals(asked, [["2026-01-31"]]);
  const salt = visitors.saltOf(MIDNIGHT)!;
  assertEquals([salt.id, salt.key.k0low], ["one", 0x07070707]);
  // Fetched again, it is another one for caches: it may be another key.
  visitors.forget();
  await salts.fetch(MIDNIGHT / DAY);
  assertEquals(visitors.saltOf(MIDNIGHT)!.number, salt.number + 1);
});

Deno.test("fetch() pauses after a failure, and throws one that is final", async () => {
  const { salts, asked, failed, clock } = rig(() =>
    Promise.reject(new Unavailable("postgres_unavailable", "away", "wait"))
  );
  assertEquals([await salts.fetch(1), await salts.fetch(1)], [false, false]);
  assertEquals([asked.length, failed.length], [1, 1]);
  clock.at = 1_000;
  assertEquals([await salts.fetch(1), asked.length], [false, 2]);
  const final = rig(() => Promise.reject(new UsageError(["no such table"])));
  await assertRejects(() => final.salts.fetch(1), UsageError);
});

Deno.test("fetch() gives positions up where the day is closed, but not beside a commit that is in flight", async () => {
  const { state, salts, given } = rig(() => Promise.resolve([]));
  state.sending = Promise.resolve();
  assertEquals([await salts.fetch(1), given], [false, []]);
  state.sending = null;
  assertEquals([await salts.fetch(1), given], [false, [[]]]);
});
