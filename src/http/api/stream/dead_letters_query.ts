// Reads counts, ranges and samples of dead letters. Reads the database.
import { z } from "@hono/zod-openapi";
import type { ReadDatabase, Sql } from "../../../shared/sql.ts";
import { atMicros, micros, ms } from "../../server/sql_time.ts";
import { countSchema, type RowOf, timeSchema } from "../schemas.ts";
import { filePlace, filePlaceSchema } from "./file_place.ts";

interface DeadFilter {
  readonly reason: string | undefined;
  readonly partition: number | undefined;
  readonly limit: number;
  /** Values of the cursor. */
  readonly after: readonly string[] | undefined;
}

export const deadByReasonSchema = z.strictObject({
  reason: z.string(),
  records: countSchema,
  partitions: z.array(z.int()),
});
export type DeadByReason = z.infer<typeof deadByReasonSchema>;

/** Exact counts, the largest first. */
export function readDeadByReason(database: ReadDatabase, deadlineMs: number): Promise<DeadByReason[]> {
  return database.query((sql) =>
    sql<DeadByReason[]>`
      select reason, sum(records)::float8 as records, jsonb_agg(partition order by partition) as partitions
      from tm.dead_letter_count group by reason order by sum(records) desc, reason`, deadlineMs);
}

export const deadRangeSchema = z.strictObject({
  partition: z.int(),
  reason: z.string(),
  first_offset: countSchema,
  last_offset: countSchema.openapi({ description: "Inclusive." }),
  records: countSchema.openapi({ description: "Dead letters within; the range may also cover other records." }),
  seen_at: timeSchema,
  in_file: filePlaceSchema,
});
export type DeadRangeRow = RowOf<z.infer<typeof deadRangeSchema>, "seen_at"> & { readonly id: string };

/** Ranges, newest first, after the given id. */
export function readDeadRanges(
  database: ReadDatabase,
  filter: DeadFilter,
  deadlineMs: number,
): Promise<DeadRangeRow[]> {
  return database.query((sql) =>
    sql<DeadRangeRow[]>`
      select id::text as id, partition, reason, first_offset::float8 as first_offset, last_offset::float8 as last_offset,
             records::float8 as records, ${ms(sql, "seen_at")} as seen_at,
             ${
      filePlace(sql, "dead_letter_range.partition", "dead_letter_range.first_offset", "dead_letter_range.first_line")
    } as in_file
      from tm.dead_letter_range
      where ${matches(sql, filter)} and ${
      filter.after === undefined ? sql`true` : sql`id < ${filter.after[0]!}::bigint`
    }
      order by dead_letter_range.id desc limit ${filter.limit}`, deadlineMs);
}

/** The file of each position; null if the source is not files. */
export async function readFilePaths(
  database: ReadDatabase,
  places: readonly { readonly partition: number; readonly offset: number }[],
  deadlineMs: number,
): Promise<(string | null)[]> {
  const asked = JSON.stringify(places.map(({ partition, offset }, n) => ({ n, partition, record_offset: offset })));
  const rows = await database.query((sql) =>
    sql<{ path: string | null }[]>`
      select (select g.path from tm.source_generation g
              where g.generation = x.partition * 262144 + x.record_offset / 68719476736 and x.record_offset >= 68719476736) as path
      from jsonb_to_recordset(${asked}::text::jsonb) as x(n integer, partition integer, record_offset bigint)
      order by x.n`, deadlineMs);
  return rows.map(({ path }) => path);
}

export const deadSampleSchema = z.strictObject({
  partition: z.int(),
  offset: countSchema,
  reason: z.string(),
  seen_at: timeSchema,
  payload_bytes: countSchema,
  payload: z.string().openapi({ description: "Masked beginning of the value. Hostile text: escape it." }),
  in_file: filePlaceSchema,
});
/** `at` is `seen_at` in epoch microseconds, as text. */
export type DeadSampleRow = RowOf<z.infer<typeof deadSampleSchema>, "seen_at"> & { readonly at: string };

/** Samples, newest first, after the given (microseconds, partition, offset). */
export function readDeadSamples(
  database: ReadDatabase,
  filter: DeadFilter,
  deadlineMs: number,
): Promise<DeadSampleRow[]> {
  const { after } = filter;
  return database.query((sql) =>
    sql<DeadSampleRow[]>`
      select ${micros(sql, "d.seen_at")} as at, d.partition, d.record_offset::float8 as offset, d.reason,
             ${ms(sql, "d.seen_at")} as seen_at, d.payload_bytes, d.payload,
             ${filePlace(sql, "d.partition", "d.record_offset", "d.line")} as in_file
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
