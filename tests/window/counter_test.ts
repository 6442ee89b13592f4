// The rules of time on single records, by boundary tables. The reader is a stand-in that takes the event time from eight bytes.
import { assertEquals, assertThrows } from "@std/assert";
import { type EventReader, type ReadCode, readCode } from "../../src/event/types.ts";
import { BugError } from "../../src/shared/errors.ts";
import {
  type DurationMs,
  type EpochMs,
  MINUTE,
  NEVER,
  type Offset,
  offset,
  partitionId,
} from "../../src/shared/units.ts";
import type { FetchedBatch } from "../../src/source/port.ts";
import { Counter, type CountingRules } from "../../src/window/counter.ts";
import { Delta } from "../../src/window/delta.ts";
import { Tracker } from "../../src/window/tracker.ts";

const RULES: CountingRules = {
  windowSize: 5 * MINUTE as DurationMs,
  watermarkDelay: MINUTE,
  maxFutureSkew: 5 * MINUTE as DurationMs,
  latePolicy: "store",
  offsetsCountRecords: true,
};
const NOW = Date.parse("2026-01-01T12:00:00Z") as EpochMs;
const W = Date.parse("2026-01-01T00:00:00Z");

interface Rec {
  /** Event time; a string is a dead letter's reason, null a tombstone. */
  readonly time: number | "bad_json" | null;
  readonly offset?: number;
  readonly recordTime?: number;
}

class TimeReader implements EventReader {
  use(): void {}
  eventTime = 0;
  host = 0;
  referrer = 0;
  place = 0;
  bot = 0;
  memoryBytes = 0;
  hosts = { text: () => "h", size: 1 };
  referrers = { text: () => "", size: 1 };
  read(bytes: Uint8Array, start: number): ReadCode {
    const time = new DataView(bytes.buffer).getFloat64(start);
    if (Number.isNaN(time)) return readCode("bad_json");
    this.eventTime = time;
    return 0;
  }
  reset() {}
}

function tracker(from = 0): Tracker {
  return new Tracker({
    partition: partitionId(0),
    commitId: "c",
    nextOffset: offset(from),
    firstOffset: offset(0),
    watermark: NEVER,
    recordWatermark: NEVER,
    maxWindowEnd: NEVER,
    raisedAt: NEVER,
    quietSince: null,
    retired: false,
  }, NOW);
}

function batch(records: readonly Rec[], options: { from?: number; next?: number } = {}): FetchedBatch {
  const from = options.from ?? 0;
  const placed = records.map((record, i) => ({
    recordTime: NOW as number,
    ...record,
    offset: record.offset ?? from + i,
  }));
  const next = options.next ?? (placed.at(-1)?.offset ?? from - 1) + 1;
  return {
    partition: partitionId(0),
    from: from as Offset,
    next: next as Offset,
    logStart: 0 as Offset,
    logEnd: next as Offset,
    lastStable: next as Offset,
    sentAt: NOW,
    runs: [{
      walk(first, visit) {
        for (const record of placed) {
          if (record.offset < first) continue;
          const bytes = new Uint8Array(8);
          if (record.time !== null) {
            new DataView(bytes.buffer).setFloat64(0, record.time === "bad_json" ? NaN : record.time);
          }
          visit(bytes, 0, record.time === null ? -1 : 8, record.offset, record.recordTime);
        }
      },
    }],
  };
}

function count(
  records: readonly Rec[],
  options: { rules?: Partial<CountingRules>; tracker?: Tracker; from?: number; next?: number } = {},
) {
  const t = options.tracker ?? tracker(options.from);
  const delta = new Delta(() => "masked");
  new Counter({ ...RULES, ...options.rules }, new TimeReader()).count(t, batch(records, options), delta, NOW, NOW);
  return {
    t,
    delta,
    windows: [...delta.windows].map(([start, table]) => [start - W, table.hits]),
    late: [...delta.late].map(([start, table]) => [start - W, table.hits]),
  };
}

Deno.test("count() puts an event at a window's start into it and one at its end into the next", () => {
  const { windows } = count([{ time: W }, { time: W + 299_999 }, { time: W + 300_000 }]);
  assertEquals(windows, [[0, 2], [300_000, 1]]);
});

