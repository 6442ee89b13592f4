// A PostgreSQL primary and its streaming standby, each on a machine of a network of hosts. Shell: spawns processes.
import postgres from "postgres";
import { findBinaries, makeDataFolder, serverUser } from "../support/postgres_binaries.ts";
import { type Guard, killWhenWeDie } from "../support/process.ts";
import { until } from "../support/wait.ts";
import type { Host } from "./network_hosts.ts";

const PORT = 5432;

/** One server on one machine. `await using` kills it and removes its data. */
export class HostPostgres implements AsyncDisposable {
  #process: Deno.ChildProcess | undefined;
  #guard: Guard | undefined;

  private constructor(readonly host: Host, readonly folder: string) {}

  static async primary(host: Host): Promise<HostPostgres> {
    const server = new HostPostgres(host, await makeDataFolder(await findBinaries(), await serverUser()));
    // The network has no members but ours.
    await Deno.writeTextFile(
      `${server.folder}/data/pg_hba.conf`,
      "host all all 0.0.0.0/0 trust\nhost replication all 0.0.0.0/0 trust\n",
    );
    await server.#start();
    return server;
  }

  /** Copies the primary and follows it. */
  static async standby(primary: HostPostgres, host: Host): Promise<HostPostgres> {
    const { postgres: binary } = await findBinaries();
    const { ids } = await serverUser();
    const folder = await Deno.makeTempDir({ prefix: "tidemark-standby-" });
    if (ids.uid !== undefined) await Deno.chown(folder, ids.uid, ids.gid ?? null);
    const { success, stderr } = await new Deno.Command(binary.replace(/postgres$/, "pg_basebackup"), {
      args: ["-h", primary.host.address, "-U", "postgres", "-D", `${folder}/data`, "-X", "stream", "-R", "-c", "fast"],
      ...ids,
      cwd: "/",
    }).output();
    if (!success) throw new Error(`pg_basebackup: ${new TextDecoder().decode(stderr)}`);
    const standby = new HostPostgres(host, folder);
    await standby.#start();
    return standby;
  }

  get address(): string {
    return `${this.host.address}:${PORT}`;
  }

  /** Becomes the primary. */
  async promote(): Promise<void> {
    await this.sql((sql) => sql`select pg_promote()`);
  }

  async createDatabase(name: string): Promise<void> {
    await this.sql((sql) => sql.unsafe(`create database ${name} template template0 encoding 'UTF8'`));
  }

  async sql(work: (sql: postgres.Sql) => Promise<unknown>): Promise<void> {
    const sql = postgres(`postgres://postgres@${this.address}/postgres`, {
      max: 1,
      onnotice: () => {},
      connect_timeout: 5,
    });
    try {
      await work(sql);
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  async kill(): Promise<void> {
    if (!this.#process) return;
    this.#process.kill("SIGQUIT");
    await this.#process.status;
    this.#process = undefined;
    await this.#guard?.release();
  }

  async #start(): Promise<void> {
    const { postgres: binary } = await findBinaries();
    const { ids: { uid, gid } } = await serverUser();
    const settings = [
      `port=${PORT}`,
      "listen_addresses=*",
      "unix_socket_directories=",
      "max_connections=50",
      "fsync=off",
      "wal_keep_size=1GB",
      // A side that hears nothing for this long connects again.
      "wal_receiver_timeout=5s",
      "wal_sender_timeout=5s",
    ];
    const asUser = ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
    const words = [...this.host.within, ...asUser, binary, "-D", `${this.folder}/data`];
    this.#process = new Deno.Command(words[0]!, {
      args: [...words.slice(1), ...settings.flatMap((setting) => ["-c", setting])],
      cwd: "/",
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#guard = killWhenWeDie([this.#process.pid], this.folder);
    await until(
      `PostgreSQL answers on ${this.host.name}`,
      () => this.sql((sql) => sql`select 1`).then(() => true, () => false),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.folder, { recursive: true });
  }
}
