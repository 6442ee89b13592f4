// Breakdowns and visitors of single records: what is added where, and that counting stops before a record whose salt is missing. The reader
// takes its events from a list.
import { assert, assertEquals } from "@std/assert";
import { DIMENSION_BITS } from "../../src/breakdown/dimensions.ts";
import { KEY_BYTES, sipKey } from "../../src/breakdown/siphash.ts";
import { sketchBytes } from "../support/sketch.ts";
import type { VisitorSalt } from "../../src/breakdown/visitor.ts";
import type { EventBreakdowns, EventReader, ReadCode } from "../../src/event/types.ts";
import {
  DAY,
  type DurationMs,
  type EpochMs,
  HOUR,
  MINUTE,
  NEVER,
  type Offset,
  offset,
  partitionId,
} from "../../src/shared/units.ts";
import type { FetchedBatch } from "../../src/source/port.ts";
import { Counter, type CountingRules } from "../../src/window/counter.ts";
import { Delta, type DeltaBounds, NO_BOUNDS } from "../../src/window/delta.ts";
import { freshTracker } from "../../src/operate/topic_sample.ts";
import type { Tracker } from "../../src/window/tracker.ts";
import { dayOfWindow, Visitors } from "../../src/window/visitors.ts";

const ALL = Object.values(DIMENSION_BITS).reduce((all, bit) => all | bit, 0);
const RULES: CountingRules = {
  windowSize: 5 * MINUTE as DurationMs,
  watermarkDelay: HOUR,
  maxFutureSkew: DAY,
  latePolicy: "store",
  offsetsCountRecords: true,
};
const W = Date.parse("2026-01-31T00:00:00Z");
const NOW = W + DAY as EpochMs;

interface Rec {
  readonly time: number;
  readonly host?: number;
  readonly page?: number;
  readonly client?: number;
  readonly campaign?: number;
  readonly bot?: number;
  readonly visitor?: number;
}

const text = (name: string) => ({ text: (id: number) => `${name}${id}`, bytes: () => 10, size: 100 });

/** Takes records from `records`, by the index in the first bytes of a value. */
class RecordReader implements EventReader {
  use(): void {}
  useHost(): void {}
  eventTime = 0;
  host = 0;
  referrer = 0;
  place = 0;
  bot = 0;
  memoryBytes = 0;
  resets = 0;
  hosts = text("h");
  referrers = text("r");
  #visitor = 0;
  readonly breakdown: EventBreakdowns & { page: number; client: number; campaign: number };

  constructor(readonly records: readonly Rec[], counted: number) {
    this.breakdown = {
      counted,
      page: 0,
      client: 0,
      campaign: 0,
      pages: text("p"),
      clients: text("c"),
      campaigns: text("u"),
      visitor: (salt) => (this.#visitor * 7 + salt.number) % 16_384 * 64 + 1 + this.#visitor % 3,
    };
  }

  read(bytes: Uint8Array, start: number): ReadCode {
    const record = this.records[new DataView(bytes.buffer).getInt32(start)]!;
    this.eventTime = record.time;
    this.host = record.host ?? 0;
    this.bot = record.bot ?? 0;
    this.breakdown.page = record.page ?? 0;
    this.breakdown.client = record.client ?? 0;
    this.breakdown.campaign = record.campaign ?? 0;
    this.#visitor = record.visitor ?? 0;
    return 0;
  }

  reset() {
    this.resets++;
    this.memoryBytes = 0;
  }
}

/** Every third offset is a hole. */
const offsetOf = (i: number) => 10 + i + Math.floor(i / 2);

function batch(count: number, from = 7): FetchedBatch {
  const next = offset(offsetOf(count));
  return {
    partition: partitionId(0),
    from: from as Offset,
    next,
    logStart: offset(0),
    logEnd: next,
    lastStable: next,
    sentAt: NOW,
    runs: [{
      walk(first, visit) {
        const bytes = new Uint8Array(4);
        for (let i = 0; i < count; i++) {
          if (offsetOf(i) < first) continue;
          new DataView(bytes.buffer).setInt32(0, i);
          visit(bytes, 0, 4, offsetOf(i), NOW);
        }
      },
    }],
  };
}

const tracker = (watermark: number = NEVER): Tracker => {
  const t = freshTracker(partitionId(0), offset(7), NOW);
  t.watermark = watermark as EpochMs;
  return t;
};
const saltOf = (number: number): VisitorSalt => ({
  id: `salt ${number}`,
  key: sipKey(new Uint8Array(KEY_BYTES)),
  number,
});

/** `host value: hits/bots` of a dimension in each window, and updates by day and host. */
class Sums {
  readonly pairs = new Map<string, number>();
  readonly sketches = new Map<string, number[]>();

