// The engines of one process: one in the main thread, or several in threads of their own. Part of the composition root.
import type { GeoCounts, GeoState } from "../geo/geo_state.ts";
import type { GeoFiles } from "../geo/geo_files.ts";
import { withBrokenRecords } from "../geo/shared_geo.ts";
import type { FolderLock } from "../shared/folder_lock.ts";
import type { Settings } from "../shared/config/settings.ts";
import type { PipelineSnapshot } from "../shared/snapshot.ts";
import type { EpochMs } from "../shared/units.ts";
import type { ProcessContext } from "./context.ts";
import { createEngine, engineName, runEngine } from "./engine.ts";
import { EngineThread } from "./engine_thread.ts";
import type { Storage } from "./storage.ts";

/** Engines that run together. */
export interface Engines {
  snapshots(): readonly PipelineSnapshot[];
  /** A reader asks for committed data. */
  look(): void;
  /** Names of engines whose threads are stuck. (An engine stuck in the main thread would also block this call.) */
  stuck(): readonly string[];
  geoCounts(): GeoCounts;
  /** The address databases, with the broken records that engines have found in them. */
  geoState(): GeoState;
  /** Runs all until the signal aborts, or with `once` to the end. Rejects with the first error. */
  run(signal: AbortSignal): Promise<void>;
}

interface EnginesOptions {
  readonly storage: Storage;
  readonly lock: FolderLock | null;
  readonly geo: GeoFiles;
  readonly once: boolean;
  readonly waitMs: number;
  /** Shown for an engine without a snapshot. */
  readonly before: PipelineSnapshot;
  readonly onCommitted: (durationMs: number, keys: number) => void;
  readonly onClosed: (windowStart: EpochMs, at: EpochMs) => void;
}

/**
 * Number of engines in a process. `--once` runs one engine: the last windows are closed when all partitions are read, which several engines
 * cannot know of each other. Sources with a single reader have one engine, too.
 */
export function engineCount(
  { WORKERS, SOURCE }: Pick<Settings, "WORKERS" | "SOURCE">,
  once: boolean,
  processors: number,
): number {
  if (once || SOURCE !== "kafka") return 1;
  return WORKERS === "auto" ? Math.max(1, processors) : WORKERS;
}

/** Makes the engines, which do nothing before `run`. The schema must be up to date and the address databases open. */
export async function createEngines(context: ProcessContext, count: number, options: EnginesOptions): Promise<Engines> {
  return count === 1 ? await oneEngine(context, options) : threads(context, count, options);
}

async function oneEngine(context: ProcessContext, options: EnginesOptions): Promise<Engines> {
  const { lock, geo } = options;
  const engine = await createEngine(context, { ...options, notes: lock, places: geo.locator, number: 0 });
  return {
    snapshots: () => [engine.snapshot()],
    look: () => engine.look(),
    stuck: () => [],
    geoCounts: () => geo.locator,
    geoState: () => geo.state(),
    run: (signal) =>
      runEngine(engine, { database: options.storage.work, clock: context.clock, places: geo.locator }, signal),
  };
}

function threads({ settings, log, clock }: ProcessContext, count: number, options: EnginesOptions): Engines {
  const { storage: { address }, lock, geo, waitMs, before, onCommitted, onClosed } = options;
  const engines = Array.from({ length: count }, (_, i) => {
    const number = i + 1;
    return new EngineThread({
      start: { settings, address, number, waitMs },
      geo: () => geo.shared(),
      lock,
      log,
      clock,
      before: { ...before, instance: engineName(settings.INSTANCE_ID, number) },
      onCommitted,
      onClosed,
    });
  });
  return {
    snapshots: () => engines.map((engine) => engine.snapshot()),
    look: () => engines.forEach((engine) => engine.look()),
    stuck: () => engines.flatMap((engine) => engine.stuck ?? []),
    geoCounts: () =>
      engines.map((engine) => engine.geoCounts).reduce((sum, { located, walked, missed }) => ({
        located: sum.located + located,
        walked: sum.walked + walked,
        missed: sum.missed + missed,
      })),
    geoState: () => withBrokenRecords(geo.state(), engines.map((engine) => engine.brokenRecords)),
    async run(signal) {
      geo.onExchange = () => engines.forEach((engine) => engine.useGeo(geo.shared()));
      await runTogether(engines, signal);
    },
  };
}

/**
 * Runs all until the signal aborts. If one fails, the others stop too, each after its last commit, so that the whole process is started
 * again. Rejects when all have ended, with the first error in the order of the engines.
 */
export async function runTogether(
  engines: readonly { run(signal: AbortSignal): Promise<void> }[],
  signal: AbortSignal,
): Promise<void> {
  const failed = new AbortController();
  const together = AbortSignal.any([signal, failed.signal]);
  const ends = await Promise.allSettled(engines.map(async (engine) => {
    try {
      await engine.run(together);
    } catch (error) {
      failed.abort();
      throw error;
    }
  }));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}
