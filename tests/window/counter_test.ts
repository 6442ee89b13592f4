// The rules of time on single records, by boundary tables. The reader is a stand-in that takes the event time from eight bytes.
import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import { type EventBreakdowns, type EventReader, type ReadCode, readCode } from "../../src/event/types.ts";
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
import { Delta, type DeltaBounds, NO_BOUNDS } from "../../src/window/delta.ts";
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
  useHost(): void {}
  eventTime = 0;
  host = 0;
  referrer = 0;
  place = 0;
  bot = 0;
  memoryBytes = 0;
  hosts = { text: () => "h", bytes: () => 1, size: 1 };
  referrers = { text: () => "", bytes: () => 0, size: 1 };
  readonly breakdown: EventBreakdowns | null = null;
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

/** Hits by window over deltas that are filled one after the other, the tracker that is left, and how often a bound was reached. */
function inParts(whole: FetchedBatch, bounds: Partial<DeltaBounds>, reader = new TimeReader()) {
  const t = tracker(whole.from), counter = new Counter(RULES, reader, { ...NO_BOUNDS, ...bounds });
  const windows = new Map<string, number>(), deltas: Delta[] = [];
  let dead = 0;
  for (let done = false; !done;) {
    const delta = new Delta(() => "");
    const from = t.position;
    done = counter.count(t, { ...whole, from }, delta, NOW, NOW);
    assert(done || t.position > from, "each delta takes a record at least");
    for (const [kind, tables] of [["counted", delta.windows], ["late", delta.late]] as const) {
      for (const [start, { hits }] of tables) {
        const key = `${kind} ${start - W}`;
        windows.set(key, (windows.get(key) ?? 0) + hits);
      }
    }
    dead += delta.dead.count;
    deltas.push(delta);
  }
  return { t, deltas, sum: { windows: [...windows].sort(), dead, tracker: { ...t } } };
}

Deno.test("count() in parts comes to what it comes to as a whole, whichever bound ends a part", () => {
  const records: Rec[] = Array.from({ length: 200 }, (_, i) => ({
    time: i % 11 === 3 ? null : i % 13 === 5 ? "bad_json" : W + (i * 791_900 % 40_000_000),
    offset: 10 + i + Math.floor(i / 9), // holes, as compaction leaves them
  }));
  const whole = batch(records, { from: 7, next: 260 });
  const expected = inParts(whole, {});
  assertEquals(expected.deltas.length, 1);
  const known = new TimeReader();
  for (const maxDeltaKeys of [1, 2, 3, 5, 8]) {
    const { sum, deltas } = inParts(whole, { maxDeltaKeys });
    assertEquals(sum, expected.sum, `${maxDeltaKeys} keys`);
    assertEquals(Math.max(...deltas.map(({ keys }) => keys)), maxDeltaKeys);
  }
  for (const maxDeltaBytes of [1, 4_100, 9_000, 20_000]) {
    const { sum, deltas } = inParts(whole, { maxDeltaBytes });
    assertEquals(sum, expected.sum, `${maxDeltaBytes} bytes`);
    assertLess(Math.max(...deltas.map(({ bytes }) => bytes)), maxDeltaBytes + 4_200);
  }
  assertEquals(inParts(whole, {}, known).sum, expected.sum);
});

Deno.test("count() books the bytes of a text once a window, as the commit sends it", () => {
  /** Event time in seconds: 1 a host of 100 bytes, 2 another of 50, each with the same referrer of 1,000 bytes. */
  class Texts extends TimeReader {
    override hosts = { text: () => "h", bytes: (() => [0, 100, 50][this.host]!) as () => number, size: 3 };
    override referrers = { text: () => "r", bytes: (() => 1_000) as () => number, size: 1 };
    override read(bytes: Uint8Array, start: number): ReadCode {
      const code = super.read(bytes, start);
      this.host = this.eventTime / 1_000 % 10;
      this.place = Math.floor(this.eventTime / 10_000) % 10;
      return code;
    }
  }
  const reader = new Texts();
  const counter = new Counter(RULES, reader);
  const bytesOf = (seconds: readonly number[]) => {
    const delta = new Delta(() => "");
    counter.count(tracker(), batch(seconds.map((second) => ({ time: W + second * 1_000 }))), delta, NOW, NOW);
    return delta.bytes - delta.keys * 80 - delta.windows.size * 4_096;
  };
  assertEquals(bytesOf([1, 1, 11, 21]), 1_100); // one host in three places
  assertEquals(bytesOf([1, 2, 12]), 1_150);
  assertEquals(bytesOf([1, 601]), 2_200); // two windows: a chunk each
  assertEquals(bytesOf([1]), 1_100); // another delta
});

Deno.test("count() stops where the dictionaries reach their bound, and forgets those that no key names", () => {
  /** Each event is a new text of 64 KiB. */
  class Flood extends TimeReader {
    resets = 0;
    override read(bytes: Uint8Array, start: number): ReadCode {
      this.memoryBytes += 64 * 1024;
      return super.read(bytes, start);
    }
    override reset() {
      this.resets++;
      this.memoryBytes = 0;
    }
  }
  const wide = (times: readonly number[]): FetchedBatch => ({
    ...batch(times.map((time) => ({ time }))),
    runs: [{
      walk(first, visit) {
        const bytes = new Uint8Array(64 * 1024);
        times.forEach((time, i) => {
          if (i < first) return;
          new DataView(bytes.buffer).setFloat64(0, time);
          visit(bytes, 0, bytes.length, i, NOW);
        });
      },
    }],
  });
  const bounds = { ...NO_BOUNDS, maxDictionaryBytes: 640 * 1024 };
  const t = tracker(), counted = new Flood();
  assertEquals(
    new Counter(RULES, counted, bounds).count(t, wide(Array(100).fill(W)), new Delta(() => ""), NOW, NOW),
    false,
  );
  assertEquals([t.position <= 12, counted.resets], [true, 0], "ids of the delta are kept");
  const late = tracker(), dropped = new Flood();
  late.watermark = W + 86_400_000 as EpochMs;
  const counter = new Counter({ ...RULES, latePolicy: "drop" }, dropped, bounds);
  assertEquals(counter.count(late, wide(Array(100).fill(W)), new Delta(() => ""), NOW, NOW), true);
  assertLess(dropped.memoryBytes, 12 * 64 * 1024);
  assertEquals(late.tally.late, 100);
});
