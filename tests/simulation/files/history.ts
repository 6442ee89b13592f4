// One history of logs, as a seed decides it: the real file source over the model disk, with crashes and clocks that jump, and an oracle that
// knows each line. No I/O.
import type { Clock } from "../../../src/shared/clock.ts";
import { createLog } from "../../../src/shared/log.ts";
import { type DurationMs, durationMs, epochMs, type Offset, type PartitionId } from "../../../src/shared/units.ts";
import { MemoryLogs } from "../../../src/source/file/generations.ts";
import { unpackPosition } from "../../../src/source/file/position.ts";
import { createFileSource } from "../../../src/source/file/source.ts";
import { MemoryLease } from "../../../src/source/lease.ts";
import type { Source } from "../../../src/source/port.ts";
import { timeOfLine } from "../../source/file/rig.ts";
import { Random } from "../random.ts";
import { ModelDisk } from "./disk.ts";
import { type Line, linesOnDisk, Writer } from "./writers.ts";

/** What a history came to. */
export interface Played {
  readonly violations: readonly string[];
  /** Name under which the stream stopped. */
  readonly stopped: string | null;
  readonly lines: number;
  /** Lines that nothing had seen before they were taken away. */
  readonly unseen: number;
  readonly acts: Readonly<Record<string, number>>;
}

/** Our clock: it moves by acts alone, and may be set. */
class ModelClock implements Clock {
  #now = 1_800_000_000_000;
  #sleepers: { readonly due: number; readonly wake: () => void }[] = [];
  now() {
    return epochMs(this.#now);
  }
  sleep(duration: DurationMs, signal?: AbortSignal): Promise<void> {
    if (duration <= 0 || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#sleepers.push({ due: this.#now + duration, wake: resolve });
      signal?.addEventListener("abort", () => resolve(), { once: true });
    });
  }
  advance(ms: number) {
    this.#now += ms;
    const due = this.#sleepers.filter((sleeper) => sleeper.due <= this.#now);
    this.#sleepers = this.#sleepers.filter((sleeper) => sleeper.due > this.#now);
    for (const { wake } of due) wake();
  }
}

const ACTS: readonly (readonly [act: string, weight: number])[] = [
  ["write", 30],
  ["poll", 30],
  ["commit", 12],
  ["rename", 6],
  ["dated", 3],
  ["copytruncate", 4],
  ["compress", 2],
  ["replace", 2],
  ["backup", 2],
  ["edit", 1],
  ["empty", 1],
  ["reopen", 6],
  ["crash", 3],
  ["restart", 3],
  ["down", 2],
  ["jump", 2],
  ["join", 1],
  ["wait", 6],
];
/** What is done in the middle of a look. */
export const AMID = [
  "rename",
  "rename",
  "rename",
  "rotate twice",
  "write",
  "copytruncate",
  "replace",
  "replace and copytruncate",
  "replace twice",
  "compress",
  "backup",
] as const;
/** Plays the history of `seed`; `tell` gets each act and what the source logs. */
export async function playFiles(seed: number, tell: (line: string) => void = () => {}): Promise<Played> {
  const random = new Random(seed, 16), history = new History(random, tell);
  return await history.play();
}

function place(position: Offset): string {
  const { generation, byte } = unpackPosition(position);
  return `${generation}:${byte}`;
}

class History {
  readonly #random: Random;
  readonly #clock = new ModelClock();
  /** The file system's clock is another one. */
  #diskNow = 1_800_000_000_000;
  readonly #disk = new ModelDisk(() => this.#diskNow);
  readonly #lines = new Map<number, Line>();
  readonly #writers: Writer[] = [];
  readonly #logs = new MemoryLogs();
  #holder: { owner: MemoryLease | null } = { owner: null };
  #source: Source | null = null;
  #positions = new Map<PartitionId, Offset>();
  #committed = new Map<PartitionId, Offset>();
  #pending: number[] = [];
  readonly #counted = new Map<number, number>();
  #stopped: string | null = null;
  /** The first line after a gap was accepted: of those before, what lies in the gap is not known. */
  #accepted: number | null = null;
  #accepting = false;
  readonly #violations: string[] = [];
  readonly #acts: Record<string, number> = {};
  #eventTime = 1_700_000_000_000;

