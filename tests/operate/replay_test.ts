// The replay of hand-made logs: advances at their offsets, cuts, ranges, and the comparison of two versions.
import { assertEquals, assertRejects } from "@std/assert";
import { RULES_1, RULES_2, rulesJson, type StreamRules } from "../../src/event/stream_rules.ts";
import { createEventReader } from "../../src/event/fast_reader.ts";
import { createPlaceLocator } from "../../src/geo/place_locator.ts";
import type { LogReader } from "../../src/operate/log_reader.ts";
import { replay } from "../../src/operate/replay.ts";
import type { ReplayTask } from "../../src/operate/replay_plan.ts";
import type { RuleSpan } from "../../src/operate/rules_store.ts";
import { compareTables, type Hits, keyOf, type Tables } from "../../src/operate/replay_tables.ts";
import { NamedError } from "../../src/shared/errors.ts";
import { type DurationMs, type EpochMs, MINUTE, NEVER, type Offset, type PartitionId } from "../../src/shared/units.ts";
import { DAY, event } from "./rig.ts";

const P0 = 0 as PartitionId;
const WINDOW = 5 * MINUTE;

/** A log of events given by their minute, `size` records a batch. */
function logOf(minutes: readonly number[], size: number, host = "shop.example"): LogReader {
  const end = minutes.length as Offset;
  return {
    identify: () => Promise.resolve({ topicId: null, partitions: [] }),
    close: () => Promise.resolve(),
    read: (partition, from) => {
      const next = Math.min(from + size, end) as Offset;
      const records = minutes.slice(from, next).map((minute) =>
        new TextEncoder().encode(event(minute * MINUTE, { host }))
      );
      const run = {
        walk(start: Offset, visit: (bytes: Uint8Array, at: number, end: number, offset: number, time: number) => void) {
          records.forEach((bytes, i) => {
            if (from + i >= start) visit(bytes, 0, bytes.length, from + i, DAY + 1000 * MINUTE);
          });
        },
      };
      return Promise.resolve([{
        partition,
        from,
        next,
        logStart: 0 as Offset,
        logEnd: end,
        lastStable: end,
        sentAt: DAY as EpochMs,
        runs: [run],
      }]);
    },
  };
}

const task = (to: number, over: Partial<ReplayTask> = {}): ReplayTask => ({
  partition: P0,
  from: { offset: 0 as Offset, watermark: NEVER },
  to: to as Offset,
  advances: [],
  skips: [],
  ...over,
});

async function run(log: LogReader, tasks: readonly ReplayTask[], range: readonly [number, number]) {
  const tables = await tablesOf(log, tasks, range);
  const brief = (rows: Map<string, Hits>) =>
    Object.fromEntries([...rows].map(([key, { hits }]) => [(JSON.parse(key)[0] - DAY) / MINUTE, hits]));
  return { counted: brief(tables.counted), late: brief(tables.late), records: tables.records };
}

function tablesOf(
  log: LogReader,
  tasks: readonly ReplayTask[],
  range: readonly [number, number],
  spans: readonly RuleSpan[] = [],
): Promise<Tables> {
  const places = createPlaceLocator({ v4: null, v6: null });
  return replay(tasks, {
    log,
    events: createEventReader({
      stream: RULES_1,
      format: "json",
      referrerGranularity: "raw",
      keyBytesMax: 1024,
      trustedProxyHops: 0,
      defaultHost: undefined,
      locator: places,
      hashSeed: 1,
    }),
    places,
    spans,
    rules: {
      windowSize: WINDOW as DurationMs,
      watermarkDelay: MINUTE,
      maxFutureSkew: WINDOW as DurationMs,
      latePolicy: "store",
      offsetsCountRecords: true,
    },
    from: DAY + range[0] * MINUTE as EpochMs,
    to: DAY + range[1] * MINUTE as EpochMs,
    now: DAY + 2000 * MINUTE as EpochMs,
    signal: new AbortController().signal,
  });
}

const hostsOf = ({ counted }: Tables) => [...counted].map(([key, { hits }]) => `${JSON.parse(key)[1]} ${hits}`).sort();

// Minute 12 makes the watermark 11, so that window [5, 10) is over and minute 9 is late.
const MINUTES = [1, 2, 6, 7, 12, 9, 13, 3];

const span = (revision: number, from: number, rules: StreamRules): RuleSpan => ({
  partition: P0,
  revision,
  from: from as Offset,
  rules: rulesJson(rules),
  switchedAt: DAY as EpochMs,
});

Deno.test("replay() reads each record by the rules that held at its offset, whatever the batches", async () => {
  const spans = [span(1, 0, RULES_1), span(2, 3, RULES_2), span(3, 5, RULES_1), span(4, 5, RULES_2)];
  for (let size = 1; size <= 8; size++) {
    const log = logOf([1, 1, 1, 1, 1, 1, 1, 1], size, "Shop.example.:443");
    assertEquals(
      hostsOf(await tablesOf(log, [task(8)], [0, 20], spans)),
      ["shop.example 5", "shop.example.:443 3"],
      `batches of ${size}`,
    );
  }
});

