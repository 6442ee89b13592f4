// Files that are whole, of other kinds, cut off, damaged, or changed after they were opened.
import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { openMmdb, openMmdbBytes } from "../../../src/geo/mmdb/file.ts";
import { UNKNOWN_PLACE } from "../../../src/geo/port.ts";
import { UsageError } from "../../../src/shared/errors.ts";
import { writeMmdb } from "../../support/mmdb_writer.ts";
import { flat, nested, V4_NETWORKS, V6_NETWORKS, withFolder } from "../geo_rig.ts";

const v4File = () => writeMmdb(V4_NETWORKS);
/** Larger than what the description's part of a file can be, so that something stays unread. */
const bigV6File = () =>
  writeMmdb([
    ...V6_NETWORKS,
    ...Array.from({ length: 1_500 }, (_, i) => ({
      address: `2c0f:${i.toString(16)}:0:0:0:0:0:0`,
      prefixLength: 32,
      record: flat("KE", "Nairobi", `City ${i} ${"x".repeat(120)}`),
    })),
  ], { ipVersion: 6 });
const KASSEL = Uint32Array.of(0x2a001450, 0x4001082a, 0, 0x42);

function refused(bytes: Uint8Array, why: string): void {
  const error = assertThrows(() => openMmdbBytes(bytes, "x.mmdb"), UsageError, why);
  assertEquals(error.code, "bad_geo_file");
  assertStringIncludes(error.action, "tidemark geo install");
}

Deno.test("openMmdbBytes() tells what a file is", () => {
  const file = openMmdbBytes(
    writeMmdb(V4_NETWORKS, { databaseType: "DBIP-City-Lite", buildEpoch: 1_780_000_000 }),
    "a.mmdb",
  );
  const { schema, v4, v6, buildTime, databaseType, name, attribution } = file.facts;
  assertEquals({ schema, v4, v6, buildTime: Number(buildTime), databaseType, name }, {
    schema: "flat",
    v4: true,
    v6: false,
    buildTime: 1_780_000_000_000,
    databaseType: "DBIP-City-Lite",
    name: "a.mmdb",
  });
  assertEquals(attribution?.text, "IP Geolocation by DB-IP");
});

for (const recordSize of [24, 28, 32] as const) {
  Deno.test(`openMmdbBytes() reads both schemas with records of ${recordSize} bits`, () => {
    for (const record of [flat("DE", "Hesse", "Kassel"), nested("DE", "Hesse", "Kassel")]) {
      const file = openMmdbBytes(writeMmdb([{ address: "9.9.0.0", prefixLength: 16, record }], { recordSize }), "x");
      assert(file.find4(0x09090909) !== 0);
      assertEquals(file.placeOf4(0x09090909), { countryCode: "DE", region: "Hesse", city: "Kassel" });
      assertEquals(file.find4(0x09080000), 0);
    }
  });
}

Deno.test("openMmdbBytes() refuses what is not a whole database of places", () => {
  const whole = v4File();
  refused(new Uint8Array(0), "cut off or of another format");
  refused(new TextEncoder().encode("PK\x03\x04 not a database".repeat(100)), "cut off or of another format");
  refused(whole.subarray(0, whole.length / 2), "cut off or of another format");
  refused(
    writeMmdb([{ address: "9.9.0.0", prefixLength: 16, record: { autonomous_system_number: 13335 } }]),
    "no records that name a country",
  );
  refused(writeMmdb([]), "no records that name a country");
  const marker = new TextDecoder("latin1").decode(whole).indexOf("MaxMind.com") - 3;
  refused(whole.subarray(marker), "does not fit its size");
  refused(whole.subarray(6 * 20), "");
});

Deno.test("openMmdbBytes() never accepts a file whose end is missing", () => {
  const whole = v4File();
  // The description comes last: without its last bytes it may still parse, but never as something else than what it is.
  for (let length = 0; length < whole.length - 1; length += 7) {
    let file;
    try {
      file = openMmdbBytes(whole.subarray(0, length), "x");
    } catch (error) {
      assertInstanceOf(error, UsageError, `length ${length}`);
      continue;
    }
    throw new Error(`accepted ${length} of ${whole.length} bytes as ${JSON.stringify(file.facts)}`);
  }
});

