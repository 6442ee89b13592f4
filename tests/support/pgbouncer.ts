// A PgBouncer with its default settings in front of a test's PostgreSQL. Shell: spawns a process.
import { existsSync } from "node:fs";
import { freePort } from "./postgres.ts";
import { serverUser } from "./postgres_binaries.ts";
import { spawn } from "./process.ts";

export interface PgBouncer extends AsyncDisposable {
  /** The database of `url`, through the pooler. */
  readonly url: string;
}

/** Debian installs it in a folder that is not in every PATH. */
export const PGBOUNCER = existsSync("/usr/sbin/pgbouncer") ? "/usr/sbin/pgbouncer" : "pgbouncer";

/** Starts a pooler of two connections. @throws Error that says what to install, or holds its log */
export async function startPgBouncer(
  url: string,
  mode: "session" | "transaction" | "statement",
  settings: Readonly<Record<string, string>> = {},
): Promise<PgBouncer> {
  const server = new URL(url), port = freePort(), name = server.pathname.slice(1);
  const { ids } = await serverUser();
  const folder = await Deno.makeTempDir({ prefix: "tidemark-pgbouncer-" });
  await Deno.writeTextFile(`${folder}/users.txt`, `"postgres" ""\n`);
  const lines = {
    listen_addr: "127.0.0.1",
    listen_port: String(port),
    unix_socket_dir: "",
    auth_type: "trust",
    auth_file: `${folder}/users.txt`,
    pool_mode: mode,
    default_pool_size: "2",
    ...settings,
  };
  await Deno.writeTextFile(
    `${folder}/pgbouncer.ini`,
    `[databases]\n${name} = host=127.0.0.1 port=${server.port}\n[pgbouncer]\n` +
      Object.entries(lines).map(([key, value]) => `${key} = ${value}\n`).join(""),
  );
  await Deno.chmod(folder, 0o755);
  let child: ReturnType<typeof spawn>;
  try {
    child = spawn(PGBOUNCER, [`${folder}/pgbouncer.ini`], { ...ids, cwd: "/" });
  } catch (cause) {
    throw new Error("No PgBouncer: apt-get install pgbouncer", { cause });
  }
  await child.waitForLine(/process up/);
  return {
    url: `postgresql://postgres@127.0.0.1:${port}/${name}`,
    async [Symbol.asyncDispose]() {
      await child[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}