  add(delta: Delta): void {
    for (const [kind, tables] of [["counted", delta.windows], ["late", delta.late]] as const) {
      for (const [start, table] of tables) {
        for (const dimension of ["page", "client", "campaign"] as const) {
          const pairs = table.pairs?.[dimension];
          if (!pairs) continue;
          let hits = 0, bots = 0;
          for (let i = 0; i < pairs.size; i++) {
            const key = `${kind} ${start - W} ${dimension} ${pairs.host[i]} ${pairs.value[i]}`;
            this.pairs.set(key, (this.pairs.get(key) ?? 0) + pairs.pairHits[i]! * 1_000 + pairs.pairBotHits[i]!);
            hits += pairs.pairHits[i]!;
            bots += pairs.pairBotHits[i]!;
          }
          assertEquals([hits, bots], [table.hits, table.botHits], `${dimension} adds up to the window`);
        }
      }
    }
    for (const [day, { saltId, size, host, update }] of delta.visitors) {
      for (let i = 0; i < size; i++) {
        const key = `${day - dayOfWindow(W)} ${saltId} ${host[i]}`;
        this.sketches.set(key, [...this.sketches.get(key) ?? [], update[i]!]);
      }
    }
  }

  get all(): unknown {
    const sketches = [...this.sketches].map(([key, list]) => [key, sketchBytes(list).join()]);
    return { pairs: [...this.pairs].sort(), sketches: sketches.sort() };
  }
}

/** Counts all records, in as many deltas as the bounds ask for; salts are learned where the counter asks. Returns the days asked for. */
function countAll(
  records: readonly Rec[],
  options: { counted?: number; bounds?: Partial<DeltaBounds>; known?: readonly number[]; tracker?: Tracker } = {},
) {
  const { counted = ALL, known = [] } = options, t = options.tracker ?? tracker();
  const reader = new RecordReader(records, counted), visitors = new Visitors(), asked: number[] = [];
  for (const day of known) visitors.learn(day + dayOfWindow(W), saltOf(day + 10));
  const counter = new Counter(RULES, reader, { ...NO_BOUNDS, ...options.bounds }, visitors);
  const sums = new Sums(), deltas: Delta[] = [];
  let delta = new Delta(() => "", counted);
  for (let done = false; !done;) {
    done = counter.count(t, { ...batch(records.length), from: t.position }, delta, NOW, NOW);
    const { wants } = counter;
    if (wants !== null) {
      assertEquals(done, false);
      asked.push(wants - dayOfWindow(W));
      visitors.learn(wants, saltOf(asked.at(-1)! + 10));
    } else {
      sums.add(delta);
      deltas.push(delta);
      delta = new Delta(() => "", counted);
    }
  }
  return { t, deltas, asked, sums: sums.all, bytes: counter.bytes, reader, visitors, sketches: sums.sketches };
}

/** Over three days, two hosts, a few values, bots, and visitors who come again. */
const MANY: readonly Rec[] = Array.from({ length: 240 }, (_, i) => ({
  time: W + (i * 7_919 % 71) * HOUR / 2 + i % 5 * MINUTE * 5,
  host: i % 2,
  page: i * 13 % 11,
  client: i % 4,
  campaign: i % 9 === 0 ? 1 : 0,
  bot: i % 7 === 3 ? 1 : 0,
  visitor: i * 31 % 40,
})).sort((a, b) => a.time - b.time);

Deno.test("count() adds each hit to each breakdown of its window, and human visitors to their day", () => {
  const { deltas, sums, asked } = countAll([
    { time: W, page: 1, client: 2, campaign: 3, visitor: 5 },
    { time: W + 1, page: 1, client: 2, campaign: 3, bot: 1, visitor: 6 },
    { time: W + 2, page: 4, client: 2, host: 1, visitor: 5 },
    { time: W + 5 * MINUTE, page: 1, visitor: 5 },
  ]);
  assertEquals(asked, [0]);
  assertEquals(deltas.length, 1);
  assertEquals(sums, {
    pairs: [
      ["counted 0 campaign 0 3", 2_001],
      ["counted 0 campaign 1 0", 1_000],
      ["counted 0 client 0 2", 2_001],
      ["counted 0 client 1 2", 1_000],
      ["counted 0 page 0 1", 2_001],
      ["counted 0 page 1 4", 1_000],
      ["counted 300000 campaign 0 0", 1_000],
      ["counted 300000 client 0 0", 1_000],
      ["counted 300000 page 0 1", 1_000],
    ],
    sketches: [0, 1].map((host) => [`0 salt 10 ${host}`, sketchBytes([(5 * 7 + 10) * 64 + 3]).join()]),
  });
  assertEquals(deltas[0]!.visitors.get(dayOfWindow(W))!.size, 2, "a visitor who comes again is not sent again");
});

Deno.test("count() stops before the first record whose salt is missing, without a trace of it", () => {
  const records = [{ time: W, visitor: 1 }, { time: W + DAY - 1, visitor: 2 }, { time: W + DAY - 2, bot: 1 }];
  const t = tracker(), reader = new RecordReader(records, ALL), visitors = new Visitors();
  const counter = new Counter(RULES, reader, NO_BOUNDS, visitors), delta = new Delta(() => "", ALL);
  const count = () => counter.count(t, { ...batch(3), from: t.position }, delta, NOW, NOW);
  assertEquals([count(), counter.wants], [false, dayOfWindow(W)]);
  assertEquals([t.position, t.tally.counted, t.tally.skipped, counter.bytes, delta.windows.size], [10, 0, 3, 0, 0]);
  assertEquals([count(), t.tally.skipped], [false, 3], "asked again, it books nothing twice");
  visitors.learn(dayOfWindow(W), saltOf(1));
  assertEquals([count(), counter.wants], [true, null]);
  assertEquals([t.position as number, t.tally.counted, t.tally.skipped], [14, 3, 4]);
  assertEquals([counter.bytes, t.lastEventTime, delta.visitors.get(dayOfWindow(W))!.size], [12, W + DAY - 1, 2]);
});

Deno.test("count() asks for no salt for bots, late records, or where visitors are not counted", () => {
  assertEquals(countAll([{ time: W, bot: 1 }, { time: W, bot: 1, visitor: 2 }]).asked, []);
  const late = countAll([{ time: W, page: 3, visitor: 2 }], { tracker: tracker(W + HOUR) });
  assertEquals([late.asked, late.deltas[0]!.visitors.size], [[], 0]);
  assertEquals((late.sums as { pairs: unknown[] }).pairs[2], ["late 0 page 0 3", 1_000]);
  const known = countAll([{ time: W, visitor: 2 }], { tracker: tracker(W + HOUR), known: [0] });
  assertEquals(known.deltas[0]!.visitors.size, 0, "a late record changes no sketch, also where the salt is known");
  const delta = new Delta(() => "", ALL);
  const reader = new RecordReader([{ time: W }], ALL);
  assert(new Counter(RULES, reader).count(tracker(), batch(1), delta, NOW, NOW));
  assertEquals([delta.visitors.size, delta.windows.size], [0, 1]);
});

Deno.test("count() in parts comes to what it comes to as a whole, with salts known or not", () => {
  const whole = countAll(MANY, { known: [0, 1, 2] });
  assertEquals([whole.deltas.length, whole.asked], [1, []]);
  const state = ({ t, bytes, sums }: ReturnType<typeof countAll>) => ({ tracker: { ...t }, bytes, sums });
  const asking = countAll(MANY);
  assertEquals(state(asking), state(whole));
  assertEquals(asking.asked, [0, 1]);
  for (const bounds of [{ maxDeltaKeys: 1 }, { maxDeltaKeys: 7 }, { maxDeltaBytes: 1 }, { maxDeltaBytes: 9_000 }]) {
    const parts = countAll(MANY, { bounds });
    assertEquals(state(parts), state(whole), JSON.stringify(bounds));
    assert(parts.deltas.length > 20);
  }
});

Deno.test("count() counts the dimensions that it is asked for, and no others", () => {
  for (const counted of [DIMENSION_BITS.page, DIMENSION_BITS.client, DIMENSION_BITS.campaign, DIMENSION_BITS.channel]) {
    const { deltas } = countAll(MANY.slice(0, 20), { counted, known: [0] });
    for (const { pairs } of deltas[0]!.windows.values()) {
      assertEquals(pairs!.counted, counted);
      assertEquals([pairs!.page, pairs!.client, pairs!.campaign].map((table) => table !== null), [
        counted === DIMENSION_BITS.page,
        counted === DIMENSION_BITS.client,
        counted === DIMENSION_BITS.campaign,
      ]);
    }
  }
});

Deno.test("count() books pairs and updates with the bytes of each text once, and stops at their bound", () => {
  const one = countAll([{ time: W, page: 1, visitor: 1 }], { known: [0] }).deltas[0]!;
  // A key with host and referrer, three pairs with a value each, an update with its host, and the window.
  assertEquals([one.keys, one.bytes], [4, 4_096 + 80 + 20 + 3 * (68 + 10) + 28 + 10]);
  const two = countAll([{ time: W, page: 1, visitor: 1 }, { time: W, page: 2, visitor: 2 }], { known: [0] }).deltas[0]!;
  assertEquals([two.keys - one.keys, two.bytes - one.bytes], [1, 68 + 10 + 28]);
});

Deno.test("count() forgets what was sent when it forgets the ids of hosts", () => {
  const records = Array.from({ length: 3 }, () => ({ time: W, visitor: 1 }));
  const reader = new RecordReader(records, ALL), visitors = new Visitors();
  visitors.learn(dayOfWindow(W), saltOf(1));
  const counter = new Counter(RULES, reader, { ...NO_BOUNDS, maxDictionaryBytes: 100 }, visitors);
  const first = new Delta(() => "", ALL);
  counter.count(tracker(), batch(3), first, NOW, NOW);
  assertEquals(first.visitors.size, 1);
  // The next delta is empty, and a look is due: ids of hosts begin anew.
  counter.bytes += 1 << 20;
  reader.memoryBytes = 200;
  const second = new Delta(() => "", ALL);
  counter.count(tracker(), batch(3), second, NOW, NOW);
  assertEquals([reader.resets, second.visitors.size], [1, 1]);
});