  constructor(random: Random, readonly tell: (line: string) => void) {
    this.#random = random;
  }

  async play(): Promise<Played> {
    const random = this.#random;
    const logs = random.int(1, 3);
    for (let i = 0; i < logs; i++) this.#join();
    const total = ACTS.reduce((sum, [, weight]) => sum + weight, 0);
    await this.#poll(3);
    for (let i = random.int(20, 52); i > 0; i--) {
      if (this.#stopped !== null && !await this.#acceptGap()) break;
      let at = random.int(1, total);
      const [act] = ACTS.find(([, weight]) => (at -= weight) <= 0)!;
      this.#acts[act] = (this.#acts[act] ?? 0) + 1;
      await this.#do(act);
    }
    if (this.#stopped === null) await this.#finish();
    await this.#source?.close(1_000);
    const unseen = this.#judge();
    return {
      violations: this.#violations,
      stopped: this.#stopped,
      lines: this.#lines.size,
      unseen,
      acts: this.#acts,
    };
  }

  async #do(act: string, writer = this.#random.pick(this.#writers)): Promise<void> {
    const random = this.#random;
    this.tell(
      `${act} ${writer.name}: ${
        [...this.#disk.entries].map(([path, { number, bytes }]) => `${path.slice(5)} ${number} ${bytes.length}`).join(
          ", ",
        )
      }`,
    );
    switch (act) {
      case "write":
        return this.#write(writer);
      case "poll":
        if (random.chance(0.15)) {
          this.#disk.interruption = { after: random.int(0, 60), act: () => this.#amid(writer) };
        }
        return await this.#poll(random.int(1, 8));
      case "commit":
        return this.#commit();
      case "rename":
      case "dated":
        writer.rename(act === "dated");
        if (random.chance(0.6)) writer.reopen();
        return;
      case "copytruncate":
        return writer.copyTruncate(random);
      case "compress":
        return writer.compress(random);
      case "replace":
        return this.#replace(writer);
      case "backup":
        return writer.backup();
      case "edit":
        return await this.#edit(writer);
      case "empty":
        return writer.empty();
      case "reopen":
        return writer.reopen();
      case "crash":
        return await this.#end(false);
      case "restart":
        return await this.#end(true);
      case "down":
        await this.#end(random.chance(0.5));
        for (let i = random.int(1, 4); i > 0; i--) {
          const other = random.pick(this.#writers);
          this.#write(other);
          this.#pass(random.int(1, 3_000));
          const act = random.pick(["rename", "rename", "rename", "dated", "copytruncate", "backup", "empty"]);
          await this.#do(act, other);
          other.reopen();
          this.#write(other);
        }
        return;
      case "jump":
        return this.#clock.advance(random.pick([-3_600_000, -600_000, 600_000, 86_400_000]));
      case "join":
        if (this.#writers.length < 4) this.#join();
        return;
      case "wait":
        return this.#pass(random.pick([100, 300, 1_500, 6_000, 40_000]));
    }
  }

  /** As `tidemark resume --accept-gap` and a new start do, half of the times and once a history; false if the stream stays stopped. */
  async #acceptGap(): Promise<boolean> {
    if (this.#stopped !== "data_gap" || this.#accepted !== null || this.#random.chance(0.5)) return false;
    this.#acts["accept"] = (this.#acts["accept"] ?? 0) + 1;
    this.tell("accept");
    this.#stopped = null;
    await this.#end(true);
    this.#accepted = this.#lines.size;
    this.#accepting = true;
    await this.#poll(1);
    return this.#stopped === null;
  }

  /** What others do to the files in the middle of a look. */
  #amid(writer: Writer): void {
    const random = this.#random, act = random.pick(AMID);
    this.tell(`  amid: ${act}`);
    this.#acts[`amid: ${act}`] = (this.#acts[`amid: ${act}`] ?? 0) + 1;
    switch (act) {
      case "rename":
        return writer.rename(random.chance(0.3));
      case "rotate twice":
        for (let i = 0; i < 2; i++) {
          writer.rename(random.chance(0.3));
          writer.reopen();
          this.#write(writer);
        }
        return;
      case "write":
        return this.#write(writer);
      case "copytruncate":
        return writer.copyTruncate(random);
      case "replace":
        return this.#replace(writer);
      case "replace and copytruncate":
        this.#replace(writer);
        return writer.copyTruncate(random);
      case "replace twice":
        for (let i = 0; i < 2; i++) this.#replace(writer);
        return;
      case "compress":
        return writer.compress(random);
      case "backup":
        return writer.backup();
    }
  }

  /** All that is there was read before, and nothing is added until the file was looked at: it is judged by the times in it. */
  async #edit(writer: Writer): Promise<void> {
    this.#disk.interruption = null;
    await this.#settle();
    if (this.#stopped !== null) return;
    this.#commit();
    const there = linesOnDisk(this.#disk);
    const isUnread = ({ id, log }: Line) => log === writer.path && there.has(id) && !this.#counted.has(id);
    if ([...this.#lines.values()].some(isUnread)) return;
    if (this.#random.chance(0.5)) await this.#end(this.#random.chance(0.5));
    writer.edit(this.#random);
    await this.#settle();
  }

  async #settle(): Promise<void> {
    for (let i = 0; i < 28 && this.#stopped === null; i++) {
      if (await this.#step() === "idle") this.#pass(1_000);
    }
  }

  #join(): void {
    this.#writers.push(new Writer(this.#disk, `site${"abcd"[this.#writers.length]}.log`, this.#lines, this.#random));
  }

  #write(writer: Writer): void {
    const count = this.#random.int(1, 12);
    writer.write(count, this.#random, this.#eventTime);
    this.#eventTime += count * 10;
  }

  #replace(writer: Writer): void {
    writer.replace(this.#random, this.#eventTime);
    this.#eventTime += 10;
  }

  #pass(ms: number): void {
    this.#diskNow += ms;
    this.#clock.advance(ms);
  }

  async #end(graceful: boolean): Promise<void> {
    if (graceful) this.#commit();
    const source = this.#source;
    this.#source = null;
    this.#pending = [];
    this.#positions.clear();
    // A process that is killed leaves its handles and its lease behind, but stores nothing more.
    if (graceful) await source?.close(1_000);
    else {
      this.#holder = { owner: null };
      // What it had seen and not stored went with it.
      for (const line of this.#lines.values()) {
        line.seenBefore = false;
        if (line.inode !== null) line.inode.seen = 0;
      }
    }
  }

  async #poll(times: number): Promise<void> {
    for (let i = 0; i < times && this.#stopped === null; i++) await this.#step();
  }

  async #step(): Promise<"idle" | "busy"> {
    if (this.#source === null) {
      this.#source = createFileSource({
        paths: ["/log/*.log*"],
        follow: true,
        lastLine: "leave",
        files: this.#disk,
        logs: this.#logs,
        missingFor: durationMs(30_000),
        firstEventTime: timeOfLine,
        clock: this.#clock,
        log: createLog({ level: "info", format: "text", write: (line) => this.tell(`  ${line}`), now: () => 0 }),
        lease: new MemoryLease(this.#holder),
      });
      await this.#source.open(new AbortController().signal);
    }
    const event = await this.#source.poll(0);
    if (event.kind === "stopped") this.tell(`  ${event.error.message}`);
    if (event.kind === "stopped") this.#stopped = event.error.code;
    if (event.kind === "assigned") await this.#load(event.generation);
    if (event.kind !== "batch") return "idle";
    const { partition, from, next, logEnd, runs } = event.batch;
    if (from !== this.#positions.get(partition)) this.#violations.push(`batch at ${from} of partition ${partition}`);
    if (next > logEnd) this.#violations.push(`partition ${partition} reads beyond its end`);
    const before = this.#pending.length;
    for (const run of runs) {
      run.walk(from, (bytes, start, end, _offset, recordTime) => {
        const id = /^line (\d+) t=(\d+) x*$/.exec(new TextDecoder().decode(bytes.subarray(start, end)));
        if (id !== null) this.#pending.push(Number(id[1]));
        if (id !== null && Number(id[2]) > recordTime + 300_000) {
          this.#violations.push(`line ${id[1]} is dead by a clock`);
        }
      });
    }
    if (next > from) {
      this.tell(`  ${partition}: ${place(from)} to ${place(next)}, lines ${this.#pending.slice(before).join(" ")}`);
    }
    this.#positions.set(partition, next);
    return next > from ? "busy" : "idle";
  }

  /** What the engine does with an assignment. */
  async #load(generation: number): Promise<void> {
    const bounds = await this.#bounds();
    this.#logs.join(bounds);
    this.#commitAtRebalance();
    this.#positions.clear();
    for (const { partition, logStart, logEnd } of bounds) {
      const stored = this.#committed.get(partition) ?? logStart;
      const position = this.#accepting && stored < logStart ? logStart : stored;
      this.#committed.set(partition, position);
      if (position < logStart) this.#stopped = "data_gap";
      if (position > logEnd) this.#violations.push(`partition ${partition} ends at ${logEnd}, before ${position}`);
      this.#positions.set(partition, position);
    }
    this.#accepting = false;
    if (this.#stopped === null) this.#source!.resume(generation, this.#positions);
  }

  /** A file that is gone is waited for, until its log begins behind it. */
  async #bounds() {
    for (let tries = this.#writers.length;; tries--) {
      try {
        return (await this.#source!.identify()).partitions;
      } catch (error) {
        if ((error as { code?: string }).code !== "file_missing" || tries === 0) throw error;
        this.#pass(31_000);
      }
    }
  }

  #commitAtRebalance(): void {
    if (this.#positions.size > 0 && this.#pending.length > 0) this.#commit();
  }

  #commit(): void {
    for (const id of this.#pending) {
      const times = (this.#counted.get(id) ?? 0) + 1;
      this.#counted.set(id, times);
      if (times === 2) this.#violations.push(`line ${id} is counted twice`);
    }
    this.#pending = [];
    for (const [partition, position] of this.#positions) this.#committed.set(partition, position);
  }

  /** Servers reopen, and reading comes to the end of everything. */
  async #finish(): Promise<void> {
    this.#disk.interruption = null;
    for (const writer of this.#writers) {
      writer.finish();
      writer.reopen();
      this.#write(writer);
    }
    for (let quiet = 0, i = 0; quiet < 24 && i < 600 && this.#stopped === null; i++) {
      quiet = await this.#step() === "idle" ? quiet + 1 : 0;
      if (quiet > 0) this.#pass(4_000);
    }
    if (this.#stopped === null) this.#commit();
  }

  /** Each line is counted once, or the stream has stopped by name, or nothing had seen it before it was taken away. */
  #judge(): number {
    let unseen = 0;
    if (this.#stopped !== null) return unseen;
    const there = linesOnDisk(this.#disk);
    for (const { id, log, seenBefore } of this.#lines.values()) {
      if (this.#counted.has(id) || id < (this.#accepted ?? 0)) continue;
      if (there.has(id)) this.#violations.push(`line ${id} of ${log} is there and was never counted`);
      else if (seenBefore) this.#violations.push(`line ${id} of ${log} was seen and is lost without a word`);
      else unseen++;
    }
    return unseen;
  }
}
