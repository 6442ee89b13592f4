// One connection pool that survives what postgres.js does not: every statement has a client-side deadline, and a client that saw a
// connection die is thrown away, since its later queries can hang for ever. Shell.
import postgres from "postgres";
import type { PostgresTarget } from "../../shared/config/postgres.ts";
import { EXIT, messageOf, NamedError, Unavailable } from "../../shared/errors.ts";

export type Sql = postgres.Sql<Record<string, never>>;
export type PostgresError = postgres.PostgresError;

/** Which server, and as whom: a URL of our own embedded database, or the settings' target. */
export type PostgresAddress =
  | { readonly kind: "url"; readonly url: string }
  | Extract<PostgresTarget, { kind: "server" }>;

export interface DatabaseOptions {
  readonly address: PostgresAddress;
  /** Schema that holds the stream: the whole search path. */
  readonly schema: string;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** Connections at most. */
  readonly max: number;
  /** The server gives a statement up after this time; the client's own deadlines are given with each query. */
  readonly statementTimeoutMs: number;
  /** Refuses writes on this connection. */
  readonly readOnly?: boolean;
  /**
   * The server is our own and bounds what it does: a statement that is over its deadline says nothing about its connection, so the others
   * are left alone.
   */
  readonly boundedServer?: boolean;
}

const CONNECT_TIMEOUT_S = 5;
/** Codes with which postgres.js and the socket report a connection that is no more, or never was. */
const CONNECTION_CODE =
  /^(CONNECTION_|CONNECT_TIMEOUT|ECONN|EPIPE|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EAI_|UND_|NOT_TAGGED_CALL$|08|57P0)/;

/** The SQLSTATE or client code of an error, or "". */
export function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}

/** Whether the connection, not the statement, is at fault. */
export function isConnectionError(error: unknown): boolean {
  return error instanceof DeadlineError || CONNECTION_CODE.test(codeOf(error));
}

/** The statement did not answer in time; whether it took effect is unknown. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/** A statement of the driver, where it was not chained to something else. */
interface Cancellable {
  /** null until it was sent. */
  readonly state?: object | null;
  readonly cancel?: () => void;
}

/** A pool. Its statements are single ones: inside `begin` or `reserve` a dying connection would take the process with it. */
export class Database {
  readonly #options: DatabaseOptions;
  #sql: Sql | null = null;
  #closed = false;

  constructor(options: DatabaseOptions) {
    this.#options = options;
  }

  /**
   * Runs one statement.
   *
   * @throws DeadlineError after `deadlineMs`
   * @throws Unavailable where the server cannot be reached or the connection died
   * @throws postgres.PostgresError where the server refused the statement
   */
  async query<T>(statement: (sql: Sql) => PromiseLike<T>, deadlineMs: number): Promise<T> {
    if (this.#closed) throw new Unavailable("postgres_unavailable", "the database client is closed", "");
    const sql = this.#sql ??= this.#connect();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new DeadlineError(`PostgreSQL did not answer within ${deadlineMs} ms`)),
        deadlineMs,
      );
    });
    try {
      const asked = statement(sql);
      const answer = Promise.resolve(asked);
      answer.catch(() => {}); // after the deadline nobody waits for it any more
      try {
        return await Promise.race([answer, deadline]);
      } catch (error) {
        // A statement that was not sent yet is taken out of the driver's queue. Of one that was sent, the driver would forget that it
        // is answered, and take the answer for that of the next.
        const { state, cancel } = asked as Cancellable;
        if (error instanceof DeadlineError && this.#options.boundedServer && state === null) cancel?.call(asked);
        throw error;
      }
    } catch (error) {
      if (isConnectionError(error) && !(error instanceof DeadlineError && this.#options.boundedServer)) {
        this.#discard(sql);
      }
      throw named(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the pool, waiting at most `deadlineMs` for running statements. Never rejects. */
  async close(deadlineMs = 2_000): Promise<void> {
    this.#closed = true;
    const sql = this.#sql;
    this.#sql = null;
    await sql?.end({ timeout: deadlineMs / 1000 }).catch(() => {});
  }

  #discard(sql: Sql): void {
    if (this.#sql === sql) this.#sql = null;
    sql.end({ timeout: 0 }).catch(() => {});
  }

  #connect(): Sql {
    const { address, schema, applicationName, max, statementTimeoutMs, readOnly } = this.#options;
    const common = {
      max,
      connect_timeout: CONNECT_TIMEOUT_S,
      onnotice: () => {},
      fetch_types: false,
      connection: {
        application_name: applicationName,
        search_path: `"${schema.replaceAll('"', '""')}"`,
        statement_timeout: statementTimeoutMs,
        // The functions demand it; a role or database may have another default.
        default_transaction_isolation: "read committed" as const,
        ...(readOnly && { default_transaction_read_only: true }),
        TimeZone: "UTC",
      },
    };
    if (address.kind === "url") return postgres(address.url, { ...common, ssl: false });
    return postgres({
      ...common,
      ...(address.host.startsWith("/")
        ? { path: `${address.host}/.s.PGSQL.${address.port}` }
        : { host: address.host, port: address.port }),
      username: address.user,
      ...(address.password !== undefined && { password: address.password }),
      database: address.database,
      ssl: tlsOptions(address),
    });
  }
}

/** `require` and `prefer` accept any certificate, as libpq does; `verify` checks chain and name. */
function tlsOptions(address: Extract<PostgresAddress, { kind: "server" }>): false | "prefer" | "require" | object {
  switch (address.tls) {
    case "disable":
      return false;
    case "prefer":
    case "require":
      return address.tls;
    case "verify":
      return {
        rejectUnauthorized: true,
        servername: address.host,
        ...(address.ca !== undefined && { ca: address.ca }),
      };
  }
}

/** Gives connection errors a name and an action; leaves the server's own errors alone. */
function named(error: unknown): Error {
  const code = codeOf(error);
  if (error instanceof DeadlineError) return error;
  if (isConnectionError(error)) {
    return new Unavailable(
      "postgres_unavailable",
      `PostgreSQL cannot be reached: ${messageOf(error) || code}`,
      "Start PostgreSQL or check POSTGRES_URL.",
      {
        cause: error,
      },
    );
  }
  if (code === "28P01" || code === "28000") {
    return new NamedError(
      "postgres_refused",
      messageOf(error),
      EXIT.usage,
      "Check user and password in POSTGRES_URL and pg_hba.conf.",
      { cause: error },
    );
  }
  if (code === "3D000") {
    return new NamedError(
      "postgres_no_database",
      messageOf(error),
      EXIT.usage,
      "Create the database, or correct POSTGRES_URL.",
      { cause: error },
    );
  }
  if (code === "42501") {
    return new NamedError(
      "postgres_rights",
      messageOf(error),
      EXIT.usage,
      "Give the user of POSTGRES_URL rights on the schema (see ddl/roles.sql).",
      {
        cause: error,
      },
    );
  }
  return error instanceof Error ? error : new Error(String(error));
}
