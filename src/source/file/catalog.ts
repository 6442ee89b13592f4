// Finds the logs that the setting names, and each one's files. Shell over the file system.
import { basename, dirname, join, resolve } from "node:path";
import { isMissing, notAFile, unreadable } from "./errors.ts";
import type { FileInfo, FileSystem } from "./file_system.ts";
import type { LogName } from "./generations.ts";
import { baseOf, isRotatedName } from "./names.ts";
import { fixedFolder, hostIn, type LogPattern, movedTo, parsePattern } from "./pattern.ts";

/** A log, and what the setting says of it. */
export interface FoundLog extends LogName {
  /** What `{host}` in the setting matched. */
  readonly host: string | undefined;
}

/** A file that may belong to a log. */
export interface LogFile {
  readonly path: string;
  /** True if the setting names the file; false for a rotated file beside a named one. */
  readonly listed: boolean;
  /** True if the setting is this path and not a pattern. */
  readonly single: boolean;
}

function isSameLog(own: string, at: string): boolean {
  return own === at || (dirname(own) === dirname(at) && isRotatedName(basename(own), basename(at)));
}

/** The logs of one setting. */
export class Catalog {
  readonly #files: FileSystem;
  readonly #written: readonly LogPattern[];
  /** The same with links in their folders resolved. */
  #patterns: readonly LogPattern[];
  /** Real paths of files, by the path under which a pattern found them. */
  readonly #real = new Map<string, string>();
  /** The paths that name a single log, by the log's name. */
  readonly #singles = new Map<string, string>();

  /** Names of these logs, by the setting's path. */
  readonly #namesOfSingles = new Map<string, string>();
  /** All logs that were ever seen or known. */
  readonly #names = new Set<string>();
  /** Links to a log's files, by the log's name. */
  readonly #links = new Map<string, Set<string>>();
  readonly #onUnlisted: (folder: string, error: unknown) => void;

  /** @param onUnlisted gets each folder that cannot be listed */
  constructor(paths: readonly string[], files: FileSystem, onUnlisted: (folder: string, error: unknown) => void) {
    this.#files = files;
    this.#onUnlisted = onUnlisted;
    this.#written = this.#patterns = paths.map(parsePattern);
  }

  /** Whether new logs may appear. */
  get open(): boolean {
    return this.#patterns.some(({ several }) => several);
  }

  /** Paths at which there is no file now. @throws UsageError if there is something else at one */
  async absent(): Promise<LogPattern[]> {
    await this.#resolve();
    const absent: LogPattern[] = [];
    for (const pattern of this.#patterns) if (!await this.#namesAny(pattern)) absent.push(pattern);
    return absent;
  }

  /**
   * The logs that have files now and those given by a single path, sorted by name. `known` logs keep their names even if a folder's links
   * have changed since.
   */
  async find(known: readonly LogName[]): Promise<FoundLog[]> {
    await this.#resolve();
    const found = new Map<string, FoundLog>();
    const names = this.#names;
    for (const { name } of known) names.add(name);
    for (const pattern of this.#patterns) {
      for (const log of pattern.several ? await this.#several(pattern, names) : [await this.#single(pattern, known)]) {
        const other = found.get(log.name);
        if (other === undefined || other.host === undefined) found.set(log.name, log);
        names.add(log.name);
      }
    }
    return [...found.values()].sort((a, b) => a.name < b.name ? -1 : 1);
  }

  /** Whether the setting names the log, whether or not its files exist. */
  async covers(log: LogName): Promise<boolean> {
    await this.#resolve();
    for (const pattern of this.#patterns) {
      if (pattern.absolute === log.foundBy || (pattern.several && pattern.expression.test(log.name))) return true;
      if (!pattern.several && (await this.#single(pattern, [])).name === log.name) return true;
    }
    return (await this.find([log])).some(({ name }) => name === log.name);
  }

  /** The log that a file at `path` belongs to, whether or not it exists; null if the setting does not name it. Call {@link find} first. */
  logOf(path: string): LogName | null {
    const at = resolve(path);
    for (const [i, pattern] of this.#patterns.entries()) {
      const written = this.#written[i]!;
      if (!pattern.several) {
        const name = this.#namesOfSingles.get(pattern.absolute);
        if (name !== undefined && [written.glob, pattern.glob, name].some((own) => isSameLog(own, at))) {
          return { name, foundBy: pattern.absolute };
        }
        continue;
      }
      const real = written.expression.test(at)
        ? join(fixedFolder(pattern), at.slice(fixedFolder(written).length))
        : pattern.expression.test(at)
        ? at
        : null;
      if (real === null) continue;
      const folder = dirname(real), base = baseOf(basename(real), (name) => this.#names.has(join(folder, name)));
      return { name: join(folder, base), foundBy: pattern.absolute };
    }
    return null;
  }

  /** The host of a log that has no file now. */
  hostOf(name: string): string | undefined {
    for (const pattern of this.#patterns) {
      const host = hostIn(pattern, name);
      if (host !== undefined) return host;
    }
    return undefined;
  }

  /** The files of the logs called `names`, rotated ones included. */
  async files(names: readonly string[]): Promise<LogFile[]> {
    const files = new Map<string, LogFile>();
    for (const name of names) {
      const single = this.#singles.get(name);
      if (single !== undefined) {
        files.set(single, { path: single, listed: true, single: true });
        // The folder may be a link that leads elsewhere by now.
        if (dirname(single) !== dirname(name)) await this.#add(files, dirname(single), basename(single));
      }
      for (const path of this.#links.get(name) ?? []) files.set(path, { path, listed: true, single: false });
      await this.#add(files, dirname(name), basename(name));
    }
    return [...files.values()];
  }

  async #add(files: Map<string, LogFile>, folder: string, base: string): Promise<void> {
    const entries = await this.#namesIn(folder);
    const isLog = (entry: string) => entry === base || entries.has(entry);
    for (const entry of entries) {
      const path = join(folder, entry);
      if (files.has(path)) continue;
      const listed = this.#patterns.some(({ several, expression }) => several && expression.test(path));
      if (listed ? baseOf(entry, isLog) === base : isRotatedName(base, entry)) {
        files.set(path, { path, listed, single: false });
      }
    }
  }

  async #namesIn(folder: string): Promise<Set<string>> {
    try {
      return new Set(await this.#files.names(folder));
    } catch (error) {
      if (!isMissing(error)) this.#onUnlisted(folder, error);
      return new Set();
    }
  }

  /** Resolves links in the patterns' folders, if the folders exist. */
  async #resolve(): Promise<void> {
    this.#patterns = await Promise.all(this.#written.map(async (pattern) => {
      const folder = fixedFolder(pattern);
      return movedTo(pattern, await this.#realOr(folder));
    }));
  }

  async #realOr(path: string): Promise<string> {
    try {
      return await this.#files.real(path);
    } catch {
      return path;
    }
  }

