// Files that are whole, of other kinds, cut off, damaged, or changed after they were opened.
import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { openMmdb, openMmdbBytes } from "../../src/geo/mmdb_file.ts";
import { UNKNOWN_PLACE } from "../../src/geo/port.ts";
import { UsageError } from "../../src/shared/errors.ts";
import { writeMmdb } from "../support/mmdb_writer.ts";
import { flat, nested, V4_NETWORKS, V6_NETWORKS, withFolder } from "./geo_rig.ts";

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
  const { schema, v4, v6, buildTime, databaseType, name, languages, attribution } = file.facts;
  assertEquals({ schema, v4, v6, buildTime: Number(buildTime), databaseType, name, languages }, {
    schema: "flat",
    v4: true,
    v6: false,
    buildTime: 1_780_000_000_000,
    databaseType: "DBIP-City-Lite",
    name: "a.mmdb",
    languages: ["en"],
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

Deno.test("openMmdbBytes() refuses what is no whole database of places", () => {
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