Deno.test("a damaged record gives the unknown place and is counted, when the check has not met it", () => {
  // One damaged network deep behind twenty forks: the check's fixed sample does not come there.
  const bytes = writeMmdb([
    { address: "8.0.0.0", prefixLength: 5, record: flat("US") },
    { address: "8.8.8.77", prefixLength: 32, record: flat("US", "", "damaged-here") },
  ]);
  const at = new TextDecoder("latin1").decode(bytes).indexOf("damaged-here") - 1 - "city".length - 1 - 1;
  bytes[at] = 0; // an extended type that does not exist, where the record's map was
  bytes[at + 1] = 0;
  const file = openMmdbBytes(bytes, "x");
  assert(file.find4(0x0808084d) !== 0);
  assertEquals(file.placeOf4(0x0808084d), UNKNOWN_PLACE);
  assertEquals(file.brokenRecords, 1);
});

/** A list of five pointers to itself: more values than there is time for. */
const REPEATED = [0x05, 0x04, ...Array.from({ length: 5 }, () => [0x38, 0, 0, 0, 0]).flat()];

Deno.test("a record that leads to itself is unknown and counted, where the check has not met it, and the file refused where it has", () => {
  const networks = [
    { address: "8.0.0.0", prefixLength: 5, record: flat("US") },
    { address: "8.8.8.77", prefixLength: 32, record: { x: "y".repeat(40) } },
  ];
  for (const [list, met] of [[networks, false], [networks.slice(1), true]] as const) {
    const bytes = writeMmdb(list);
    // The map's first bytes: one field, a key of one byte.
    const latin1 = new TextDecoder("latin1").decode(bytes), at = latin1.indexOf("\u00e1Ax");
    const dataStart = latin1.indexOf("\0".repeat(16)) + 16;
    bytes.set(REPEATED.map((byte, i) => i > 1 && (i - 2) % 5 === 4 ? at - dataStart : byte), at);
    if (met) {
      refused(bytes, "nested too deeply");
      continue;
    }
    const file = openMmdbBytes(bytes, "x");
    assertEquals([file.placeOf4(0x0808084d), file.placeOf4(0x08010101).countryCode], [UNKNOWN_PLACE, "US"]);
    assertEquals(file.brokenRecords, 1);
  }
});

Deno.test("a key that objects inherit by is a key as any other", () => {
  const record = JSON.parse('{"__proto__":{"country_code":"FR"},"city":"Paris"}');
  refused(writeMmdb([{ address: "9.9.0.0", prefixLength: 16, record }]), "no records that name a country");
});

Deno.test("openMmdbBytes() refuses a description that the library must not read, also where that is not the last one", () => {
  const whole = v4File(), latin1 = new TextDecoder("latin1").decode(whole);
  const behind = latin1.indexOf("MaxMind.com") + "MaxMind.com".length;
  refused(Uint8Array.from([...whole.subarray(0, behind), ...REPEATED]), "nested too deeply");
  // A description that begins as a marker ends: the library's search does not find the marker before it.
  const marker = whole.subarray(behind - 14, behind);
  const decoy = [...marker, 0xef, 0x4d, ...new TextEncoder().encode("axMind.com 42"), 0xa0];
  for (let i = 0; i < 14; i++) decoy.push(0x42, 0x61, 0x61 + i, 0xa0);
  refused(Uint8Array.from([...whole.subarray(0, behind), ...REPEATED, ...decoy]), "nested too deeply");
});

Deno.test("openMmdbBytes() refuses a description that cannot be true", () => {
  const whole = v4File(), latin1 = new TextDecoder("latin1").decode(whole);
  /** The file with other bytes behind a field's name. */
  const patched = (field: string, value: readonly number[]) => {
    const bytes = Uint8Array.from(whole);
    bytes.set(value, latin1.lastIndexOf(field) + field.length);
    return bytes;
  };
  const text = (value: string) => [0x44, ...new TextEncoder().encode(value)];
  // Five bytes each, as the writer's numbers have.
  refused(patched("binary_format_major_version", [0xc4, 0, 0, 0, 3]), "format version 3");
  refused(patched("ip_version", [0xc4, 0, 0, 0, 5]), "IP version 5");
  refused(patched("node_count", [0xc4, 0, 0, 0, 0]), "0 nodes");
  refused(patched("node_count", text("1e0 ")), "? nodes");
  refused(patched("node_count", [0xc4, 255, 255, 255, 255]), "does not fit its size");
  refused(patched("record_size", [0xc4, 0, 0, 0, 64]), "record size");
  refused(patched("record_size", text("24  ")), "record size");
  refused(patched("build_epoch", text("soon")), "no time of making");
  refused(patched("build_epoch", text("9e11")), "no time of making");
  refused(patched("build_epoch", text("-1.0")), "no time of making");
});

