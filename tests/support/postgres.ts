// Finds PostgreSQL and runs real servers for tests in temporary folders; stops, kills and freezes them. Shell: spawns processes.
import postgres from "postgres";
import { type Guard, killWhenWeDie, signalProcess } from "./process.ts";
import {
  findBinaries,
  makeDataFolder,
  npmBinaries,
  type PostgresBinaries,
  type ServerUser,
  serverUser,
} from "./postgres_binaries.ts";

export interface PostgresOptions {
  /** Starts an own server even if `POSTGRES_TEST_URL` is set, so that a test may kill, freeze and restart it. */
  readonly faults?: boolean;
  /** Uses the programs of the npm package, whose version differs from that of most machines, and starts an own server. */
  readonly fromNpm?: boolean;
  /** Waits for the disk at each commit. Default false, because tests kill the server and not the machine. */
  readonly fsync?: boolean;
  /** Accepts only TLS clients. No database is made; `url` is that of the server. */
  readonly tls?: boolean;
  /** Further settings, e.g. `{ max_connections: "10" }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A PostgreSQL server for one test; `await using` stops it and removes its data. */
export interface TestPostgres extends AsyncDisposable {
  /** A fresh, empty database of this server; superuser, no password. */
  readonly url: string;
  readonly port: number;
  /** Makes another empty database and returns its URL. */
  createDatabase(): Promise<string>;
  /** Stops the server (or drops the databases made in a given one). Safe to call twice. */
  stop(): Promise<void>;
  /** Stops and starts again on the same port and data: `fast` aborts transactions, `immediate` needs crash recovery. */
  restart(mode: "fast" | "immediate"): Promise<void>;
  /** Freezes the server and all its backends: connections stay open and nothing answers. */
  pause(): Promise<void>;
  /** Ends a {@link TestPostgres.pause}. */
  resume(): Promise<void>;
  /** SIGKILL to the server and all its backends; `restart` starts it again. */
  kill(): Promise<void>;
}

/** Starts a server (or uses `POSTGRES_TEST_URL`) and makes one empty database. @throws Error that says what to install */
export async function startPostgres(options: PostgresOptions = {}): Promise<TestPostgres> {
  const given = Deno.env.get("POSTGRES_TEST_URL");
  if (given && !options.faults && !options.fromNpm) return await useGiven(given);
  const user = await serverUser();
  const binaries = await (options.fromNpm ? npmBinaries() : findBinaries());
  if (!binaries) throw new Error("The npm package of PostgreSQL's programs cannot be had for this platform.");
  const folder = await makeDataFolder(binaries, user);
  const server = new Server(binaries, user, folder, options);
  try {
    await server.start();
    return await wrap(server, options.tls === undefined);
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function wrap(server: Server, makeDatabase: boolean): Promise<TestPostgres> {
  const base = `postgres://postgres@127.0.0.1:${server.port}`;
  const create = () => createDatabase(`${base}/postgres`);
  return {
    url: makeDatabase ? await create() : `${base}/postgres`,
    port: server.port,
    createDatabase: create,
    stop: () => server.stop(),
    async restart(mode) {
      await server.end(mode === "fast" ? "SIGINT" : "SIGQUIT");
      await server.start();
    },
    pause: () => server.signalAll("SIGSTOP"),
    resume: () => server.signalAll("SIGCONT"),
    kill: () => server.end("SIGKILL"),
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

/** One server process over one data folder, restartable on its port. */
class Server {
  port = 0;
  #process: Deno.ChildProcess | undefined;
  #guard: Guard | undefined;

  constructor(
    readonly binaries: PostgresBinaries,
    readonly user: ServerUser,
    readonly folder: string,
    readonly options: PostgresOptions,
  ) {}

  async start(): Promise<void> {
    for (let attempt = 1;; attempt++) {
      // Another process may take the port between the check and the server's bind.
      if (this.port === 0 || attempt > 1) this.port = freePort();
      this.#spawn();
      if (await this.#ready()) return;
      const log = await Deno.readTextFile(`${this.folder}/server.log`).catch(() => "(no log)");
      if (attempt === 3 || !log.includes("Address already in use")) {
        throw new Error(`PostgreSQL did not start:\n${log}`);
      }
    }
  }

  #spawn() {
    const settings: Record<string, string> = {
      listen_addresses: "127.0.0.1",
      port: String(this.port),
      unix_socket_directories: "",
      max_connections: "50",
      timezone: "UTC",
      log_timezone: "UTC",
      // Never synchronous_commit = off: a killed server would lose commits that it had reported.
      fsync: this.options.fsync ? "on" : "off",
      logging_collector: "on",
      log_directory: this.folder,
      log_filename: "server.log",
      ...this.options.settings,
    };
    const process = new Deno.Command(this.binaries.postgres, {
      args: ["-D", `${this.folder}/data`, ...Object.entries(settings).flatMap(([k, v]) => ["-c", `${k}=${v}`])],
      ...this.user.ids,
      // The checkout may lie in a folder that the server's user cannot enter.
      cwd: "/",
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#process = process;
    this.#guard = killWhenWeDie([process.pid], this.folder);
  }

  /** Whether the server reports ready before it ends; line 8 of its pid file says so (PostgreSQL ≥ 10). */
  async #ready(): Promise<boolean> {
    let ended = false;
    this.#process!.status.then(() => ended = true);
    for (const deadline = Date.now() + 30_000; Date.now() < deadline && !ended;) {
      const text = await Deno.readTextFile(`${this.folder}/data/postmaster.pid`).catch(() => "");
      const lines = text.split("\n");
      if (lines[0] === String(this.#process!.pid) && lines[7]?.startsWith("ready")) return true;
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    await this.end("SIGKILL");
    return false;
  }

  /** Sends `signal` to the server, then to each of its backends: a frozen server cannot fork new ones meanwhile. */
  async signalAll(signal: Deno.Signal): Promise<void> {
    if (!this.#process) return;
    const { pid } = this.#process;
    signalProcess(pid, signal);
    for (const child of await childrenOf(pid)) signalProcess(child, signal);
  }

  async end(signal: "SIGINT" | "SIGQUIT" | "SIGKILL"): Promise<void> {
    if (!this.#process) return;
    const process = this.#process;
    // A frozen server would never act on SIGINT.
    if (signal !== "SIGKILL") await this.signalAll("SIGCONT");
    if (signal === "SIGKILL") await this.signalAll(signal);
    else signalProcess(process.pid, signal);
    await process.status;
    this.#process = undefined;
    await this.#guard?.release();
  }

  async stop(): Promise<void> {
    await this.end("SIGQUIT");
    await Deno.remove(this.folder, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}

/** Fresh databases on a server that was given; methods that make faults throw. */
async function useGiven(given: string): Promise<TestPostgres> {
  const made: string[] = [];
  const create = async () => {
    const url = await createDatabase(given);
    made.push(url);
    return url;
  };
  const refuse = () =>
    Promise.reject(
      new Error("This server is not ours: call startPostgres({ faults: true }) to stop, kill or freeze one."),
    );
  const stop = async () => {
    const sql = postgres(given, { max: 1, onnotice: () => {} });
    for (const url of made.splice(0)) {
      await sql.unsafe(`drop database if exists ${new URL(url).pathname.slice(1)} with (force)`);
    }
    await sql.end();
  };
  return {
    url: await create(),
    port: Number(new URL(given).port || 5432),
    createDatabase: create,
    stop,
    restart: refuse,
    pause: refuse,
    resume: refuse,
    kill: refuse,
    [Symbol.asyncDispose]: stop,
  };
}

async function createDatabase(adminUrl: string): Promise<string> {
  const name = `tidemark_${crypto.randomUUID().replaceAll("-", "")}`;
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {} });
  try {
    await sql.unsafe(`create database ${name} template template0 encoding 'UTF8'`);
  } finally {
    await sql.end();
  }
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** A loopback port that was free a moment ago. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await new Deno.Command("ps", { args: ["-A", "-o", "pid=,ppid="], stderr: "null" }).output();
  return new TextDecoder().decode(stdout).split("\n").map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === pid).map(([child]) => child!);
}
