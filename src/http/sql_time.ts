// Times between SQL and numbers: postgres.js has no value for -infinity, so times cross as epoch milliseconds and null. No I/O.
import type { PendingQuery, Row, Sql } from "postgres";

/** A column (optionally `table.column`) of type timestamptz as epoch ms, `null` where it is null or infinite. */
export function ms(sql: Sql, column: string): PendingQuery<Row[]> {
  const name = sql(column);
  return sql`case when isfinite(${name}) then floor(extract(epoch from ${name}) * 1000)::float8 end`;
}

/** Epoch ms as a timestamptz parameter; whole milliseconds, no floating-point seconds. */
export function at(sql: Sql, time: number): PendingQuery<Row[]> {
  return sql`(timestamptz 'epoch' + ${Math.trunc(time)}::bigint * interval '1 millisecond')`;
}

/** A timestamptz column as text of epoch microseconds: exact, for cursors. */
export function micros(sql: Sql, column: string): PendingQuery<Row[]> {
  return sql`(extract(epoch from ${sql(column)}) * 1000000)::bigint::text`;
}

/** The timestamptz of such a text. */
export function atMicros(sql: Sql, text: string): PendingQuery<Row[]> {
  return sql`(timestamptz 'epoch' + ${text}::bigint * interval '1 microsecond')`;
}
