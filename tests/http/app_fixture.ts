// An application over a given (or no) database, with a clock that only a test moves.
import { Registry } from "../../src/shared/metrics.ts";
import { type Log, silentLog } from "../../src/shared/log.ts";
import type { Clock } from "../../src/shared/clock.ts";
import { ENGINE_STEPS, StepBoard } from "../../src/shared/steps.ts";
import type { PipelineSnapshot } from "../../src/shared/snapshot.ts";
import { type DurationMs, durationMs, type EpochMs, epochMs, offset, partitionId } from "../../src/shared/units.ts";
import { createApp } from "../../src/http/server/app.ts";
import type { ReadDatabase } from "../../src/shared/sql.ts";
import { APP_DEFAULTS, type AppDeps, type AppSettings } from "../../src/http/server/deps.ts";
import { DAY0, MIN } from "./stream_fixture.ts";

/** 2026-01-31T00:30:00Z: ten minutes after the newest record of the filled stream. */
export const NOW = epochMs(DAY0 + 30 * MIN);

/** A clock that the test moves; a sleep ends in the next turn of the event loop, so that waiting code goes on at once. */
export class TestClock implements Clock {
  constructor(public time: number = NOW) {}
  now(): EpochMs {
    return epochMs(this.time);
  }
  sleep(_duration: DurationMs, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => signal?.aborted ? resolve() : setTimeout(resolve, 0));
  }
}

/** A database that answers nothing. */
export const noDatabase: ReadDatabase = {
  query: () => Promise.reject(Object.assign(new Error("connect ECONNREFUSED 10.1.2.3:5432"), { code: "ECONNREFUSED" })),
};

export const settings: AppSettings = {
  ...APP_DEFAULTS,
  access: { publicAccess: false },
  watermarkDelayMs: durationMs(MIN),
  idleTimeoutMs: durationMs(MIN),
};

export interface AppOptions {
  readonly database?: ReadDatabase;
  readonly clock?: Clock;
  readonly log?: Log;
  readonly settings?: Partial<AppSettings>;
  readonly snapshots?: readonly PipelineSnapshot[];
  readonly deps?: Partial<AppDeps>;
}

export function testApp(options: AppOptions = {}) {
  return createApp({
    database: options.database ?? noDatabase,
    clock: options.clock ?? new TestClock(),
    log: options.log ?? silentLog,
    metrics: new Registry(),
    version: "1.2.3",
    snapshots: () => options.snapshots ?? [],
    geo: () => null,
    settings: { ...settings, ...options.settings },
    settingsView: [{ name: "API_TOKEN", value: "(hidden)", source: "environment" }],
    ...options.deps,
  });
}

/** Every step of an engine that is well. */
function goodSteps() {
  const clock = new TestClock(NOW - 60 * MIN), steps = new StepBoard(ENGINE_STEPS, clock);
  clock.time = NOW - 500;
  for (const step of ENGINE_STEPS) steps.succeeded(step);
  return steps.states();
}

/** A running engine that owns both partitions of the filled stream and is caught up. */
export function snapshot(changes: Partial<PipelineSnapshot> = {}): PipelineSnapshot {
  return {
    instance: "one",
    source: "kafka",
    topic: "web_traffic_topic",
    startedAt: epochMs(NOW - 60 * MIN),
    now: NOW,
    phase: "running",
    reason: null,
    reasonCode: null,
    generation: 1,
    partitions: [
      partition(0),
      partition(1, { position: offset(15), committed: offset(15), logEnd: offset(15), lastStable: offset(15) }),
    ],
    steps: goodSteps(),
    store: { reachable: true, lastError: null, lastSuccessAt: NOW },
    commit: {
      lastAt: epochMs(NOW - 2_000),
      lastDurationMs: 12,
      lastKeys: 3,
      pendingRecords: 0,
      pendingKeys: 0,
      inFlight: false,
      fenced: 0,
      unknownOutcomes: 0,
    },
    totals: {
      records: 25,
      bytes: 2_500,
      counted: 18,
      late: 3,
      dead: 2,
      nulls: 1,
      skipped: 1,
      batchesSplit: 0,
      rebalances: 1,
      commits: 2,
      windowsClosed: 2,
      valuesFolded: 5,
      stored: { counted: 0, late: 0, dead: 0, nulls: 0, byReason: {} },
    },
    reading: null,
    ...changes,
  };
}

export function partition(id: number, changes: Partial<PipelineSnapshot["partitions"][number]> = {}) {
  return {
    partition: partitionId(id),
    position: offset(10),
    committed: offset(10),
    logEnd: offset(10),
    lastStable: offset(10),
    watermark: epochMs(DAY0 + 14 * MIN),
    lastEventTime: epochMs(DAY0 + 15 * MIN),
    progressAt: epochMs(NOW - 500),
    quietSince: null,
    state: "flowing" as const,
    ...changes,
  };
}
