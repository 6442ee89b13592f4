// Brings a schema up to date with the versioned files of ddl/, in one transaction under an advisory lock; safe with many instances. Shell.
import { EXIT, NamedError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { codeOf } from "../shared/sql.ts";
import type { Database } from "./postgres/client.ts";
import { quoteName } from "./postgres/qualify.ts";
import { STAMP_SQL, unstampedSql } from "./postgres/stamp.ts";

/** The migrations in order. A released file is never edited, because databases store its checksum. */
export const MIGRATIONS = [
  "0001_stream",
  "0002_commit",
  "0003_report",
  "0004_operate",
  "0005_exact",
  "0006_rules",
  "0007_files",
  "0008_compare",
  "0009_notify",
  "0010_points",
  "0011_breakdown",
] as const;

const DDL = new URL("../../ddl/", import.meta.url);
const MIGRATE_TIMEOUT_MS = 120_000;
/** SQLSTATE that the guard raises when another instance was faster. */
const ALREADY_APPLIED = "TM010";

interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  /** SHA-256 in hex. */
  readonly checksum: string;
}

export async function loadMigrations(): Promise<Migration[]> {
  return await Promise.all(MIGRATIONS.map(async (name) => {
    const sql = await Deno.readTextFile(new URL(`${name}.sql`, DDL));
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(sql));
    return { version: Number(name.slice(0, 4)), name, sql, checksum: new Uint8Array(digest).toHex() };
  }));
}

/** SQL of one migration and of its row in schema_migration. Run as one simple query, it is one transaction. `init.sql` consists of these texts. */
function migrationSql(migration: Migration): string {
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
${STAMP_SQL}`;
}

/** The text of `ddl/init.sql`: run by `psql` on a new database, it makes the same schema as migrating. Each migration is one transaction. */
export async function initSql(): Promise<string> {
  const parts = (await loadMigrations()).map((migration) => `begin;\n${migrationSql(migration)}commit;\n`);
  return `-- Made from the migrations beside this file by \`deno task docs\`: do not edit. For psql, and for the entry point of PostgreSQL's container image.
-- A schema made by it is the same as one made by \`tidemark migrate\`, which takes it from here.
\\set ON_ERROR_STOP on

${parts.join("\n")}`;
}

/**
 * Makes the schema if it is missing, applies missing migrations and stamps the schema's functions, all in one transaction. Returns the names
 * of the migrations that it applied.
 *
 * @throws NamedError `foreign_table` if another program's table has one of our names; it is not touched
 * @throws NamedError `migration_changed` if an applied migration differs from ours
 */
export async function migrate(database: Database, schema: string, log: Log): Promise<string[]> {
  const migrations = await loadMigrations();
  for (;;) {
    const applied = await appliedMigrations(database);
    if (applied === null) await refuseForeignTables(database, schema, migrations);
    const missing = migrations.filter((migration) => isMissing(migration, applied, schema));
    const [found] = await database.query(
      (sql) =>
        sql.unsafe<{ schema: boolean; unstamped: number }[]>(
          `select exists (select from pg_namespace where nspname = ${literal(schema)}) as schema, (${
            unstampedSql(schema)
          })::integer as unstamped`,
        ),
      MIGRATE_TIMEOUT_MS,
    );
    if (missing.length === 0 && found!.unstamped === 0) return [];
    const text = [
      lockSql(schema),
      // Left out if the schema exists: the statement needs the right to create schemas even then.
      found!.schema ? "" : `create schema if not exists ${quoteName(schema)};`,
      settingsSql(schema),
      missing.map(migrationSql).join("\n") || STAMP_SQL,
    ].join("\n");
    try {
      await database.query((sql) => sql.unsafe(text).simple(), MIGRATE_TIMEOUT_MS);
    } catch (error) {
      if (codeOf(error) === ALREADY_APPLIED) continue;
      throw error;
    }
    for (const { name } of missing) log.info("migration applied", { name });
    if (found!.unstamped > 0) log.info("functions of the schema were bound to it", { schema });
    return missing.map(({ name }) => name);
  }
}

const lockSql = (schema: string) =>
  `select pg_advisory_xact_lock(hashtext('tidemark migrate'), hashtext(${literal(schema)}));`;

/** Settings of the transaction: migrations name no schema. */
function settingsSql(schema: string): string {
  return `set local search_path = ${quoteName(schema)}, pg_temp;
-- PostgreSQL refuses the name of the database's own tablespace for partitioned tables; an empty name means the same.
select set_config('default_tablespace', '', true) from pg_database d join pg_tablespace t on t.oid = d.dattablespace
  where d.datname = current_database() and t.spcname = current_setting('default_tablespace');`;
}

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;

/** @throws NamedError `migration_changed` if it was applied with another text */
function isMissing({ version, name, checksum }: Migration, applied: AppliedMigrations | null, schema: string): boolean {
  const known = applied?.get(version);
  if (known === undefined || known === checksum) return known === undefined;
  throw new NamedError(
    "migration_changed",
    `Migration ${name} was applied to schema ${schema} with another text (checksum ${known.slice(0, 12)}…, ours is ${
      checksum.slice(0, 12)
    }…).`,
    EXIT.usage,
    "Use the release that made this schema, or a fresh POSTGRES_SCHEMA.",
  );
}

/** Version → checksum. */
type AppliedMigrations = ReadonlyMap<number, string>;

/**
 * The applied migrations; null if the schema was never migrated.
 *
 * @throws NamedError `foreign_table` if `schema_migration` belongs to another program
 */
export async function appliedMigrations(database: Database): Promise<AppliedMigrations | null> {
  const [table] = await database.query(
    (sql) =>
      sql<{ columns: string | null }[]>`
        select (select string_agg(a.attname, ' ' order by a.attnum) from pg_attribute a
          where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
        from pg_class c where c.oid = to_regclass('tm.schema_migration')`,
    MIGRATE_TIMEOUT_MS,
  );
  if (!table) return null;
  if (table.columns !== "version name checksum applied_at") {
    throw foreignTable(
      `The table schema_migration belongs to another program (its columns are: ${table.columns ?? "none"}).`,
    );
  }
  const rows = await database.query(
    (sql) => sql<{ version: number; checksum: string }[]>`select version, checksum from tm.schema_migration`,
    MIGRATE_TIMEOUT_MS,
  );
  return new Map(rows.map((row) => [row.version, row.checksum]));
}

const foreignTable = (message: string) =>
  new NamedError(
    "foreign_table",
    message,
    EXIT.usage,
    "Nothing was changed. Rename or move that table, or give Tidemark a schema of its own with POSTGRES_SCHEMA.",
  );

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
        -- Checked in this snapshot, because another process may have migrated the schema since we looked.
        and not exists (select from pg_class m where m.relnamespace = n.oid and m.relname = 'schema_migration')
      order by 1`, MIGRATE_TIMEOUT_MS);
  if (rows.length === 0) return;
  throw foreignTable(
    `Schema ${schema} holds ${rows.map((row) => row.relname).join(", ")}, which this program did not make.`,
  );
}
