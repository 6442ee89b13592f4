// Readiness is about progress: a table of what makes it red, and with which words.
import { assertEquals, assertMatch } from "@std/assert";
import { readiness } from "../../src/http/api/readiness.ts";
import {
  ENGINE_STEPS,
  StepBoard,
  type StepName,
  type Steps,
  UPKEEP_STEPS,
  type UpkeepStep,
} from "../../src/shared/steps.ts";
import type { PipelineSnapshot } from "../../src/shared/snapshot.ts";
import { durationMs, epochMs, offset } from "../../src/shared/units.ts";
import { NOW, partition, snapshot, TestClock } from "./app_fixture.ts";

const TIMEOUT = durationMs(30_000);
const look = (
  snapshots: readonly PipelineSnapshot[],
  databaseProblem: string | null = null,
  upkeep?: Steps<UpkeepStep>,
) => readiness({ snapshots, now: NOW, progressTimeoutMs: TIMEOUT, upkeep, databaseProblem });

/** A board on which one step has been in a state for `ms`. */
function board<Name extends StepName>(names: readonly Name[], step: Name, ms: number, state: "failing" | "waiting") {
  const clock = new TestClock(NOW - ms), steps = new StepBoard(names, clock);
  const error = Object.assign(new Error('null value in column "note"'), { code: "23502" });
  if (state === "failing") steps.failed(step, error);
  else {steps.waits(step, {
      code: "retention_waits",
      message: "2026-01-01 is not rolled up yet",
      action: "Look at roll_up.",
    });}
  clock.time = NOW - 10;
  for (const name of names) if (name !== step) steps.succeeded(name);
  if (state === "failing") steps.failed(step, error);
  return steps.states();
}

Deno.test("readiness() is green for a running engine, for a standby without partitions, and for the API alone", () => {
  assertEquals(look([snapshot()]), { ready: true, reasons: [], degraded: [] });
  assertEquals(look([snapshot({ partitions: [] })]).ready, true);
  assertEquals(look([]).ready, true);
});

Deno.test("readiness() is red with a reason in words when there is no progress", () => {
  const { store, commit } = snapshot();
  const cases: readonly (readonly [Partial<PipelineSnapshot>, string, RegExp])[] = [
    [{ phase: "starting" }, "not_assigned", /no partitions are assigned yet/],
    [{ phase: "starting", reason: "joining the group", reasonCode: "joining" }, "joining", /joining the group/],
    [{ phase: "waiting", reason: "broker away", reasonCode: "kafka_unavailable" }, "kafka_unavailable", /broker away/],
    [{ phase: "stopped", reason: "records are gone", reasonCode: "data_gap" }, "data_gap", /records are gone/],
    [{ phase: "stopping" }, "stopping", /shutting down/],
    [{ store: { ...store, reachable: false } }, "postgres_unavailable", /does not answer the pipeline/],
    [{ commit: { ...commit, pendingRecords: 7, lastAt: epochMs(NOW - 31_000) } }, "commits_stuck", /7 records wait/],
    [
      { partitions: [partition(3, { progressAt: epochMs(NOW - 31_000), logEnd: offset(15) })] },
      "partition_stuck",
      /partition 3 has not moved for 31 s: 5 records are left/,
    ],
    [
      { partitions: [partition(3, { progressAt: epochMs(NOW - 40_000), state: "contested" })] },
      "partition_stuck",
      /another instance has moved it/,
    ],
  ];
  for (const [changes, code, words] of cases) {
    const { ready, reasons } = look([snapshot(changes)]);
    assertEquals([ready, reasons.map((r) => r.code)], [false, [code]]);
    assertMatch(reasons[0]!.reason, words);
  }
});

Deno.test("readiness() bears a partition that stood still for exactly the timeout", () => {
  const still = (ms: number) =>
    look([snapshot({ partitions: [partition(0, { progressAt: epochMs(NOW - ms) })] })]).ready;
  assertEquals([still(30_000), still(30_001)], [true, false]);
});

