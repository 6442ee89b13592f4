// A chunk's breakdowns decode to what was counted; channels follow from the keys; visitors travel by day under their salt.
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { DIMENSION_BITS } from "../../src/breakdown/dimensions.ts";
import { KEY_BYTES, sipKey } from "../../src/breakdown/siphash.ts";
import { DAY } from "../../src/shared/units.ts";
import { Encoder } from "../../src/store/encode.ts";
import type { Chunk } from "../../src/store/port.ts";
import { Delta } from "../../src/window/delta.ts";

const ALL = Object.values(DIMENSION_BITS).reduce((all, bit) => all | bit, 0);
const HOSTS = ["a.example", "b.example:8080", "ünï"];
const REFERRERS = [
  "",
  "https://www.google.com/",
  "https://b.example/x",
  "https://www.a.example/",
  "(other)",
  "nonsense",
];
const DIMENSIONS = ["page", "client", "campaign", "channel"] as const;

const dictionary = (texts: readonly string[]) => ({
  text: (id: number) => texts[id]!,
  bytes: () => 1,
  size: texts.length,
});
const numbered = (name: string) => dictionary(Array.from({ length: 3_000 }, (_, i) => `${name}${i}`));
const encoder = (valuesMax?: number) =>
  new Encoder({
    valuesMax,
    hosts: dictionary(HOSTS),
    referrers: dictionary(REFERRERS),
    place: () => ({ countryCode: "unknown", region: "", city: "" }),
    placeCount: () => 1,
    breakdown: { pages: numbered("/p"), clients: numbered("c"), campaigns: numbered("u") },
  });

/** `host | value` → hits and bots of each dimension: the slow and obvious reading. */
function decoded(chunk: Chunk): Record<string, Record<string, readonly [number, number]>> {
  const { hosts, breakdown } = chunk;
  const list = (text: string) => text.split("\x1f").slice(0, -1);
  const numbers = (text: string) => text === "" ? [] : text.split(",").map(Number);
  const ends = numbers(breakdown!.ends), values = list(breakdown!.values), names = list(hosts);
  const [host, value, hits, bots] = [breakdown!.hostIx, breakdown!.valueIx, breakdown!.hits, breakdown!.botHits].map(
    numbers,
  ) as [number[], number[], number[], number[]];
  assertEquals(ends.length, 4);
  assertEquals([host.length, value.length, hits.length, bots.length], Array(4).fill(ends[3]));
  assertEquals(new Set(value).size, values.length, "each value is named");
  return Object.fromEntries(DIMENSIONS.map((dimension, d) => {
    const pairs: Record<string, readonly [number, number]> = {};
    for (let i = ends[d - 1] ?? 0; i < ends[d]!; i++) {
      const key = `${names[host[i]! - 1]} | ${values[value[i]! - 1]}`;
      assertEquals(key in pairs || key.includes("undefined"), false, key);
      pairs[key] = [hits[i]!, bots[i]!];
    }
    return [dimension, pairs];
  }));
}

interface Hit {
  readonly host: number;
  readonly referrer: number;
  readonly page: number;
  readonly client: number;
  readonly campaign: number;
  readonly bot: number;
}

function deltaOf(hits: readonly Hit[], counted: number): Delta {
  const delta = new Delta(() => "", counted);
  for (const { host, referrer, page, client, campaign, bot } of hits) {
    const table = delta.table(300_000);
    table.add(host, referrer, 0, bot);
    table.pairs?.page?.add(host, page, bot);
    table.pairs?.client?.add(host, client, bot);
    table.pairs?.campaign?.add(host, campaign, bot);
  }
  return delta;
}

Deno.test("Encoder.freeze() sends each dimension after the other, with the hosts of the chunk", () => {
  const hit = { host: 0, referrer: 0, page: 7, client: 1, campaign: 2, bot: 0 };
  const delta = deltaOf([hit, { ...hit, bot: 1 }, { ...hit, host: 1, page: 8, referrer: 1 }], ALL);
  const late = delta.lateTable(0);
  late.add(2, 4, 0, 0);
  late.pairs!.page!.add(2, 7, 0);
  late.pairs!.client!.add(2, 7, 0);
  late.pairs!.campaign!.add(2, 7, 0);
  const { chunks } = encoder().freeze(delta, [], "id", "interval");
  assertEquals(chunks.map(({ breakdown }) => [breakdown!.mask, breakdown!.ends]), [[ALL, "2,4,6,8"], [ALL, "1,2,3,4"]]);
  assertEquals(decoded(chunks[0]!), {
    page: { "a.example | /p7": [2, 1], "b.example:8080 | /p8": [1, 0] },
    client: { "a.example | c1": [2, 1], "b.example:8080 | c1": [1, 0] },
    campaign: { "a.example | u2": [2, 1], "b.example:8080 | u2": [1, 0] },
    channel: { "a.example | direct": [2, 1], "b.example:8080 | search": [1, 0] },
  });
  assertEquals(decoded(chunks[1]!).channel, { "ünï | unclassified": [1, 0] });
});

