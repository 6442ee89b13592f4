// Routing by family, the three reasons for having no place, caches at the edges of networks, and ids across an exchange of files.
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { formatV4 } from "../../src/geo/address.ts";
import type { GeoDatabases } from "../../src/geo/port.ts";
import { openMmdbBytes } from "../../src/geo/mmdb/file.ts";
import {
  createPlaceLocator,
  INVALID_ID,
  PRIVATE_ID,
  type ReloadablePlaceLocator,
  UNKNOWN_ID,
} from "../../src/geo/place_locator.ts";
import { INVALID_PLACE, PRIVATE_PLACE, UNKNOWN_PLACE } from "../../src/geo/port.ts";
import { writeMmdb } from "../support/mmdb_writer.ts";
import { brief, flat, locate, V4_NETWORKS, V6_NETWORKS } from "./geo_rig.ts";

const v4 = openMmdbBytes(writeMmdb(V4_NETWORKS), "v4");
const v6 = openMmdbBytes(writeMmdb(V6_NETWORKS, { ipVersion: 6 }), "v6");
const combined = openMmdbBytes(writeMmdb([...V4_NETWORKS, ...V6_NETWORKS], { ipVersion: 6, recordSize: 28 }), "both");

const ways: readonly [string, GeoDatabases][] = [
  ["one file for each family", { v4, v6 }],
  ["one combined file", { v4: combined, v6: combined }],
];

for (const [way, databases] of ways) {
  Deno.test(`locate() places both families with ${way}`, () => {
    const locator = createPlaceLocator(databases);
    const table: [string, string][] = [
      ["8.8.8.8", "US/California/Mountain View"],
      ["8.8.8.8:53", "US/California/Mountain View"],
      ["::ffff:8.8.8.8", "US/California/Mountain View"],
      ["::ffff:808:808", "US/California/Mountain View"],
      ["64:ff9b::8.8.8.8", "US/California/Mountain View"],
      ["2002:808:808::1", "US/California/Mountain View"],
      ["2001:0:1:2:3:4:f7f7:f7f7", "US/California/Mountain View"],
      ["2002:a00:1::1", "private"],
      ["8.0.0.1", "US/Louisiana/Monroe"],
      ["201.255.255.255", "BR/Bahia/Salvador"],
      ["9.9.9.9", "unknown"],
      ["2a01::1", "FR/Île-de-France/Paris"],
      ["2a00:1450:4001:82a::1", "DE/Hesse/Frankfurt am Main"],
      ["[2a00:1450:4001:82a::42]:443", "DE/Hesse/Kassel"],
      ["2400::1", "unknown"],
      ["10.0.0.1", "private"],
      ["::1", "private"],
      ["fe80::1%eth0", "private"],
      // Looks like 8.8.0.0 when it is cut to 32 bits, and is reserved space.
      ["808:808::", "private"],
      ["::8.8.8.8", "private"],
      ["", "unknown"],
      ["  ", "unknown"],
      ["8.8.8", "invalid"],
      ["8.8.8.08", "invalid"],
      ["8.8.8.8, 8.8.8.8", "invalid"],
    ];
    // Twice: the second time from the caches.
    for (let round = 0; round < 2; round++) {
      for (const [address, expected] of table) assertEquals(brief(locator, address), expected, `${address} ${round}`);
    }
  });
}

Deno.test("locate() never asks an IPv4 file for an IPv6 address, nor the other way round", () => {
  const only4 = createPlaceLocator({ v4, v6: null }), only6 = createPlaceLocator({ v4: null, v6 });
  // 2a00::/12 begins with 42., 2808:808:: with 40.8.8.8; the library places these in an IPv4 file.
  for (const address of ["2a00::1", "2808:808::1", "2001:4860:4860::8888"]) {
    assertEquals(brief(only4, address), "unknown");
  }
  for (const address of ["8.8.8.8", "42.0.0.1", "::ffff:42.0.0.1"]) assertEquals(brief(only6, address), "unknown");
  assertEquals(brief(only4, "8.8.8.8"), "US/California/Mountain View");
  assertEquals(brief(only6, "2a00::1"), "FR/Île-de-France/Paris");
});

