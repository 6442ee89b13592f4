// A real PostgreSQL with a small stream in it, and the API over it.
import type { Sql } from "postgres";
import { Database } from "../../src/store/postgres/client.ts";
import { fill, migrated } from "../http/stream_fixture.ts";
import { type PostgresOptions, startPostgres, type TestPostgres } from "../support/postgres.ts";

export interface StreamDatabase extends AsyncDisposable {
  /** As the API has it: reading only. */
  readonly database: Database;
  /** As an operator with psql has it. */
  readonly sql: Sql;
  readonly server: TestPostgres;
}

/** Starts a server, migrates a database and lets `prepare` fill it. */
export async function streamDatabase(
  prepare: (sql: Sql) => Promise<void> = fill,
  options: PostgresOptions = {},
): Promise<StreamDatabase> {
  const server = await startPostgres(options);
  const sql = await migrated(server.url);
  await prepare(sql);
  const database = new Database({
    address: { kind: "url", url: server.url },
    schema: "public",
    applicationName: "http-test",
    max: 4,
    statementTimeoutMs: 10_000,
    readOnly: true,
  });
  return {
    database,
    sql,
    server,
    async [Symbol.asyncDispose]() {
      await database.close();
      await sql.end({ timeout: 1 });
      await server.stop();
    },
  };
}
