// What the settings make of a stream, of its rules and of its readers: each once, for the service and for every command. Composition root.
import { createEventReader } from "../event/fast_reader.ts";
import { type FirstLines, firstLines } from "../event/log_line/found.ts";
import { type EventRules, readEvent } from "../event/read_event.ts";
import { parseStreamRules, type StreamRules, wantedRules } from "../event/stream_rules.ts";
import type { EventReader } from "../event/types.ts";
import type { PlaceLocator } from "../geo/port.ts";
import type { Settings } from "../shared/config/settings.ts";
import type { EpochMs } from "../shared/units.ts";
import type { FixedSettings, Store, StreamSettings } from "../store/port.ts";
import { createPostgresStore, type PostgresStoreOptions } from "../store/postgres/store.ts";
import type { CountingRules } from "../window/counter.ts";
import type { Pools } from "./storage.ts";

/** A statement may wait for a closing, a roll-up and a reader before it: that the database is there is known. */
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

/** Offsets of files count bytes, all others count records. */
const offsetsCountRecords = ({ SOURCE }: Settings): boolean => SOURCE !== "file";

/** The settings that a stream keeps for life. */
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

/** All that a stream is made with; `log` is what the stored row or the log itself says. @throws UsageError where FILE_FORMAT is not a format */
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

/** How records are counted. */
export function countingRules(settings: Settings): CountingRules {
  return {
    windowSize: settings.WINDOW_SIZE,
    watermarkDelay: settings.WATERMARK_DELAY,
    maxFutureSkew: settings.MAX_FUTURE_SKEW,
    latePolicy: settings.LATE_POLICY,
    offsetsCountRecords: offsetsCountRecords(settings),
  };
}

/** The rules that the stream stores; before it was started, those that it would be made with. @throws UsageError `rules_unknown` */
export function rulesInForce(settings: Settings, stored: { readonly rules: string } | null): StreamRules {
  return stored === null ? wantedRules(settings) : parseStreamRules(stored.rules);
}

/** How values are read. */
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

/** The reader of an engine, and of the commands that count as an engine does. */
export function eventReader(settings: Settings, rules: StreamRules, places: PlaceLocator): EventReader {
  return createEventReader({
    ...eventRules(settings, rules),
    locator: places,
    hashSeed: crypto.getRandomValues(new Uint32Array(1))[0]!,
  });
}

/** Looks at the beginning of a log: its format, and whether anything can be read. `isWhole`: it is all of the log; `host`: of lines that name none. */
export function lineExaminer(settings: Settings, stream: StreamRules) {
  const rules = eventRules(settings, stream);
  return (bytes: Uint8Array, isWhole: boolean, host = settings.FILE_HOST): FirstLines =>
    firstLines(bytes, { ...rules, defaultHost: host }, isWhole);
}

/** Reads the time of the line in `bytes[start, end)`; `undefined` where the line is not an event. Its host does not matter. */
export function lineTimeReader(settings: Settings, stream: StreamRules) {
  const rules = { ...eventRules(settings, stream), defaultHost: settings.FILE_HOST ?? "unknown" };
  return (bytes: Uint8Array, start: number, end: number): EpochMs | undefined => {
    const read = readEvent(bytes.subarray(start, end), rules);
    return read.kind === "event" ? read.eventTime : undefined;
  };
}

/** The stream in an open database. `own` is for engines, which have a name and bounds of their own. */
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
    commitTimeoutMs: settings.COMMIT_TIMEOUT,
    ...(storage.embedded && { readTimeoutMs: EMBEDDED_READ_TIMEOUT_MS }),
    ...own,
  });
}
