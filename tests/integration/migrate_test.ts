// The schema: init.sql and migrations make the same one, many instances may migrate at once, every column is explained.
import { assertEquals, assertRejects } from "@std/assert";
import { initSql, migrate, MIGRATIONS } from "../../src/store/migrate.ts";
import { Database } from "../../src/store/postgres/client.ts";
import { NamedError } from "../../src/shared/errors.ts";
import { silentLog } from "../../src/shared/log.ts";
import { startPostgres } from "../support/postgres.ts";

const open = (url: string, schema = "public") =>
  new Database({ address: { kind: "url", url }, schema, applicationName: "test", max: 2, statementTimeoutMs: 30_000 });

/** Everything that a schema holds, as text that can be compared. */
async function describeSchema(database: Database): Promise<string[]> {
  const rows = await database.query((sql) =>
    sql<{ line: string }[]>`
      select format('column %s.%s %s %s default %s comment %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)) as line
      from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = current_schema()
      join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
      where c.relkind in ('r', 'p', 'v')
      union all select format('index %s', indexdef) from pg_indexes where schemaname = current_schema()
      union all select format('constraint %s %s', conrelid::regclass, pg_get_constraintdef(oid)) from pg_constraint
        where connamespace = current_schema()::regnamespace and conrelid <> 0
      union all select format('function %s comment %s', pg_get_functiondef(p.oid), obj_description(p.oid)) from pg_proc p
        where pronamespace = current_schema()::regnamespace and prokind = 'f'
      union all select format('view %s %s', viewname, definition) from pg_views where schemaname = current_schema()
      union all select format('applied %s %s', version, checksum) from schema_migration
      order by 1`, 10_000);
  return rows.map((row) => row.line);
}

Deno.test("migrate", async (t) => {
  await using server = await startPostgres();

  await t.step("init.sql and the migrations make the same schema", async () => {
    await using stack = new AsyncDisposableStack();
    const migrated = open(server.url), initialised = open(await server.createDatabase());
    stack.defer(() => migrated.close());
    stack.defer(() => initialised.close());
    assertEquals(await migrate(migrated, "public", silentLog), [...MIGRATIONS]);
    // One simple query is one transaction of its own; postgres.js allows no other on a pool.
    const text = (await initSql()).replace(/^(\\.*|begin;|commit;)$/gm, "");
    await initialised.query((sql) => sql.unsafe(text).simple(), 30_000);
    assertEquals(await describeSchema(initialised), await describeSchema(migrated));
    assertEquals(await migrate(initialised, "public", silentLog), []);
  });

  await t.step("ddl/init.sql is what the migrations say (else run `deno task docs`)", async () => {
    assertEquals(
      await Deno.readTextFile(new URL("../../ddl/init.sql", import.meta.url)),
      (await initSql()).trimEnd() + "\n",
    );
  });

  await t.step("every table, view and column has a comment", async () => {
    const database = open(server.url);
    const rows = await database.query(
      (sql) =>
        sql<{ name: string }[]>`
        select c.relname || coalesce('.' || a.attname, '') as name
        from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
        left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
        where c.relkind in ('r', 'p', 'v') and (col_description(c.oid, a.attnum) is null or obj_description(c.oid) is null)`,
      10_000,
    );
    assertEquals(rows.map((row) => row.name), []);
    await database.close();
  });

  await t.step("many instances migrate at once, also into a schema that does not exist", async () => {
    const url = await server.createDatabase();
    const databases = Array.from({ length: 6 }, () => open(url, "second stream"));
    const done = await Promise.all(databases.map((database) => migrate(database, "second stream", silentLog)));
    assertEquals(done.flat().sort(), [...MIGRATIONS]);
    for (const database of databases) await database.close();
  });

  await t.step("a foreign table of our name is a named error and stays as it was", async () => {
    const database = open(await server.createDatabase());
    await database.query((sql) => sql`create table aggregated_web_traffic (mine integer)`, 5_000);
    const error = await assertRejects(
      () => migrate(database, "public", silentLog),
      NamedError,
      "aggregated_web_traffic",
    );
    assertEquals((error as NamedError).code, "foreign_table");
    const columns = await database.query(
      (sql) =>
        sql<{ n: number }[]>`select count(*)::int as n from information_schema.columns where table_schema = 'public'`,
      5_000,
    );
    assertEquals(columns[0]!.n, 1);
    await database.close();
  });

  await t.step("a migration that was applied in another form is refused", async () => {
    const database = open(server.url);
    await database.query((sql) => sql`update schema_migration set checksum = 'other' where version = 1`, 5_000);
    const error = await assertRejects(() => migrate(database, "public", silentLog), NamedError, "0001_stream");
    assertEquals((error as NamedError).code, "migration_changed");
    await database.close();
  });
});