Deno.test("Encoder.freeze() takes the channel from the referrer and the record's own host", () => {
  const channel = (host: number, referrer: number) => {
    const hit = { host, referrer, page: 0, client: 0, campaign: 0, bot: 0 };
    const { chunks } = one.freeze(deltaOf([hit], DIMENSION_BITS.channel), [], "id", "interval");
    return Object.keys(decoded(chunks[0]!).channel!)[0]!.split(" | ")[1];
  };
  const one = encoder();
  for (let sight = 0; sight < 2; sight++) {
    assertEquals([0, 1, 2, 3, 4, 5].map((referrer) => channel(0, referrer)), [
      "direct",
      "search",
      "referral",
      "internal",
      "unclassified",
      "referral",
    ]);
    assertEquals([channel(1, 2), channel(1, 3)], ["internal", "referral"], "b.example without its port");
  }
});

Deno.test("Encoder.freeze() names the largest values of a host and adds up the others", () => {
  const hits = [0, 0, 0, 1, 2, 2, 3, 4].map((page) => ({
    host: 0,
    referrer: 0,
    page,
    client: 0,
    campaign: 0,
    bot: page === 3 ? 1 : 0,
  }));
  const { chunks } = encoder(2).freeze(deltaOf([...hits, { ...hits[0]!, host: 1 }], ALL), [], "id", "interval");
  assertEquals(decoded(chunks[0]!), {
    page: {
      "a.example | /p0": [3, 0],
      "a.example | /p2": [2, 0],
      "b.example:8080 | /p0": [1, 0],
      "a.example | (other)": [3, 1],
    },
    client: { "a.example | c0": [8, 1], "b.example:8080 | c0": [1, 0] },
    campaign: { "a.example | u0": [8, 1], "b.example:8080 | u0": [1, 0] },
    channel: { "a.example | direct": [8, 1], "b.example:8080 | direct": [1, 0] },
  });
});

Deno.test("Encoder.freeze() gives back what was counted, whatever is counted, and each dimension adds up to the chunk", () => {
  const hit = fc.record({
    host: fc.nat(2),
    referrer: fc.nat(5),
    page: fc.nat(2_999),
    client: fc.nat(4),
    campaign: fc.nat(2),
    bot: fc.nat(1),
  });
  const one = encoder();
  fc.assert(
    fc.property(fc.array(hit, { minLength: 1, maxLength: 60 }), fc.integer({ min: 1, max: 31 }), (hits, counted) => {
      const { chunks: [chunk] } = one.freeze(deltaOf(hits, counted), [], "id", "interval");
      const found = decoded(chunk!);
      for (const dimension of DIMENSIONS) {
        const expected: Record<string, [number, number]> = {};
        const isCounted = (counted & DIMENSION_BITS[dimension]) !== 0;
        if (dimension !== "channel" && isCounted) {
          const name = { page: "/p", client: "c", campaign: "u" }[dimension];
          for (const one of hits) {
            const sum = expected[`${HOSTS[one.host]} | ${name}${one[dimension]}`] ??= [0, 0];
            sum[0]++;
            sum[1] += one.bot;
          }
          assertEquals(found[dimension], expected);
        }
        const sums = Object.values(found[dimension]!).reduce(([a, b], [hits, bots]) => [a + hits, b + bots], [0, 0]);
        assertEquals(sums, isCounted ? [chunk!.hits, chunk!.botHits] : [0, 0]);
      }
      assertEquals(chunk!.breakdown!.mask, counted);
    }),
  );
});

Deno.test("Encoder.freeze() sends nothing of breakdowns where none is counted", () => {
  const hit = { host: 0, referrer: 0, page: 7, client: 1, campaign: 2, bot: 0 };
  const { chunks, visitors } = encoder().freeze(deltaOf([hit], 0), [], "id", "interval");
  assertEquals([chunks[0]!.breakdown, visitors], [null, []]);
  const alone = encoder().freeze(deltaOf([hit], DIMENSION_BITS.visitors), [], "id", "interval").chunks[0]!.breakdown;
  assertEquals(alone, { mask: 16, values: "", ends: "0,0,0,0", hostIx: "", valueIx: "", hits: "", botHits: "" });
});

Deno.test("Encoder.freeze() sends visitors by day, ascending, each under its salt", () => {
  const delta = deltaOf([], ALL), day = Date.UTC(2026, 0, 31);
  const salt = (id: string) => ({ id, key: sipKey(new Uint8Array(KEY_BYTES)), number: 1 });
  const second = delta.updates(day + DAY, salt("two")), first = delta.updates(day + DAY - 1, salt("one"));
  second.add(1, 64 + 3);
  first.add(2, 128 + 1);
  first.add(0, 64 + 9);
  delta.updates(day, salt("not taken")).add(2, 64 + 2);
  assertEquals(encoder().freeze(delta, [], "id", "interval").visitors, [
    { day: "2026-01-31", saltId: "one", hosts: "ünï\x1fa.example\x1f", hostIx: "1,2,1", updates: "129,73,66" },
    { day: "2026-02-01", saltId: "two", hosts: "b.example:8080\x1f", hostIx: "1", updates: "67" },
  ]);
});
