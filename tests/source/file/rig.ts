// Drives a file source as the engine does, in a folder of its own, on a clock that only the test moves.
import { assert, assertEquals } from "@std/assert";
import { gzipSync } from "node:zlib";
import type { Clock } from "../../../src/shared/clock.ts";
import { silentLog } from "../../../src/shared/log.ts";
import {
  type DurationMs,
  durationMs,
  epochMs,
  type Offset,
  type PartitionId,
  partitionId,
} from "../../../src/shared/units.ts";
import { disk, type FileSystem } from "../../../src/source/file/file_system.ts";
import { MemoryLogs } from "../../../src/source/file/generations.ts";
import { MemoryLease } from "../../../src/source/lease.ts";
import { createFileSource } from "../../../src/source/file/source.ts";
import type { Source, SourceEvent } from "../../../src/source/port.ts";

/** Time does not move between `advance` calls; a sleep of 0 returns at once. */
export class ManualClock implements Clock {
  #now: number;
  #sleepers: { readonly due: number; readonly wake: () => void }[] = [];
  #slept = Promise.withResolvers<void>();
  constructor(start: number) {
    this.#now = start;
  }
  now() {
    return epochMs(this.#now);
  }
  sleep(duration: DurationMs, signal?: AbortSignal): Promise<void> {
    if (duration <= 0 || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper = { due: this.#now + duration, wake: resolve };
      this.#sleepers.push(sleeper);
      signal?.addEventListener("abort", () => {
        this.#sleepers = this.#sleepers.filter((s) => s !== sleeper);
        resolve();
      }, { once: true });
      this.#slept.resolve();
    });
  }
  /** Resolves once a sleep begins: all that was to be done before is done. */
  async sleeping(): Promise<void> {
    while (this.#sleepers.length === 0) {
      this.#slept = Promise.withResolvers();
      await this.#slept.promise;
    }
  }
  advance(ms: number) {
    this.#now += ms;
    const due = this.#sleepers.filter((s) => s.due <= this.#now);
    this.#sleepers = this.#sleepers.filter((s) => s.due > this.#now);
    for (const { wake } of due) wake();
  }
}

/** The first number of a line that holds `t=NUMBER`. */
export function timeOfLine(bytes: Uint8Array, start: number, end: number): number | undefined {
  const match = /t=(\d+)/.exec(new TextDecoder().decode(bytes.subarray(start, end)));
  return match ? Number(match[1]) : undefined;
}

export interface RigOptions {
  /** Below the rig's folder; default `access.log`. Several are separated by commas. */
  readonly path?: string;
  readonly follow?: boolean;
  readonly lastLine?: "leave" | "take";
  /** Default: the disk. */
  readonly files?: FileSystem;
}

/** A folder, a store, a position, and a source that can be restarted. */
export class FileRig {
  readonly folder = Deno.makeTempDirSync({ prefix: "tidemark_file_" });
  /** Behind the files' own times, so that no file ever looks old but by `touch`. */
  readonly clock = new ManualClock(Date.now() - 86_400_000);
  readonly logs = new MemoryLogs();
  readonly generations = this.logs.generations(partitionId(0));
  readonly holder: { owner: MemoryLease | null } = { owner: null };
  /** Committed lines, in the order in which they were read. */
  readonly lines: string[] = [];
  /** Delivered since the last commit. */
  pending: string[] = [];
  /** Hosts and partitions of the batches with lines, in order. */
  readonly batches: { readonly partition: number; readonly host: string | undefined }[] = [];
  #positions = new Map<PartitionId, Offset>();
  #committed = new Map<PartitionId, Offset>();
  readonly seen: SourceEvent[] = [];
  /** Go on at the log's start where the position lies before it, as `tidemark resume --accept-gap` does. */
  acceptsGap = false;
  readonly #options: RigOptions;
  #source: Source | null = null;

  constructor(options: RigOptions = {}) {
    this.#options = options;
  }

  /** Of the first log. */
  get position(): Offset | null {
    return this.#positions.get(partitionId(0)) ?? null;
  }
  get committed(): Offset | null {
    return this.#committed.get(partitionId(0)) ?? null;
  }

