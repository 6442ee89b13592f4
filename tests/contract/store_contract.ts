// What every Store owes the engine (src/store/port.ts), as one suite: run over the model database of the simulation, so that the model stays
// honest, and over PostgreSQL, so that ddl/ is what the model says.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Encoder } from "../../src/store/encode.ts";
import type { Chunk, CommitPayload, NewPartition, PartitionMove, Store, StreamSettings } from "../../src/store/port.ts";
import { UsageError } from "../../src/shared/errors.ts";
import { type EpochMs, NEVER, type Offset, type PartitionId } from "../../src/shared/units.ts";
import { KeyTable } from "../../src/window/key_table.ts";
import { parseStreamRules, RULES_1, RULES_2, type StreamRules } from "../../src/event/stream_rules.ts";

/** A fresh, empty database under two instances. */
export interface StoreRig extends AsyncDisposable {
  readonly store: Store;
  readonly other: Store;
  /** Everything that was stored, read past the Store. */
  tables(): Promise<Tables>;
  /** What `tidemark rules --switch` does. */
  switchRules(rules: StreamRules): Promise<void>;
  /** Where rules hold: partition, first offset, version; by partition, then in the order of the switches. */
  spans(): Promise<(readonly [partition: number, from: number, version: number])[]>;
}

export interface Tables {
  /** `window start|host|referrer|country|region|city` → [hits, bot hits]. */
  readonly closed: Readonly<Record<string, readonly [number, number]>>;
  readonly late: Readonly<Record<string, readonly [number, number]>>;
  /** Sum of hits in open deltas by window start. */
  readonly open: Readonly<Record<string, number>>;
  /** Partition → [counted, late, late dropped, dead, null, skipped]. */
  readonly ledger: Readonly<Record<string, readonly number[]>>;
  /** `partition/reason` → records. */
  readonly dead: Readonly<Record<string, number>>;
  /** `[partition, at offset, watermark]` in order. */
  readonly advances: readonly (readonly number[])[];
}

export const SIZE = 300_000;
/** A window start. */
export const W = Date.UTC(2026, 2, 1, 12);

export const SETTINGS: StreamSettings = {
  source: "kafka",
  topic: "contract",
  topicId: "0a",
  group: "contract",
  windowSizeMs: SIZE,
  referrerGranularity: "raw",
  keyBytesMax: 1024,
  rules: RULES_2,
  offsetsCountRecords: true,
  anchor: W as EpochMs,
};

export const partition = (id: number, startOffset = 0, logStart = 0): NewPartition => ({
  partition: id as PartitionId,
  startOffset: startOffset as Offset,
  logStart: logStart as Offset,
});

/** A key and how often it was hit: `[host, referrer, hits, bot hits, place]`. */
type Hit = readonly [host: string, referrer: string, hits?: number, bots?: number, place?: number];

const PLACES = [
  { countryCode: "DE", region: "Berlin", city: "Berlin" },
  { countryCode: "unknown", region: "", city: "" },
];

/** Encodes hits of one window as the engine does. */
export function chunk(windowStart: number, hits: readonly Hit[], late = false): Chunk {
  const table = new KeyTable();
  const hosts = [...new Set(hits.map(([host]) => host))],
    referrers = [...new Set(hits.map(([, referrer]) => referrer))];
  const encoder = new Encoder({
    hosts: { text: (id) => hosts[id]!, size: hosts.length },
    referrers: { text: (id) => referrers[id]!, size: referrers.length },
    place: (id) => PLACES[id]!,
    placeCount: () => PLACES.length,
  });
  for (const [host, referrer, n = 1, bots = 0, place = 0] of hits) {
    for (let i = 0; i < n; i++) table.add(hosts.indexOf(host), referrers.indexOf(referrer), place, i < bots ? 1 : 0);
  }
  return encoder.chunk(windowStart, table, late);
}

export interface Step {
  /** From the stored row, unless given. */
  readonly oldCommitId?: string;
  readonly from?: number;
  readonly to: number;
  readonly watermark?: number;
  readonly maxWindowEnd?: number;
  readonly late?: number;
  readonly dead?: number;
  readonly nulls?: number;
  readonly skipped?: number;
  readonly idle?: readonly (readonly [atOffset: number, watermark: number])[];
}