Deno.test("openMmdbBytes() takes a file in memory that threads share", () => {
  const bytes = writeMmdb([{
    address: "9.9.0.0",
    prefixLength: 16,
    record: flat("DE", "Thüringen", "\ufeffWeimar 東京"),
  }]);
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  assertEquals(openMmdbBytes(shared, "x").placeOf4(0x09090909), openMmdbBytes(bytes, "x").placeOf4(0x09090909));
  assertEquals(openMmdbBytes(shared, "x").placeOf4(0x09090909).region, "Thüringen");
});

Deno.test("openMmdb() names the file and not its folder when it is not there", async () => {
  await withFolder(async (folder) => {
    const error = await assertRejects(
      () => openMmdb(`${folder}/secret/none.mmdb`),
      UsageError,
      "none.mmdb: there is no such file",
    );
    assertEquals(error.message.includes("secret"), false);
    await assertRejects(() => openMmdb(folder), UsageError);
  });
});

Deno.test("openMmdb() reads a put-off IPv6 file at the first IPv6 address", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/v6.mmdb`;
    await Deno.writeFile(path, bigV6File());
    const file = await openMmdb(path, { deferV6: true });
    assertEquals([file.loaded, file.facts.schema, file.ipVersion], [false, null, 6]);
    // Renaming another file over it is the normal way to replace it, and changes nothing here.
    await Deno.writeTextFile(`${folder}/other`, "nothing");
    await Deno.rename(`${folder}/other`, path);
    assert(file.find6(KASSEL) !== 0);
    assertEquals(file.placeOf6(KASSEL).city, "Kassel");
    assertEquals([file.loaded, file.facts.schema], [true, "flat"]);
    await assertRejects(() => openMmdb(path), UsageError);
  });
});

Deno.test("a put-off file that was changed in place is refused and reported once", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/v6.mmdb`;
    for (const change of ["truncate", "overwrite"] as const) {
      const bytes = bigV6File();
      await Deno.writeFile(path, bytes);
      const reports: UsageError[] = [];
      const file = await openMmdb(path, { deferV6: true, onBroken: (error) => reports.push(error) });
      if (change === "truncate") await Deno.truncate(path, 1000);
      else {
        await Deno.writeFile(path, bytes);
        await Deno.utime(path, new Date(0), new Date(0));
      }
      assertEquals([file.find6(KASSEL), file.find6(KASSEL)], [0, 0]);
      assertEquals(reports.map((error) => error.code), ["bad_geo_file"], change);
    }
  });
});

Deno.test("openMmdb() finds IPv4 addresses in a combined file that is larger than its description's part", async () => {
  await withFolder(async (folder) => {
    const bulk = Array.from({ length: 900 }, (_, i) => ({
      address: `2c0f:${i.toString(16)}:0:0:0:0:0:0`,
      prefixLength: 32,
      record: flat("KE", "Nairobi", `City ${i} ${"x".repeat(200)}`),
    }));
    const bytes = writeMmdb([...bulk, ...V4_NETWORKS, ...V6_NETWORKS], { ipVersion: 6 });
    await Deno.writeFile(`${folder}/all.mmdb`, bytes);
    const file = await openMmdb(`${folder}/all.mmdb`);
    assertEquals([file.facts.v4, file.facts.v6], [true, true]);
    const inMemory = openMmdbBytes(bytes, "all.mmdb");
    for (const address of [0x08080808, 0x0808084d, 0x08000001, 0x09090909]) {
      assertEquals(file.find4(address), inMemory.find4(address));
    }
    assertEquals(file.find6(KASSEL), inMemory.find6(KASSEL));
    assertEquals([file.placeOf4(0x08080808).city, file.placeOf6(KASSEL).city], ["Mountain View", "Kassel"]);
  });
});

Deno.test("openMmdb() does not put off an IPv4 file", async () => {
  await withFolder(async (folder) => {
    await Deno.writeFile(`${folder}/v4.mmdb`, v4File());
    assertEquals((await openMmdb(`${folder}/v4.mmdb`, { deferV6: true })).facts.schema, "flat");
  });
});
