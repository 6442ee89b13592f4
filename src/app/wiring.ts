// Makes the parts of a stream from the settings, in one place for the service and all commands. Composition root.
import type { Breakdowns } from "../breakdown/dimensions.ts";
import { createEventReader } from "../event/fast_reader.ts";
import { type FirstLines, firstLines } from "../event/log_line/found.ts";
import { type EventRules, readEvent } from "../event/read_event.ts";
import { parseStreamRules, type StreamRules, wantedRules } from "../event/stream_rules.ts";
import type { EventReader } from "../event/types.ts";
import type { PlaceLocator } from "../geo/port.ts";
import type { Settings } from "../shared/config/settings.ts";
import { StreamStopped } from "../shared/errors.ts";
import type { EpochMs } from "../shared/units.ts";
import type { LogIdentity } from "../source/port.ts";
import { checkLog } from "../store/decision.ts";
import type { FixedSettings, Store, StoredState, StreamSettings } from "../store/port.ts";
import { createPostgresStore, type PostgresStoreOptions } from "../store/postgres/store.ts";
import type { CountingRules } from "../window/counter.ts";
import type { Pools } from "./storage.ts";

/** In the embedded database, a statement may wait for a closing, a roll-up and a reader. */
const EMBEDDED_READ_TIMEOUT_MS = 30_000;

/** The log's name in the stream row: topic, path or generator. */
export function logName(settings: Settings): string {
  switch (settings.SOURCE) {
    case "kafka":
      return settings.KAFKA_TOPIC;
    case "file":
      return (settings.FILE_PATH ?? []).join();
    case "demo":
      return `demo-${settings.DEMO_SEED}`;
  }
}

/** Offsets count bytes in files, records in the other sources. */
const offsetsCountRecords = ({ SOURCE }: Settings): boolean => SOURCE !== "file";

export function fixedSettings(settings: Settings): FixedSettings {
  return {
    source: settings.SOURCE,
    topic: logName(settings),
    group: settings.KAFKA_GROUP,
    windowSizeMs: settings.WINDOW_SIZE,
    referrerGranularity: settings.REFERRER_GRANULARITY,
    keyBytesMax: settings.KEY_BYTES_MAX,
  };
}

/** The settings with which a stream is made. @param log values of the stored row or of the log @throws UsageError if FILE_FORMAT is not a format */
export function streamSettings<L extends Partial<Pick<StreamSettings, "anchor" | "topicId">>>(
  settings: Settings,
  log: L,
) {
  return {
    ...fixedSettings(settings),
    offsetsCountRecords: offsetsCountRecords(settings),
    rules: wantedRules(settings),
    ...log,
  };
}

export function countingRules(settings: Settings): CountingRules {
  return {
    windowSize: settings.WINDOW_SIZE,
    watermarkDelay: settings.WATERMARK_DELAY,
    maxFutureSkew: settings.MAX_FUTURE_SKEW,
    latePolicy: settings.LATE_POLICY,
    offsetsCountRecords: offsetsCountRecords(settings),
  };
}

/** Why the stream cannot go on from its positions in the log, or `null`. */
export function logProblem(settings: Settings, stored: StoredState, log: LogIdentity): StreamStopped | null {
  try {
    checkLog(streamSettings(settings, stored), stored, log);
    return null;
  } catch (error) {
    if (error instanceof StreamStopped) return error;
    throw error;
  }
}

/** The stored rules; before the first start, the rules of a new stream. @throws UsageError `rules_unknown` */
export function rulesInForce(settings: Settings, stored: { readonly rules: string } | null): StreamRules {
  return stored === null ? wantedRules(settings) : parseStreamRules(stored.rules);
}

function eventRules(settings: Settings, stream: StreamRules): EventRules {
  return {
    stream,
    format: settings.SOURCE === "file" ? "lines" : "json",
    referrerGranularity: settings.REFERRER_GRANULARITY,
    keyBytesMax: settings.KEY_BYTES_MAX,
    trustedProxyHops: settings.TRUSTED_PROXY_HOPS,
    defaultHost: settings.FILE_HOST,
  };
}

/** The event reader of an engine, and of commands that count like an engine. @param breakdowns what it reads beside the rows */
export function eventReader(
  settings: Settings,
  rules: StreamRules,
  places: PlaceLocator,
  breakdowns: Breakdowns = 0,
): EventReader {
  return createEventReader({
    ...eventRules(settings, rules),
    breakdowns,
    locator: places,
    hashSeed: crypto.getRandomValues(new Uint32Array(1))[0]!,
  });
}

/** Examines the beginning of a log: its format, and whether anything can be read. */
export function lineExaminer(settings: Settings, stream: StreamRules) {
  const rules = eventRules(settings, stream);
  /** @param isWhole whether `bytes` are the whole log @param host of lines that do not name one */
  return (bytes: Uint8Array, isWhole: boolean, host = settings.FILE_HOST): FirstLines =>
    firstLines(bytes, { ...rules, defaultHost: host }, isWhole);
}

/** Reads the time of the line in `bytes[start, end)`; `undefined` if the line is not an event. A host is not required. */
export function lineTimeReader(settings: Settings, stream: StreamRules) {
  const rules = { ...eventRules(settings, stream), defaultHost: settings.FILE_HOST ?? "unknown" };
  return (bytes: Uint8Array, start: number, end: number): EpochMs | undefined => {
    const read = readEvent(bytes.subarray(start, end), rules);
    return read.kind === "event" ? read.eventTime : undefined;
  };
}

/** The stream in an open database. @param own an engine's name and bounds */
export function openStore(
  storage: Pools,
  settings: Settings,
  own: Partial<Pick<PostgresStoreOptions, "instance" | "maxWindowBytes">> = {},
): Store {
  return createPostgresStore({
    commits: storage.commits,
    database: storage.work,
    instance: settings.INSTANCE_ID,
    maxKeysPerWindow: settings.MAX_KEYS_PER_WINDOW,
    breakdownValuesMax: settings.BREAKDOWN_VALUES_MAX,
    commitTimeoutMs: settings.COMMIT_TIMEOUT,
    ...(storage.embedded && { readTimeoutMs: EMBEDDED_READ_TIMEOUT_MS }),
    ...own,
  });
}
