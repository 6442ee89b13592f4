// Reads the logs of each partition of SOURCE=file, with the format of their lines. Reads the database.
import { z } from "@hono/zod-openapi";
import type { ReadDatabase } from "../../../shared/sql.ts";

export const partitionLogsSchema = z.array(z.strictObject({
  name: z.string().openapi({ description: "Real path of the folder, and the file's name without what rotation adds." }),
  found_by: z.string().openapi({ description: "Path or pattern of FILE_PATH." }),
  format: z.string().nullable().openapi({
    description: "Format of the newest file whose format is known; null if no format is known yet.",
  }),
})).openapi({
  description: "For SOURCE=file: the log of this partition. Several if an earlier release read them as one.",
});

/** A log of a partition. */
export type PartitionLog = z.infer<typeof partitionLogsSchema>[number];

/** Logs by partition; empty for other sources. */
export async function readLogs(
  database: ReadDatabase,
  deadlineMs: number,
): Promise<ReadonlyMap<number, readonly PartitionLog[]>> {
  // The key of a file's row is partition × 2^18 + number, and a number has at most 17 bits: src/store/postgres/generations.ts.
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
