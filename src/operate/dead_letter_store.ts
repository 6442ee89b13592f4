// The SQL of `tidemark dead-letters`. Shell.
import type { Database } from "../store/postgres/client.ts";

const TIMEOUT_MS = 30_000;

/** Dead letters of one reason in one partition. */
interface DeadCount {
  readonly reason: string;
  readonly partition: number;
  readonly records: number;
}

/** Exact counts, the largest first. */
export function readDeadCounts(database: Database): Promise<DeadCount[]> {
  return database.query(
    (sql) =>
      sql<DeadCount[]>`
      select reason, partition, records::float8 as records from tm.dead_letter_count order by records desc, reason, partition`,
    TIMEOUT_MS,
  );
}

/** One dead letter: its sample, or a range that covers its position. */
interface DeadLetter {
  readonly reason: string;
  /** Time of its last commit, epoch ms. */
  readonly seen_at: number;
  /** Size of the whole value in bytes; null for a range. */
  readonly payload_bytes: number | null;
  /** Masked beginning of the value; null if none is stored. */
  readonly payload: string | null;
  /** Both ends of the range, inclusive; null for a sample. */
  readonly first_offset: number | null;
  readonly last_offset: number | null;
  readonly records: number | null;
}

/** All stored rows about one position, the sample first. Empty if it is not a dead letter, or an old one that has been deleted. */
export function readDeadLetter(database: Database, partition: number, offset: number): Promise<DeadLetter[]> {
  return database.query(
    (sql) =>
      sql<DeadLetter[]>`
      select reason, (extract(epoch from seen_at) * 1000)::float8 as seen_at, payload_bytes, payload,
             null::float8 as first_offset, null::float8 as last_offset, null::float8 as records
      from tm.dead_letter_sample where partition = ${partition} and record_offset = ${offset}::text::bigint
      union all
      (select reason, (extract(epoch from seen_at) * 1000)::float8, null, null, first_offset::float8, last_offset::float8, records::float8
       from tm.dead_letter_range
       where partition = ${partition} and ${offset}::text::bigint between first_offset and last_offset order by id desc limit 10)`,
    TIMEOUT_MS,
  );
}

/** The samples of line `line` of the file whose last known path is `path`. */
export function readDeadLine(database: Database, path: string, line: number): Promise<DeadLetter[]> {
  return database.query(
    (sql) =>
      sql<DeadLetter[]>`
      select d.reason, (extract(epoch from d.seen_at) * 1000)::float8 as seen_at, d.payload_bytes, d.payload,
             null::float8 as first_offset, null::float8 as last_offset, null::float8 as records
      from tm.dead_letter_sample d join tm.source_generation g on g.generation = d.partition * 262144 + d.record_offset / 68719476736
      where g.path = ${path} and d.line = ${line}::text::bigint`,
    TIMEOUT_MS,
  );
}

/** Deletes samples older than `before` (epoch ms), but no counts and ranges. Returns how many were deleted. */
export async function purgeSamples(database: Database, before: number, reason: string | undefined): Promise<number> {
  const [row] = await database.query((sql) =>
    sql<{ purged: number }[]>`
      with gone as (
        delete from tm.dead_letter_sample
        where seen_at < to_timestamp(${before / 1000}) and ${reason === undefined ? sql`true` : sql`reason = ${reason}`}
        returning 1
      ) select count(*)::integer as purged from gone`, TIMEOUT_MS);
  return row!.purged;
}
