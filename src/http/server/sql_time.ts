// Converts times between SQL and numbers. postgres.js has no value for -infinity, so a time is read as epoch milliseconds or null. No I/O.
import type { PendingQuery, Row } from "postgres";
import type { Sql } from "../../shared/sql.ts";

/** A timestamptz column (or `table.column`) as epoch ms; null if it is null or infinite. */
export function ms(sql: Sql, column: string): PendingQuery<Row[]> {
  return sql`tm.tidemark_ms_v1(${sql(column)})::float8`;
}

/** Epoch ms as a timestamptz parameter. */
export function at(sql: Sql, time: number): PendingQuery<Row[]> {
  return sql`tm.tidemark_time_v1(${Math.trunc(time)}::bigint)`;
}

/** A timestamptz column as text of epoch microseconds: exact, for cursors. */
export function micros(sql: Sql, column: string): PendingQuery<Row[]> {
  return sql`(extract(epoch from ${sql(column)}) * 1000000)::bigint::text`;
}

/** The timestamptz of a text of epoch microseconds. */
export function atMicros(sql: Sql, text: string): PendingQuery<Row[]> {
  return sql`(timestamptz 'epoch' + ${text}::bigint * interval '1 microsecond')`;
}
