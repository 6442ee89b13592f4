// Makes the source of the settings. Part of the composition root.
import { nothingRead } from "../event/log_line/found.ts";
import { postgresLogs } from "../store/postgres/generations.ts";
import { postgresLease } from "../store/postgres/lease.ts";
import { disk } from "../source/file/file_system.ts";
import type { StreamRules } from "../event/stream_rules.ts";
import { UsageError } from "../shared/errors.ts";
import type { Notes } from "../shared/folder_lock.ts";
import { metadataRefresh } from "../shared/config/relations.ts";
import type { Settings } from "../shared/config/settings.ts";
import { durationMs, type EpochMs, type Offset } from "../shared/units.ts";
import type { DemoSourceOptions } from "../source/demo/source.ts";
import type { FileSourceOptions } from "../source/file/source.ts";
import type { KafkaConnection } from "../source/kafka/client.ts";
import type { TokenSource } from "../source/kafka/oauth.ts";
import type { PartitionBounds, Source } from "../source/port.ts";
import type { EngineContext } from "./context.ts";
import type { Pools } from "./storage.ts";
import { lineExaminer, lineTimeReader } from "./wiring.ts";

/** The connection to Kafka by the settings. */
export function kafkaConnection(settings: Settings): KafkaConnection {
  const { KAFKA_SASL_MECHANISM: mechanism } = settings;
  return {
    brokers: settings.KAFKA_URL,
    clientId: `tidemark-${settings.INSTANCE_ID}`,
    tls: settings.KAFKA_TLS
      ? {
        ca: settings.KAFKA_TLS_CA ?? null,
        cert: settings.KAFKA_TLS_CERT ?? null,
        key: settings.KAFKA_TLS_KEY ?? null,
        verify: true,
      }
      : null,
    sasl: mechanism === "none"
      ? null
      : mechanism === "oauthbearer"
      ? { mechanism, token: tokenSource(settings) }
      : { mechanism, username: settings.KAFKA_SASL_USERNAME ?? "", password: settings.KAFKA_SASL_PASSWORD ?? "" },
  };
}

/** Relations between these settings are checked at start. */
function tokenSource(settings: Settings): TokenSource {
  const extensions = Object.fromEntries(
    (settings.KAFKA_OAUTH_EXTENSIONS ?? []).map((pair) => [pair.split("=")[0]!, pair.slice(pair.indexOf("=") + 1)]),
  );
  const { KAFKA_OAUTH_TOKEN_COMMAND: command } = settings;
  if (command !== undefined) return { kind: "command", words: command.trim().split(/\s+/), extensions };
  return {
    kind: "endpoint",
    url: settings.KAFKA_OAUTH_TOKEN_URL ?? "",
    clientId: settings.KAFKA_OAUTH_CLIENT_ID ?? "",
    clientSecret: settings.KAFKA_OAUTH_CLIENT_SECRET ?? "",
    scope: settings.KAFKA_OAUTH_SCOPE ?? null,
    extensions,
  };
}

/** A missing file may just be renamed or mounted. Shorter than the default of `run --once --wait`. */
const MISSING_FOR = durationMs(30_000);

/** The name of the note that holds an engine's member id. */
export const memberNote = (member: string): string => `kafka-member-${member}`;

interface OpenSource {
  readonly source: Source;
  /** Where a new stream begins in a partition. */
  readonly startOffset: (bounds: PartitionBounds) => Promise<Offset>;
}

export async function createSource(
  context: EngineContext,
  storage: Pick<Pools, "work" | "embedded">,
  options: {
    readonly notes: Notes | null;
    /** The demo generator's stored anchor. */
    readonly anchor: EpochMs;
    /** Rules by which the first times of files are read. */
    readonly rules: StreamRules;
    readonly follow: boolean;
    /** The stream's name for its log. */
    readonly topic: string;
    readonly member: string;
  },
): Promise<OpenSource> {
  const { settings, clock, log } = context;
  const start = settings.START_AT;
  const plainStart = (bounds: PartitionBounds) => {
    if (start.kind === "timestamp") {
      throw new UsageError(
        [`START_AT can be a time with SOURCE=kafka only; SOURCE is ${settings.SOURCE}`],
        "Use earliest or latest.",
      );
    }
    return Promise.resolve(start.kind === "latest" ? bounds.logEnd : bounds.logStart);
  };
  const lease = (name: string) =>
    postgresLease(
      { database: storage.work, embedded: storage.embedded },
      name,
      `${settings.INSTANCE_ID}:${Deno.pid}`,
    );
  switch (settings.SOURCE) {
    case "kafka": {
      const { createKafkaSource } = await import("../source/kafka/source.ts");
      const note = memberNote(options.member);
      const previousMemberId = await options.notes?.readNote(note);
      const source = createKafkaSource({
        connection: kafkaConnection(settings),
        topic: settings.KAFKA_TOPIC,
        group: settings.KAFKA_GROUP,
        clock,
        log,
        checkCrcs: settings.KAFKA_CHECK_CRCS,
        maxBytesPerPartition: settings.KAFKA_FETCH_BYTES,
        metadataMs: metadataRefresh(settings),
        ...(previousMemberId !== undefined && { previousMemberId }),
        onMemberId: (id) => void options.notes?.writeNote(note, id).catch(() => log.debug("cannot keep the member id")),
      });
      if (start.kind !== "timestamp") return { source, startOffset: plainStart };
      const { time } = start;
      let found: ReturnType<typeof source.offsetsAt> | undefined;
      return {
        source,
        startOffset: async (bounds) =>
          (await (found ??= source.offsetsAt(time))).get(bounds.partition) ?? bounds.logEnd,
      };
    }
    case "file": {
      const source = await fileSource(context, {
        rules: options.rules,
        follow: options.follow,
        logs: postgresLogs(storage.work),
        missingFor: MISSING_FOR,
        lease: lease(`file:${options.topic}`),
      });
      return { source, startOffset: plainStart };
    }
    case "demo": {
      const source = await demoSource(context, { anchor: options.anchor, lease: lease("demo") });
      return { source, startOffset: plainStart };
    }
  }
}

/** The log files of FILE_PATH. @param rules by which their first times are read @throws UsageError without FILE_PATH */
export async function fileSource(
  { settings, clock, log }: EngineContext,
  { rules, ...own }: Pick<FileSourceOptions, "follow" | "logs" | "lease" | "missingFor"> & {
    readonly rules: StreamRules;
  },
): Promise<Source> {
  const { createFileSource } = await import("../source/file/source.ts");
  const paths = settings.FILE_PATH;
  if (paths === undefined) throw new UsageError(["FILE_PATH is required with SOURCE=file"]);
  const examine = lineExaminer(settings, rules);
  return createFileSource({
    paths,
    lastLine: settings.FILE_LAST_LINE,
    files: disk,
    firstEventTime: lineTimeReader(settings, rules),
    examine: (bytes, path, host) => {
      const first = examine(bytes, false, host);
      return { format: first.found, refusal: first.lines > 0 && first.events === 0 ? nothingRead(path, first) : null };
    },
    clock,
    log,
    ...own,
  });
}

export async function demoSource(
  { settings, clock, log }: EngineContext,
  own: Pick<DemoSourceOptions, "anchor" | "lease">,
): Promise<Source> {
  const { createDemoSource } = await import("../source/demo/source.ts");
  return createDemoSource({
    seed: settings.DEMO_SEED,
    shards: settings.DEMO_PARTITIONS,
    ...(settings.DEMO_RATE !== undefined && { rate: settings.DEMO_RATE }),
    clock,
    log,
    ...own,
  });
}