Deno.test("locate() is exact at the edges of networks longer than /24, whichever address comes first", () => {
  const addresses = Array.from({ length: 256 }, (_, i) => formatV4(0x08080800 + i));
  const expected = (i: number) =>
    i === 77 ? "US/Maine/Portland" : i >= 64 && i < 96 ? "US/Oregon/Portland" : "US/California/Mountain View";
  for (const order of [1, 77, 129, 255]) {
    const locator = createPlaceLocator({ v4, v6: null });
    for (let n = 0; n < 512; n++) {
      const i = (n * order) % 256;
      assertEquals(brief(locator, addresses[i]!), expected(i), addresses[i]!);
    }
  }
});

/** Asks for a city without making garbage for each address. */
function asker(locator: ReloadablePlaceLocator): (text: string) => string {
  const bytes = new Uint8Array(64), encoder = new TextEncoder();
  return (text) => locator.place(locator.locate(bytes, 0, encoder.encodeInto(text, bytes).written)).city;
}

Deno.test("locate() answers as without caches for far more IPv4 addresses than they hold", () => {
  const locator = createPlaceLocator({ v4: combined, v6: combined });
  const ask = asker(locator);
  for (let i = 0; i < 300_000; i++) ask(formatV4(Math.imul(i, 0x9e3779b1) >>> 0));
  for (let i = 255; i >= 0; i--) {
    const expected = i === 77 || (i >= 64 && i < 96) ? "Portland" : "Mountain View";
    assertEquals(ask(`8.8.8.${i}`), expected);
  }
  assertEquals(locator.located, 300_256);
});

Deno.test("locate() tells IPv6 addresses apart that differ in one word, with more of them than the cache holds", () => {
  const marked = ["2a00:0:0:0:0:0:0:7", "2a00:0:0:0:0:7:0:0", "2a00:0:0:7:0:0:0:0", "2a00:7:0:0:0:0:0:0"];
  const file = openMmdbBytes(
    writeMmdb([
      { address: "2a00:0:0:0:0:0:0:0", prefixLength: 16, record: flat("FR", "", "wide") },
      ...marked.map((address, i) => ({ address, prefixLength: 128, record: flat("FR", "", `marked ${i}`) })),
    ], { ipVersion: 6 }),
    "v6",
  );
  marked.forEach((mark, i) => {
    const ask = asker(createPlaceLocator({ v4: null, v6: file }));
    // Downwards, so that the marked address meets a cache that others have filled.
    for (let value = 0xffff; value > 0; value--) {
      const city = ask(mark.replace(/\b7\b/, value.toString(16)));
      if (city !== (value === 7 ? `marked ${i}` : "wide")) assertEquals(city, `${mark} at ${value}`);
    }
  });
});

Deno.test("locate() keeps records apart whose keys share a place in the cache", () => {
  const networks = Array.from({ length: 4_000 }, (_, i) => ({
    address: `11.${i >> 8}.${i & 255}.0`,
    prefixLength: 24,
    record: flat("US", "", `city ${i}`),
  }));
  const ask = asker(createPlaceLocator({ v4: openMmdbBytes(writeMmdb(networks), "many"), v6: null }));
  for (const host of [1, 2]) {
    networks.forEach(({ record }, i) => assertEquals(ask(`11.${i >> 8}.${i & 255}.${host}`), record.city));
  }
});

Deno.test("locate() keeps the records of two files apart that have the same keys", () => {
  const one = (address: string, city: string, ipVersion: 4 | 6) =>
    openMmdbBytes(writeMmdb([{ address, prefixLength: 8, record: flat("US", "", city) }], { ipVersion }), city);
  const databases = { v4: one("42.0.0.0", "four", 4), v6: one("2a00:0:0:0:0:0:0:0", "six", 6) };
  assertEquals(databases.v4.find4(0x2a000001), databases.v6.find6(Uint32Array.of(0x2a000001, 0, 0, 0)));
  const ask = asker(createPlaceLocator(databases));
  assertEquals([ask("42.0.0.1"), ask("2a00::1"), ask("42.0.0.2"), ask("2a00::2")], ["four", "six", "four", "six"]);
});

Deno.test("address 0.0.0.0 and :: are not mistaken for an empty cache entry", () => {
  const locator = createPlaceLocator({ v4, v6 });
  for (const address of ["0.0.0.0", "::", "0.0.0.0", "::"]) assertEquals(brief(locator, address), "private");
});

Deno.test("same-named cities get different ids, equal places the same one", () => {
  const locator = createPlaceLocator({ v4, v6 });
  const id = (text: string) => {
    const bytes = new TextEncoder().encode(text);
    return locator.locate(bytes, 0, bytes.length);
  };
  assertNotEquals(id("8.8.8.65"), id("8.8.8.77"));
  assertEquals([locate(locator, "8.8.8.65").city, locate(locator, "8.8.8.77").city], ["Portland", "Portland"]);
  assertEquals(id("200.0.0.1"), id("201.0.0.1"));
});