/** A payload on top of what `store` holds now: `steps` by partition number. Counted is what is left of the range. */
export async function payload(
  store: Store,
  steps: Readonly<Record<number, Step>>,
  chunks: readonly Chunk[] = [],
  dead: CommitPayload["dead"] = null,
): Promise<CommitPayload> {
  const rows = new Map((await store.read())!.rows.map((row) => [Number(row.partition), row]));
  const moves = Object.entries(steps).map(([id, step]): PartitionMove => {
    const row = rows.get(Number(id));
    const from = step.from ?? row?.nextOffset ?? 0;
    const { late = 0, dead = 0, nulls = 0, skipped = 0, idle = [] } = step;
    return {
      partition: Number(id) as PartitionId,
      oldCommitId: step.oldCommitId ?? row?.commitId ?? crypto.randomUUID(),
      oldNextOffset: from as Offset,
      nextOffset: step.to as Offset,
      watermark: (step.watermark ?? row?.watermark ?? NEVER) as EpochMs,
      recordWatermark: (step.watermark ?? row?.recordWatermark ?? NEVER) as EpochMs,
      maxWindowEnd: (step.maxWindowEnd ?? NEVER) as EpochMs,
      raisedAt: W as EpochMs,
      quietSince: idle.length > 0 ? W as EpochMs : null,
      firstEventTime: null,
      newestEventTime: null,
      counted: step.to - from - late - dead - nulls - skipped,
      late,
      lateDropped: 0,
      dead,
      nulls,
      skipped,
      idleAdvances: idle.map(([atOffset, watermark]) => ({
        atOffset: atOffset as Offset,
        watermark: watermark as EpochMs,
        quietSince: W as EpochMs,
      })),
    };
  });
  const sum = moves.reduce((all, m) => all + m.nextOffset - m.oldNextOffset, 0);
  return {
    commitId: crypto.randomUUID(),
    reason: "interval",
    moves,
    chunks,
    visitors: [],
    dead,
    records: sum,
    keys: chunks.length,
  };
}

const key = (window: number, host: string, referrer: string, place = "DE|Berlin|Berlin") =>
  `${window}|${host}|${referrer}|${place}`;

/** Closes until there is nothing to close; returns the windows in order. */
async function closeAll(store: Store): Promise<number[]> {
  const closed: number[] = [];
  for (let tries = 0; tries < 200; tries++) {
    const outcome = await store.close();
    if (outcome.kind === "closed") closed.push(outcome.windowStart);
    if (outcome.kind === "nothing") break;
  }
  return closed;
}

