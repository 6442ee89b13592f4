// The Store over PostgreSQL: each method is one call of one function of ddl/. Shell.
import { OPEN_VALUES_FACTOR } from "../../breakdown/dimensions.ts";
import { schemaMissing } from "../../shared/faults.ts";
import { EXIT, NamedError, type StopCode, Unavailable, UsageError } from "../../shared/errors.ts";
import { codeOf } from "../../shared/sql.ts";
import type { EpochMs } from "../../shared/units.ts";
import { type CommitOutcome, CompactionFailed, type Store } from "../port.ts";
import type { Database } from "./client.ts";
import {
  breakdownArrays,
  chunksJson,
  type CloseJson,
  closeOutcome,
  deadJson,
  movesJson,
  numberArrays,
  partitionsJson,
  saltOf,
  type SaltRow,
  type StateRow,
  storedState,
  streamJson,
  textArray,
  visitorsJson,
} from "./wire.ts";

/**
 * While nothing can be closed, an open window with this many chunks is compacted, so that its closing has few to merge. A lower number would
 * write each key more often. With 16 chunks of 20,000 keys a compaction takes half a CPU-second, and so does the closing.
 */
const COMPACT_CHUNKS = 16;

export interface PostgresStoreOptions {
  /** For commits only, so that a fault of another statement does not throw their client away. */
  readonly commits: Database;
  /** For reading, joining and closing. */
  readonly database: Database;
  readonly instance: string;
  readonly maxKeysPerWindow: number;
  /** Bytes of a closed window's rows; default 256 MiB. */
  readonly maxWindowBytes?: number;
  /** Values a host, window and dimension that are kept; default 1,000. */
  readonly breakdownValuesMax?: number;
  /**
   * A window with more pairs of host and value in its chunks is compacted before it is closed, as a closing takes up to 10 µs of CPU a pair;
   * default 1,000,000.
   */
  readonly maxWindowPairs?: number;
  readonly commitTimeoutMs: number;
  /** For statements that are quick on a healthy server. */
  readonly readTimeoutMs?: number;
  /** Closing a window of a million keys takes seconds. */
  readonly closeTimeoutMs?: number;
}