Deno.test("readiness() names a database that is away once, and five stuck partitions of many", () => {
  const { store } = snapshot();
  const away = look([snapshot({ store: { ...store, reachable: false } })], "PostgreSQL does not answer");
  assertEquals(away.reasons.map((r) => r.code), ["postgres_unavailable"]);
  const partitions = Array.from({ length: 300 }, (_, i) => partition(i, { progressAt: epochMs(0) }));
  const { reasons } = look([snapshot({ partitions })]);
  assertEquals([reasons.length, reasons[5]?.reason], [6, "and 295 more partitions"]);
});

Deno.test("readiness() is red where closings have failed for longer than the timeout, with the error and what to do", () => {
  const failing = (ms: number) => look([snapshot({ steps: board(ENGINE_STEPS, "closing", ms, "failing") })]);
  assertEquals(failing(30_000).ready, true);
  const { ready, reasons } = failing(31_000);
  assertEquals([ready, reasons.map(({ code }) => code)], [false, ["closing_failing"]]);
  assertMatch(
    reasons[0]!.reason,
    /^closing of windows has failed since 2026-.* \(31 s\): PostgreSQL refused \(23502\).*"note"\. Give/,
  );
});

Deno.test("readiness() stays green and says degraded where a step beside the counting fails, or waits for an hour", () => {
  const cases = [
    [{ upkeep: board(UPKEEP_STEPS, "roll_up", 31_000, "failing") }, "roll_up_failing", /^roll-ups have failed since/],
    [
      { upkeep: board(UPKEEP_STEPS, "retention", 31_000, "failing") },
      "retention_failing",
      /^retention has failed since/,
    ],
    [
      { upkeep: board(UPKEEP_STEPS, "retention", 3_601_000, "waiting") },
      "retention_waiting",
      /not rolled up yet\. Look at/,
    ],
    [{ upkeep: board(UPKEEP_STEPS, "retention", 3_599_000, "waiting") }, null, /./],
    [{ upkeep: board(UPKEEP_STEPS, "roll_up", 29_000, "failing") }, null, /./],
    [
      { steps: board(ENGINE_STEPS, "compaction", 31_000, "failing") },
      "compaction_failing",
      /compaction of open windows has failed/,
    ],
  ] as const;
  for (const [given, code, words] of cases) {
    const steps = "steps" in given ? { steps: given.steps } : {};
    const { ready, degraded } = look([snapshot(steps)], null, "upkeep" in given ? given.upkeep : undefined);
    assertEquals([ready, degraded.map((one) => one.code)], [true, code === null ? [] : [code]]);
    if (code !== null) assertMatch(degraded[0]!.reason, words);
  }
});

Deno.test("readiness() is red where a closing has given no answer for longer than the timeout, and says it once where the server is away", () => {
  const clock = new TestClock(NOW - 60_000), steps = new StepBoard(ENGINE_STEPS, clock);
  const after = (ms: number, store = snapshot().store) => {
    clock.time = NOW - ms;
    steps.succeeded("closing");
    return look([snapshot({ steps: steps.states(), store })]).reasons.map(({ code }) => code);
  };
  assertEquals(after(30_000), []);
  assertEquals(after(30_001), ["closing_stuck"]);
  assertEquals(after(30_001, { ...snapshot().store, reachable: false }), ["postgres_unavailable"]);
});

Deno.test("readiness() of a process that only reads names the steps of others by the time at which they were written", () => {
  const state = board(ENGINE_STEPS, "commit", 31_000, "failing").commit;
  const elsewhere = (at: number) =>
    readiness({
      snapshots: [],
      now: NOW,
      progressTimeoutMs: TIMEOUT,
      databaseProblem: null,
      elsewhere: [{ step: "commit", instance: "two", state, at: epochMs(at) }],
    });
  const { ready, degraded } = elsewhere(NOW);
  assertEquals([ready, degraded.map(({ code }) => code)], [true, ["commit_failing"]]);
  assertMatch(degraded[0]!.reason, /^instance two: commits have failed since/);
  assertEquals(elsewhere(NOW - 1_000).degraded, []);
});
