// Where a record of SOURCE=file lies: its file and line, in answers, in SQL and for people. No I/O.
import { z } from "@hono/zod-openapi";
import { printable } from "../../../shared/printable.ts";
import type { Sql } from "../../../shared/sql.ts";
import { countSchema } from "../schemas.ts";

export const filePlaceSchema = z.strictObject({
  path: z.string().openapi({ description: "Where the file was last seen." }),
  line: countSchema.nullable().openapi({ description: "From 1; null where it is not known." }),
  byte: countSchema.openapi({ description: "Position in the uncompressed content." }),
}).nullable().openapi({ description: "For SOURCE=file: where the (first) record lies. Null for other sources." });
type FilePlace = NonNullable<z.infer<typeof filePlaceSchema>>;

/** The place for people. */
export function fileText({ path, line, byte }: FilePlace): string {
  return `${printable(path)}, ${line === null ? `byte ${byte}` : `line ${line}`}`;
}

/** The {@link FilePlace} of the columns, as packed by src/source/file/position.ts: number of the file × 2^36 + byte; the row of a file is that of its partition × 2^18 + its number. */
export function filePlace(sql: Sql, partition: string, offset: string, line: string) {
  return sql`(
    select jsonb_build_object('path', g.path, 'line', ${sql(line)}, 'byte', ${sql(offset)} % 68719476736)
    from tm.source_generation g where g.generation = ${sql(partition)} * 262144 + ${sql(offset)} / 68719476736 and ${
    sql(offset)
  } >= 68719476736)`;
}
