// The files that SOURCE=file has met, kept beside the positions that refer to them. Shell.
import type { Generation, GenerationStore } from "../../source/file/generations.ts";
import type { Database } from "./client.ts";

const TIMEOUT_MS = 5_000;

interface GenerationRow {
  readonly generation: number;
  readonly fingerprint: string;
  readonly fingerprint_bytes: number;
  readonly path: string;
  readonly size_seen: string;
  readonly finished: boolean;
}

/** Generations in the table `source_generation`. */
export function postgresGenerations(database: Database): GenerationStore {
  return {
    async load() {
      const rows = await database.query(
        (sql) => sql<GenerationRow[]>`select * from tm.source_generation order by generation`,
        TIMEOUT_MS,
      );
      return rows.map((row): Generation => ({
        generation: row.generation,
        fingerprint: row.fingerprint,
        fingerprintBytes: row.fingerprint_bytes,
        path: row.path,
        sizeSeen: Number(row.size_seen),
        finished: row.finished,
      }));
    },
    async save(g) {
      await database.query((sql) =>
        sql`
          insert into tm.source_generation (generation, fingerprint, fingerprint_bytes, path, size_seen, finished)
          values (${g.generation}, ${g.fingerprint}, ${g.fingerprintBytes}, ${g.path}, ${g.sizeSeen}::text::bigint, ${g.finished}::text::boolean)
          on conflict (generation) do update set fingerprint = excluded.fingerprint, fingerprint_bytes = excluded.fingerprint_bytes,
            path = excluded.path, size_seen = excluded.size_seen, finished = excluded.finished`, TIMEOUT_MS);
    },
  };
}
