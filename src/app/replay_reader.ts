// Makes the LogReader that the settings name, and the event reader that reads as the engine does. Part of the composition root.
import { postgresGenerations } from "../store/postgres/generations.ts";
import type { Database } from "../store/postgres/client.ts";
import { createEventReader } from "../event/fast_reader.ts";
import { readEvent } from "../event/read_event.ts";
import { parseStreamRules, type StreamRules, wantedRules } from "../event/stream_rules.ts";
import type { EventReader } from "../event/types.ts";
import type { PlaceLocator } from "../geo/port.ts";
import { UsageError } from "../shared/errors.ts";
import type { Settings } from "../shared/config/settings.ts";
import type { EpochMs } from "../shared/units.ts";
import type { LogReader } from "../operate/log_reader.ts";
import { SourceLogReader } from "../operate/source_log_reader.ts";
import { disk } from "../source/file/file_system.ts";
import { MemoryLease } from "../source/file/lease.ts";
import type { Generation } from "../source/file/generations.ts";
import type { EngineContext } from "./context.ts";
import { kafkaConnection } from "./sources.ts";

/**
 * A reader beside the running stream: it joins no group, takes no lease of the stream's and stores nothing.
 *
 * @param database for the numbers of files that the stream has met; null: none
 * @param anchor where the demo generator counts from, as stored
 * @param stream rules by which the files' first times are read
 */
export async function openLogReader(
  { settings, clock, log }: EngineContext,
  database: Database | null,
  { anchor, stream }: { readonly anchor: EpochMs; readonly stream: StreamRules },
): Promise<LogReader> {
  switch (settings.SOURCE) {
    case "kafka": {
      const { KafkaLogReader } = await import("../operate/kafka_log_reader.ts");
      return new KafkaLogReader({ connection: kafkaConnection(settings), topic: settings.KAFKA_TOPIC, clock, log });
    }
    case "file": {
      const { createFileSource } = await import("../source/file/source.ts");
      const path = settings.FILE_PATH;
      if (path === undefined) throw new UsageError(["FILE_PATH is needed with SOURCE=file"]);
      const stored = database === null ? null : postgresGenerations(database);
      const own: Generation[] = [];
      const rules = { ...eventRules(settings, stream), defaultHost: settings.FILE_HOST ?? "unknown" };
      return new SourceLogReader(createFileSource({
        path,
        follow: false,
        lastLine: settings.FILE_LAST_LINE,
        files: disk,
        // What this reader numbers stays its own: the stream has not met those files yet.
        generations: {
          load: async () => [...await stored?.load() ?? [], ...own],
          save: (generation) => Promise.resolve(void own.push(generation)),
        },
        firstEventTime: (bytes, start, end) => {
          const read = readEvent(bytes.subarray(start, end), rules);
          return read.kind === "event" ? read.eventTime : undefined;
        },
        clock,
        log,
        lease: new MemoryLease(),
      }));
    }
    case "demo": {
      const { createDemoSource } = await import("../source/demo/source.ts");
      return new SourceLogReader(createDemoSource({
        seed: settings.DEMO_SEED,
        shards: settings.DEMO_PARTITIONS,
        anchor,
        ...(settings.DEMO_RATE !== undefined && { rate: settings.DEMO_RATE }),
        clock,
        log,
        lease: new MemoryLease(),
      }));
    }
  }
}

/** An event reader with the engine's rules over `places`. */
export function eventReader(settings: Settings, rules: StreamRules, places: PlaceLocator): EventReader {
  return createEventReader({
    ...eventRules(settings, rules),
    defaultHost: settings.FILE_HOST,
    locator: places,
    hashSeed: crypto.getRandomValues(new Uint32Array(1))[0]!,
  });
}

/** The rules that the stream stores; before it was started, those that it would be made with. @throws UsageError `rules_unknown` */
export function rulesInForce(settings: Settings, stored: { readonly rules: string } | null): StreamRules {
  return stored === null ? wantedRules(settings) : parseStreamRules(stored.rules);
}

function eventRules(settings: Settings, stream: StreamRules) {
  return {
    stream,
    format: settings.SOURCE === "file" ? "lines" as const : "json" as const,
    referrerGranularity: settings.REFERRER_GRANULARITY,
    keyBytesMax: settings.KEY_BYTES_MAX,
    trustedProxyHops: settings.TRUSTED_PROXY_HOPS,
  };
}
