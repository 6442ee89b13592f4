// Who holds a watermark and why: a table over what a partition shows, at the edges of the idle rule.
import { assertEquals, assertMatch } from "@std/assert";
import { holdOf } from "../../src/http/api/stream/watermark_hold.ts";
import type { StreamPartition } from "../../src/http/api/stream/stream_rows.ts";
import { offset } from "../../src/shared/units.ts";
import { partition } from "./app_fixture.ts";
import { DAY0, MIN } from "./stream_fixture.ts";

const TARGET = DAY0 + 15 * MIN;
const row: StreamPartition = {
  partition: 0,
  commit_id: crypto.randomUUID(),
  first_offset: 0,
  next_offset: 10,
  watermark: DAY0 + 14 * MIN,
  record_watermark: DAY0 + 14 * MIN,
  max_window_end: TARGET,
  raised_at: DAY0 + 15 * MIN,
  quiet_since: null,
  counted: 10,
  late: 0,
  late_dropped: 0,
  dead: 0,
  null_records: 0,
  skipped: 0,
  retired: false,
  updated_at: DAY0 + 15 * MIN,
};
const look = (changes: Partial<Parameters<typeof holdOf>[0]> = {}) =>
  holdOf({
    row,
    live: partition(0),
    stoppedCode: null,
    target: TARGET,
    now: DAY0 + 30 * MIN,
    watermarkDelayMs: MIN,
    idleTimeoutMs: MIN,
    ...changes,
  });

Deno.test("holdOf() is null once the watermark is at the target, and for a retired partition", () => {
  assertEquals(look({ row: { ...row, watermark: TARGET } }), null);
  assertEquals(look({ row: { ...row, watermark: TARGET - 1 } })?.code, "idle_advance_due");
  assertEquals(look({ row: { ...row, retired: true } }), null);
  assertEquals(look({ row: { ...row, watermark: null } })?.code, "idle_advance_due");
});

Deno.test("holdOf() names the first thing that holds", () => {
  const behind = { logEnd: offset(12), lastStable: offset(12) };
  assertEquals(look({ stoppedCode: "data_gap", live: undefined })?.code, "stream_stopped");
  assertEquals(look({ live: undefined })?.code, "not_owned");
  assertEquals(look({ live: partition(0, { ...behind, state: "contested" }) })?.code, "contested");
  assertEquals(look({ live: partition(0, { ...behind, state: "loading" }) })?.code, "loading");
  assertEquals(look({ live: partition(0, { logEnd: null }) })?.code, "loading");
  assertMatch(look({ live: partition(0, behind) })!.reason, /^2 records are left/);
  assertEquals(look({ live: partition(0, { ...behind, lastStable: offset(11) }) })?.code, "lagging");
  const open = look({ live: partition(0, { ...behind, lastStable: offset(10) }) });
  assertEquals(open?.code, "open_transaction");
  assertMatch(open!.reason, /open at offset 10: 2 offsets/);
});

Deno.test("holdOf() says when silence alone would do, to the millisecond", () => {
  const overAt = TARGET + MIN;
  const cases = [
    // The window and its delay must be over by the clock …
    [overAt - 1, row.raised_at, "not_over", overAt],
    [overAt, row.raised_at, "idle_advance_due", overAt],
    // … and the silence long enough.
    [overAt, overAt, "waiting_for_idle_timeout", overAt + MIN],
    [overAt + MIN - 1, overAt, "waiting_for_idle_timeout", overAt + MIN],
    [overAt + MIN, overAt, "idle_advance_due", overAt + MIN],
  ] as const;
  for (const [now, raisedAt, code, closesAt] of cases) {
    const hold = look({ now, row: { ...row, raised_at: raisedAt } });
    assertEquals([hold?.code, hold?.closes_at], [code, closesAt]);
  }
  assertEquals(look({ idleTimeoutMs: null })?.code, "idle_off");
  const fresh = { ...row, next_offset: 0, watermark: null, raised_at: DAY0 + 30 * MIN };
  const empty = { position: offset(0), committed: offset(0), logEnd: offset(0), lastStable: offset(0) };
  assertEquals(look({ row: fresh, live: partition(0, empty) })?.code, "no_record_yet");
});
