// Each way in which a log and its stored positions can disagree, and the step that it leads to.
import { assertEquals } from "@std/assert";
import type { PartitionRow, StoredState } from "../../src/store/port.ts";
import { planResume, type ResumeStep } from "../../src/operate/resume_plan.ts";
import { type DurationMs, type EpochMs, MINUTE, NEVER, type Offset, type PartitionId } from "../../src/shared/units.ts";

const NOW = Date.parse("2026-03-01T12:00:00Z") as EpochMs;
const SIZE = 5 * MINUTE as DurationMs;
const WATERMARK = NOW - 62 * MINUTE as EpochMs; // 10:58, its window starts at 10:55
const p = (n: number) => n as PartitionId;

const row = (over: Partial<PartitionRow> = {}): PartitionRow => ({
  partition: p(0),
  commitId: "id",
  nextOffset: 1000 as Offset,
  firstOffset: 100 as Offset,
  watermark: WATERMARK,
  recordWatermark: WATERMARK,
  maxWindowEnd: NEVER,
  raisedAt: NOW,
  quietSince: null,
  retired: false,
  ...over,
});

function plan(
  rows: PartitionRow[],
  log: readonly (readonly [partition: number, logStart: number, logEnd: number])[],
  over: { topicId?: string; firstEventTimes?: Map<PartitionId, EpochMs> } = {},
): ResumeStep[] {
  const stored: StoredState = {
    topicId: "A",
    rules: '{"version":1}',
    anchor: NOW,
    closedThrough: NEVER,
    stopped: { code: "data_gap", message: "" },
    rows,
    serverNow: NOW,
  };
  return planResume({
    stored,
    log: {
      topicId: over.topicId ?? "A",
      partitions: log.map(([partition, logStart, logEnd]) => ({
        partition: p(partition),
        logStart: logStart as Offset,
        logEnd: logEnd as Offset,
      })),
    },
    windowSize: SIZE,
    watermarkDelay: MINUTE,
    now: NOW,
    firstEventTimes: over.firstEventTimes ?? new Map(),
  });
}

const brief = (steps: ResumeStep[]): unknown[][] =>
  steps.map((s) => [s.kind, s.nextOffset, s.retired, s.gap?.fromOffset, s.gap?.toOffset, s.gap?.reason]);

Deno.test("planResume() keeps a position that the log holds, both ends included", () => {
  for (const [start, end] of [[0, 2000], [1000, 2000], [0, 1000], [1000, 1000]] as const) {
    assertEquals(brief(plan([row()], [[0, start, end]])), [["keep", 1000, false, undefined, undefined, undefined]]);
  }
});

Deno.test("planResume() skips to the log's start and names what is lost", () => {
  assertEquals(brief(plan([row()], [[0, 1001, 2000]])), [["skip", 1001, false, 1000, 1001, "data_gap"]]);
});

Deno.test("planResume() goes back to the end of a truncated log", () => {
  assertEquals(brief(plan([row()], [[0, 0, 999]])), [["rewind", 999, false, 999, 1000, "position_beyond_end"]]);
});

Deno.test("planResume() starts a recreated log at its beginning, whatever its offsets look like", () => {
  assertEquals(brief(plan([row()], [[0, 7, 5000]], { topicId: "B" })), [[
    "restart",
    7,
    false,
    1000,
    1000,
    "topic_recreated",
  ]]);
});

Deno.test("planResume() retires what is gone; of a recreated log it would begin at 0", () => {
  assertEquals(brief(plan([row()], [])), [["retire", 1000, true, 1000, 1000, "partitions_removed"]]);
  assertEquals(brief(plan([row()], [], { topicId: "B" })), [["retire", 0, true, 1000, 1000, "partitions_removed"]]);
  assertEquals(brief(plan([row({ retired: true })], [])), [["keep", 1000, true, undefined, undefined, undefined]]);
});

Deno.test("planResume() takes a retired partition back where it stood, or over what is lost meanwhile", () => {
  assertEquals(brief(plan([row({ retired: true })], [[0, 0, 2000]])), [[
    "revive",
    1000,
    false,
    undefined,
    undefined,
    undefined,
  ]]);
  assertEquals(brief(plan([row({ retired: true })], [[0, 1500, 2000]])), [[
    "skip",
    1500,
    false,
    1000,
    1500,
    "data_gap",
  ]]);
  assertEquals(brief(plan([row({ retired: true })], [[0, 0, 3]], { topicId: "B" })), [[
    "revive",
    0,
    false,
    1000,
    1000,
    "topic_recreated",
  ]]);
});

Deno.test("planResume() dates a gap from the watermark's window to the first event behind it plus the delay, at most now", () => {
  const time = (at: EpochMs | undefined) =>
    plan([row()], [[0, 1500, 2000]], at === undefined ? {} : { firstEventTimes: new Map([[p(0), at]]) })[0]!.gap!;
  const from = WATERMARK - 3 * MINUTE;
  assertEquals([time(undefined).fromTime, time(undefined).toTime], [from, NOW] as EpochMs[]);
  assertEquals(time(NOW - 30 * MINUTE as EpochMs).toTime, NOW - 29 * MINUTE as EpochMs);
  assertEquals(time(NOW + MINUTE as EpochMs).toTime, NOW);
  // An event older than the gap's beginning must not turn the range round.
  assertEquals(time(0 as EpochMs).toTime, from as EpochMs);
});

Deno.test("planResume() cannot date the beginning of a gap in a partition that was never read", () => {
  const never = row({ watermark: NEVER, recordWatermark: NEVER });
  assertEquals(plan([never], [[0, 1500, 2000]])[0]!.gap!.fromTime, NEVER);
  // One that was added later began at what was closed by then.
  assertEquals(
    plan([{ ...never, watermark: WATERMARK }], [[0, 1500, 2000]])[0]!.gap!.fromTime,
    WATERMARK - 3 * MINUTE as EpochMs,
  );
});

Deno.test("planResume() steps every row, in order", () => {
  const steps = plan([row({ partition: p(2) }), row({ partition: p(0) }), row({ partition: p(1) })], [[0, 0, 2000], [
    2,
    1200,
    2000,
  ]]);
  assertEquals(
    steps.map((s): unknown[] => [s.partition, s.kind]),
    [[0, "keep"], [1, "retire"], [2, "skip"]],
  );
});
