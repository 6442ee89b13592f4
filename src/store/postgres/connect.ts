// Which server a pool connects to, as whom, and with which parameters. Shell: sockets, once a statement is sent.
import { postgresUnavailable } from "../../shared/faults.ts";
import postgres from "postgres";
import type { PostgresTarget } from "../../shared/config/postgres.ts";
import type { PostgresHost } from "../../shared/config/postgres_url.ts";
import type { Sql } from "../../shared/sql.ts";
import { dial, type TlsOptions } from "./dial.ts";

/** Which server, and as whom: a URL of our own embedded database, or the settings' target. */
export type PostgresAddress =
  | { readonly kind: "url"; readonly url: string }
  | Extract<PostgresTarget, { kind: "server" }>;

export interface DatabaseOptions {
  readonly address: PostgresAddress;
  /** Schema that holds the stream. */
  readonly schema: string;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** Connections at most; further statements wait, which does not count towards their deadlines. */
  readonly max: number;
  /** A direct server gives a statement up after this time; the client's own deadlines are given with each query. */
  readonly statementTimeoutMs: number;
  /** A direct server refuses writes on this connection. */
  readonly readOnly?: boolean;
  /**
   * The server is our own and bounds what it does: a statement that is over its deadline says nothing about its connection, so the others
   * are left alone.
   */
  readonly boundedServer?: boolean;
  /** For migrations only: the functions' search paths are about to be stamped. */
  readonly unstamped?: boolean;
}

export const CONNECT_TIMEOUT_MS = 5_000;
/** With several hosts one that swallows packets must not use up the deadline of a read. */
const CONNECT_TIMEOUT_EACH_MS = 2_000;

/** A driver's pool on one server. */
export interface Pool {
  readonly sql: Sql;
  readonly server: PostgresHost;
  readonly tls: TlsOptions;
  /** Read by the dialler: a socket that comes too late is closed. */
  discarded: boolean;
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
    // A pooler may send the next statement to another server, which knows no statement by name.
    prepare: address.kind === "url",
    connection: {
      application_name: applicationName,
      // Poolers keep these apart for each of their clients.
      TimeZone: "UTC",
      DateStyle: "ISO",
      ...(parameters && {
        statement_timeout: statementTimeoutMs,
        // Reports ask for much and read little: compiling a statement would take a second or more. Functions of the schema say so themselves.
        jit: "off",
        // The functions demand it; a role or database may have another default.
        default_transaction_isolation: "read committed" as const,
        ...(readOnly && { default_transaction_read_only: true }),
      }),
    },
  };
  if (address.kind === "url") {
    const sql = postgres(address.url, { ...common, ssl: false });
    return { sql, server, tls: { mode: "disable" }, discarded: false };
  }
  const tls: TlsOptions = {
    mode: address.tls,
    ...(address.ca !== undefined && { ca: address.ca }),
    ...(address.cert !== undefined && { cert: address.cert }),
    ...(address.key !== undefined && { key: address.key }),
  };
  const state = { discarded: false };
  const sql = postgres({
    ...common,
    host: server.host,
    port: server.port,
    username: address.user,
    // A text that is empty would be replaced by PGPASSWORD, which is not a setting.
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