Deno.test("ids are dense from 0 and the first three say why there is no place", () => {
  const locator = createPlaceLocator({ v4: null, v6: null });
  assertEquals([UNKNOWN_ID, PRIVATE_ID, INVALID_ID].map((id) => locator.place(id)), [
    UNKNOWN_PLACE,
    PRIVATE_PLACE,
    INVALID_PLACE,
  ]);
  assertEquals(locator.size, 3);
  assertEquals(brief(locator, "8.8.8.8"), "unknown");
});

Deno.test("replace() answers from the new file at once and keeps the old ids", () => {
  const locator = createPlaceLocator({ v4, v6 });
  const encoder = new TextEncoder();
  const ids = (text: string, on: ReloadablePlaceLocator) => on.locate(encoder.encode(text), 0, text.length);
  const before = { moved: ids("8.8.8.8", locator), same: ids("200.0.0.1", locator), paris: ids("2a01::1", locator) };
  const networks = V4_NETWORKS.map((network) =>
    network.address === "8.8.8.0" ? { ...network, record: flat("CA", "Quebec", "Montreal") } : network
  );
  const rome = V6_NETWORKS.map((network, i) => i === 0 ? { ...network, record: flat("IT", "Lazio", "Rome") } : network);
  locator.replace({
    v4: openMmdbBytes(writeMmdb(networks), "v4"),
    v6: openMmdbBytes(writeMmdb(rome, { ipVersion: 6 }), "v6"),
  });
  assertEquals(brief(locator, "8.8.8.8"), "CA/Quebec/Montreal");
  for (const address of ["2a01::1", "2a01::2"]) assertEquals(brief(locator, address), "IT/Lazio/Rome");
  assertEquals(ids("200.0.0.1", locator), before.same);
  assertNotEquals(ids("8.8.8.8", locator), before.moved);
  assertEquals(locator.place(before.moved).city, "Mountain View");
  assertEquals(locator.place(before.paris).city, "Paris");
  locator.replace({ v4: null, v6: null });
  for (const address of ["8.8.8.8", "2a01::1"]) assertEquals(brief(locator, address), "unknown");
  for (let id = 0; id < locator.size; id++) assert(locator.place(id).countryCode !== "");
});

Deno.test("locate() never throws, whatever the bytes", () => {
  const locator = createPlaceLocator({ v4, v6 });
  const bytes = new Uint8Array(64);
  for (let i = 0, random = 7; i < 20_000; i++) {
    for (let at = 0; at < bytes.length; at++) {
      bytes[at] = (random = (Math.imul(random, 1664525) + 1013904223) | 0) >>> 24;
    }
    const end = random & 63;
    const id = locator.locate(bytes, end >>> 1, end);
    assert(id >= 0 && id < locator.size);
  }
});

Deno.test("takePoints() gives the coordinates of each city once, and none of a country", () => {
  const at = (city: string, latitude: number) => ({
    ...flat("US", "Maine", city),
    latitude: String(latitude),
    longitude: "-70",
  });
  const file = openMmdbBytes(
    writeMmdb([
      { address: "8.0.0.0", prefixLength: 9, record: at("Portland", 43.5) },
      { address: "8.128.0.0", prefixLength: 9, record: at("Portland", 43.75) },
      { address: "9.0.0.0", prefixLength: 9, record: at("Bangor", 44.5) },
      { address: "9.128.0.0", prefixLength: 9, record: at("", 45) },
      { address: "11.0.0.0", prefixLength: 8, record: flat("US", "Ohio", "Nowhere") },
    ]),
    "points",
  );
  const locator = createPlaceLocator({ v4: file, v6: null });
  for (const address of ["8.0.0.1", "8.0.0.1", "8.200.0.1", "9.0.0.1", "9.200.0.1", "11.0.0.1"]) {
    locate(locator, address);
  }
  const place = (city: string, latitude: number) => ({
    countryCode: "US",
    region: "Maine",
    city,
    latitude,
    longitude: -70,
  });
  assertEquals(locator.takePoints(1), [place("Portland", 43.5)]);
  assertEquals(locator.takePoints(9), [place("Bangor", 44.5)]);
  locator.replace({ v4: file, v6: null });
  locate(locator, "8.0.0.1");
  assertEquals(locator.takePoints(9), []);
});