  async #namesAny({ several, glob }: LogPattern): Promise<boolean> {
    if (!several) {
      const info = await this.#info(glob);
      if (info !== null && info.kind !== "file") throw notAFile(glob, info.kind);
      return info !== null;
    }
    for await (const path of this.#files.glob(glob)) if ((await this.#info(path))?.kind === "file") return true;
    return false;
  }

  async #info(path: string): Promise<FileInfo | null> {
    try {
      return await this.#files.info(path);
    } catch (error) {
      if (isMissing(error)) return null;
      throw unreadable(path, error);
    }
  }

  async #single(pattern: LogPattern, known: readonly LogName[]): Promise<FoundLog> {
    const { glob: path, absolute } = pattern;
    const real = await this.#realOr(path);
    // A link to a dated file is renewed each day, so the log has the file's name without the date.
    const own = real === path ? path : join(dirname(real), baseOf(basename(real), () => false));
    const name = known.find(({ foundBy }) => foundBy === absolute)?.name ??
      known.find((log) => log.name === own || log.name === path)?.name ?? own;
    this.#singles.set(name, path);
    this.#namesOfSingles.set(absolute, name);
    return { name, foundBy: absolute, host: hostIn(pattern, path) };
  }

  async #several(pattern: LogPattern, known: ReadonlySet<string>): Promise<FoundLog[]> {
    const paths: string[] = [];
    for await (const path of this.#files.glob(pattern.glob)) paths.push(path);
    const there = new Set(paths);
    const found = new Map<string, FoundLog>();
    for (const path of paths) {
      if (!pattern.expression.test(path)) continue;
      const real = this.#real.get(path) ?? await this.#realFile(path);
      if (real === null) continue;
      this.#real.set(path, real);
      const folder = dirname(real);
      const base = baseOf(
        basename(real),
        (name) => known.has(join(folder, name)) || there.has(join(dirname(path), name)),
      );
      const name = join(folder, base);
      if (real !== path) this.#links.set(name, (this.#links.get(name) ?? new Set()).add(path));
      if (found.get(name)?.host !== undefined) continue;
      const host = hostIn(pattern, join(dirname(path), base)) ?? hostIn(pattern, path);
      found.set(name, { name, foundBy: pattern.absolute, host });
    }
    return [...found.values()];
  }

  /** Null if there is something other than a file at the path. */
  async #realFile(path: string): Promise<string | null> {
    if ((await this.#info(path))?.kind !== "file") return null;
    return await this.#realOr(path);
  }
}
