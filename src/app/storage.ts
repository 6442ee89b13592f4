// Opens the database of the settings, or the embedded one, and brings its schema up to date. Part of the composition root.
import { embeddedExists as folderExists, startEmbeddedPostgres } from "../store/embedded/postgres.ts";
import { appliedMigrations, migrate, MIGRATIONS } from "../store/migrate.ts";
import { Database } from "../store/postgres/client.ts";
import type { DatabaseOptions, PostgresAddress } from "../store/postgres/connect.ts";
import { postgresTarget } from "../shared/config/postgres.ts";
import { messageOf, Unavailable, UsageError } from "../shared/errors.ts";
import { codeOf, DeadlineError } from "../shared/sql.ts";
import { placeOf } from "../store/postgres/faults.ts";
import { checkServer } from "../store/postgres/preflight.ts";
import { type FolderLock, lockFolder } from "../shared/folder_lock.ts";
import type { Settings } from "../shared/config/settings.ts";
import { durationMs, SECOND } from "../shared/units.ts";
import type { ProcessContext } from "./context.ts";

const RETRY_MS_MAX = 5_000;
const API_STATEMENT_TIMEOUT_MS = 30_000;

type WithSettings = Pick<ProcessContext, "settings">;

/** Open pools over one schema. */
export interface Pools {
  /** For commits only. */
  readonly commits: Database;
  /** For joining, reading, closing, leases and maintenance. */
  readonly work: Database;
  /** Read-only, for HTTP and reports. */
  readonly reads: Database;
  /** A pool for migrations, to be used before the others; the caller closes it. */
  migrations(): Database;
  /** The database is part of this process and runs one statement at a time. */
  readonly embedded: boolean;
  close(): Promise<void>;
}

/** The pools of this process, and the server behind them. */
export interface Storage extends Pools {
  readonly address: PostgresAddress;
  /** For logs, without a password. */
  readonly description: string;
  /** Rejects when the embedded database fails for good; never resolves. */
  readonly failure: Promise<never>;
}

/**
 * Holds the lock of the data folder while `use` runs. The lock protects the member ids of engines and the embedded database.
 *
 * @throws NamedError `data_dir_locked`
 */
export async function withDataFolder<T>({ settings }: WithSettings, use: (lock: FolderLock) => Promise<T>): Promise<T> {
  const lock = await lockFolder(settings.DATA_DIR);
  try {
    return await use(lock);
  } finally {
    lock.release();
  }
}

/**
 * Opens the database for a command that changes it, and closes it afterwards. Makes the embedded one if it is missing.
 *
 * @throws NamedError `data_dir_locked` if another process has the embedded database open
 */
export function withStorage<T>(context: WithSettings, use: (storage: Storage) => Promise<T>): Promise<T> {
  return withOpenStorage(context, { readOnly: false }, use);
}

/**
 * The same for a command that only reads: its connections refuse writes. If there is no embedded database, `use` gets `null` and nothing is
 * made, not even the folder.
 *
 * @throws NamedError `data_dir_locked` if another process has the embedded database open
 */
export async function withStorageToLookAt<T>(
  context: WithSettings,
  use: (storage: Storage | null) => Promise<T>,
): Promise<T> {
  const { settings } = context;
  if (settings.POSTGRES_URL === undefined && !await embeddedExists(settings.DATA_DIR)) return await use(null);
  return await withOpenStorage(context, { readOnly: true }, use);
}

/** The same for a command that needs the tables of a stream. @throws UsageError `stream_missing` */
export function withStreamToLookAt<T>(context: WithSettings, use: (storage: Storage) => Promise<T>): Promise<T> {
  return withStorageToLookAt(context, async (storage) => {
    if (storage === null || await appliedMigrations(storage.work) === null) throw streamMissing();
    return await use(storage);
  });
}

/** As {@link withStorage}, after {@link prepareSchema}; `use` also gets the names of the migrations that this has applied. */
export function withMigratedStorage<T>(
  context: ProcessContext,
  waitMs: number,
  use: (storage: Storage, applied: readonly string[]) => Promise<T>,
): Promise<T> {
  return withStorage(context, async (storage) => await use(storage, await prepareSchema(storage, context, { waitMs })));
}

async function withOpenStorage<T>(
  context: WithSettings,
  options: { readonly readOnly: boolean },
  use: (storage: Storage) => Promise<T>,
): Promise<T> {
  const open = async () => {
    const storage = await openStorage(context, options);
    try {
      return await use(storage);
    } finally {
      await storage.close();
    }
  };
  return context.settings.POSTGRES_URL === undefined ? await withDataFolder(context, open) : await open();
}

/** Whether this data folder holds an embedded database. */
export const embeddedExists = (dataDir: string): Promise<boolean> => folderExists(databaseFolder(dataDir));

const databaseFolder = (dataDir: string) => `${dataDir}/pg`;

