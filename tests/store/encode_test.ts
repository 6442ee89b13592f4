// A frozen payload decodes to what was counted, with the compare of every partition that moved.
import { assertEquals } from "@std/assert";
import { Encoder } from "../../src/store/encode.ts";
import type { Chunk } from "../../src/store/port.ts";
import { type EpochMs, NEVER, type Offset, offset, partitionId } from "../../src/shared/units.ts";
import { Delta } from "../../src/window/delta.ts";
import { Tracker } from "../../src/window/tracker.ts";

const HOSTS = ["a.example", "", 'quote"\\', "ünï"], REFERRERS = ["", "https://r.example/"];
const PLACES = [
  { countryCode: "AU", region: "NSW", city: "Sydney" },
  { countryCode: "unknown", region: "", city: "" },
  { countryCode: "XX", region: "a\x1eb", city: "" },
];
const texts = {
  hosts: { text: (id: number) => HOSTS[id]!, size: HOSTS.length },
  referrers: { text: (id: number) => REFERRERS[id]!, size: REFERRERS.length },
  place: (id: number) => PLACES[id]!,
  placeCount: () => PLACES.length,
};

/** The slow and obvious reading of a chunk. */
function rows(chunk: Chunk): string[] {
  const list = (text: string) => text.split("\x1f").slice(0, -1);
  const numbers = (text: string) => text.split(",").map(Number);
  const [hosts, referrers, places] = [list(chunk.hosts), list(chunk.referrers), list(chunk.places)];
  const [h, r, p, hits, bots] = [chunk.hostIx, chunk.referrerIx, chunk.placeIx, chunk.keyHits, chunk.keyBotHits].map(
    numbers,
  );
  return h!.map((ix, i) =>
    [hosts[ix - 1], referrers[r![i]! - 1], ...places[p![i]! - 1]!.split("\x1e"), hits![i], bots![i]].join("|")
  );
}

const tracker = (partition: number, position: number) => {
  const t = new Tracker({
    partition: partitionId(partition),
    commitId: `old${partition}`,
    nextOffset: offset(10),
    firstOffset: offset(0),
    watermark: NEVER,
    recordWatermark: NEVER,
    maxWindowEnd: NEVER,
    raisedAt: NEVER,
    quietSince: null,
    retired: false,
  }, 0 as EpochMs);
  t.position = position as Offset;
  return t;
};

Deno.test("Encoder.freeze() makes self-contained chunks", () => {
  const delta = new Delta(() => "");
  delta.table(300_000).add(2, 1, 0, 1);
  delta.table(300_000).add(2, 1, 0, 0);
  delta.table(300_000).add(1, 0, 1, 0);
  delta.table(600_000).add(0, 0, 2, 0);
  delta.lateTable(0).add(3, 0, 1, 0);
  const { chunks, keys } = new Encoder(texts).freeze(delta, [], "id", "interval");
  assertEquals(chunks.map((c) => [c.late, c.windowStart as number, c.hits, c.botHits, c.keys]), [
    [false, 300_000, 3, 1, 2],
    [false, 600_000, 1, 0, 1],
    [true, 0, 1, 0, 1],
  ]);
  assertEquals(chunks.map(rows), [
    ['quote"\\|https://r.example/|AU|NSW|Sydney|2|1', "||unknown|||1|0"],
    ["a.example||XX|a\ufffdb||1|0"],
    ["ünï||unknown|||1|0"],
  ]);
  assertEquals(keys, 4);
});

Deno.test("Encoder.freeze() carries the compare of partitions that moved, ascending, and expects its own result next", () => {
  const encoder = new Encoder(texts);
  const [still, moved, idle] = [tracker(1, 10), tracker(2, 15), tracker(0, 10)];
  moved!.tally.counted = 4;
  moved!.tally.nulls = 1;
  idle!.idleAdvances.push({ atOffset: offset(10), watermark: 300_000 as EpochMs, quietSince: 5 as EpochMs });
  const payload = encoder.freeze(new Delta(() => ""), [still!, moved!, idle!], "first", "idle");
  assertEquals(
    payload.moves.map((m) => [m.partition as number, m.oldCommitId, m.oldNextOffset as number, m.nextOffset as number]),
    [[0, "old0", 10, 10], [2, "old2", 10, 15]],
  );
  assertEquals([payload.records, payload.moves[0]!.idleAdvances.length, payload.dead], [5, 1, null]);
  moved!.position = offset(20);
  const next = encoder.freeze(new Delta(() => ""), [still!, moved!, idle!], "second", "interval");
  assertEquals(next.moves.map((m) => [m.oldCommitId, m.oldNextOffset as number, m.counted]), [["first", 15, 0]]);
});
