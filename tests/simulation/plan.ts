// One history as data: settings, traffic and faults, all drawn from a seed. A plan can be printed, shortened and run again. Pure.
import { BASE } from "./tiny_reader.ts";
import { Random } from "./random.ts";

export interface Settings {
  readonly partitions: number;
  readonly instances: number;
  readonly windowSize: number;
  readonly watermarkDelay: number;
  readonly maxFutureSkew: number;
  readonly idleTimeout: number | null;
  readonly latePolicy: "store" | "drop";
  readonly recordTime: "create" | "append";
  readonly intervalMs: number;
  readonly maxDeltaKeys: number;
  readonly maxDeltaBytes: number;
  /** Whether readers make the engine forget its dictionaries after each commit. */
  readonly forgetful: boolean;
  readonly latencyMax: number;
  readonly longPollMax: number;
  readonly batchMax: number;
  readonly sloppiness: number;
  readonly pollSlack: number;
  /** How the end is read: by the engines that are left, or by one `run --once`. */
  readonly ending: "live" | "once";
  /** True time at which traffic and faults end, ms after the start. */
  readonly horizon: number;
  /** By instance: its clocks run this much faster than true time, e.g. 0.01 = 1 %. */
  readonly drifts: readonly number[];
  /** By instance: what it counts beside the rows, as a sum of DIMENSION_BITS; 0 = an older release. Everything, unless given. */
  readonly counted: readonly number[];
}

/** Records written to one partition at one time. */
export interface Burst {
  readonly at: number;
  readonly partition: number;
  readonly count: number;
  /** Decides the records, independent of all other bursts. */
  readonly seed: number;
  /** Event times lie this far behind at most. */
  readonly disorder: number;
  /** Producer's clock minus true time. */
  readonly producerAhead: number;
  readonly transaction: "none" | "commit" | "abort" | "hanging";
}

export type Fault =
  | { readonly at: number; readonly kind: "kill"; readonly instance: number; readonly down: number }
  | { readonly at: number; readonly kind: "freeze"; readonly instance: number; readonly lasts: number }
  | { readonly at: number; readonly kind: "terminate"; readonly instance: number; readonly down: number }
  | { readonly at: number; readonly kind: "heartbeats_lost"; readonly instance: number; readonly lasts: number }
  | { readonly at: number; readonly kind: "expel"; readonly instance: number }
  | { readonly at: number; readonly kind: "rebalance"; readonly times: number; readonly every: number }
  | { readonly at: number; readonly kind: "forget_position"; readonly instance: number }
  | { readonly at: number; readonly kind: "broker_down"; readonly lasts: number }
  | { readonly at: number; readonly kind: "database_flaky"; readonly lasts: number }
  | { readonly at: number; readonly kind: "database_refusing"; readonly lasts: number }
  | { readonly at: number; readonly kind: "database_hanging"; readonly lasts: number }
  | { readonly at: number; readonly kind: "database_slow"; readonly lasts: number; readonly latency: number }
  | { readonly at: number; readonly kind: "restore"; readonly age: number }
  /** A failover to a standby that had not got the salt of a day, for which nothing is stored yet. */
  | { readonly at: number; readonly kind: "lose_salt" }
  | { readonly at: number; readonly kind: "clock_jump"; readonly instance: number; readonly by: number }
  | { readonly at: number; readonly kind: "database_clock_jump"; readonly by: number }
  | { readonly at: number; readonly kind: "compact"; readonly partition: number; readonly seed: number }
  | { readonly at: number; readonly kind: "retention"; readonly partition: number; readonly beyond: boolean }
  | { readonly at: number; readonly kind: "truncate"; readonly partition: number; readonly below: boolean }
  | { readonly at: number; readonly kind: "recreate"; readonly partitions: number }
  | { readonly at: number; readonly kind: "switch_rules" }
  | { readonly at: number; readonly kind: "add_partition" };

export interface Plan {
  readonly seed: number;
  readonly settings: Settings;
  readonly bursts: readonly Burst[];
  readonly faults: readonly Fault[];
}

/** True time at which every history starts: two windows before midnight, so that days end within it. */
export const START = BASE + 86_400_000 - 40_000;

const INSTANCES_MAX = 3;
/** All bits of DIMENSION_BITS. */
export const COUNTED_ALL = 31;

/** Draws a history. */
export function planOf(seed: number): Plan {
  const random = new Random(seed, 1);
  const calm = random.chance(0.15);
  const horizon = random.int(30, 90) * 1_000;
  const latencyMax = calm ? 20 : random.pick([20, 100, 800]);
  const settings: Settings = {
    partitions: random.int(1, 4),
    instances: random.pick([1, 1, 2, 2, INSTANCES_MAX]),
    windowSize: 20_000,
    watermarkDelay: random.pick([5_000, 10_000]),
    maxFutureSkew: 15_000,
    idleTimeout: random.chance(0.93) ? random.pick([4_000, 8_000]) : null,
    latePolicy: random.chance(0.8) ? "store" : "drop",
    recordTime: random.chance(0.5) ? "create" : "append",
    intervalMs: random.pick([1_000, 1_000, 3_000]),
    maxDeltaKeys: random.pick([20, 1_000, 1_000]),
    // The smallest ends each delta at its first key: where each commit also takes a second, no history would end.
    maxDeltaBytes: new Random(seed, 10).pick(latencyMax > 100 ? [20_000, 1e9, 1e9] : [1, 9_000, 20_000, 1e9, 1e9]),
    forgetful: random.chance(0.3),
    latencyMax,
    longPollMax: random.pick([500, 1_500]),
    batchMax: random.pick([latencyMax > 100 ? 10 : 3, 20, 100]),
    sloppiness: calm ? 0 : random.pick([0, 0.02, 0.15]),
    pollSlack: random.pick([300, 900]),
    ending: random.chance(0.2) ? "once" : "live",
    horizon,
    drifts: drawDrifts(new Random(seed, 9)),
    counted: drawCounted(new Random(seed, 11)),
  };
  const bursts = drawBursts(random, settings);
  return {
    seed,
    settings,
    bursts,
    faults: calm ? [] : [...drawFaults(random, settings), ...drawSaltFaults(seed, settings)],
  };
}

