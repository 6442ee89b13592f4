// The grammar of POSTGRES_URL: hosts, user, database and parameters. Messages about mistakes hold no part of a password. No I/O.
import { FIXED, HONOURED, REFUSED } from "./postgres_parameters.ts";

/**
 * `require` and `prefer` encrypt but accept any certificate; `verify-ca` checks the authority but not the name; only `verify` proves the
 * server's identity.
 */
export type PostgresTls = "disable" | "prefer" | "require" | "verify-ca" | "verify";

/** One server. */
export interface PostgresHost {
  /** Host name, address, or the folder of a Unix socket (begins with `/`). */
  readonly host: string;
  readonly port: number;
}

/** The parts of POSTGRES_URL. Missing ones come from the settings beside it. */
export interface PostgresUrl {
  /** Tried in this order. */
  readonly hosts: readonly PostgresHost[];
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  readonly tls?: PostgresTls;
  /** Must be POSTGRES_SCHEMA. */
  readonly schema?: string;
  readonly applicationName?: string;
  readonly connectTimeoutMs?: number;
}

export const GRAMMAR =
  "postgresql://[user[:password]@]host[:port][,host[:port]…][/database][?parameter=value&…] (also with jdbc: in front)";

/** sslmode of libpq and the JDBC driver. libpq's `allow` differs from `prefer` only in which connection it tries first. */
const SSL_MODES: Readonly<Record<string, PostgresTls>> = {
  disable: "disable",
  allow: "prefer",
  prefer: "prefer",
  require: "require",
  "verify-ca": "verify-ca",
  "verify-full": "verify",
};

/** Values of target_session_attrs that a writable server meets. */
const WRITABLE = ["any", "read-write", "primary", "master", "preferPrimary"];

const ENCODE =
  "must have the special characters of user and password percent-encoded: @ as %40, : as %3A, / as %2F, ? as %3F, " +
  "# as %23, % as %25; or leave the password out and set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE";

class Refused extends Error {}

/** The parts of `written`; or the problem in words; or undefined if it is not a URL of PostgreSQL. */
export function readPostgresUrl(written: string): { readonly value: PostgresUrl } | string | undefined {
  const scheme = /^(jdbc:)?postgres(ql)?:/i.exec(written);
  if (!scheme) return undefined;
  try {
    return { value: read(written.slice(scheme[0].length)) };
  } catch (error) {
    if (error instanceof Refused) return error.message;
    if (error instanceof URIError) return ENCODE;
    throw error;
  }
}

function read(afterScheme: string): PostgresUrl {
  // The JDBC driver's short forms `jdbc:postgresql:name` and `jdbc:postgresql:/` mean localhost.
  const rest = afterScheme.startsWith("//") ? afterScheme.slice(2) : `localhost/${afterScheme.replace(/^\//, "")}`;
  const [, authority, path, query] = /^([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(rest) ?? refuse(ENCODE);
  const at = authority!.lastIndexOf("@");
  const login = at < 0 ? "" : authority!.slice(0, at);
  // A password with a `/`, `?` or `@` that is not encoded: a part of it would be taken for a host and shown.
  if (login.includes("@") || path?.includes("@") || path?.includes("/")) refuse(ENCODE);
  const parameters = readQuery(query ?? "", at < 0);
  const take = (...names: string[]) => {
    const values = names.map((name) => parameters.get(name)).filter((value) => value !== undefined && value !== "");
    if (new Set(values).size > 1) refuse(`must not give ${names.join(" and ")} with different values`);
    return values[0];
  };

  const colon = login.indexOf(":");
  const user = take("user") ?? decodeURIComponent(colon < 0 ? login : login.slice(0, colon));
  const password = take("password") ?? (colon < 0 ? "" : decodeURIComponent(login.slice(colon + 1)));
  const database = take("dbname") ?? decodeURIComponent(path ?? "");
  const hosts = readHosts(
    authority!.slice(at + 1),
    take("host"),
    take("port"),
    at < 0 && query?.includes("@") === true,
  );
  const tls = readTls(take("sslmode"), take("ssl"));
  checkTarget(take("target_session_attrs", "targetServerType"));
  const schema = readSchema(take("currentSchema", "schema"), take("options"));
  const applicationName = take("application_name", "ApplicationName");
  const connectTimeoutMs = readSeconds(take("connect_timeout", "connectTimeout"));
  return {
    hosts,
    ...(user && { user }),
    ...(password && { password }),
    ...(database && { database }),
    ...(tls && { tls }),
    ...(schema && { schema }),
    ...(applicationName && { applicationName }),
    ...(connectTimeoutMs && { connectTimeoutMs }),
  };
}

function refuse(problem: string): never {
  throw new Refused(problem);
}

/** @param bare whether there is no user before the host: then the end of a password may look like a query */
function readQuery(query: string, bare: boolean): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const part of query.split("&")) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    const name = equals < 0 ? "" : decodeURIComponent(part.slice(0, equals));
    const known = (HONOURED as readonly string[]).includes(name) || Object.hasOwn(FIXED, name) ||
      Object.hasOwn(REFUSED, name);
    // Part of a password is never shown.
    if (!known && (bare || equals < 0 || part.includes("@")) && query.includes("@")) refuse(ENCODE);
    if (equals < 0) refuse("must have its parameters as name=value, separated by &");
    const value = decodeURIComponent(part.slice(equals + 1).replaceAll("+", " "));
    if (Object.hasOwn(REFUSED, name)) refuse(`must not have the parameter ${name}: ${REFUSED[name]}`);
    if (!known) {
      refuse(`must not have the parameter ${JSON.stringify(name.slice(0, 40))}, which is not known; remove it`);
    }
    const fixed = FIXED[name];
    if (fixed !== undefined && !fixed.includes(value)) {
      refuse(`must have ${name}=${fixed[0]} or leave it out: Tidemark works in no other way`);
    }
    if (parameters.has(name)) refuse(`must have the parameter ${name} once`);
    parameters.set(name, value);
  }
  return parameters;
}

