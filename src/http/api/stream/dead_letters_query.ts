// Reads dead letters: counts, ranges, samples. Reads the database.
import type { ReadDatabase, Sql } from "../../../shared/sql.ts";
import { atMicros, micros, ms } from "../../server/sql_time.ts";

interface DeadFilter {
  readonly reason: string | undefined;
  readonly partition: number | undefined;
  readonly limit: number;
  /** Values of the cursor. */
  readonly after: readonly string[] | undefined;
}

export interface DeadByReason {
  readonly reason: string;
  readonly records: number;
  readonly partitions: number[];
}

/** Exact counts, most frequent first. */
export function readDeadByReason(database: ReadDatabase, deadlineMs: number): Promise<DeadByReason[]> {
  return database.query((sql) =>
    sql<DeadByReason[]>`
      select reason, sum(records)::float8 as records, jsonb_agg(partition order by partition) as partitions
      from tm.dead_letter_count group by reason order by sum(records) desc, reason`, deadlineMs);
}

export interface DeadRange {
  readonly id: string;
  readonly partition: number;
  readonly reason: string;
  readonly first_offset: number;
  readonly last_offset: number;
  readonly records: number;
  readonly seen_at: number;
}

/** Ranges, newest first, behind the given id. */
export function readDeadRanges(database: ReadDatabase, filter: DeadFilter, deadlineMs: number): Promise<DeadRange[]> {
  return database.query((sql) =>
    sql<DeadRange[]>`
      select id::text as id, partition, reason, first_offset::float8 as first_offset, last_offset::float8 as last_offset,
             records::float8 as records, ${ms(sql, "seen_at")} as seen_at
      from tm.dead_letter_range
      where ${matches(sql, filter)} and ${
      filter.after === undefined ? sql`true` : sql`id < ${filter.after[0]!}::bigint`
    }
      order by dead_letter_range.id desc limit ${filter.limit}`, deadlineMs);
}

export interface DeadSample {
  /** `seen_at` in epoch microseconds. */
  readonly at: string;
  readonly partition: number;
  readonly offset: number;
  readonly reason: string;
  readonly seen_at: number;
  readonly payload_bytes: number;
  readonly payload: string;
}

/** Samples, newest first, behind the given (microseconds, partition, offset). */
export function readDeadSamples(database: ReadDatabase, filter: DeadFilter, deadlineMs: number): Promise<DeadSample[]> {
  const { after } = filter;
  return database.query((sql) =>
    sql<DeadSample[]>`
      select ${micros(sql, "d.seen_at")} as at, d.partition, d.record_offset::float8 as offset, d.reason,
             ${ms(sql, "d.seen_at")} as seen_at, d.payload_bytes, d.payload
      from tm.dead_letter_sample d
      where ${matches(sql, filter)} and ${
      after === undefined
        ? sql`true`
        : sql`(d.seen_at, d.partition, d.record_offset) < (${
          atMicros(sql, after[0]!)
        }, ${after[1]!}::int, ${after[2]!}::bigint)`
    }
      order by d.seen_at desc, d.partition desc, d.record_offset desc limit ${filter.limit}`, deadlineMs);
}

function matches(sql: Sql, { reason, partition }: DeadFilter) {
  return sql`${reason === undefined ? sql`true` : sql`reason = ${reason}`}
    and ${partition === undefined ? sql`true` : sql`partition = ${partition}`}`;
}
