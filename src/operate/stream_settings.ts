// Compares the settings with those of the stored stream, without the lock and the write of a start's `join`. Shell; reads only.
import type { FixedSettings } from "../store/port.ts";
import type { Database } from "../store/postgres/client.ts";
import { settingsDiffer } from "../store/postgres/store.ts";

const TIMEOUT_MS = 5_000;

/** By the names of the columns. */
function columnsOf(s: FixedSettings) {
  return {
    source: s.source,
    topic: s.topic,
    consumer_group: s.group,
    window_size_ms: String(s.windowSizeMs),
    referrer_granularity: s.referrerGranularity,
    key_bytes_max: String(s.keyBytesMax),
  };
}

/** A sentence for each setting that differs; empty without a stream. */
export async function differingSettings(database: Database, given: FixedSettings): Promise<string[]> {
  const [row] = await database.query(
    (sql) => sql<{ stored: string }[]>`select to_jsonb(stream)::text as stored from tm.stream`,
    TIMEOUT_MS,
  );
  if (row === undefined) return [];
  const stored = JSON.parse(row.stored) as Record<string, unknown>;
  return Object.entries(columnsOf(given)).filter(([name, value]) => String(stored[name]) !== value)
    .map(([name, value]) => `${name} is '${stored[name]}' in this schema, '${value}' in the settings`);
}

/** @throws UsageError `stream_settings_differ` if a start with these settings would be refused */
export async function requireSameSettings(database: Database, given: FixedSettings): Promise<void> {
  const differing = await differingSettings(database, given);
  if (differing.length > 0) throw settingsDiffer(differing.join("; "));
}
