// A history written by hand: records with times relative to its start, engines started and stopped where the script says.
import { assertEquals } from "@std/assert";
import { NEVER } from "../../src/shared/units.ts";
import { History } from "./history.ts";
import type { KeyHits, Row } from "./model_database.ts";
import { type Settings, START } from "./plan.ts";
import { writeEvent } from "./tiny_reader.ts";

const SETTINGS: Settings = {
  partitions: 1,
  instances: 0,
  windowSize: 20_000,
  watermarkDelay: 5_000,
  maxFutureSkew: 15_000,
  idleTimeout: 8_000,
  latePolicy: "store",
  recordTime: "append",
  intervalMs: 1_000,
  maxDeltaKeys: 1_000,
  maxDeltaBytes: 1e9,
  forgetful: false,
  latencyMax: 20,
  longPollMax: 500,
  batchMax: 100,
  sloppiness: 0,
  pollSlack: 100,
  ending: "live",
  horizon: 0,
  drifts: [],
  counted: Array(8).fill(0),
};

/** Times are ms after the start, which is also the start of a window. */
export class Scene {
  readonly history: History;

  constructor(settings: Partial<Settings> = {}, seed = 1) {
    this.history = new History({ seed, settings: { ...SETTINGS, ...settings }, bursts: [], faults: [] });
  }

  /** One valid event; its record time is the present, unless given. */
  write(
    partition: number,
    time: number,
    options: { recordTime?: number; host?: number; transaction?: number; visitor?: number; bot?: number } = {},
  ): void {
    this.history.topic.partitions[partition]!.append({
      value: writeEvent({
        code: 0,
        time: START + time,
        host: options.host ?? 0,
        referrer: 0,
        place: 0,
        bot: options.bot ?? 0,
        visitor: options.visitor ?? 0,
      }),
      control: false,
      recordTime: options.recordTime === undefined ? this.history.world.now : START + options.recordTime,
      transaction: options.transaction ?? null,
    });
  }

  /** Lets time pass until `at`. */
  async until(at: number): Promise<void> {
    await this.history.world.run(START + at);
  }

  /** A pause in model time, for what the script puts into an engine's way. */
  wait(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { world } = this.history;
    world.after(ms, () => {
      world.touched = true;
      resolve();
    });
    return promise;
  }

  start(instance = 0, once = false, waitMs?: number): void {
    this.history.start(instance, once, waitMs);
  }

  row(partition: number): Row {
    return this.history.database.state.rows.get(partition)!;
  }

  /** Stored watermark, ms after the start; `NEVER` before the first. */
  watermark(partition: number): number {
    const { watermark } = this.row(partition);
    return watermark === NEVER ? NEVER : watermark - START;
  }

  /** Hits by start of closed window. */
  get closed(): Record<number, number> {
    return Object.fromEntries(
      [...this.history.database.state.closed].map(([start, { hits }]): [number, number] => [start - START, hits]).sort((
        a,
        b,
      ) => a[0] - b[0]),
    );
  }

  /** Hits by start of open window. */
  get open(): Record<number, number> {
    const hits: Record<number, number> = {};
    for (const delta of this.history.database.state.open) {
      hits[delta.windowStart - START] = (hits[delta.windowStart - START] ?? 0) + delta.hits;
    }
    return hits;
  }

  /** Hits by host over open and closed windows. */
  get hosts(): Record<string, number> {
    const { open, closed } = this.history.database.state, hosts: Record<string, number> = {};
    for (const { keys } of [...open, ...closed.values()]) {
      for (const [key, { hits }] of keys) {
        const host = key.split("\x1f")[0]!;
        hosts[host] = (hosts[host] ?? 0) + hits;
      }
    }
    return hosts;
  }

  /** Late hits by window start. */
  get late(): Record<number, number> {
    const sum = (keys: KeyHits) => [...keys.values()].reduce((all, { hits }) => all + hits, 0);
    return Object.fromEntries([...this.history.database.state.late].map(([start, keys]) => [start - START, sum(keys)]));
  }

  /** Whether tables and invariants hold so far. */
  verify(): void {
    assertEquals(this.history.audit.violations, []);
    assertEquals(this.history.differences(), []);
  }

  /** Ends all engines and verifies. */
  async finish(): Promise<void> {
    const { instances, world } = this.history;
    for (const { abort, process } of instances.filter((i) => i)) {
      process.thaw();
      abort.abort();
    }
    await world.run(world.now + 20_000);
    assertEquals(instances.filter((i) => i?.running).map((i) => i.number), [], "engines that do not end");
    this.verify();
  }
}