/** In a parameter an IPv6 address has no brackets. */
const IPV6 = /^[0-9a-fA-F:.%]*:[0-9a-fA-F.%]*:[0-9a-fA-F:.%]*$/;

/** Hosts of the parameters, if there are any, as in libpq; otherwise those of the URL. */
function readHosts(inUrl: string, host: string | undefined, port: string | undefined, hidden: boolean): PostgresHost[] {
  const list = host !== undefined ? host.split(",") : inUrl.split(",");
  const ports = port?.split(",");
  if (ports !== undefined && ports.length !== 1 && ports.length !== list.length) {
    refuse("must have one port, or one for each host");
  }
  return list.map((part, n) => {
    const socket = /^((?:\/|%2F).*?)(?::(\d+))?$/i.exec(part);
    const own = socket
      ? { host: decodeURIComponent(socket[1]!), port: socket[2] }
      : host !== undefined && IPV6.test(part)
      ? { host: part.toLowerCase(), port: undefined }
      : hostAndPort(host !== undefined ? part : decodeURIComponent(part)) ??
        refuse(hidden ? ENCODE : `must be ${GRAMMAR}`);
    const number = Number(ports?.[ports.length === 1 ? 0 : n] || own.port || 5432);
    if (!Number.isInteger(number) || number < 1 || number > 65_535) {
      refuse(hidden ? ENCODE : "must have ports from 1 to 65535");
    }
    if (own.host.startsWith("@")) {
      refuse("must not name an abstract socket; write the folder of the socket as the host");
    }
    return { host: own.host || "localhost", port: number };
  });
}

function hostAndPort(text: string): { host: string; port?: string } | undefined {
  const match = /^\[([0-9a-fA-F:.%]+)\](?::(.*))?$/.exec(text) ?? /^([^:[\]\s/?#\\]*)(?::(.*))?$/.exec(text);
  return match ? { host: match[1]!.toLowerCase(), ...(match[2] !== undefined && { port: match[2] }) } : undefined;
}

function readTls(sslmode: string | undefined, ssl: string | undefined): PostgresTls | undefined {
  if (sslmode !== undefined) {
    return SSL_MODES[sslmode] ?? refuse(`must have an sslmode out of ${Object.keys(SSL_MODES).join(", ")}`);
  }
  // In the JDBC driver, `ssl=true` verifies.
  if (ssl === undefined || ssl === "true") return ssl === undefined ? undefined : "verify";
  return ssl === "false" ? "disable" : refuse("must have ssl=true or ssl=false; sslmode says more");
}

function checkTarget(target: string | undefined): void {
  if (target === undefined || WRITABLE.includes(target)) return;
  refuse(
    `must have a target_session_attrs (targetServerType) of read-write or primary: Tidemark writes, and looks for the primary among all hosts`,
  );
}

/** `currentSchema`, or the search path in `options`; other options are refused. */
function readSchema(current: string | undefined, options: string | undefined): string | undefined {
  let path = current;
  for (const match of (options ?? "").trim().matchAll(/(?:-c\s*|--)([\w.-]+)=((?:\\.|\S)*)|(\S+)/g)) {
    if (match[1] !== "search_path") {
      refuse(
        `must not set ${match[1] === undefined ? "anything but -c search_path=…" : match[1]} in options: ${
          match[1] === "statement_timeout"
            ? "statements have deadlines of their own; remove it"
            : "set it for the role or database in PostgreSQL"
        }`,
      );
    }
    path = match[2]!.replaceAll("\\", "");
  }
  if (path === undefined) return undefined;
  const names = path.split(",").map((name) => name.trim().replace(/^"(.*)"$/, "$1"));
  if (names.length !== 1) refuse("must name one schema: a stream uses one schema only");
  return names[0];
}

function readSeconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,3}$/.test(text) || Number(text) < 1 || Number(text) > 60) {
    refuse("must have a connect_timeout from 1 to 60 (seconds)");
  }
  return Number(text) * 1000;
}