/** The cases: name and body. */
export const STORE_CONTRACT: readonly { readonly name: string; readonly run: (rig: StoreRig) => Promise<void> }[] = [
  {
    name: "read() is null before the first join",
    run: async ({ store }) => assertEquals(await store.read(), null),
  },
  {
    name: "join() gives every partition a row at its start offset, before all time; again it changes nothing",
    run: async ({ store, other }) => {
      await store.join(SETTINGS, [partition(1, 7, 3), partition(0, 5, 2)]);
      const first = (await store.read())!;
      await other.join(SETTINGS, [partition(0, 99, 99), partition(1, 99, 99)]);
      assertEquals((await other.read())!.rows, first.rows);
      assertEquals(
        first.rows.map((r) => [r.partition, r.firstOffset, r.nextOffset, r.watermark, r.maxWindowEnd, r.retired]),
        [
          [0, 5, 5, NEVER, NEVER, false],
          [1, 7, 7, NEVER, NEVER, false],
        ],
      );
      assertEquals([first.topicId, first.closedThrough, first.stopped], ["0a", NEVER, null]);
    },
  },
  {
    name: "join() of two instances at once makes each row once",
    run: async ({ store, other }) => {
      const partitions = Array.from({ length: 6 }, (_, id) => partition(id));
      await Promise.all([store.join(SETTINGS, partitions), other.join(SETTINGS, partitions)]);
      assertEquals((await store.read())!.rows.map((row) => Number(row.partition)), [0, 1, 2, 3, 4, 5]);
    },
  },
  {
    name: "join() refuses a stream that was made with other settings",
    run: async ({ store }) => {
      await store.join(SETTINGS, [partition(0)]);
      await assertRejects(() => store.join({ ...SETTINGS, topic: "else" }, []), UsageError);
      await assertRejects(() => store.join({ ...SETTINGS, windowSizeMs: SIZE / 5 }, []), UsageError);
      assertEquals((await store.read())!.rows.length, 1);
    },
  },
  {
    name: "join() gives an added partition the log's start and the stored closed-through",
    run: async ({ store }) => {
      await store.join(SETTINGS, [partition(0)]);
      await store.commit(await payload(store, { 0: { to: 1, watermark: W + SIZE } }, [chunk(W, [["a", ""]])]));
      assertEquals(await closeAll(store), [W]);
      await store.join(SETTINGS, [partition(0), partition(1, 50, 20)]);
      const state = (await store.read())!;
      assertEquals(state.closedThrough, W + SIZE);
      const { firstOffset, watermark } = state.rows[1]!;
      assertEquals([firstOffset, watermark], [20, W + SIZE]);
    },
  },
  {
    name: "a new stream begins with the given rules; later joins do not change them",
    run: async ({ store, other }) => {
      await store.join({ ...SETTINGS, rules: RULES_1 }, [partition(0)]);
      await other.join(SETTINGS, [partition(0)]);
      assertEquals(parseStreamRules((await store.read())!.rules), RULES_1);
    },
  },
  {
    name: "a switch of the rules holds from the stored positions on, and fences what was counted before it",
    run: async ({ store, other, switchRules, spans }) => {
      await store.join({ ...SETTINGS, rules: RULES_1 }, [partition(0, 5), partition(1)]);
      await store.commit(await payload(store, { 0: { to: 9 } }, []));
      const before = (await store.read())!;
      const late = await payload(store, { 0: { to: 11 } }, [chunk(W, [["a", "", 2]])]);
      await switchRules(RULES_2);
      const after = (await store.read())!;
      assertEquals(parseStreamRules(after.rules), RULES_2);
      assertEquals(after.rows.map((row) => row.nextOffset), before.rows.map((row) => row.nextOffset));
      assertEquals(after.rows.filter((row, i) => row.commitId === before.rows[i]!.commitId), []);
      assertEquals(await other.commit(late), { kind: "fenced" });
      assertEquals(await other.commit(await payload(store, { 0: { to: 11 } }, [])), { kind: "committed" });
      await store.join(SETTINGS, [partition(2, 0, 3)]);
      assertEquals(await spans(), [[0, 5, 1], [0, 9, 2], [1, 0, 1], [1, 0, 2], [2, 3, 2]]);
    },
  },
  {
    name: "a switch to the rules that hold changes nothing",
    run: async ({ store, switchRules, spans }) => {
      await store.join(SETTINGS, [partition(0)]);
      const before = await store.read();
      await switchRules(RULES_2);
      assertEquals((await store.read())!.rows, before!.rows);
      assertEquals(await spans(), [[0, 0, 2]]);
    },
  },
  {
    name: "commit() moves every row, appends counts, late rows, dead letters and idle advances",
    run: async ({ store, tables }) => {
      await store.join(SETTINGS, [partition(0, 10), partition(1)]);
      const sent = await payload(
        store,
        {
          0: { to: 17, watermark: W + 1, maxWindowEnd: W + SIZE, late: 1, dead: 2, nulls: 1, skipped: 1 },
          1: { to: 2, watermark: W, idle: [[2, W]] },
        },
        [chunk(W, [["a", "", 3, 1], ["b", "r", 1]]), chunk(W - SIZE, [["a", "x"]], true)],
        {
          counts: [{ partition: 0 as PartitionId, reason: "bad_json", records: 2 }],
          ranges: [{
            partition: 0 as PartitionId,
            reason: "bad_json",
            firstOffset: 11,
            lastOffset: 12,
            firstLine: null,
            records: 2,
            runs: null,
          }],
          samples: [],
        },
      );
      assertEquals(await store.commit(sent), { kind: "committed" });
      const { rows } = (await store.read())!;
      assertEquals(rows.map((r) => [r.commitId, r.nextOffset, r.watermark]), [
        [sent.commitId, 17, W + 1],
        [sent.commitId, 2, W],
      ]);
      assertEquals([rows[0]!.maxWindowEnd, rows[0]!.quietSince, rows[1]!.quietSince], [W + SIZE, null, W]);
      const stored = await tables();
      assertEquals(stored.open, { [W]: 4 });
      assertEquals(stored.late, { [key(W - SIZE, "a", "x")]: [1, 0] });
      assertEquals(stored.ledger, { 0: [2, 1, 0, 2, 1, 1], 1: [2, 0, 0, 0, 0, 0] });
      assertEquals(stored.dead, { "0/bad_json": 2 });
      assertEquals(stored.advances, [[1, 2, W]]);
    },
  },
  {
    name: "commit() of the same payload again is fenced and doubles nothing",
    run: async ({ store, other, tables }) => {
      await store.join(SETTINGS, [partition(0)]);
      const sent = await payload(store, { 0: { to: 2 } }, [chunk(W, [["a", "", 2]])]);
      assertEquals(await store.commit(sent), { kind: "committed" });
      assertEquals(await other.commit(sent), { kind: "fenced" });
      assertEquals((await tables()).open, { [W]: 2 });
    },
  },
  ...([
    { what: "another commit id", step: { oldCommitId: "00000000-0000-4000-8000-000000000000", to: 2 } },
    { what: "another offset under the right id", step: { from: 1, to: 3 } },
  ] satisfies { what: string; step: Step }[]).map(({ what, step }) => ({
    name: `commit() over a row with ${what} is fenced`,
    run: async ({ store, tables }: StoreRig) => {
      await store.join(SETTINGS, [partition(0)]);
      const before = await store.read();
      assertEquals(await store.commit(await payload(store, { 0: step }, [chunk(W, [["a", "", 2]])])), {
        kind: "fenced",
      });
      assertEquals((await store.read())!.rows, before!.rows);
      assertEquals((await tables()).open, {});
    },
  })),
  {
    name: "commit() changes nothing where one of its rows has moved or is not there",
    run: async ({ store, other, tables }) => {
      await store.join(SETTINGS, [partition(0), partition(1)]);
      const both = await payload(store, { 0: { to: 2 }, 1: { to: 2 } }, [chunk(W, [["a", "", 4]])]);
      assertEquals(await other.commit(await payload(other, { 1: { to: 1 } }, [chunk(W, [["a", ""]])])), {
        kind: "committed",
      });
      const before = await store.read();
      assertEquals(await store.commit(both), { kind: "fenced" });
      assertEquals(
        await store.commit(await payload(store, { 0: { to: 2 }, 9: { to: 2 } }, [chunk(W, [["a", "", 4]])])),
        {
          kind: "fenced",
        },
      );
      assertEquals((await store.read())!.rows, before!.rows);
      assertEquals((await tables()).open, { [W]: 1 });
    },
  },
  {
    name: "commit() never lowers a stored watermark",
    run: async ({ store }) => {
      await store.join(SETTINGS, [partition(0)]);
      await store.commit(await payload(store, { 0: { to: 1, watermark: W + 5, maxWindowEnd: W + SIZE } }));
      await store.commit(await payload(store, { 0: { to: 2, watermark: W - 5, maxWindowEnd: W } }));
      const { watermark, recordWatermark, maxWindowEnd } = (await store.read())!.rows[0]!;
      assertEquals([watermark, recordWatermark, maxWindowEnd], [W + 5, W + 5, W + SIZE]);
    },
  },
  {
    name: "commit() of two instances from the same rows succeeds for one",
    run: async ({ store, other, tables }) => {
      await store.join(SETTINGS, [partition(0), partition(1)]);
      for (let round = 1; round <= 15; round++) {
        const steps = { 0: { to: round }, 1: { to: round } };
        const payloads = await Promise.all([store, other].map((s) => payload(s, steps, [chunk(W, [["a", "", 2]])])));
        const outcomes = await Promise.all([store.commit(payloads[0]!), other.commit(payloads[1]!)]);
        assertEquals(outcomes.map((o) => o.kind).sort(), ["committed", "fenced"]);
      }
      assertEquals((await tables()).open, { [W]: 30 });
    },
  },
  {
    name: "commit() of overlapping partitions in any order never deadlocks",
    run: async ({ store, other }) => {
      const ids = [0, 1, 2, 3, 4, 5, 6, 7];
      await store.join(SETTINGS, ids.map((id) => partition(id)));
      for (let round = 1; round <= 20; round++) {
        const steps = Object.fromEntries(ids.map((id) => [id, { to: round }]));
        const forward = await payload(store, steps), backward = await payload(other, steps);
        const outcomes = await Promise.all([
          store.commit(forward),
          other.commit({ ...backward, moves: backward.moves.toReversed() }),
        ]);
        assertEquals(outcomes.map((o) => o.kind).sort(), ["committed", "fenced"]);
      }
    },
  },
  {
    name: "texts of every kind come back as they were",
    run: async ({ store, tables }) => {
      const texts = ["", `"`, "\\", "{a,b}", "a\nb\tc", "NULL", "ü€😀", "%_", "--", "'", "\\x41", " "];
      await store.join(SETTINGS, [partition(0)]);
      const hits = texts.flatMap((text, i): Hit[] => [[`h${text}`, text, i + 1, i % 3, i % 2]]);
      const counted = hits.reduce((sum, [, , n]) => sum + n!, 0);
      await store.commit(await payload(store, { 0: { to: counted, watermark: W + SIZE } }, [chunk(W, hits)]));
      assertEquals(await closeAll(store), [W]);
      assertEquals(
        (await tables()).closed,
        Object.fromEntries(
          hits.map(([host, referrer, n, bots, place]) =>
            [key(W, host, referrer, place ? "unknown||" : undefined), [n!, bots!]] as const
          ),
        ),
      );
    },
  },
  {
    name: "close() does nothing while one partition has not reached the window's end",
    run: async ({ store, tables }) => {
      await store.join(SETTINGS, [partition(0), partition(1), partition(2)]);
      await store.commit(await payload(store, { 0: { to: 1, watermark: W + 10 * SIZE } }, [chunk(W, [["a", ""]])]));
      assertEquals(await store.close(), { kind: "nothing" });
      await store.commit(await payload(store, { 1: { to: 1, watermark: W + SIZE } }));
      assertEquals(await store.close(), { kind: "nothing" });
      await store.commit(await payload(store, { 2: { to: 1, watermark: W + SIZE - 1 } }));
      assertEquals(await store.close(), { kind: "nothing" });
      assertEquals((await tables()).closed, {});
      await store.commit(await payload(store, { 2: { to: 2, watermark: W + SIZE } }));
      assertEquals((await store.close()).kind, "closed");
    },
  },
  {
    name: "close() merges the deltas of all commits, oldest window first, one at a time, once",
    run: async ({ store, other, tables }) => {
      await store.join(SETTINGS, [partition(0)]);
      await store.commit(
        await payload(store, { 0: { to: 3 } }, [chunk(W, [["a", "", 2, 1]]), chunk(W + SIZE, [["b", ""]])]),
      );
      await other.commit(await payload(other, { 0: { to: 6 } }, [chunk(W, [["b", "r"], ["a", "", 2, 2]])]));
      await store.commit(
        await payload(store, { 0: { to: 7, watermark: W + 2 * SIZE } }, [chunk(W + SIZE, [["b", ""]])]),
      );
      const first = await store.close();
      assert(first.kind === "closed");
      assertEquals([first.windowStart, first.rows, first.hits, first.chunks], [W, 2, 5, 2]);
      assertEquals(await closeAll(other), [W + SIZE]);
      assertEquals(await store.close(), { kind: "nothing" });
      const stored = await tables();
      assertEquals(stored.open, {});
      assertEquals(stored.closed, {
        [key(W, "a", "")]: [4, 3],
        [key(W, "b", "r")]: [1, 0],
        [key(W + SIZE, "b", "")]: [2, 0],
      });
      assertEquals((await store.read())!.closedThrough, W + 2 * SIZE);
    },
  },
  {
    name: "close() of two instances at once closes each window once, while commits go on",
    run: async ({ store, other, tables }) => {
      await store.join(SETTINGS, [partition(0)]);
      const windows = Array.from({ length: 12 }, (_, i) => W + i * SIZE);
      await store.commit(
        await payload(store, { 0: { to: 12, watermark: W + 12 * SIZE } }, windows.map((w) => chunk(w, [["a", ""]]))),
      );
      const committing = (async () => {
        for (let to = 13; to < 20; to++) {
          const outcome = await other.commit(await payload(other, { 0: { to } }, [chunk(W + 20 * SIZE, [["a", ""]])]));
          assertEquals(outcome, { kind: "committed" });
        }
      })();
      const [mine, theirs] = await Promise.all([closeAll(store), closeAll(other), committing]);
      assertEquals([...mine, ...theirs].sort((a, b) => a - b), windows);
      assertEquals((await tables()).closed, Object.fromEntries(windows.map((w) => [key(w, "a", ""), [1, 0]] as const)));
    },
  },
  {
    name: "close() stores closed-through also where no window is open",
    run: async ({ store }) => {
      await store.join(SETTINGS, [partition(0)]);
      await store.commit(await payload(store, { 0: { to: 1, watermark: W + 3 * SIZE } }));
      assertEquals(await store.close(), { kind: "nothing" });
      assertEquals((await store.read())!.closedThrough, W + 3 * SIZE);
    },
  },
  {
    name: "stop() is recorded once: the first name stays",
    run: async ({ store, other }) => {
      await store.join(SETTINGS, [partition(0)]);
      await store.stop("data_gap", "gone");
      await other.stop("topic_recreated", "new");
      assertEquals((await store.read())!.stopped?.code, "data_gap");
    },
  },
];