Deno.test("replay() reads a stream from before stored rules by version 1", async () => {
  assertEquals(hostsOf(await tablesOf(logOf([1, 2], 1, "Shop.example."), [task(2)], [0, 20])), ["shop.example. 2"]);
});

Deno.test("replay() counts windows of the range alone, whatever the batches", async () => {
  for (let size = 1; size <= 8; size++) {
    assertEquals(await run(logOf(MINUTES, size), [task(8)], [0, 20]), {
      counted: { 0: 2, 5: 2, 10: 2 },
      late: { 0: 1, 5: 1 },
      records: 8,
    });
    assertEquals(await run(logOf(MINUTES, size), [task(8)], [5, 10]), {
      counted: { 5: 2 },
      late: { 5: 1 },
      records: 8,
    });
    // Read up to where the stream stood, not to the log's end.
    assertEquals(await run(logOf(MINUTES, size), [task(5)], [0, 20]), {
      counted: { 0: 2, 5: 2, 10: 1 },
      late: {},
      records: 5,
    });
  }
});

Deno.test("replay() judges the records at and above an advance by it, inside of a batch too", async () => {
  for (let size = 1; size <= 8; size++) {
    const advances = [{ atOffset: 2 as Offset, watermark: DAY + 10 * MINUTE as EpochMs }];
    assertEquals(await run(logOf(MINUTES, size), [task(8, { advances })], [0, 10]), {
      counted: { 0: 2 },
      late: { 0: 1, 5: 3 },
      records: 8,
    });
    // At the very end it judges nothing that was read.
    const after = [{ atOffset: 8 as Offset, watermark: DAY + 100 * MINUTE as EpochMs }];
    assertEquals((await run(logOf(MINUTES, size), [task(8, { advances: after })], [0, 20])).late, { 0: 1, 5: 1 });
  }
});

Deno.test("replay() begins with the anchor's watermark and jumps accepted gaps", async () => {
  const from = { offset: 2 as Offset, watermark: DAY + 10 * MINUTE as EpochMs };
  assertEquals(await run(logOf(MINUTES, 3), [task(8, { from })], [0, 20]), {
    counted: { 10: 2 },
    late: { 0: 1, 5: 3 },
    records: 6,
  });
  // Batches of two end where the gap begins.
  const skips = [{ from: 2 as Offset, to: 4 as Offset }];
  assertEquals((await run(logOf(MINUTES, 2), [task(8, { skips })], [0, 20])).counted, { 0: 2, 10: 2 });
});

Deno.test("replay() refuses a log that ends too early", async () => {
  const error = await assertRejects(() => run(logOf(MINUTES, 3), [task(9)], [0, 20]), NamedError);
  assertEquals(error.code, "log_gone");
});

Deno.test("compareTables() tells hits from places, and compares folded windows by their sum", () => {
  const key = (window: number, host: string, city: string) =>
    keyOf({ window, host, referrer: "", countryCode: "DE", region: "", city });
  const tables = (counted: Record<string, number>, late: Record<string, number> = {}): Tables => {
    const rows = (given: Record<string, number>) =>
      new Map(Object.entries(given).map(([k, hits]) => [k, { hits, bots: 0 }]));
    return { counted: rows(counted), late: rows(late), records: 0 };
  };
  const brief = (a: Tables, b: Tables, folded: number[] = []) =>
    compareTables(a, b, new Set(folded)).map((
      d,
    ) => [d.table, d.kind, d.window, d.host, d.city, d.published.hits, d.replayed.hits]);
  const a = tables({ [key(0, "a", "Ulm")]: 3, [key(0, "b", "Ulm")]: 1, [key(5, "a", "Ulm")]: 2 });
  assertEquals(brief(a, a), []);
  assertEquals(brief(a, tables({ [key(0, "a", "Bonn")]: 3, [key(0, "b", "Ulm")]: 1, [key(5, "a", "Ulm")]: 1 })), [
    ["counted", "place", 0, "a", "Ulm", 3, 0],
    ["counted", "place", 0, "a", "Bonn", 0, 3],
    ["counted", "hits", 5, "a", "Ulm", 2, 1],
  ]);
  const folded = tables({ [key(0, "(other)", "")]: 4, [key(5, "a", "Ulm")]: 2 });
  assertEquals(brief(folded, a, [0]), []);
  assertEquals(brief(folded, tables({ [key(0, "a", "Ulm")]: 5, [key(5, "a", "Ulm")]: 2 }), [0]), [[
    "counted",
    "hits",
    0,
    "(all)",
    "",
    4,
    5,
  ]]);
  assertEquals(brief(tables({}, { [key(0, "a", "Ulm")]: 1 }), tables({})), [["late", "hits", 0, "a", "Ulm", 1, 0]]);
  const bots = tables({});
  bots.counted.set(key(0, "a", "Ulm"), { hits: 3, bots: 1 });
  assertEquals(compareTables(tables({ [key(0, "a", "Ulm")]: 3 }), bots, new Set()).length, 1);
});
