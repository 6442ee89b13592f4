// File and line of a record of SOURCE=file: in answers, in SQL, and as text. No I/O.
import { z } from "@hono/zod-openapi";
import { printable } from "../../../shared/printable.ts";
import type { Sql } from "../../../shared/sql.ts";
import { countSchema } from "../schemas.ts";

export const filePlaceSchema = z.strictObject({
  path: z.string().openapi({ description: "Where the file was last seen." }),
  line: countSchema.nullable().openapi({ description: "From 1; null if it is not known." }),
  byte: countSchema.openapi({ description: "Position in the uncompressed content." }),
}).nullable().openapi({ description: "For SOURCE=file: where the (first) record lies. Null for other sources." });
type FilePlace = NonNullable<z.infer<typeof filePlaceSchema>>;

/** The place as text. */
export function fileText({ path, line, byte }: FilePlace): string {
  return `${printable(path)}, ${line === null ? `byte ${byte}` : `line ${line}`}`;
}

/** The {@link FilePlace} of the columns. An offset is number of the file × 2^36 + byte (src/source/file/position.ts); a file's row has the key partition × 2^18 + number. */
export function filePlace(sql: Sql, partition: string, offset: string, line: string) {
  return sql`(
    select jsonb_build_object('path', g.path, 'line', ${sql(line)}, 'byte', ${sql(offset)} % 68719476736)
    from tm.source_generation g where g.generation = ${sql(partition)} * 262144 + ${sql(offset)} / 68719476736 and ${
    sql(offset)
  } >= 68719476736)`;
}
