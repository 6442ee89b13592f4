// The database behind the HTTP target: a small stream, in a real PostgreSQL where its programs are found (or POSTGRES_TEST_URL is set), else in the
// embedded one. Shell: starts servers.
import { startEmbeddedPostgres } from "../../src/store/embedded/postgres.ts";
import { Database } from "../../src/store/postgres/client.ts";
import { fill, migrated } from "../http/stream_fixture.ts";
import { EMBEDDED_CLIENT_OPTIONS, makeEmbeddedFolder } from "../support/embedded.ts";
import { startPostgres } from "../support/postgres.ts";
import { findBinaries } from "../support/postgres_binaries.ts";

export interface FuzzDatabase {
  readonly database: Database;
  close(): Promise<void>;
}

/** Starts a server, migrates and fills a database. */
export async function openFuzzDatabase(): Promise<FuzzDatabase> {
  const server = await isServerFound() ? await realServer() : await embeddedServer();
  const sql = await migrated(server.url);
  await fill(sql);
  await sql.end({ timeout: 1 });
  const database = new Database({
    address: { kind: "url", url: server.url },
    schema: "public",
    applicationName: "fuzz",
    max: EMBEDDED_CLIENT_OPTIONS.max,
    statementTimeoutMs: 60_000,
    readOnly: true,
  });
  return {
    database,
    async close() {
      await database.close();
      await server.stop();
    },
  };
}

interface Server {
  readonly url: string;
  stop(): Promise<void>;
}

async function isServerFound(): Promise<boolean> {
  if (Deno.env.get("POSTGRES_TEST_URL")) return true;
  return await findBinaries().then(() => true, () => false);
}

async function realServer(): Promise<Server> {
  const server = await startPostgres();
  return { url: server.url, stop: () => server.stop() };
}

async function embeddedServer(): Promise<Server> {
  const folder = await Deno.makeTempDir({ prefix: "tidemark-fuzz-" });
  await makeEmbeddedFolder(`${folder}/pg`);
  const database = await startEmbeddedPostgres({ folder: `${folder}/pg` });
  return {
    url: database.url,
    async stop() {
      await database.stop();
      await Deno.remove(folder, { recursive: true });
    },
  };
}
