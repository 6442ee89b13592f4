// One running service: database, places, engines, maintenance and HTTP. HTTP starts first, so that health checks are answered at once.
// Composition root.
import { rollUp, runRetention, runRollUp, runUpkeep } from "../store/maintenance.ts";
import { runStepRecord, worstOf } from "../store/step_record.ts";
import { GeoFiles, geoOptions } from "../geo/geo_files.ts";
import { Metrics } from "../http/api/metrics/catalogue.ts";
import { serveHttp } from "../http/server/server.ts";
import { EXIT, type ExitCode, StreamStopped } from "../shared/errors.ts";
import { descriptorLimit, DESCRIPTORS_MIN, httpShare } from "./descriptors.ts";
import type { FolderLock } from "../shared/folder_lock.ts";
import { Registry } from "../shared/metrics.ts";
import { noTotals, type PipelineSnapshot } from "../shared/snapshot.ts";
import { ENGINE_STEPS, StepBoard, UPKEEP_STEPS, type UpkeepStep } from "../shared/steps.ts";
import type { ProcessContext } from "./context.ts";
import { createEngines, engineCount, type Engines } from "./engines.ts";
import { runNotifying } from "./notifying.ts";
import { openStorage, prepareSchema, type Storage } from "./storage.ts";
import { webApp } from "./web.ts";
import { logName } from "./wiring.ts";

/** While windows of a backlog are closed, the last closing is at most this long ago. */
const CLOSING_MS = 2_000;

interface ServiceOptions {
  readonly lock: FolderLock | null;
  /** Run engines; false = only HTTP (`serve`). */
  readonly engines: boolean;
  readonly http: boolean;
  readonly once: boolean;
  readonly waitMs: number;
  /** Folder of installed place files, if not DATA_DIR. */
  readonly geoFolder?: string;
  /** Called when the engines start; `signal` aborts when they end. */
  readonly onStart?: (snapshots: () => readonly PipelineSnapshot[], signal: AbortSignal) => void;
  /** With `once`: called at the end, unless the stream is stopped; gives the exit code. */
  readonly onEnd?: (snapshots: readonly PipelineSnapshot[], database: Storage["work"]) => Promise<ExitCode>;
  /** Called once HTTP listens, with its address. */
  readonly onListening?: (url: string) => void;
}

/** Runs until the signal aborts, or with `once` until all is read; then stops its parts in order. */
export async function runService(context: ProcessContext, options: ServiceOptions): Promise<ExitCode> {
  const { settings, clock, log, signal } = context;
  const startedAt = clock.now();
  const steps = new StepBoard(UPKEEP_STEPS, clock);
  const metrics = new Metrics(new Registry());
  const storage = await openStorage(context);
  const count = engineCount(settings, options.once, navigator.hardwareConcurrency);
  const geo = new GeoFiles({
    ...geoOptions(context),
    ...(options.geoFolder !== undefined && { dataDir: options.geoFolder }),
    clock,
    shared: options.engines && count > 1,
  });
  let engines: Engines | null = null;
  let trouble: string | null = null;
  const beforeEngines = (): PipelineSnapshot => startingSnapshot(context, startedAt, trouble);
  const stopping = new AbortController();
  // The signal may have aborted already: its event does not come again.
  if (signal.aborted) stopping.abort();
  else signal.addEventListener("abort", () => stopping.abort(), { once: true });

  let server: Awaited<ReturnType<typeof serveHttp>> | null = null;
  try {
    if (options.http) {
      const descriptors = await descriptorLimit();
      if (descriptors < DESCRIPTORS_MIN) {
        log.warn("few descriptors: raise the limit of open files (ulimit -n, LimitNOFILE)", { limit: descriptors });
      }
      const app = await webApp(context, {
        database: storage.reads,
        clock,
        log,
        metrics: metrics.registry,
        snapshots: () => options.engines ? engines?.snapshots() ?? [beforeEngines()] : [],
        ...(options.engines && { writes: storage.work, onRead: () => engines?.look() }),
        stuckEngines: () => engines?.stuck() ?? [],
        ...(options.engines && { upkeep: () => steps.states() }),
        geo: () => engines?.geoState() ?? geo.state(),
        ...(options.engines && { geoCounts: () => engines?.geoCounts() ?? geo.locator }),
        embedded: storage.address.kind === "url",
      });
      server = await serveHttp(app, {
        host: settings.HTTP_HOST,
        port: settings.HTTP_PORT,
        connectionsMax: httpShare(descriptors),
        log,
      });
      options.onListening?.(server.url);
    }
    // Other commands find this process by the note. An empty one replaces the note of a predecessor.
    await options.lock?.writeNote("http", server?.url ?? "");
    if (!options.engines) {
      await aborted(signal);
      return EXIT.ok;
    }
    await geo.open();
    await prepareSchema(storage, context, {
      waitMs: options.once ? options.waitMs : Infinity,
      onTrouble: (message) => trouble = message,
    });
    let closedAt = -Infinity;
    engines = await createEngines(context, count, {
      ...options,
      storage,
      geo,
      before: beforeEngines(),
      onCommitted(durationMs, keys) {
        metrics.histogram("tidemark_commit_duration_seconds").observe(durationMs / 1000);
        metrics.counter("tidemark_commit_keys_total").inc(keys);
      },
      onClosed(windowStart, at) {
        closedAt = clock.now();
        const end = windowStart + settings.WINDOW_SIZE;
        // Windows that ended before are history or an outage and say nothing about freshness.
        if (end >= startedAt) metrics.histogram("tidemark_window_visible_seconds").observe((at - end) / 1000);
      },
    });
    const closing = () => clock.now() - closedAt < CLOSING_MS;
    options.onStart?.(() => engines!.snapshots(), stopping.signal);
    const running = { storage, geo, engines, stopping, closing, once: options.once, steps };
    const code = await runEngines(context, running);
    if (!options.once || signal.aborted || code !== EXIT.ok) return code;
    return await options.onEnd?.(engines.snapshots(), storage.work) ?? code;
  } catch (error) {
    if (signal.aborted) return EXIT.ok;
    throw error;
  } finally {
    stopping.abort();
    await server?.close(5_000);
    geo.close();
    await storage.close();
  }
}

