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
  readonly content: number | null;
  readonly from_byte: string;
  readonly proof_to: string | null;
  readonly proof_bytes: number | null;
  readonly proof: string | null;
  readonly last_time: string | null;
  readonly sealed: boolean;
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
        content: row.content ?? row.generation,
        fromByte: Number(row.from_byte),
        proof: row.proof === null
          ? null
          : { to: Number(row.proof_to), bytes: Number(row.proof_bytes), digest: row.proof },
        lastTime: row.last_time === null ? null : Number(row.last_time),
        sealed: row.sealed,
      }));
    },
    async save(g) {
      const to = g.proof?.to ?? null, bytes = g.proof?.bytes ?? null, digest = g.proof?.digest ?? null;
      await database.query((sql) =>
        sql`
          insert into tm.source_generation (generation, fingerprint, fingerprint_bytes, path, size_seen, finished,
            content, from_byte, proof_to, proof_bytes, proof, last_time, sealed)
          values (${g.generation}, ${g.fingerprint}, ${g.fingerprintBytes}, ${g.path}, ${g.sizeSeen}::text::bigint, ${g.finished}::text::boolean,
            ${g.content}, ${g.fromByte}::text::bigint, ${to}::text::bigint, ${bytes}::text::integer, ${digest}, ${g.lastTime}::text::bigint, ${g.sealed}::text::boolean)
          on conflict (generation) do update set fingerprint = excluded.fingerprint, fingerprint_bytes = excluded.fingerprint_bytes,
            path = excluded.path, size_seen = excluded.size_seen, finished = excluded.finished, content = excluded.content,
            from_byte = excluded.from_byte, proof_to = excluded.proof_to, proof_bytes = excluded.proof_bytes, proof = excluded.proof,
            last_time = excluded.last_time, sealed = excluded.sealed`, TIMEOUT_MS);
    },
  };
}