/** For each instance how much faster than true time its clocks run: mostly not at all, else by up to 2 %, as no real clock does. */
function drawDrifts(random: Random): number[] {
  return Array.from({ length: INSTANCES_MAX }, () => random.chance(0.2) ? (random.real() - 0.5) * 0.04 : 0);
}

/** Around the start of a day a salt is made and not used yet. */
function drawSaltFaults(seed: number, { horizon }: Settings): Fault[] {
  const random = new Random(seed, 12);
  if (random.chance(0.6)) return [];
  return Array.from({ length: random.int(1, 3) }, () => ({
    at: random.chance(0.5) ? random.int(500, horizon - 1_000) : random.int(0, 60) * 50 + random.pick([500, 40_000]),
    kind: "lose_salt" as const,
  }));
}

/** For each instance what it counts beside the rows: mostly everything; with others it may be a part, or an older release. */
function drawCounted(random: Random): number[] {
  return Array.from({ length: INSTANCES_MAX }, () => random.chance(0.85) ? COUNTED_ALL : random.int(0, COUNTED_ALL));
}

function drawBursts(random: Random, { partitions, horizon }: Settings): Burst[] {
  const bursts: Burst[] = [];
  const partitionsWithTraffic = partitions + 1; // one more than there is: it may be added on the way
  for (let partition = 0; partition < partitionsWithTraffic; partition++) {
    if (random.chance(0.12)) continue; // stays empty
    const rate = random.pick([1_500, 4_000, 9_000]);
    const producerAhead = random.chance(0.15) ? random.int(-30_000, 14_000) : 0;
    const transactional = random.chance(0.25);
    let at = random.int(-40_000, 10_000);
    while (at < horizon) {
      bursts.push({
        at: Math.max(at, 0),
        partition,
        count: random.int(1, 8),
        seed: random.int(0, 2 ** 31),
        disorder: random.pick([0, 2_000, 6_000, 40_000]),
        producerAhead,
        transaction: !transactional ? "none" : random.pick(["none", "commit", "commit", "abort", "hanging"]),
      });
      at += random.chance(0.05) ? random.int(20_000, 60_000) : random.int(100, rate);
    }
  }
  return bursts;
}

function drawFaults(random: Random, { instances, partitions, horizon }: Settings): Fault[] {
  const faults: Fault[] = [];
  const at = () => random.int(500, horizon - 1_000);
  const instance = () => random.int(0, instances - 1);
  const lasts = () => random.skewed(500, 25_000);
  const draws: [number, () => Fault][] = [
    [4, () => ({ at: at(), kind: "kill", instance: instance(), down: random.skewed(0, 15_000) })],
    [3, () => ({ at: at(), kind: "freeze", instance: instance(), lasts: lasts() })],
    [2, () => ({ at: at(), kind: "terminate", instance: instance(), down: random.skewed(0, 15_000) })],
    [3, () => ({ at: at(), kind: "heartbeats_lost", instance: instance(), lasts: lasts() })],
    [2, () => ({ at: at(), kind: "expel", instance: instance() })],
    [2, () => ({ at: at(), kind: "rebalance", times: random.int(1, 6), every: random.int(200, 3_000) })],
    [2, () => ({ at: at(), kind: "forget_position", instance: instance() })],
    [1, () => ({ at: at(), kind: "broker_down", lasts: lasts() })],
    [4, () => ({ at: at(), kind: "database_flaky", lasts: lasts() })],
    [2, () => ({ at: at(), kind: "database_refusing", lasts: lasts() })],
    [2, () => ({ at: at(), kind: "database_hanging", lasts: lasts() })],
    [2, () => ({ at: at(), kind: "database_slow", lasts: lasts(), latency: random.int(500, 6_000) })],
    [2, () => ({ at: at(), kind: "restore", age: random.skewed(100, 30_000) })],
    [
      1,
      () => ({
        at: at(),
        kind: "clock_jump",
        instance: instance(),
        by: random.pick([-1, 1]) * random.skewed(1_000, 240_000),
      }),
    ],
    [0.5, () => ({ at: at(), kind: "database_clock_jump", by: random.pick([-1, 1]) * random.skewed(1_000, 60_000) })],
    [1, () => ({ at: at(), kind: "compact", partition: random.int(0, partitions - 1), seed: random.int(0, 2 ** 31) })],
    [1, () => ({ at: at(), kind: "retention", partition: random.int(0, partitions - 1), beyond: random.chance(0.15) })],
    [0.6, () => ({ at: at(), kind: "truncate", partition: random.int(0, partitions - 1), below: random.chance(0.2) })],
    [0.15, () => ({ at: at(), kind: "recreate", partitions: random.int(1, partitions + 1) })],
    [1, () => ({ at: at(), kind: "add_partition" })],
    [2, () => ({ at: at(), kind: "switch_rules" })],
  ];
  const weights = draws.reduce((sum, [weight]) => sum + weight, 0);
  for (let n = random.skewed(1, 14); n > 0; n--) {
    let mark = random.real() * weights;
    for (const [weight, draw] of draws) {
      mark -= weight;
      if (mark > 0) continue;
      faults.push(draw());
      break;
    }
  }
  return faults.sort((a, b) => a.at - b.at);
}
