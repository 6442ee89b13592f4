// The log files that the partitions of SOURCE=file are, each with the format of its lines. Reads the database.
import { z } from "@hono/zod-openapi";
import type { ReadDatabase } from "../../../shared/sql.ts";

export const partitionLogsSchema = z.array(z.strictObject({
  name: z.string().openapi({ description: "Real path of the folder, and the file's name without what rotation adds." }),
  found_by: z.string().openapi({ description: "Path or pattern of FILE_PATH." }),
  format: z.string().nullable().openapi({
    description: "Found in the first lines of its newest file in which one was; null where none was found.",
  }),
})).openapi({
  description: "For SOURCE=file: the log that is this partition. Several where an earlier release read them as one.",
});

/** A log of a partition. */
export type PartitionLog = z.infer<typeof partitionLogsSchema>[number];

/** Logs by partition; none for other sources. */
export async function readLogs(
  database: ReadDatabase,
  deadlineMs: number,
): Promise<ReadonlyMap<number, readonly PartitionLog[]>> {
  // The row of a file has its partition × 2^18 + its number, of at most 17 bits: src/store/postgres/generations.ts.
  const rows = await database.query(
    (sql) =>
      sql<{ readonly partition: number; readonly logs: readonly PartitionLog[] }[]>`
      select l.partition, jsonb_agg(jsonb_build_object('name', l.name, 'found_by', l.found_by, 'format', (
               select g.format from tm.source_generation g
               where g.generation > l.partition * 262144 and g.generation < l.partition * 262144 + 131072 and g.format is not null
               order by g.generation desc limit 1)) order by l.name) as logs
      from tm.source_log l group by l.partition`,
    deadlineMs,
  );
  return new Map(rows.map(({ partition, logs }) => [partition, logs]));
}
