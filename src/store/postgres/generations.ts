// Stores the logs and files that SOURCE=file has found, beside the positions that refer to them. Shell.
import type { Generation, GenerationStore, LogStore, StoredLog } from "../../source/file/generations.ts";
import { type PartitionId, partitionId } from "../../shared/units.ts";
import { codeOf } from "../../shared/sql.ts";
import type { Database } from "./client.ts";

const TIMEOUT_MS = 5_000;
const UNDEFINED_TABLE = "42P01";

/** A row's key is partition × this + its number in the log. So the keys of partition 0 are the numbers, as in earlier releases. */
const KEYS_PER_PARTITION = 2 ** 18;

interface LogRow {
  readonly name: string;
  readonly partition: number;
  readonly found_by: string;
}

/** Optional columns belong to later migrations, which a schema that is opened read-only may not have. */
interface GenerationRow {
  readonly generation: number;
  readonly partition?: number;
  readonly number?: number | null;
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
  readonly format?: string | null;
}

/** Logs in the table `source_log`, their files in `source_generation`. */
export function postgresLogs(database: Database): LogStore {
  return {
    async logs() {
      let rows: readonly LogRow[];
      try {
        rows = await database.query(
          (sql) => sql<LogRow[]>`select name, partition, found_by from tm.source_log order by partition, name`,
          TIMEOUT_MS,
        );
      } catch (error) {
        // A schema that is opened read-only may be from an earlier release.
        if (codeOf(error) !== UNDEFINED_TABLE) throw error;
        rows = [];
      }
      return rows.map((row): StoredLog => ({
        name: row.name,
        partition: partitionId(row.partition),
        foundBy: row.found_by,
      }));
    },
    generations: (partition) => postgresGenerations(database, partition),
  };
}

function postgresGenerations(database: Database, partition: PartitionId): GenerationStore {
  return {
    async load() {
      const rows = await database.query(
        (sql) => sql<GenerationRow[]>`select * from tm.source_generation order by generation`,
        TIMEOUT_MS,
      );
      return rows.filter((row) => (row.partition ?? 0) === partition).map((row): Generation => ({
        generation: row.number ?? row.generation,
        fingerprint: row.fingerprint,
        fingerprintBytes: row.fingerprint_bytes,
        path: row.path,
        sizeSeen: Number(row.size_seen),
        finished: row.finished,
        content: row.content ?? row.number ?? row.generation,
        fromByte: Number(row.from_byte),
        proof: row.proof === null
          ? null
          : { to: Number(row.proof_to), bytes: Number(row.proof_bytes), digest: row.proof },
        lastTime: row.last_time === null ? null : Number(row.last_time),
        sealed: row.sealed,
        format: row.format ?? null,
      }));
    },
    async save(g) {
      const to = g.proof?.to ?? null, bytes = g.proof?.bytes ?? null, digest = g.proof?.digest ?? null;
      const key = partition * KEYS_PER_PARTITION + g.generation;
      await database.query((sql) =>
        sql`
          insert into tm.source_generation (generation, partition, number, fingerprint, fingerprint_bytes, path, size_seen, finished,
            content, from_byte, proof_to, proof_bytes, proof, last_time, sealed, format)
          values (${key}, ${partition}, ${g.generation}, ${g.fingerprint}, ${g.fingerprintBytes}, ${g.path}, ${g.sizeSeen}::text::bigint, ${g.finished}::text::boolean,
            ${g.content}, ${g.fromByte}::text::bigint, ${to}::text::bigint, ${bytes}::text::integer, ${digest}, ${g.lastTime}::text::bigint, ${g.sealed}::text::boolean, ${g.format})
          on conflict (generation) do update set number = excluded.number, fingerprint = excluded.fingerprint, fingerprint_bytes = excluded.fingerprint_bytes,
            path = excluded.path, size_seen = excluded.size_seen, finished = excluded.finished, content = excluded.content,
            from_byte = excluded.from_byte, proof_to = excluded.proof_to, proof_bytes = excluded.proof_bytes, proof = excluded.proof,
            last_time = excluded.last_time, sealed = excluded.sealed, format = excluded.format`, TIMEOUT_MS);
    },
  };
}
