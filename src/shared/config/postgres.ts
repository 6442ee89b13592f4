// Which PostgreSQL to use: combines POSTGRES_URL with the settings beside it. No I/O.
import { hostInUrl, isLoopback } from "./hosts.ts";
import { type Kind, kindBy } from "./kinds.ts";
import { GRAMMAR, type PostgresHost, type PostgresTls, type PostgresUrl, readPostgresUrl } from "./postgres_url.ts";

/** The database: PGlite in the data folder, or a server. */
export type PostgresTarget =
  | { readonly kind: "embedded" }
  | {
    readonly kind: "server";
    readonly hosts: readonly PostgresHost[];
    readonly user: string;
    readonly password?: string;
    readonly database: string;
    readonly tls: PostgresTls;
    /** PEM of the authority to trust instead of the system's. */
    readonly ca?: string;
    /** PEM of the client's certificate and key. */
    readonly cert?: string;
    readonly key?: string;
    /** Shown in pg_stat_activity before the connection's purpose; default tidemark. */
    readonly applicationName?: string;
    readonly connectTimeoutMs?: number;
  };

interface PostgresSettings {
  readonly POSTGRES_URL: PostgresUrl | undefined;
  readonly POSTGRES_USER: string;
  readonly POSTGRES_PASSWORD: string | undefined;
  readonly POSTGRES_DB: string;
  readonly POSTGRES_TLS: PostgresTls | "auto";
  readonly POSTGRES_TLS_CA: string | undefined;
  readonly POSTGRES_TLS_CERT: string | undefined;
  readonly POSTGRES_TLS_KEY: string | undefined;
}

export const postgresUrl: Kind<PostgresUrl> = kindBy("<url>", GRAMMAR, readPostgresUrl);

/**
 * Combines POSTGRES_URL with the settings beside it. The URL takes precedence over POSTGRES_USER, _PASSWORD and _DB, as in the JDBC driver;
 * POSTGRES_TLS takes precedence over the URL's sslmode. Without either, TLS is off on this machine and verified elsewhere, so that a
 * password is never sent to an unverified server unless the settings say so.
 */
export function postgresTarget(settings: PostgresSettings): PostgresTarget {
  const url = settings.POSTGRES_URL;
  if (url === undefined) return { kind: "embedded" };
  const password = url.password ?? settings.POSTGRES_PASSWORD;
  const { POSTGRES_TLS_CA: ca, POSTGRES_TLS_CERT: cert, POSTGRES_TLS_KEY: key } = settings;
  const automatic = url.hosts.every(({ host }) => isLoopback(host)) ? "disable" : "verify";
  return {
    kind: "server",
    hosts: url.hosts,
    user: url.user ?? settings.POSTGRES_USER,
    ...(password !== undefined && { password }),
    database: url.database ?? settings.POSTGRES_DB,
    tls: settings.POSTGRES_TLS !== "auto" ? settings.POSTGRES_TLS : url.tls ?? automatic,
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(url.applicationName !== undefined && { applicationName: url.applicationName }),
    ...(url.connectTimeoutMs !== undefined && { connectTimeoutMs: url.connectTimeoutMs }),
  };
}

/** The URL without its password, for people. */
export function showPostgresUrl(url: PostgresUrl): string {
  const user = url.user === undefined
    ? ""
    : `${encodeURIComponent(url.user)}${url.password === undefined ? "" : ":***"}@`;
  const hosts = url.hosts.map(({ host, port }) =>
    `${host.startsWith("/") ? encodeURIComponent(host) : hostInUrl(host)}:${port}`
  ).join();
  const database = url.database === undefined ? "" : `/${encodeURIComponent(url.database)}`;
  const mode = url.tls === "verify" ? "verify-full" : url.tls;
  return `postgresql://${user}${hosts}${database}${mode === undefined ? "" : `?sslmode=${mode}`}`;
}