interface Running {
  readonly storage: Storage;
  readonly geo: GeoFiles;
  readonly engines: Engines;
  readonly stopping: AbortController;
  /** Whether windows of a backlog are being closed. */
  readonly closing: () => boolean;
  readonly once: boolean;
  readonly steps: StepBoard<UpkeepStep>;
}

/** Runs the engines and the tasks beside them. */
async function runEngines(
  context: ProcessContext,
  { storage, geo, engines, stopping, closing, once, steps }: Running,
): Promise<ExitCode> {
  const { settings, clock, log } = context;
  const { signal } = stopping, database = storage.work;
  const maintenance = { database, clock, log, steps };
  const beside = [
    geo.watch(signal),
    runRollUp({ ...maintenance, closing, breakdownValuesMax: settings.BREAKDOWN_VALUES_MAX }, signal),
    runRetention({ ...maintenance, retentionDays: settings.RETENTION_DAYS }, signal),
    runUpkeep(maintenance, signal),
    // A run over logs that ends says what it did itself.
    once ? undefined : runNotifying(context, { database, steps }, signal),
    runStepRecord({
      database,
      clock,
      instance: settings.INSTANCE_ID,
      states: () => ({ ...worstOf(engines.snapshots().map((engine) => engine.steps)), ...steps.states() }),
    }, signal),
  ];
  try {
    await Promise.race([engines.run(signal), storage.failure]);
    if (once) await rollUp(database, () => signal.aborted, settings.BREAKDOWN_VALUES_MAX);
  } catch (error) {
    if (error instanceof StreamStopped) return EXIT.stopped;
    throw error;
  } finally {
    stopping.abort();
    await Promise.allSettled(beside);
  }
  return engines.snapshots().some(({ phase }) => phase === "stopped") ? EXIT.stopped : EXIT.ok;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) =>
    signal.aborted ? resolve() : signal.addEventListener("abort", () => resolve(), { once: true })
  );
}

/** Shown by health before the first engine exists. */
function startingSnapshot(
  { settings, clock }: ProcessContext,
  startedAt: PipelineSnapshot["startedAt"],
  trouble: string | null,
): PipelineSnapshot {
  return {
    instance: settings.INSTANCE_ID,
    source: settings.SOURCE,
    topic: logName(settings),
    startedAt,
    now: clock.now(),
    phase: trouble === null ? "starting" : "waiting",
    reason: trouble ?? "preparing the database",
    reasonCode: trouble === null ? "preparing" : "postgres_unavailable",
    generation: 0,
    partitions: [],
    store: { reachable: false, lastError: trouble, lastSuccessAt: null },
    commit: {
      lastAt: null,
      lastDurationMs: null,
      lastKeys: null,
      pendingRecords: 0,
      pendingKeys: 0,
      inFlight: false,
      fenced: 0,
      unknownOutcomes: 0,
    },
    steps: new StepBoard(ENGINE_STEPS, clock).states(),
    totals: noTotals(),
    reading: null,
  };
}
