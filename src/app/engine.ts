// Builds one engine from source, event reader, places and store. Part of the composition root.
import { breakdownsOf, OPEN_VALUES_FACTOR } from "../breakdown/dimensions.ts";
import { keepPlacePoints } from "../store/place_points.ts";
import type { Store } from "../store/port.ts";
import { maskPayload } from "../event/mask_payload.ts";
import { wantedRules } from "../event/stream_rules.ts";
import type { ReloadablePlaceLocator } from "../geo/place_locator.ts";
import type { PlaceLocator } from "../geo/port.ts";
import { Pipeline } from "../pipeline.ts";
import type { Clock } from "../shared/clock.ts";
import type { Notes } from "../shared/folder_lock.ts";
import type { ReadDatabase } from "../shared/sql.ts";
import type { EpochMs } from "../shared/units.ts";
import { demoAnchor } from "../source/demo/timeline.ts";
import { renewable } from "../source/renewable_source.ts";
import type { EngineContext } from "./context.ts";
import { engineBounds } from "./bounds.ts";
import { memoryRelief } from "./memory.ts";
import { createSource } from "./sources.ts";
import type { Pools } from "./storage.ts";
import { requireStreamTopic } from "./stream_topic.ts";
import { countingRules, eventReader, openStore, rulesInForce, streamSettings } from "./wiring.ts";

/** Commit interval while catching up: so long that most windows are written once. */
const CATCH_UP_INTERVAL_MS = 5_000;

interface EngineOptions {
  readonly storage: Pools;
  /** Stores the member id for a successor. */
  readonly notes: Notes | null;
  readonly places: PlaceLocator;
  readonly once: boolean;
  readonly waitMs: number;
  /** Number of the engine in its process, from 1; 0 = the only one. */
  readonly number: number;
  readonly onClosed?: (windowStart: EpochMs, at: EpochMs) => void;
  readonly onCommitted?: (durationMs: number, keys: number) => void;
  /** Replaces the store, for measurements without one of its guarantees. */
  readonly wrapStore?: (store: Store, storage: Pools) => Store;
}

interface RunOptions {
  readonly database: ReadDatabase;
  readonly clock: Clock;
  readonly places: ReloadablePlaceLocator;
  /** Further work until the signal aborts. */
  readonly beside?: (signal: AbortSignal) => Promise<void>;
}

/** The name of an engine in checkpoints and logs. */
export const engineName = (process: string, number: number): string => number === 0 ? process : `${process}#${number}`;

/** Makes one engine, which does nothing before `run`. The schema must be up to date. */
export async function createEngine(context: EngineContext, options: EngineOptions): Promise<Pipeline> {
  const { settings, clock, log } = context;
  const { storage, places } = options;
  const instance = engineName(settings.INSTANCE_ID, options.number);
  const bounds = engineBounds(settings, { embedded: storage.embedded, alone: options.number === 0 });
  const plainStore = openStore(storage, settings, {
    instance,
    maxWindowBytes: bounds.maxWindowBytes,
  });
  const store = options.wrapStore?.(plainStore, storage) ?? plainStore;
  const stored = await store.read(), wanted = wantedRules(settings);
  const anchor = stored?.anchor ??
    demoAnchor(clock.now(), settings.SOURCE === "demo" ? settings.DEMO_HISTORY_DAYS : 0);
  const topic = await requireStreamTopic(settings, storage.work);
  const open = () =>
    createSource(context, storage, {
      notes: options.notes,
      anchor,
      rules: rulesInForce(settings, stored),
      follow: settings.FILE_FOLLOW && !options.once,
      topic,
      member: String(options.number),
    });
  const { source: first, startOffset } = await open();
  const source = renewable(first, async () => (await open()).source);
  // The loop replaces these rules by the stored ones before it reads records.
  const reader = eventReader(settings, wanted, places, breakdownsOf(settings.BREAKDOWNS));
  const onBatch = memoryRelief();
  return new Pipeline({
    instance,
    stream: { ...streamSettings(settings, { anchor }), topic },
    rules: countingRules(settings),
    idleTimeout: settings.IDLE_TIMEOUT,
    limits: {
      intervalMs: settings.COMMIT_INTERVAL,
      unwatchedIntervalMs: Math.max(settings.COMMIT_INTERVAL, settings.COMMIT_INTERVAL_UNWATCHED),
      catchUpIntervalMs: Math.max(settings.COMMIT_INTERVAL, CATCH_UP_INTERVAL_MS),
      maxDeltaKeys: bounds.maxDeltaKeys,
      maxDeltaBytes: bounds.maxDeltaBytes,
      maxDictionaryBytes: bounds.maxDictionaryBytes,
      chunkValuesMax: OPEN_VALUES_FACTOR * settings.BREAKDOWN_VALUES_MAX,
    },
    once: options.once,
    waitMs: options.waitMs,
    shutdownMs: settings.SHUTDOWN_TIMEOUT,
    startOffset,
  }, {
    source,
    store,
    reader,
    places,
    mask: maskPayload,
    clock,
    log: log.with({ instance }),
    newId: () => crypto.randomUUID(),
    ...(onBatch && { onBatch }),
    ...(options.onClosed && { onClosed: options.onClosed }),
    ...(options.onCommitted && { onCommitted: options.onCommitted }),
  });
}

/** Runs an engine until the signal aborts; beside it, keeps the coordinates of places that it meets. */
export async function runEngine(
  engine: Pipeline,
  { database, clock, places, beside }: RunOptions,
  signal: AbortSignal,
): Promise<void> {
  const ended = new AbortController();
  const all = [
    beside?.(ended.signal),
    keepPlacePoints({ database, clock, take: (max) => places.takePoints(max) }, ended.signal),
  ];
  try {
    await engine.run(signal);
  } finally {
    ended.abort();
    await Promise.all(all);
  }
}