Deno.test("count() calls a record late from end + delay on, not one ms earlier", () => {
  const cases: [number, number, number][] = [[359_999, 2, 0], [360_000, 1, 1], [360_001, 1, 1]];
  for (const [raiser, inFirst, late] of cases) {
    const { t, windows } = count([{ time: W }, { time: W + raiser }, { time: W + 299_999 }]);
    assertEquals(t.tally.late, late, `raised by an event at end + ${raiser - 300_000}`);
    assertEquals(windows.find(([start]) => start === 0)?.[1], inFirst);
  }
});

Deno.test("count() raises the watermark to event time - delay, and equal times do not raise it again", () => {
  const { t } = count([{ time: W + 10_000 }, { time: W + 10_000 }, { time: W }]);
  assertEquals([t.watermark, t.recordWatermark], [W + 10_000 - 60_000, W + 10_000 - 60_000]);
  assertEquals(t.tally.counted, 3);
});

Deno.test("count() counts an event of a fast clock in its window but raises the watermark to record time only", () => {
  const seen = NOW - 60 * MINUTE;
  const { t, windows } = count([{ time: seen + 4 * MINUTE, recordTime: seen }]);
  assertEquals(t.watermark, seen - MINUTE);
  assertEquals(windows.length, 1);
});

Deno.test("count() makes a dead letter of an event beyond the skew, at the boundary", () => {
  const cases: [number, number][] = [[5 * MINUTE, 0], [5 * MINUTE + 1, 1]];
  for (const [ahead, dead] of cases) {
    const { t, delta } = count([{ time: NOW + ahead, recordTime: NOW }]);
    assertEquals(t.tally.dead, dead);
    if (dead) assertEquals([t.watermark, delta.dead.counts[0]!.reason], [NEVER, "future_event_time"]);
  }
});

Deno.test("count() never takes record time above the reader's clock", () => {
  const { t } = count([{ time: NOW + 6 * MINUTE, recordTime: NOW + 60 * MINUTE }, {
    time: NOW + MINUTE,
    recordTime: NOW + 60 * MINUTE,
  }]);
  assertEquals([t.tally.dead, t.tally.counted, t.watermark], [1, 1, NOW - MINUTE]);
});

Deno.test("count() books tombstones, dead letters and holes so that every offset is accounted for", () => {
  const { t } = count([{ time: W, offset: 10 }, { time: null, offset: 12 }, { time: "bad_json", offset: 13 }, {
    time: W,
    offset: 20,
  }], { from: 8, next: 25 });
  const { counted, late, dead, nulls, skipped } = t.tally;
  assertEquals({ counted, late, dead, nulls, skipped }, {
    counted: 2,
    late: 0,
    dead: 1,
    nulls: 1,
    skipped: 2 + 1 + 6 + 4,
  });
  assertEquals(counted + late + dead + nulls + skipped, 25 - 8);
  assertEquals(t.position, 25);
});

Deno.test("count() moves no watermark for dead letters, tombstones and late records", () => {
  const { t } = count([{ time: W + 600_000 }, { time: null }, { time: "bad_json" }, { time: W }]);
  assertEquals([t.watermark, t.tally.late], [W + 540_000, 1]);
});

Deno.test("count() keeps late records by their window, or only counts them with LATE_POLICY=drop", () => {
  const records: Rec[] = [{ time: W + 900_000 }, { time: W + 1 }, { time: W + 2 }];
  assertEquals(count(records).late, [[0, 2]]);
  const dropped = count(records, { rules: { latePolicy: "drop" } });
  assertEquals([dropped.late, dropped.t.tally.late, dropped.t.tally.lateDropped], [[], 2, 2]);
});

Deno.test("count() forgets the silence only when a record confirms the watermark", () => {
  const t = tracker();
  t.watermark = W + 300_000 as EpochMs;
  t.quietSince = W as EpochMs;
  count([{ time: W + 300_000 }], { tracker: t });
  assertEquals(t.quietSince, W as EpochMs, "its own watermark is still below the idle advance");
  const after = batch([{ time: W + 360_000 }], { from: 1 });
  new Counter(RULES, new TimeReader()).count(t, after, new Delta(() => ""), NOW, NOW);
  assertEquals([t.quietSince, t.raisedAt], [null, NEVER], "equal is enough to confirm, but raises nothing");
});

Deno.test("count() refuses a batch that does not continue at the position", () => {
  assertThrows(() => count([{ time: W }], { tracker: tracker(5), from: 0 }), BugError, "position is 5");
});
