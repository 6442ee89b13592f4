// The decisions of exactly-once as tables.
import { assertEquals, assertThrows } from "@std/assert";
import { checkLog, commitDue, judgeOutcome, movedPartitions } from "../../src/store/decision.ts";
import type { CommitPayload, PartitionRow, StoredState, StreamSettings } from "../../src/store/port.ts";
import { StreamStopped } from "../../src/shared/errors.ts";
import { type EpochMs, NEVER, type Offset, type PartitionId } from "../../src/shared/units.ts";
import type { LogIdentity } from "../../src/source/port.ts";

const row = (partition: number, commitId: string, nextOffset: number, retired = false): PartitionRow => ({
  partition: partition as PartitionId,
  commitId,
  nextOffset: nextOffset as Offset,
  firstOffset: 0 as Offset,
  watermark: NEVER,
  recordWatermark: NEVER,
  maxWindowEnd: NEVER,
  raisedAt: NEVER,
  quietSince: null,
  retired,
});

/** Expects partitions 0 and 1 at (old0, 10) and (old1, 20). */
const PAYLOAD = {
  commitId: "mine",
  moves: [{ partition: 0, oldCommitId: "old0", oldNextOffset: 10 }, {
    partition: 1,
    oldCommitId: "old1",
    oldNextOffset: 20,
  }],
} as unknown as CommitPayload;

Deno.test("judgeOutcome() tells committed, unchanged and fenced apart", () => {
  const table: [string, PartitionRow[], string, number[]?][] = [
    ["both hold my id", [row(0, "mine", 15), row(1, "mine", 25)], "committed"],
    ["both as expected", [row(0, "old0", 10), row(1, "old1", 20)], "unchanged"],
    ["one was moved by another", [row(0, "old0", 10), row(1, "theirs", 22)], "fenced", [1]],
    ["mine is in, then another moved on", [row(0, "mine", 15), row(1, "theirs", 40)], "fenced", [1]],
    ["same id, other offset: an operator moved it", [row(0, "old0", 11), row(1, "old1", 20)], "fenced", [0]],
    ["a row is gone", [row(0, "old0", 10)], "fenced", [1]],
    ["a row is retired", [row(0, "old0", 10), row(1, "old1", 20, true)], "fenced", [1]],
    [
      "half committed, half unchanged cannot be: nothing is assumed",
      [row(0, "mine", 15), row(1, "old1", 20)],
      "fenced",
      [],
    ],
  ];
  for (const [name, rows, kind, partitions] of table) {
    const verdict = judgeOutcome(PAYLOAD, rows);
    assertEquals(verdict.kind, kind, name);
    if (verdict.kind === "fenced") assertEquals([...verdict.partitions] as number[], partitions, name);
  }
});

Deno.test("movedPartitions() names rows that are not as expected", () => {
  const expected = [0, 1, 2].map((p) => ({
    partition: p as PartitionId,
    expected: { commitId: `c${p}`, nextOffset: 5 as Offset },
  }));
  assertEquals(movedPartitions(expected, [row(0, "c0", 5), row(1, "c1", 4)]) as number[], [1, 2]);
  assertEquals(movedPartitions(expected, [row(0, "x", 5), row(1, "c1", 5), row(2, "c2", 5)]) as number[], [0]);
});

const SETTINGS = { topic: "t" } as StreamSettings;
const stored = (rows: PartitionRow[], topicId: string | null = "id"): StoredState => ({
  rules: '{"version":1}',
  topicId,
  anchor: 0 as EpochMs,
  closedThrough: NEVER,
  stopped: null,
  rows,
  serverNow: 0 as EpochMs,
});
const log = (bounds: [number, number, number][], topicId: string | null = "id"): LogIdentity => ({
  topicId,
  partitions: bounds.map(([partition, logStart, logEnd]) => ({
    partition: partition as PartitionId,
    logStart: logStart as Offset,
    logEnd: logEnd as Offset,
  })),
});

Deno.test("checkLog() accepts positions within the log, both ends included", () => {
  checkLog(SETTINGS, stored([row(0, "c", 5), row(1, "c", 9), row(2, "c", 7, true)]), log([[0, 5, 9], [1, 5, 9]]));
  checkLog(SETTINGS, stored([row(0, "c", 5)], null), log([[0, 0, 9]], "new"));
  checkLog(SETTINGS, stored([row(0, "c", 5)], "id"), log([[0, 0, 9]], null));
});

Deno.test("checkLog() stops the stream with the name of what is wrong", () => {
  const table: [string, StoredState, LogIdentity][] = [
    ["data_gap", stored([row(0, "c", 4)]), log([[0, 5, 9]])],
    ["position_beyond_end", stored([row(0, "c", 10)]), log([[0, 5, 9]])],
    ["topic_recreated", stored([row(0, "c", 5)]), log([[0, 5, 9]], "other")],
    ["partitions_removed", stored([row(0, "c", 5), row(1, "c", 5)]), log([[0, 5, 9]])],
  ];
  for (const [code, state, identity] of table) {
    const error = assertThrows(() => checkLog(SETTINGS, state, identity), StreamStopped) as StreamStopped;
    assertEquals(error.code, code);
  }
});

Deno.test("commitDue() commits by interval, sooner by size, rarely while catching up or unwatched, never for nothing", () => {
  const limits = { intervalMs: 1_000, unwatchedIntervalMs: 3_000, catchUpIntervalMs: 5_000 };
  const base = { dirty: true, full: false, sinceLastCommitMs: 1_000, catchingUp: false, watched: true };
  assertEquals(commitDue(base, limits), "interval");
  assertEquals(commitDue({ ...base, sinceLastCommitMs: 999 }, limits), null);
  assertEquals(commitDue({ ...base, watched: false }, limits), null);
  assertEquals(commitDue({ ...base, watched: false, sinceLastCommitMs: 3_000 }, limits), "interval");
  assertEquals(commitDue({ ...base, catchingUp: true }, limits), null);
  assertEquals(commitDue({ ...base, catchingUp: true, watched: false, sinceLastCommitMs: 4_999 }, limits), null);
  assertEquals(commitDue({ ...base, catchingUp: true, sinceLastCommitMs: 5_000 }, limits), "interval");
  assertEquals(commitDue({ ...base, full: true, sinceLastCommitMs: 0 }, limits), "size");
  assertEquals(commitDue({ ...base, dirty: false, full: true, sinceLastCommitMs: 9e9 }, limits), null);
});
