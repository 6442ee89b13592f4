// Which PostgreSQL to talk to: the grammar of POSTGRES_URL and its union with the settings that stand beside it. No I/O.
import { isLoopback } from "./hosts.ts";
import { type Kind, kindBy } from "./kinds.ts";

/** `require` encrypts but accepts any certificate; only `verify` proves who answers. */
export type PostgresTls = "disable" | "prefer" | "require" | "verify";

/** What POSTGRES_URL says; parts that it leaves out come from the settings beside it. */
export interface PostgresUrl {
  /** Host name, address, or the folder of a Unix socket (begins with `/`). */
  readonly host: string;
  readonly port: number;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  readonly tls?: PostgresTls;
  /** Names of parameters that have no meaning here. */
  readonly ignored: readonly string[];
}

/** Where rows go: PGlite in the data folder, or a server. */
export type PostgresTarget =
  | { readonly kind: "embedded" }
  | {
    readonly kind: "server";
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly password?: string;
    readonly database: string;
    readonly tls: PostgresTls;
    /** PEM of the authority to trust instead of the system's. */
    readonly ca?: string;
  };

/** The settings that {@link postgresTarget} reads. */
export interface PostgresSettings {
  readonly POSTGRES_URL: PostgresUrl | undefined;
  readonly POSTGRES_USER: string;
  readonly POSTGRES_PASSWORD: string | undefined;
  readonly POSTGRES_DB: string;
  readonly POSTGRES_TLS: PostgresTls | "auto";
  readonly POSTGRES_TLS_CA: string | undefined;
}

/** sslmode of libpq and of the JDBC driver; libpq's `allow` differs from `prefer` only in what it tries first. */
const SSL_MODES: Readonly<Record<string, PostgresTls>> = {
  disable: "disable",
  allow: "prefer",
  prefer: "prefer",
  require: "require",
  "verify-ca": "verify",
  "verify-full": "verify",
};

const GRAMMAR = "postgresql://[user[:password]@]host[:port][/database] (also with jdbc: in front), with one host";

export const postgresUrl: Kind<PostgresUrl> = kindBy("<url>", GRAMMAR, (written) => {
  // `jdbc:postgresql:name` and `jdbc:postgresql:/` are the driver's short forms for localhost.
  const plain = written.replace(/^jdbc:/i, "").replace(/^postgresql:(?!\/\/)\/?/i, "postgresql://localhost/");
  if (!/^postgres(ql)?:\/\//i.test(plain) || !URL.canParse(plain)) return undefined;
  const url = new URL(plain);
  const rest = new Map(url.searchParams);
  const take = (...names: string[]) => {
    const values = names.map((name) => rest.get(name));
    for (const name of names) rest.delete(name);
    return values.find((value) => value !== undefined && value !== "");
  };
  try {
    const sslMode = take("sslmode");
    const ssl = take("ssl");
    if (sslMode !== undefined && SSL_MODES[sslMode] === undefined) {
      return `must have an sslmode out of ${Object.keys(SSL_MODES).join(", ")}`;
    }
    // The JDBC driver verifies with a bare `ssl=true`.
    const tls = sslMode !== undefined ? SSL_MODES[sslMode] : ssl === "true" ? "verify" : undefined;
    const user = take("user") ?? decodeURIComponent(url.username);
    const password = take("password") ?? decodeURIComponent(url.password);
    const database = take("dbname") ?? decodeURIComponent(url.pathname.slice(1));
    const host = take("host") ?? (decodeURIComponent(url.hostname).replace(/^\[|\]$/g, "") || "localhost");
    const port = Number(take("port") ?? (url.port || 5432));
    if (!Number.isInteger(port) || port < 1 || port > 65535 || /[,/]/.test(database)) return undefined;
    if (host.includes(",") || (host.includes("/") && !host.startsWith("/"))) return undefined;
    return {
      value: {
        host,
        port,
        ...(user && { user }),
        ...(password && { password }),
        ...(database && { database }),
        ...(tls && { tls }),
        ignored: [...rest.keys()],
      },
    };
  } catch (error) {
    if (error instanceof URIError) return "must have its special characters percent-encoded (% as %25)";
    throw error;
  }
});

/**
 * Joins POSTGRES_URL with its neighbours: what the URL says wins over POSTGRES_USER, _PASSWORD and _DB, as in the JDBC driver, while
 * POSTGRES_TLS wins over the URL's sslmode. Where neither speaks of TLS it is off on this machine and verified elsewhere, so that a
 * password never crosses a network to an unproven server unless somebody wrote so.
 */
export function postgresTarget(settings: PostgresSettings): PostgresTarget {
  const url = settings.POSTGRES_URL;
  if (url === undefined) return { kind: "embedded" };
  const password = url.password ?? settings.POSTGRES_PASSWORD;
  const ca = settings.POSTGRES_TLS_CA;
  const automatic = isLoopback(url.host) ? "disable" : "verify";
  return {
    kind: "server",
    host: url.host,
    port: url.port,
    user: url.user ?? settings.POSTGRES_USER,
    ...(password !== undefined && { password }),
    database: url.database ?? settings.POSTGRES_DB,
    tls: settings.POSTGRES_TLS !== "auto" ? settings.POSTGRES_TLS : url.tls ?? automatic,
    ...(ca !== undefined && { ca }),
  };
}

/** The URL without its password, for people. */
export function showPostgresUrl(url: PostgresUrl): string {
  const user = url.user === undefined
    ? ""
    : `${encodeURIComponent(url.user)}${url.password === undefined ? "" : ":***"}@`;
  const host = url.host.startsWith("/")
    ? encodeURIComponent(url.host)
    : url.host.includes(":")
    ? `[${url.host}]`
    : url.host;
  const database = url.database === undefined ? "" : `/${encodeURIComponent(url.database)}`;
  return `postgresql://${user}${host}:${url.port}${database}${url.tls === undefined ? "" : `?sslmode=${url.tls}`}`;
}
