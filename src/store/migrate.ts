// Brings a schema up to date: versioned files of ddl/, each in one implicit transaction under an advisory lock, safe with many instances. Shell.
import { EXIT, NamedError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { codeOf, type Database } from "./postgres/client.ts";

/** The migrations in order. A file that was released is never edited: its checksum is stored. */
export const MIGRATIONS = ["0001_stream", "0002_commit", "0003_report", "0004_operate", "0005_exact"] as const;

const DDL = new URL("../../ddl/", import.meta.url);
const MIGRATE_TIMEOUT_MS = 120_000;
/** Raised by the guard when another instance was faster. */
const ALREADY_APPLIED = "TM010";

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  /** SHA-256 in hex. */
  readonly checksum: string;
}

/** Reads the migration files. */
export async function loadMigrations(): Promise<Migration[]> {
  return await Promise.all(MIGRATIONS.map(async (name) => {
    const sql = await Deno.readTextFile(new URL(`${name}.sql`, DDL));
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(sql));
    return { version: Number(name.slice(0, 4)), name, sql, checksum: new Uint8Array(digest).toHex() };
  }));
}

/** SQL of one migration with its bookkeeping; as one simple query it is one transaction. `init.sql` is made of the same text. */
export function migrationSql(migration: Migration): string {
  const { version, name, sql, checksum } = migration;
  return `create table if not exists schema_migration (
  version    integer     primary key,
  name       text        not null,
  checksum   text        not null,
  applied_at timestamptz not null default now()
);
comment on table schema_migration is 'Migrations of ddl/ that this schema has seen.';
comment on column schema_migration.version is 'Number of the migration.';
comment on column schema_migration.name is 'Name of its file without the ending.';
comment on column schema_migration.checksum is 'SHA-256 of the file, in hex.';
comment on column schema_migration.applied_at is 'When it was applied.';
do $$ begin
  if exists (select from schema_migration where version = ${version}) then
    raise exception 'already applied' using errcode = '${ALREADY_APPLIED}';
  end if;
end $$;
${sql}
insert into schema_migration (version, name, checksum) values (${version}, '${name}', '${checksum}');
`;
}

/** The whole of `ddl/init.sql`: what `psql` runs on a fresh database so that it is as if migrated. Each migration is one transaction. */
export async function initSql(): Promise<string> {
  const parts = (await loadMigrations()).map((migration) => `begin;\n${migrationSql(migration)}commit;\n`);
  return `-- Made from the migrations beside this file by \`deno task docs\`: do not edit. For psql, and for the entry point of PostgreSQL's container image.
-- A schema made by it is the same as one made by \`tidemark migrate\`, which takes it from here.
\\set ON_ERROR_STOP on

${parts.join("\n")}`;
}

/**
 * Applies what is missing and returns the names of what was applied here.
 *
 * @throws NamedError `foreign_table` where a table of our name exists that we did not make; it is not touched
 * @throws NamedError `migration_changed` where an applied file differs from ours
 */
export async function migrate(database: Database, schema: string, log: Log): Promise<string[]> {
  const migrations = await loadMigrations();
  let applied = await appliedMigrations(database);
  if (applied === null) {
    await refuseForeignTables(database, schema, migrations);
    applied = new Map();
  }
  const done: string[] = [];
  for (const migration of migrations) {
    const known = applied.get(migration.version);
    if (known !== undefined) {
      if (known === migration.checksum) continue;
      throw new NamedError(
        "migration_changed",
        `Migration ${migration.name} was applied to schema ${schema} in another form (${known.slice(0, 12)}…, ours is ${
          migration.checksum.slice(0, 12)
        }…).`,
        EXIT.usage,
        "Use the release that made this schema, or a fresh POSTGRES_SCHEMA.",
      );
    }
    try {
      const text = `select pg_advisory_xact_lock(hashtext('tidemark migrate'), hashtext('${
        schema.replaceAll("'", "''")
      }'));\n${migrationSql(migration)}`;
      await database.query((sql) => sql.unsafe(text).simple(), MIGRATE_TIMEOUT_MS);
      done.push(migration.name);
      log.info("migration applied", { name: migration.name });
    } catch (error) {
      if (codeOf(error) !== ALREADY_APPLIED) throw error;
    }
  }
  return done;
}

/** Creates the schema where it is missing; needs the right to do so only then. */
export async function ensureSchema(database: Database, schema: string): Promise<void> {
  const [found] = await database.query(
    (sql) => sql`select 1 from pg_namespace where nspname = ${schema}`,
    MIGRATE_TIMEOUT_MS,
  );
  if (!found) await database.query((sql) => sql`create schema if not exists ${sql(schema)}`, MIGRATE_TIMEOUT_MS);
}

/** Version → checksum, or null where this schema has never been migrated. */
export async function appliedMigrations(database: Database): Promise<Map<number, string> | null> {
  const [table] = await database.query(
    (sql) => sql<{ found: boolean }[]>`select to_regclass('schema_migration') is not null as found`,
    MIGRATE_TIMEOUT_MS,
  );
  if (!table?.found) return null;
  const rows = await database.query(
    (sql) => sql<{ version: number; checksum: string }[]>`select version, checksum from schema_migration`,
    MIGRATE_TIMEOUT_MS,
  );
  return new Map(rows.map((row) => [row.version, row.checksum]));
}

async function refuseForeignTables(
  database: Database,
  schema: string,
  migrations: readonly Migration[],
): Promise<void> {
  const names = migrations.flatMap(({ sql }) =>
    [...sql.matchAll(/^create (?:table|view) (\w+)/gm)].map((match) => match[1]!)
  );
  const rows = await database.query((sql) =>
    sql<{ relname: string }[]>`
      select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = ${schema} and c.relname in ${sql(names)}
        -- In the same snapshot: another process' first migration may have been committed since we looked.
        and not exists (select from pg_class m where m.relnamespace = n.oid and m.relname = 'schema_migration')
      order by 1`, MIGRATE_TIMEOUT_MS);
  if (rows.length === 0) return;
  throw new NamedError(
    "foreign_table",
    `Schema ${schema} holds ${rows.map((row) => row.relname).join(", ")}, which this program did not make.`,
    EXIT.usage,
    "Rename or move it, or give Tidemark a schema of its own with POSTGRES_SCHEMA; it was not touched.",
  );
}