export const streamMissing = (): UsageError =>
  new UsageError(
    ["No stream was started here yet."],
    "Start one with `tidemark run`, or check POSTGRES_URL, POSTGRES_SCHEMA and DATA_DIR.",
    "stream_missing",
  );

/** Opens pools, which connect at the first statement. For the embedded database the caller holds the data folder's lock. */
export async function openStorage(
  { settings }: WithSettings,
  options: { readonly readOnly?: boolean } = {},
): Promise<Storage> {
  const target = postgresTarget(settings);
  if (target.kind !== "embedded") {
    return {
      ...openPools(target, settings, options),
      address: target,
      description: `${target.hosts.map(placeOf).join()}/${target.database}`,
      failure: new Promise<never>(() => {}),
    };
  }
  const embedded = await startEmbeddedPostgres({ folder: databaseFolder(settings.DATA_DIR) });
  const address: PostgresAddress = { kind: "url", url: embedded.url };
  const pools = openPools(address, settings, options);
  return {
    ...pools,
    address,
    description: `embedded in ${settings.DATA_DIR}`,
    failure: embedded.failure,
    async close() {
      await pools.close();
      await embedded.stop();
    },
  };
}

/** Pools over a running server. With `readOnly`, only `commits` can write; read-only commands do not write rows through it. */
export function openPools(
  address: PostgresAddress,
  settings: Settings,
  { readOnly: look = false }: { readonly readOnly?: boolean } = {},
): Pools {
  // The embedded database is one session, so a read-only default would apply to commits too. It recognises the pools by their names and
  // serves commits first.
  const embedded = address.kind === "url";
  const prefix = address.kind === "server" ? address.applicationName ?? "tidemark" : "tidemark";
  const pool = (name: string, max: number, statementTimeoutMs: number, more: Partial<DatabaseOptions> = {}) =>
    new Database({
      address,
      schema: settings.POSTGRES_SCHEMA,
      applicationName: `${prefix} ${name}`,
      max,
      statementTimeoutMs,
      boundedServer: embedded && name !== "commit",
      ...more,
    });
  // One connection for commits, two for the engine's other work (a closing takes long), the rest for readers.
  const works = settings.POSTGRES_CONNECTIONS > 3 ? 2 : 1;
  const commits = pool("commit", 1, settings.COMMIT_TIMEOUT);
  // More connections than needed, so that statements wait in the embedded database's queue, which knows what is urgent, not in the driver's.
  const work = pool("work", embedded ? 6 : works, 120 * SECOND, { readOnly: look });
  const reads = pool("api", embedded ? 6 : settings.POSTGRES_CONNECTIONS - 1 - works, API_STATEMENT_TIMEOUT_MS, {
    readOnly: look || !embedded,
  });
  return {
    commits,
    work,
    reads,
    migrations: () => pool("migrate", 1, 120 * SECOND, { unstamped: true, readOnly: look }),
    embedded,
    async close() {
      await Promise.all([commits.close(), work.close(), reads.close()]);
    },
  };
}

/**
 * Brings the schema up to date. Waits for an absent server and logs one line per try.
 *
 * @param waitMs how long to try; Infinity for a service
 * @throws Unavailable after `waitMs`, or if the signal aborts
 */
export async function prepareSchema(
  storage: Storage,
  context: ProcessContext,
  options: { waitMs: number; onTrouble?: (message: string) => void },
): Promise<string[]> {
  const { settings, clock, log, signal } = context;
  const startedAt = clock.now();
  for (let backoff = 250;; backoff = Math.min(backoff * 2, RETRY_MS_MAX)) {
    const database = storage.migrations();
    try {
      if (storage.address.kind === "server") {
        const applied = await appliedMigrations(database);
        await checkServer(database, settings.POSTGRES_SCHEMA, {
          connections: settings.POSTGRES_CONNECTIONS,
          makes: MIGRATIONS.some((name) => !applied?.has(Number(name.slice(0, 4)))),
        });
      }
      return await migrate(database, settings.POSTGRES_SCHEMA, log);
    } catch (error) {
      if (!(error instanceof Unavailable) && !isStartingUp(error)) throw error;
      const waited = clock.now() - startedAt;
      if (signal.aborted || waited + backoff > options.waitMs) {
        throw new Unavailable(
          "postgres_unavailable",
          `No database at ${storage.description}: ${messageOf(error)}`,
          "Start PostgreSQL or check POSTGRES_URL; `--wait` sets how long to try.",
          { cause: error },
        );
      }
      options.onTrouble?.(messageOf(error));
      log.warn("database unavailable, trying again", { database: storage.description, error: messageOf(error) });
      await clock.sleep(durationMs(backoff), signal);
    } finally {
      await database.close();
    }
  }
}

/** Whether the server starts up or shuts down, for which it has an error of its own. */
function isStartingUp(error: unknown): boolean {
  return codeOf(error) === "57P03" || error instanceof DeadlineError;
}
