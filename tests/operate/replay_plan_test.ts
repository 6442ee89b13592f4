// From where a replay must read: the newest position before which nothing of the range can lie, and what cannot be read any more.
import { assertEquals, assertThrows } from "@std/assert";
import { anchorBound, planReplay, type ReplayPartition } from "../../src/operate/replay_plan.ts";
import { NamedError } from "../../src/shared/errors.ts";
import { type DurationMs, type EpochMs, MINUTE, NEVER, type Offset, type PartitionId } from "../../src/shared/units.ts";

const FROM = Date.parse("2026-03-01T12:00:00Z") as EpochMs;
const BOUND = anchorBound(FROM, { maxFutureSkew: 5 * MINUTE as DurationMs, watermarkDelay: MINUTE });
const at = (offset: number, watermark: number) => ({ offset: offset as Offset, watermark: watermark as EpochMs });

const stored = (over: Partial<ReplayPartition> = {}): ReplayPartition => ({
  partition: 0 as PartitionId,
  firstOffset: 10 as Offset,
  nextOffset: 900 as Offset,
  watermark: FROM + 1 as EpochMs,
  committed: null,
  advances: [],
  skips: [],
  rewound: false,
  ...over,
});
const log = (logStart = 0, logEnd = 1000, topicId = "A") => ({
  topicId,
  partitions: [{ partition: 0 as PartitionId, logStart: logStart as Offset, logEnd: logEnd as Offset }],
});
const from = (over: Partial<ReplayPartition>, ...held: number[]) =>
  planReplay([stored(over)], log(...held), "A", BOUND).map((
    task,
  ): number[] => [task.from.offset, task.from.watermark, task.to]);
const advance = (offset: number, watermark: number) => ({
  atOffset: offset as Offset,
  watermark: watermark as EpochMs,
});

Deno.test("anchorBound() lies the future guard and the delay before the range", () => {
  assertEquals(FROM - BOUND, 6 * MINUTE);
});

Deno.test("planReplay() reads from the newest anchor below the bound", () => {
  assertEquals(from({}), [[10, NEVER, 900]]);
  assertEquals(from({ committed: at(500, BOUND - 1) }), [[500, BOUND - 1, 900]]);
  // At the bound a record of the range may already lie behind.
  assertEquals(from({ committed: at(500, BOUND) }), [[10, NEVER, 900]]);
  assertEquals(from({ committed: at(500, BOUND - 9), advances: [advance(600, BOUND - 5), advance(700, BOUND)] }), [[
    600,
    BOUND - 5,
    900,
  ]]);
  assertEquals(from({ committed: at(500, BOUND - 9), advances: [advance(500, BOUND - 5)] }), [[500, BOUND - 5, 900]]);
  assertEquals(from({ committed: at(500, NEVER) }), [[500, NEVER, 900]]);
});

Deno.test("planReplay() leaves out what was never read that far, log or no log", () => {
  assertEquals(from({ watermark: BOUND - 1 as EpochMs }, 950), []);
  assertEquals(from({ watermark: NEVER }, 950), []);
  assertEquals(from({ committed: at(900, BOUND - 1) }, 950), []);
});

Deno.test("planReplay() jumps an accepted gap that begins at its anchor", () => {
  const skips = [{ from: 500 as Offset, to: 700 as Offset }];
  assertEquals(from({ committed: at(500, BOUND - 1), skips }, 700), [[700, BOUND - 1, 900]]);
  assertThrows(() => from({ committed: at(499, BOUND - 1), skips }, 700), NamedError, "offset 499");
});

Deno.test("planReplay() refuses what the log does not hold", () => {
  assertEquals(from({}, 10), [[10, NEVER, 900]]);
  for (
    const call of [
      () => from({}, 11),
      () => from({}, 0, 899),
      () => planReplay([stored()], { topicId: "A", partitions: [] }, "A", BOUND),
      () => planReplay([stored()], log(0, 1000, "B"), "A", BOUND),
      // Its first offset belongs to the log before.
      () => from({ rewound: true }),
    ]
  ) assertEquals(assertThrows(call, NamedError).code, "log_gone");
  assertEquals(from({ rewound: true, advances: [advance(3, BOUND - 1)] }), [[3, BOUND - 1, 900]]);
});
