// Readiness is about progress: a table of what makes it red, and with which words.
import { assertEquals, assertMatch } from "@std/assert";
import { readiness } from "../../src/http/api/readiness.ts";
import type { PipelineSnapshot } from "../../src/shared/snapshot.ts";
import { durationMs, epochMs, offset } from "../../src/shared/units.ts";
import { NOW, partition, snapshot } from "./app_fixture.ts";

const TIMEOUT = durationMs(30_000);
const look = (snapshots: readonly PipelineSnapshot[], databaseProblem: string | null = null) =>
  readiness({ snapshots, now: NOW, progressTimeoutMs: TIMEOUT, databaseProblem });

Deno.test("readiness() is green for a running engine, for a standby without partitions, and for the API alone", () => {
  assertEquals(look([snapshot()]), { ready: true, reasons: [] });
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
