// Makes the LogReader of the settings, which reads the log beside the running stream. Part of the composition root.
import { postgresLogs } from "../store/postgres/generations.ts";
import type { Database } from "../store/postgres/client.ts";
import type { StreamRules } from "../event/stream_rules.ts";
import { durationMs, type EpochMs } from "../shared/units.ts";
import type { LogReader } from "../operate/log_reader.ts";
import { SourceLogReader } from "../operate/source_log_reader.ts";
import { MemoryLease } from "../source/lease.ts";
import { BesideLogs, MemoryLogs } from "../source/file/generations.ts";
import type { EngineContext } from "./context.ts";
import { demoSource, fileSource, kafkaConnection } from "./sources.ts";

/**
 * A reader beside the running stream. It joins no group, takes no lease of the stream and stores nothing.
 *
 * @param database for the numbers of known files; null = none
 * @param anchor the demo generator's stored anchor
 * @param stream rules by which the first times of files are read
 */
export async function openLogReader(
  context: EngineContext,
  database: Database | null,
  { anchor, stream }: { readonly anchor: EpochMs; readonly stream: StreamRules },
): Promise<LogReader> {
  const { settings, clock, log } = context;
  switch (settings.SOURCE) {
    case "kafka": {
      const { KafkaLogReader } = await import("../operate/kafka_log_reader.ts");
      return new KafkaLogReader({ connection: kafkaConnection(settings), topic: settings.KAFKA_TOPIC, clock, log });
    }
    case "file": {
      return new SourceLogReader(
        await fileSource(context, {
          rules: stream,
          follow: false,
          missingFor: durationMs(0),
          logs: new BesideLogs(database === null ? new MemoryLogs() : postgresLogs(database)),
          lease: new MemoryLease(),
        }),
      );
    }
    case "demo":
      return new SourceLogReader(await demoSource(context, { anchor, lease: new MemoryLease() }));
  }
}
