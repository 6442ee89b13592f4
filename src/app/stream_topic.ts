// The stream's name for its log. A path may be written in several ways, and a list of paths may grow. Part of the composition root.
import { resolve } from "node:path";
import type { Settings } from "../shared/config/settings.ts";
import { Catalog } from "../source/file/catalog.ts";
import { disk } from "../source/file/file_system.ts";
import type { LogName } from "../source/file/generations.ts";
import type { Database } from "../store/postgres/client.ts";
import { postgresLogs } from "../store/postgres/generations.ts";
import { settingsDiffer } from "../store/postgres/store.ts";
import type { FixedSettings } from "../store/port.ts";
import { fixedSettings, logName } from "./wiring.ts";

const TIMEOUT_MS = 5_000;

interface StreamRow {
  readonly source: string;
  readonly topic: string;
  readonly retired: readonly number[] | null;
}

/**
 * The fixed settings. If the settings cover all logs of the stream, the log has its stored name, even if the paths are written in another way
 * or name more logs. Otherwise it has another name, which says which logs are left out. Without files, and before the first start: the name
 * of the settings.
 */
export async function settingsAsStored(settings: Settings, database: Database): Promise<FixedSettings> {
  return { ...fixedSettings(settings), topic: (await topics(settings, database)).given };
}

/** Only that name. @throws UsageError `stream_settings_differ` if a log of the stream is left out */
export async function requireStreamTopic(settings: Settings, database: Database): Promise<string> {
  const { given, stored } = await topics(settings, database);
  if (given === stored) return given;
  throw settingsDiffer(`topic is '${stored}' in this schema, '${given}' in the settings`);
}

/** The name by the settings, and the stored one. For other sources, joining compares them. */
async function topics(settings: Settings, database: Database): Promise<{ given: string; stored: string }> {
  const { FILE_PATH: paths } = settings, plain = { given: logName(settings), stored: logName(settings) };
  if (settings.SOURCE !== "file" || paths === undefined) return plain;
  const [stream] = await database.query(
    (sql) =>
      sql<StreamRow[]>`
      select source, topic, (select array_agg(partition) from tm.stream_partition where retired) as retired from tm.stream`,
    TIMEOUT_MS,
  );
  if (stream === undefined || stream.source !== "file") return plain;
  const logs = await postgresLogs(database).logs();
  const needed: readonly LogName[] = logs.length > 0
    ? logs.filter(({ partition }) => !stream.retired?.includes(partition))
    : [{ name: resolve(stream.topic), foundBy: resolve(stream.topic) }];
  const catalog = new Catalog(paths, disk, () => {});
  const left: string[] = [];
  for (const log of needed) if (!await catalog.covers(log)) left.push(log.name);
  const given = left.length === 0
    ? stream.topic
    : `${paths.map((path) => resolve(path)).join()} (without ${left.join(", ")})`;
  return { given, stored: stream.topic };
}
