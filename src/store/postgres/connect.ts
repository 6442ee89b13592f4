// Which server a pool connects to, as which user, and with which parameters. Shell: sockets, once a statement is sent.
import { postgresUnavailable } from "../../shared/faults.ts";
import postgres from "postgres";
import type { PostgresTarget } from "../../shared/config/postgres.ts";
import type { PostgresHost } from "../../shared/config/postgres_url.ts";
import type { Sql } from "../../shared/sql.ts";
import { dial, type TlsOptions } from "./dial.ts";

/** The URL of our embedded database, or the target of the settings. */
export type PostgresAddress =
  | { readonly kind: "url"; readonly url: string }
  | Extract<PostgresTarget, { kind: "server" }>;

export interface DatabaseOptions {
  readonly address: PostgresAddress;
  /** Schema that holds the stream. */
  readonly schema: string;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** Most connections. Further statements wait; that wait does not count towards their deadlines. */
  readonly max: number;
  /** statement_timeout of a direct connection. Each query also has a deadline of its own in the client. */
  readonly statementTimeoutMs: number;
  /** Makes a direct connection read-only. */
  readonly readOnly?: boolean;
  /** The server is our own and limits its statements: one that misses its deadline does not mean that its connection is broken. */
  readonly boundedServer?: boolean;
  /** For migrations, which are about to stamp the functions' search paths. */
  readonly unstamped?: boolean;
}

export const CONNECT_TIMEOUT_MS = 5_000;
/** With several hosts: one that drops packets must not use up the deadline of a read. */
const CONNECT_TIMEOUT_EACH_MS = 2_000;

/** A driver's pool on one server. */
export interface Pool {
  readonly sql: Sql;
  readonly server: PostgresHost;
  readonly tls: TlsOptions;
  /** A socket that connects after this was set is closed. */
  discarded: boolean;
  /** Statements that are waited for. */
  running: number;
}

/**
 * A pool on one server; it connects at the first statement.
 *
 * @param several whether another host is tried when this one does not answer
 * @param parameters whether the server is asked for our start-up parameters, which some poolers refuse
 */
export function connect(
  options: DatabaseOptions,
  server: PostgresHost,
  { several, parameters }: { readonly several: boolean; readonly parameters: boolean },
): Pool {
  const { address, applicationName, max, statementTimeoutMs, readOnly } = options;
  const timeoutMs = address.kind === "server" && address.connectTimeoutMs !== undefined
    ? address.connectTimeoutMs
    : several
    ? CONNECT_TIMEOUT_EACH_MS
    : CONNECT_TIMEOUT_MS;
  const common = {
    max,
    connect_timeout: timeoutMs / 1000,
    onnotice: () => {},
    fetch_types: false,
    // A pooler may send the next statement to another server, which does not know the prepared one.
    prepare: address.kind === "url",
    connection: {
      application_name: applicationName,
      // Poolers keep these for each client.
      TimeZone: "UTC",
      DateStyle: "ISO",
      ...(parameters && {
        statement_timeout: statementTimeoutMs,
        // The statements of reports are long and read little: compiling one takes a second or more. Our functions turn it off themselves.
        jit: "off",
        // Our functions demand it, and a role or database may have another default.
        default_transaction_isolation: "read committed" as const,
        ...(readOnly && { default_transaction_read_only: true }),
      }),
    },
  };
  if (address.kind === "url") {
    const sql = postgres(address.url, { ...common, ssl: false });
    return { sql, server, tls: { mode: "disable" }, discarded: false, running: 0 };
  }
  const tls: TlsOptions = {
    mode: address.tls,
    ...(address.ca !== undefined && { ca: address.ca }),
    ...(address.cert !== undefined && { cert: address.cert }),
    ...(address.key !== undefined && { key: address.key }),
  };
  const state = { discarded: false, running: 0 };
  const sql = postgres({
    ...common,
    host: server.host,
    port: server.port,
    username: address.user,
    // The driver would replace an empty text by PGPASSWORD, which is not one of our settings.
    password: () => address.password ?? "",
    database: address.database,
    ssl: false,
    socket: async () => {
      const socket = await dial(server, tls, timeoutMs);
      if (!state.discarded) return socket;
      socket.destroy();
      throw postgresUnavailable("the database client is closed");
    },
    // deno-lint-ignore no-explicit-any
  } as any) as Sql;
  return Object.assign(state, { sql, server, tls });
}

/** The hosts of an address, in the order in which they are tried. */
export function serversOf(address: PostgresAddress): readonly PostgresHost[] {
  if (address.kind === "server") return address.hosts;
  const url = new URL(address.url);
  return [{ host: url.hostname, port: Number(url.port) }];
}
