// A streaming standby that misses the primary's last commits and then takes its place on the same port. Shell: spawns processes.
import postgres from "postgres";
import { findBinaries, serverUser } from "../support/postgres_binaries.ts";
import { freePort } from "../support/postgres.ts";
import { killWhenWeDie } from "../support/process.ts";
import { pause } from "./load.ts";

/** A standby of the server on `port`. `await using` kills it and removes its data. */
export class Standby implements AsyncDisposable {
  #process: Deno.ChildProcess | undefined;
  #port = 0;
  #guard: ReturnType<typeof killWhenWeDie> | undefined;

  private constructor(
    readonly primaryPort: number,
    readonly folder: string,
    readonly server: string,
    readonly ids: { readonly uid?: number; readonly gid?: number },
  ) {}

  /** Copies the primary with `pg_basebackup` and begins to follow it. */
  static async follow(primaryPort: number): Promise<Standby> {
    const { postgres: server } = await findBinaries();
    const { ids } = await serverUser();
    const folder = await Deno.makeTempDir({ prefix: "tidemark-standby-" });
    if (ids.uid !== undefined) await Deno.chown(folder, ids.uid, ids.gid ?? null);
    const { success, stderr } = await new Deno.Command(server.replace(/postgres$/, "pg_basebackup"), {
      args: [
        "-h",
        "127.0.0.1",
        "-p",
        String(primaryPort),
        "-U",
        "postgres",
        "-D",
        `${folder}/data`,
        "-X",
        "stream",
        "-R",
        // Otherwise it waits minutes for the primary's own checkpoint.
        "-c",
        "fast",
      ],
      ...ids,
      cwd: "/",
    }).output();
    if (!success) throw new Error(`pg_basebackup: ${new TextDecoder().decode(stderr)}`);
    const standby = new Standby(primaryPort, folder, server, ids);
    await standby.#start(freePort());
    return standby;
  }

  get port(): number {
    return this.#port;
  }

  /** Becomes a primary where it is. */
  async promote(): Promise<void> {
    await this.#sql((sql) => sql`select pg_promote()`);
  }

  /** Takes no more of the primary's log. */
  async stopFollowing(): Promise<void> {
    await this.#sql(async (sql) => {
      await sql`alter system set primary_conninfo = ''`;
      await sql`select pg_reload_conf()`;
    });
  }

  /** Becomes a primary of its own, on the port of the one that must be gone by now. */
  async takeOver(): Promise<void> {
    await this.#sql((sql) => sql`select pg_promote()`);
    this.#process!.kill("SIGINT");
    await this.#process!.status;
    await this.#start(this.primaryPort);
  }

  async #start(port: number): Promise<void> {
    this.#port = port;
    const settings = [
      `port=${port}`,
      "listen_addresses=127.0.0.1",
      "unix_socket_directories=",
      "max_connections=50",
      "fsync=off",
    ];
    await this.#guard?.release();
    this.#process = new Deno.Command(this.server, {
      args: ["-D", `${this.folder}/data`, ...settings.flatMap((setting) => ["-c", setting])],
      ...this.ids,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#guard = killWhenWeDie([this.#process.pid], this.folder);
    for (const deadline = performance.now() + 30_000;;) {
      try {
        return await this.#sql(async (sql) => void await sql`select 1`);
      } catch (error) {
        if (performance.now() > deadline) throw error;
        await pause(100);
      }
    }
  }

  async #sql(work: (sql: postgres.Sql) => Promise<unknown>): Promise<void> {
    const sql = postgres(`postgres://postgres@127.0.0.1:${this.#port}/postgres`, { max: 1, onnotice: () => {} });
    try {
      await work(sql);
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process?.kill("SIGQUIT");
    await this.#process?.status;
    await this.#guard?.release();
    await Deno.remove(this.folder, { recursive: true });
  }
}
