// What of breakdowns is compared by a replay, and what is called what.
import { assertEquals } from "@std/assert";
import { createEventReader } from "../../src/event/fast_reader.ts";
import { RULES_2 } from "../../src/event/stream_rules.ts";
import { createPlaceLocator } from "../../src/geo/place_locator.ts";
import { comparePairs, foldedKey, pairKey, pairsOf, type Published } from "../../src/operate/replay_breakdowns.ts";
import { freshTracker } from "../../src/operate/topic_sample.ts";
import { type DurationMs, type EpochMs, MINUTE, offset, partitionId } from "../../src/shared/units.ts";
import { Encoder } from "../../src/store/encode.ts";
import { Counter } from "../../src/window/counter.ts";
import { Delta } from "../../src/window/delta.ts";

type Row = readonly [dimension: "page" | "client", host: string, value: string, hits: number, bots?: number];

const pairs = (rows: readonly Row[], table: "counted" | "late" = "counted", window = 0) =>
  new Map(
    rows.map(([dimension, host, value, hits, bots = 0]) => [
      pairKey({ table, window, dimension, host, value }),
      { hits, bots },
    ]),
  );

const published = (over: Partial<Published> & Pick<Published, "pairs">): Published => ({
  masks: new Map([[0, 15]]),
  folded: new Set(),
  late: new Map(),
  ...over,
});

const brief = (list: ReturnType<typeof comparePairs>) =>
  list.map(({ kind, dimension, host, value, published, replayed }) =>
    `${kind} ${dimension} ${host} ${value} ${published.hits}/${published.bots} ${replayed.hits}/${replayed.bots}`
  );

Deno.test("comparePairs() finds values that differ, and calls a client that only has another name one", () => {
  const ours = pairs([["page", "a", "/x", 3, 1], ["client", "a", "Firefox", 3], ["client", "a", "Chrome", 2]]);
  assertEquals(comparePairs(published({ pairs: ours }), ours), []);
  const theirs = pairs([["page", "a", "/x", 3], ["client", "a", "Firefox", 4], ["client", "a", "Safari", 1]]);
  assertEquals(
    brief(comparePairs(published({ pairs: ours }), theirs)),
    [
      "hits page a /x 3/1 3/0",
      "client client a Chrome 2/0 0/0",
      "client client a Firefox 3/0 4/0",
      "client client a Safari 0/0 1/0",
    ].sort((a, b) => a.split(" ")[3]! < b.split(" ")[3]! ? -1 : 1),
  );
});

Deno.test("comparePairs() leaves out dimensions that a window has not for all of its hits", () => {
  const ours = pairs([["page", "a", "/x", 3]]), theirs = pairs([["page", "a", "/y", 3], ["client", "a", "Firefox", 3]]);
  assertEquals(comparePairs(published({ pairs: ours, masks: new Map() }), theirs), []);
  assertEquals(brief(comparePairs(published({ pairs: ours, masks: new Map([[0, 1]]) }), theirs)), [
    "hits page a /x 3/0 0/0",
    "hits page a /y 0/0 3/0",
  ]);
});

Deno.test("comparePairs() compares the sums of folded dimensions", () => {
  const ours = pairs([["page", "a", "/x", 3], ["page", "a", "(other)", 2]]);
  const folded = new Set([foldedKey(0, "page")]);
  const theirs = pairs([["page", "a", "/x", 3], ["page", "b", "/y", 2]]);
  assertEquals(comparePairs(published({ pairs: ours, folded }), theirs), []);
  assertEquals(brief(comparePairs(published({ pairs: ours, folded }), pairs([["page", "a", "/x", 4]]))), [
    "hits page (all)  5/0 4/0",
  ]);
});

Deno.test("comparePairs() compares late values where they add up to the late hits", () => {
  const ours = pairs([["page", "a", "/x", 3]], "late"), theirs = pairs([["page", "a", "/x", 4]], "late");
  assertEquals(comparePairs(published({ pairs: ours, late: new Map([[0, 5]]) }), theirs), []);
  assertEquals(comparePairs(published({ pairs: ours, late: new Map([[0, 3]]) }), theirs).length, 1);
});

Deno.test("pairsOf() reads the breakdowns of a chunk that the engine would send", () => {
  const places = createPlaceLocator();
  const reader = createEventReader({
    stream: RULES_2,
    format: "json",
    referrerGranularity: "raw",
    keyBytesMax: 1024,
    trustedProxyHops: 0,
    breakdowns: 15,
    locator: places,
    hashSeed: 1,
  });
  const counter = new Counter({
    windowSize: 5 * MINUTE as DurationMs,
    watermarkDelay: MINUTE,
    maxFutureSkew: MINUTE,
    latePolicy: "store",
    offsetsCountRecords: true,
  }, reader);
  const events = ["/a?utm_source=n", "/a/", "/style.css"].map((url) =>
    new TextEncoder().encode(JSON.stringify({ event_time: 60, host: "h.example", url, user_agent: "curl/8.5.0" }))
  );
  const now = 10 * MINUTE as EpochMs, delta = new Delta(() => "", 15);
  const end = offset(events.length);
  counter.count(
    freshTracker(partitionId(0), offset(0), now),
    {
      partition: partitionId(0),
      from: offset(0),
      next: end,
      logStart: offset(0),
      logEnd: end,
      lastStable: end,
      sentAt: now,
      runs: [{ walk: (_from, visit) => events.forEach((bytes, i) => visit(bytes, 0, bytes.length, i, now)) }],
    },
    delta,
    now,
    now,
  );
  const encoder = new Encoder({
    hosts: reader.hosts,
    referrers: reader.referrers,
    place: (id) => places.place(id),
    placeCount: () => places.size,
    breakdown: reader.breakdown,
  });
  const found = [...pairsOf(encoder.chunk(0, delta.windows.get(0)!, false))].map(([key, { hits, bots }]) => {
    const [table, window, dimension, host, value] = JSON.parse(key);
    return [table, window, dimension, host, value.replaceAll("\x1e", "/"), hits, bots].join(" ");
  });
  assertEquals(found, [
    "counted 0 page h.example /a 2 2",
    "counted 0 page h.example (asset) 1 1",
    "counted 0 client h.example (bot)/(bot)/(bot) 3 3",
    "counted 0 campaign h.example n// 1 1",
    "counted 0 campaign h.example (none) 2 2",
    "counted 0 entry_channel h.example direct 3 3",
  ]);
});