export function createPostgresStore(options: PostgresStoreOptions): Store {
  const { commits, database, instance, maxKeysPerWindow, commitTimeoutMs } = options;
  const readTimeoutMs = options.readTimeoutMs ?? 5_000;
  const closeTimeoutMs = options.closeTimeoutMs ?? 60_000;
  const maxWindowBytes = options.maxWindowBytes ?? 2 ** 28;
  const breakdownValuesMax = options.breakdownValuesMax ?? 1_000, maxWindowPairs = options.maxWindowPairs ?? 1_000_000;

  return {
    async join(settings, partitions) {
      try {
        await database.query(
          (sql) =>
            sql`select tm.tidemark_join_v3(${JSON.stringify(streamJson(settings))}::text::jsonb, ${
              JSON.stringify(partitionsJson(partitions))
            }::text::jsonb)`,
          readTimeoutMs,
        );
      } catch (error) {
        const code = codeOf(error), { message } = error as Error;
        if (code === "TM003") throw settingsDiffer(message);
        if (code === "TM021") throw new Unavailable("source_unavailable", message, "It goes on by itself.");
        throw error;
      }
    },

    async read() {
      const [row] = await database.query((sql) =>
        sql<StateRow[]>`
          select s.topic_id, coalesce(to_jsonb(s) ->> 'rules', '{"version": 1}') as rules, extract(epoch from s.anchor) * 1000 as anchor, extract(epoch from s.closed_through) * 1000 as closed_through,
                 s.stopped_code, s.stopped_message, extract(epoch from clock_timestamp()) * 1000 as server_now,
                 (select jsonb_agg(jsonb_build_object(
                    'partition', p.partition, 'commit_id', p.commit_id, 'next_offset', p.next_offset, 'first_offset', p.first_offset,
                    'watermark', tm.tidemark_ms_v1(p.watermark), 'record_watermark', tm.tidemark_ms_v1(p.record_watermark),
                    'max_window_end', tm.tidemark_ms_v1(p.max_window_end), 'raised_at', tm.tidemark_ms_v1(p.raised_at),
                    'quiet_since', tm.tidemark_ms_v1(p.quiet_since), 'retired', p.retired) order by p.partition)
                  from tm.stream_partition p)::text as partitions
          from tm.stream s`, readTimeoutMs);
      return row ? storedState(row) : null;
    },

    async commit(payload) {
      try {
        await commits.query((sql) => {
          const { chunks } = payload;
          const array = (literal: string) => sql`${literal}::text::text[]`;
          return sql`select tm.tidemark_commit_v3(
            ${payload.commitId}::uuid, ${instance}, ${payload.reason}, ${
            JSON.stringify(movesJson(payload))
          }::text::jsonb, ${JSON.stringify(chunksJson(payload))}::text::jsonb,
            ${array(textArray(chunks.map((c) => c.hosts)))}, ${array(textArray(chunks.map((c) => c.referrers)))},
            ${array(textArray(chunks.map((c) => c.places)))},
            ${array(numberArrays(chunks, (c) => c.hostIx))}, ${array(numberArrays(chunks, (c) => c.referrerIx))},
            ${array(numberArrays(chunks, (c) => c.placeIx))},
            ${array(numberArrays(chunks, (c) => c.keyHits))}, ${array(numberArrays(chunks, (c) => c.keyBotHits))},
            ${array(textArray(chunks.map((c) => c.breakdown?.values ?? null)))},
            ${array(breakdownArrays(chunks, (b) => b.ends))}, ${array(breakdownArrays(chunks, (b) => b.hostIx))},
            ${array(breakdownArrays(chunks, (b) => b.valueIx))}, ${array(breakdownArrays(chunks, (b) => b.hits))},
            ${array(breakdownArrays(chunks, (b) => b.botHits))},
            ${visitorsJson(payload)}::text::jsonb, ${
            payload.dead ? JSON.stringify(deadJson(payload.dead)) : null
          }::text::jsonb)`;
        }, commitTimeoutMs);
        return { kind: "committed" };
      } catch (error) {
        return commitOutcome(error);
      }
    },

    async salts(days) {
      const rows = await database.query(
        (sql) =>
          sql<SaltRow[]>`select s.day::text as day, s.id::text as id, encode(s.salt, 'hex') as salt
            from tm.tidemark_salts_v1(${`{${days.join()}}`}::text::date[]) s`,
        readTimeoutMs,
      );
      return rows.map(saltOf);
    },

    async close() {
      const compact = async (chunks: number, window: EpochMs | null) => {
        const [row] = await database.query(
          (sql) =>
            sql<{ state: string }[]>`
            select tm.tidemark_compact_v2(${chunks}::text::integer, ${
              OPEN_VALUES_FACTOR * breakdownValuesMax
            }::text::integer,
              case when ${window}::text is not null then tm.tidemark_time_v1(${window}::text::bigint) end) ->> 'state' as state`,
          closeTimeoutMs,
        );
        return row!.state;
      };
      for (let pairsMax: number | null = maxWindowPairs;;) {
        const done = await database.query(
          (sql) =>
            sql<
              { done: string }[]
            >`select tm.tidemark_close_v3(${instance}, ${maxKeysPerWindow}::text::bigint, ${maxWindowBytes}::text::bigint, ${breakdownValuesMax}::text::integer, ${pairsMax}::text::bigint)::text as done`,
          closeTimeoutMs,
        );
        const result = JSON.parse(done[0]!.done) as CloseJson;
        if (result.state === "crowded") {
          const state = await compact(2, result.window_start);
          if (state === "busy") return { kind: "busy" };
          // Nothing that could be merged is left.
          if (state === "nothing") pairsMax = null;
          continue;
        }
        if (result.state === "nothing" && (result.chunks ?? 0) >= COMPACT_CHUNKS) {
          try {
            await compact(COMPACT_CHUNKS, null);
          } catch (error) {
            throw new CompactionFailed(error);
          }
        }
        if (result.state !== "day_missing") return closeOutcome(result);
        await database.query((sql) => sql`select tm.tidemark_ensure_day_v2(${result.day}::text::date)`, readTimeoutMs);
      }
    },

    async stop(code: StopCode, message: string) {
      await database.query(
        (sql) =>
          sql`update tm.stream set stopped_code = ${code}, stopped_message = ${message}, stopped_at = now() where stopped_code is null`,
        readTimeoutMs,
      );
    },
  };
}

export function settingsDiffer(differences: string): UsageError {
  return new UsageError(
    [`This schema holds a stream with other settings: ${differences}`],
    "Use the old settings, or another POSTGRES_SCHEMA (and KAFKA_GROUP) for a second stream.",
    "stream_settings_differ",
  );
}

/** Treats any other error as "outcome unknown", even if the statement surely failed: the stored rows decide. */
function commitOutcome(error: unknown): CommitOutcome {
  switch (codeOf(error)) {
    case "TM001":
      return { kind: "fenced" };
    case "TM008":
      return { kind: "salt_differs" };
    case "TM002":
      throw new NamedError(
        "wrong_isolation_level",
        (error as Error).message,
        EXIT.usage,
        "Remove the default isolation level from the pooler in front of PostgreSQL.",
      );
    case "42883": // undefined function
    case "42P01": // undefined table
      throw schemaMissing(error);
    default:
      return { kind: "unknown", cause: error instanceof Error ? error : new Error(String(error)) };
  }
}
