// Names and actions for connection errors of postgres.js, sockets, TLS, servers and poolers. No I/O.
import { postgresUnavailable } from "../../shared/faults.ts";
import type { PostgresHost } from "../../shared/config/postgres_url.ts";
import { EXIT, messageOf, NamedError, Unavailable } from "../../shared/errors.ts";
import { codeOf, DeadlineError } from "../../shared/sql.ts";

/** Codes of postgres.js and of sockets for a connection that broke or was never made. */
const CONNECTION_CODE =
  /^(CONNECTION_|CONNECT_TIMEOUT|ECONN|EPIPE|ENOENT|EACCES|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EAI_|UND_|NOT_TAGGED_CALL$|08|57P0|53300)/;
/** Node's codes for a certificate without a known authority. */
const UNKNOWN_AUTHORITY = /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_UNTRUSTED|CERT_REJECTED)/;
const TLS_CODE = /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|EPROTO|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/;
const CLIENT_CERTIFICATE = /certificate.?required|bad.?certificate|unknown.?ca\b|handshake.?failure|access.?denied/i;
/** Our own names for errors of connecting. */
const OUR_NAME = /^postgres_/;

/** Whether the connection, not the statement, is at fault; then its client is thrown away. 25006: the server takes no writes. */
export function isConnectionError(error: unknown): boolean {
  const code = codeOf(error);
  return error instanceof DeadlineError || CONNECTION_CODE.test(code) || OUR_NAME.test(code) || code === "25006" ||
    TLS_CODE.test(code);
}

/** Whether a server or pooler refuses a start-up parameter that we can do without. */
export const refusesParameters = (error: unknown): boolean =>
  /unsupported startup parameter|unrecognized configuration parameter|does(n't| not) support.*(option|parameter)/i
    .test(messageOf(error));

/** `host:port`, or the socket's path. */
export const placeOf = ({ host, port }: PostgresHost): string =>
  host.startsWith("/") ? `${host}/.s.PGSQL.${port}` : host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

interface Fault {
  readonly code: string;
  readonly message: string;
  readonly action: string;
}

const refused = ({ code, message, action }: Fault, cause?: unknown) =>
  new NamedError(code, message, EXIT.usage, action, { cause });

export const tlsNotOffered = (server: PostgresHost): NamedError =>
  refused({
    code: "postgres_tls_not_offered",
    message: `PostgreSQL at ${placeOf(server)} offers no TLS.`,
    action:
      "Turn TLS on in the server (ssl=on) or the pooler (client_tls_sslmode), or set POSTGRES_TLS=disable where the network is trusted.",
  });

const CLIENT_ACTION =
  "Set POSTGRES_TLS_CERT_FILE and POSTGRES_TLS_KEY_FILE to the client's certificate and key (sslcert and sslkey of other programs).";

/** The named error of a TLS failure; `undefined` if the error is of another kind. */
export function tlsFault(error: unknown, server: PostgresHost): NamedError | undefined {
  const code = codeOf(error), message = messageOf(error), place = placeOf(server);
  if (!TLS_CODE.test(code)) return undefined;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    const names = /cert's (?:altnames|list): *(.+)$/.exec(message)?.[1];
    return refused({
      code: "postgres_tls_name",
      message: `The certificate of PostgreSQL at ${place} is not for ${server.host}${
        names === undefined ? " (it names no address)" : `, but for ${names}`
      }.`,
      action:
        "Write the host in POSTGRES_URL as the certificate does, have the certificate made for this name or address " +
        "(subjectAltName), or set POSTGRES_TLS=verify-ca to check the authority alone.",
    }, error);
  }
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") {
    return refused({
      code: "postgres_tls_expired",
      message: `The certificate of PostgreSQL at ${place} ${
        code === "CERT_HAS_EXPIRED" ? "has expired" : "is not valid yet"
      }.`,
      action: "Renew the server's certificate, or correct the clock of this machine.",
    }, error);
  }
  if (UNKNOWN_AUTHORITY.test(code)) {
    return refused({
      code: "postgres_tls_authority",
      message: `The certificate of PostgreSQL at ${place} is not signed by an authority that this machine knows.`,
      action:
        "Set POSTGRES_TLS_CA_FILE to the PEM file of the authority that signed it (sslrootcert of other programs).",
    }, error);
  }
  return CLIENT_CERTIFICATE.test(`${code} ${message}`)
    ? refused({
      code: "postgres_tls_client",
      message: `PostgreSQL at ${place} asks for a client certificate that it trusts (${message}).`,
      action: CLIENT_ACTION,
    }, error)
    : refused({
      code: "postgres_tls",
      message: `No TLS connection to PostgreSQL at ${place}: ${message}`,
      action: "Check the POSTGRES_TLS settings.",
    }, error);
}

export const STATEMENT_POOLING_ACTION = "Set pool_mode = transaction or session for this database in the pooler.";

/** Refusals by the message or the code of a server or pooler. The first row that matches counts. */
const REFUSALS: readonly (Omit<Fault, "message"> & { readonly words: RegExp })[] = [
  {
    words: /statement pooling mode/i,
    code: "postgres_statement_pooling",
    action: STATEMENT_POOLING_ACTION,
  },
  { words: /client certificate/i, code: "postgres_tls_client", action: CLIENT_ACTION },
  {
    words: /no encryption|SSL off|(SSL|TLS) (is )?required/i,
    code: "postgres_tls_required",
    action:
      "The server takes encrypted connections only: set POSTGRES_TLS=verify (with POSTGRES_TLS_CA_FILE for an authority of your own).",
  },
  {
    words: /^(28P01|28000) |password authentication failed|SASL authentication failed|auth failed|no such user/i,
    code: "postgres_refused",
    action: "Check user and password in POSTGRES_URL and pg_hba.conf (behind a pooler: its auth_file or auth_query).",
  },
  {
    words: /^3D000 |no such database/i,
    code: "postgres_no_database",
    action: "Create the database, or correct POSTGRES_URL.",
  },
  {
    words: /^42501 /,
    code: "postgres_rights",
    action: "Give the user of POSTGRES_URL rights on the schema (see ddl/roles.sql).",
  },
];

/** Gives a connection error a name and an action. Returns other errors unchanged. */
export function connectionFault(error: unknown, server: PostgresHost): Error {
  if (error instanceof DeadlineError || error instanceof NamedError) return error;
  const code = codeOf(error), message = messageOf(error);
  const tls = tlsFault(error, server);
  if (tls !== undefined) return tls;
  const row = /^(08|28|3D|42501)/.test(code) && REFUSALS.find(({ words }) => words.test(`${code} ${message}`));
  if (row) return refused({ ...row, message }, error);
  if (code === "25006") {
    return new Unavailable(
      "postgres_read_only",
      `PostgreSQL at ${placeOf(server)} takes no writes: ${message}`,
      "Point POSTGRES_URL at the primary (or at all hosts: h1,h2), or turn default_transaction_read_only off.",
      { cause: error },
    );
  }
  if (code === "53300") {
    return new Unavailable(
      "postgres_connections",
      `PostgreSQL refuses another connection: ${message}`,
      "Raise max_connections or the CONNECTION LIMIT of the role or database, or set POSTGRES_CONNECTIONS lower.",
      { cause: error },
    );
  }
  if (isConnectionError(error)) {
    return postgresUnavailable(`PostgreSQL at ${placeOf(server)} cannot be reached: ${message || code}`, {
      cause: error,
    });
  }
  return error instanceof Error ? error : new Error(String(error));
}