  path(name = "access.log"): string {
    return `${this.folder}/${name}`;
  }
  write(name: string, text: string | Uint8Array): void {
    Deno.writeFileSync(this.path(name), typeof text === "string" ? new TextEncoder().encode(text) : text);
  }
  append(name: string, text: string): void {
    Deno.writeTextFileSync(this.path(name), text, { append: true });
  }
  /** Written to just now, on the rig's clock. */
  touch(name: string): void {
    Deno.utimeSync(this.path(name), this.clock.now() / 1_000, this.clock.now() / 1_000);
  }
  /** As gzip(1) does: the compressed file appears, the plain one goes. */
  gzip(name: string): void {
    this.write(`${name}.gz`, gzipSync(Deno.readFileSync(this.path(name))));
    Deno.removeSync(this.path(name));
  }
  /** As logrotate's copytruncate does. */
  copyTruncate(from: string, to: string): void {
    Deno.copyFileSync(this.path(from), this.path(to));
    Deno.truncateSync(this.path(from));
  }

  async source(): Promise<Source> {
    if (this.#source) return this.#source;
    this.#source = createFileSource({
      paths: (this.#options.path ?? "access.log").split(",").map((path) => this.path(path)),
      follow: this.#options.follow ?? true,
      lastLine: this.#options.lastLine ?? "leave",
      files: this.#options.files ?? disk,
      logs: this.logs,
      missingFor: durationMs(30_000),
      firstEventTime: timeOfLine,
      clock: this.clock,
      log: silentLog,
      lease: new MemoryLease(this.holder),
    });
    await this.#source.open(new AbortController().signal);
    return this.#source;
  }

  /** One poll, answered as the engine would; batches must chain without gap. */
  async step(): Promise<SourceEvent> {
    const source = await this.source();
    const event = await source.poll(0);
    this.seen.push(event);
    if (event.kind === "assigned") {
      const { partitions } = await source.identify();
      this.logs.join(partitions);
      this.#positions.clear();
      for (const { partition, logStart, logEnd } of partitions) {
        const stored = this.#committed.get(partition) ?? logStart;
        const position = this.acceptsGap && stored < logStart ? logStart : stored;
        assert(position >= logStart && position <= logEnd, `outside: ${position} [${logStart}, ${logEnd}]`);
        this.#positions.set(partition, position);
      }
      // What was read and not committed comes again.
      this.pending = [];
      source.resume(event.generation, this.#positions);
    } else if (event.kind === "batch") {
      const { partition, from, next, logEnd, runs, host } = event.batch;
      assertEquals(from, this.#positions.get(partition)!);
      assert(next >= from && next <= logEnd, `from ${from} next ${next} end ${logEnd}`);
      if (runs.length > 0) this.batches.push({ partition, host });
      let last = -1;
      for (const run of runs) {
        run.walk(from, (bytes, start, end, at) => {
          assert(at >= from && at < next && at > last, `offset ${at} in [${from}, ${next})`);
          last = at;
          this.pending.push(new TextDecoder().decode(bytes.subarray(start, end)));
        });
      }
      this.#positions.set(partition, next);
    }
    return event;
  }

  /** Polls until the log has been at its end for longer than a rotation takes. */
  async drain(): Promise<void> {
    let quiet = 0;
    for (let i = 0; i < 500 && quiet < 5; i++) {
      const event = await this.step();
      if (event.kind === "stopped") throw event.error;
      const idle = event.kind === "unavailable" ||
        (event.kind === "batch" && event.batch.runs.length === 0 && event.batch.next === event.batch.from);
      quiet = idle ? quiet + 1 : 0;
      if (idle) this.clock.advance(3_000);
    }
    assert(quiet >= 5, "the log never came to its end");
  }

  commit(): void {
    for (const line of this.pending) this.lines.push(line);
    this.pending = [];
    for (const [partition, position] of this.#positions) this.#committed.set(partition, position);
  }

  /** The process ends, with or without a last commit, and another one starts from what was committed. */
  async restart(): Promise<void> {
    this.pending = [];
    await this.#source?.close(1_000);
    this.#source = null;
    this.#positions.clear();
  }

  /** Drains, commits and gives all lines so far. */
  async all(): Promise<string[]> {
    await this.drain();
    this.commit();
    return this.lines;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source?.close(1_000);
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** `count` numbered lines with times, from `first` on. */
export function numbered(first: number, count: number): string {
  return Array.from({ length: count }, (_, i) => `line ${first + i} t=${1_000_000 + first + i}\n`).join("");
}
/** What {@link numbered} wrote, as records. */
export function records(first: number, count: number): string[] {
  return numbered(first, count).trimEnd().split("\n");
}

/** `lines` with the same first kilobyte before them, as the headers of W3C logs are. */
export const header = (lines: string) => `${"# a header that says the same in each file\n".repeat(40)}${lines}`;
/** What {@link header} did not add. */
export const events = (lines: readonly string[]) => lines.filter((line) => !line.startsWith("#"));
