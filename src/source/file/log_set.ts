// Which logs the source reads: those that the setting names and those that the stream has stored, each with its partition. Shell.
import { messageOf, Unavailable } from "../../shared/errors.ts";
import { type DurationMs, type EpochMs, type PartitionId, partitionId } from "../../shared/units.ts";
import { Catalog, type FoundLog } from "./catalog.ts";
import { noFile, tooManyLogs } from "./errors.ts";
import type { LogName, LogStore, StoredLog } from "./generations.ts";
import type { Lease } from "../lease.ts";
import { elapsed, type FileListingOptions } from "./listing.ts";
import { type LogPattern, LOGS_MAX } from "./pattern.ts";
import { Reading } from "./reading.ts";

export interface FileSourceOptions extends Omit<FileListingOptions, "name" | "list"> {
  /** Files and patterns, as they were given. */
  readonly paths: readonly string[];
  readonly logs: LogStore;
  readonly lease: Lease;
  /** How long to wait for a file that is gone and was not read to its end. */
  readonly missingFor: DurationMs;
}

/** The logs of one partition: one log, or several that a stream of an earlier release read as one. */
interface NumberedLog {
  readonly partition: PartitionId;
  readonly logs: readonly LogName[];
  readonly host: string | undefined;
}

/** The logs of one source. */
export class LogSet {
  readonly #options: FileSourceOptions;
  readonly #catalog: Catalog;
  #foundAt = -Infinity;
  /** Whether the stream has not read any log yet. Then a file whose lines cannot be read is refused before anything is stored. */
  #isNew = false;

  constructor(options: FileSourceOptions) {
    this.#options = options;
    const told = new Set<string>();
    this.#catalog = new Catalog(options.paths, options.files, (folder, error) => {
      if (told.has(folder)) return;
      told.add(folder);
      const reason = messageOf(error);
      options.log.warn("the folder cannot be listed: a rotation during a stop cannot be followed", { folder, reason });
    });
  }

  /** Warns of paths at which there is no file yet. @throws UsageError if they are to be read once */
  async announceAbsent(): Promise<void> {
    for (const { written, absolute } of await this.#absent()) {
      if (!this.#options.follow && !await this.#isKnown(absolute)) throw noFile(written);
      this.#options.log.warn("there is no such file yet; waiting for it", { file: written });
    }
  }

  /** Whether new logs may have appeared: the setting has patterns, and the last search is at least `every` ms ago. */
  mayHaveGrown(now: EpochMs, every: number): boolean {
    return this.#catalog.open && elapsed(this.#foundAt, now) >= every;
  }

  /** Patterns without a file; empty if the logs are followed and the files cannot be looked at yet. @throws UsageError */
  async #absent(): Promise<LogPattern[]> {
    try {
      return await this.#catalog.absent();
    } catch (error) {
      if (!(error instanceof Unavailable) || !this.#options.follow) throw error;
      return [];
    }
  }

  /** Whether the stream has read a log of this path, and the setting names other paths too. */
  async #isKnown(absolute: string): Promise<boolean> {
    return this.#options.paths.length > 1 &&
      (await this.#options.logs.logs()).some(({ foundBy }) => foundBy === absolute);
  }

  /** The stream's logs and those that are new to it. */
  async numbered(): Promise<NumberedLog[]> {
    this.#foundAt = this.#options.clock.now();
    const stored = await this.#options.logs.logs();
    const found = await this.#catalog.find(stored);
    if (found.length > LOGS_MAX) throw tooManyLogs(found.length, LOGS_MAX);
    const first = stored.length === 0 ? await this.#namesOfFirst() : [];
    this.#isNew = stored.length === 0 && first.length === 0;
    return numberLogs(stored, found, first);
  }

  /** Names of the logs that a stream of an earlier release has read as one. Such a stream has stored generations, but no logs. */
  async #namesOfFirst(): Promise<LogName[]> {
    const rows = await this.#options.logs.generations(partitionId(0)).load();
    const logs = new Map<string, LogName>();
    for (const { generation, sizeSeen, finished, path } of rows) {
      const log = generation > 0 && (sizeSeen > 0 || finished) ? this.#catalog.logOf(path) : null;
      if (log !== null) logs.set(log.name, log);
    }
    return [...logs.values()];
  }

  /** @throws Unavailable if another process has given these partition numbers to other logs meanwhile */
  async checkNumbers(readings: readonly Reading[]): Promise<void> {
    const stored = await this.#options.logs.logs();
    const moved = readings.some(({ partition, logs }) =>
      stored.some((row) => (row.partition === partition) !== logs.some(({ name }) => name === row.name))
    );
    if (!moved) return;
    throw new Unavailable(
      "source_unavailable",
      "another process has numbered the logs meanwhile",
      "Reading goes on by itself.",
    );
  }

  /** Begins to read a log. */
  reading({ partition, logs, host }: NumberedLog): Reading {
    const names = logs.map(({ name }) => name);
    const { logs: store, examine, ...options } = this.#options;
    const named = host ?? this.#catalog.hostOf(names[0]!);
    return new Reading({
      ...options,
      ...(examine !== undefined && { examine: (bytes, path) => examine(bytes, path, named) }),
      refuseUnread: !options.follow || this.#isNew,
      partition,
      logs,
      host: named,
      name: names[0]!,
      list: () => this.#catalog.files(names),
      isOwn: (path) => names.includes(this.#catalog.logOf(path)?.name ?? ""),
      generations: store.generations(partition),
    });
  }
}

/**
 * Gives each log its partition. Stored logs keep theirs even if their files are gone; new ones get the next numbers, in the order of `found`.
 * `first` are the logs that a stream without stored logs has read already, all as partition 0.
 *
 * @returns by rising partition
 */
function numberLogs(
  stored: readonly StoredLog[],
  found: readonly FoundLog[],
  first: readonly LogName[],
): NumberedLog[] {
  const numbers = new Map<string, number>(stored.map(({ name, partition }) => [name, partition]));
  for (const { name } of first) numbers.set(name, 0);
  let next = Math.max(-1, ...numbers.values()) + 1;
  for (const { name } of found) if (!numbers.has(name)) numbers.set(name, next++);
  const byNumber = new Map<number, { logs: LogName[]; host: string | undefined }>();
  for (const { name, foundBy } of [...stored, ...first, ...found]) {
    const number = numbers.get(name)!;
    const entry = byNumber.get(number) ?? { logs: [], host: undefined };
    if (!entry.logs.some((log) => log.name === name)) entry.logs.push({ name, foundBy });
    entry.host ??= found.find((log) => log.name === name)?.host;
    byNumber.set(number, entry);
  }
  return [...byNumber].map(([number, entry]) => ({ partition: partitionId(number), ...entry })).sort((a, b) =>
    a.partition - b.partition
  );
}
