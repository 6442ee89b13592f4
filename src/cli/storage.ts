// Opens the database that the settings name, or the embedded one, and brings its schema up to date. Part of the composition root.
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../commit/embedded_postgres.ts";
import { ensureSchema, migrate } from "../commit/migrate.ts";
import { Database, type PostgresAddress } from "../commit/postgres_client.ts";
import { postgresTarget } from "../shared/config_postgres.ts";
import { messageOf, Unavailable } from "../shared/errors.ts";
import { type FolderLock, lockFolder } from "../shared/folder_lock.ts";
import { type DurationMs, type EpochMs, SECOND } from "../shared/units.ts";
import type { CommandContext } from "./command.ts";

const RETRY_MS_MAX = 5_000;
/** The API's statements must never wait for a commit's connection, nor take the server from it. */
const API_STATEMENT_TIMEOUT_MS = 30_000;

/** Open pools over one schema. */
export interface Storage {
  /** For commits alone. */
  readonly commits: Database;
  /** For joining, reading, closing, leases and maintenance. */
  readonly work: Database;
  /** Read-only, for HTTP and reports. */
  readonly reads: Database;
  /** In words, for logs: no password. */
  readonly description: string;
  /** Rejects when the embedded database fails for good; never resolves. */
  readonly failure: Promise<never>;
  close(): Promise<void>;
}

/** The data folder's lock; whoever runs engines or the embedded database holds it. */
export function lockDataFolder({ settings }: Pick<CommandContext, "settings">): Promise<FolderLock> {
  return lockFolder(settings.DATA_DIR);
}

/** Opens pools; connects at the first statement only. The caller holds the data folder's lock where the database is embedded. */
export async function openStorage({ settings }: Pick<CommandContext, "settings">): Promise<Storage> {
  const target = postgresTarget(settings);
  let embedded: EmbeddedPostgres | null = null;
  let address: PostgresAddress;
  if (target.kind === "embedded") {
    embedded = await startEmbeddedPostgres({ folder: `${settings.DATA_DIR}/pg` });
    address = { kind: "url", url: embedded.url };
  } else {
    address = target;
  }
  const pool = (name: string, max: number, statementTimeoutMs: number, readOnly = false) =>
    new Database({
      address,
      schema: settings.POSTGRES_SCHEMA,
      applicationName: `tidemark ${name}`,
      max,
      statementTimeoutMs,
      readOnly,
    });
  const commits = pool("commit", 1, settings.COMMIT_TIMEOUT);
  const work = pool("work", 2, 120 * SECOND);
  // The embedded database is one session: a read-only default would reach the commits too.
  const reads = pool("api", embedded ? 2 : 6, API_STATEMENT_TIMEOUT_MS, embedded === null);
  return {
    commits,
    work,
    reads,
    description: target.kind === "embedded"
      ? `embedded in ${settings.DATA_DIR}`
      : `${target.host}:${target.port}/${target.database}`,
    failure: embedded?.failure ?? new Promise<never>(() => {}),
    async close() {
      await Promise.all([commits.close(), work.close(), reads.close()]);
      await embedded?.stop();
    },
  };
}

/**
 * Creates what the schema lacks, waiting for an absent server with one line a try.
 *
 * @param waitMs how long to try; Infinity for a service
 * @throws Unavailable after `waitMs`, or when the signal aborts
 */
export async function prepareSchema(
  storage: Storage,
  context: CommandContext,
  options: { waitMs: number; onTrouble?: (message: string) => void },
): Promise<string[]> {
  const { settings, clock, log, signal } = context;
  const startedAt = clock.now();
  for (let backoff = 250;; backoff = Math.min(backoff * 2, RETRY_MS_MAX)) {
    try {
      await ensureSchema(storage.work, settings.POSTGRES_SCHEMA);
      return await migrate(storage.work, settings.POSTGRES_SCHEMA, log);
    } catch (error) {
      if (!(error instanceof Unavailable) && !isStartingUp(error)) throw error;
      const waited: EpochMs = clock.now() - startedAt as EpochMs;
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
      await clock.sleep(backoff as DurationMs, signal);
    }
  }
}

/** A server that starts up, shuts down or has no slot free answers with an error of its own. */
function isStartingUp(error: unknown): boolean {
  const code = typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
  return code === "57P03" || code === "53300" || code === "25006" ||
    error instanceof Error && error.name === "DeadlineError";
}
