// What the program may touch, in one place: from settings to Deno's permissions. The scoped run, the scoped binary and the tests of refusal
// all take them from here. No I/O.
import { UsageError } from "./errors.ts";
import { postgresTarget } from "./config/postgres.ts";
import { ENVIRONMENT_NAMES, type Settings } from "./config/settings.ts";

/** Permissions as Deno takes them; "any" = without restriction. What is not named here (ffi, sys, import) is never granted. */
interface Permissions {
  /** `host:port`, or `host` for all its ports. */
  readonly net: readonly string[] | "any";
  /** Absolute paths; a folder means everything in it. */
  readonly read: readonly string[] | "any";
  readonly write: readonly string[];
  readonly env: readonly string[];
  /** The one program that may be started: the token command. Mostly empty. */
  readonly run: readonly string[];
}

/** Variables that are read beside the settings, and by whom. */
const FOREIGN_VARIABLES = [
  // The command line itself: colour, and the name of the instance where the host's may not be asked.
  "NO_COLOR",
  "HOSTNAME",
  // kafkajs reads these at import or when a client is made.
  "NODE_ENV",
  "KAFKAJS_LOG_LEVEL",
  "KAFKAJS_DEBUG_PROTOCOL_BUFFERS",
  "KAFKAJS_DEBUG_EXTENDED_PROTOCOL_BUFFERS",
  "KAFKAJS_NO_PARTITIONER_WARNING",
  // postgres.js reads these even when options are given.
  "PGHOST",
  "PGPORT",
  "PGUSERNAME",
  "PGUSER",
  "PGDATABASE",
  "PGPASSWORD",
  "PGAPPNAME",
  "PGTARGETSESSIONATTRS",
  "PGTARGET_SESSION_ATTRS",
  "PGSSL",
  "PGSSLNEGOTIATION",
  "PGMAX",
  "PGIDLE_TIMEOUT",
  "PGMAX_LIFETIME",
  "PGMAX_PIPELINE",
  "PGBACKOFF",
  "PGKEEP_ALIVE",
  "PGPREPARE",
  "PGDEBUG",
  "PGFETCH_TYPES",
  "PGPUBLICATIONS",
  "PGCONNECT_TIMEOUT",
] as const;

/** What a build or a run knows beside the settings. */
interface PermissionContext {
  /** Makes a path absolute: a relative one in a permission is resolved against the folder in which the binary is started later. */
  readonly absolute: (path: string) => string;
  /** Further `host:port`: brokers under the names that they advertise. */
  readonly net?: readonly string[];
  /** Files that are read beside what the settings name: `_FILE` secrets, the settings file, ddl/ when run from source. */
  readonly read?: readonly string[];
}

/**
 * Exactly what these settings need.
 *
 * @throws UsageError where a setting can only be granted together with the root folder, which is every file of the machine
 */
export function scopedPermissions(settings: Settings, context: PermissionContext): Permissions {
  const { absolute } = context;
  const target = postgresTarget(settings);
  const net = [...context.net ?? [], ...listeningAddresses(settings.HTTP_HOST, settings.HTTP_PORT)];
  const problems = rootProblems(settings, absolute);
  if (problems.length > 0) {
    throw new UsageError(problems, "Move it into a folder of its own and set that path.", "permission_too_wide");
  }
  const read = [
    absolute(settings.DATA_DIR),
    ...(context.read ?? []).map(absolute),
    ...(settings.GEO_DATABASE ?? []).map(absolute),
  ];
  const write = [absolute(settings.DATA_DIR)];
  if (settings.SOURCE === "kafka") {
    net.push(...settings.KAFKA_URL);
    if (settings.KAFKA_OAUTH_TOKEN_URL !== undefined) net.push(endpointAddress(settings.KAFKA_OAUTH_TOKEN_URL));
  }
  if (settings.SOURCE === "file" && settings.FILE_PATH !== undefined) {
    // Standard input goes into the data folder.
    read.push(...settings.FILE_PATH.filter((path) => path !== "-").map((path) => logFolder(absolute(path))));
  }
  // The embedded database listens on a port of the moment.
  if (target.kind === "embedded") net.push("127.0.0.1");
  for (const { host, port } of target.kind === "embedded" ? [] : target.hosts) {
    if (host.startsWith("/")) {
      // A Unix socket is a file that is read and written.
      read.push(host);
      write.push(host);
    } else net.push(address(host, port));
  }
  return { net: unique(net), read: unique(read), write: unique(write), env: variables(), run: tokenPrograms(settings) };
}

/**
 * What a binary needs that anybody may configure: any host and any file to read, but only its data folder to write, and only the token
 * command of these settings to run.
 */
export function genericPermissions(settings: Settings, { absolute }: Pick<PermissionContext, "absolute">): Permissions {
  return {
    net: "any",
    read: "any",
    write: [absolute(settings.DATA_DIR)],
    env: variables(),
    run: tokenPrograms(settings),
  };
}

/** The flags of `deno run` and `deno compile`. */
export function permissionFlags({ net, read, write, env, run }: Permissions): readonly string[] {
  const list = (name: string, values: readonly string[] | "any") =>
    values === "any"
      ? `--allow-${name}`
      : `--allow-${name}=${values.map((value) => value.replaceAll(",", ",,")).join(",")}`;
  const flags = ["--no-prompt", list("net", net), list("read", read), list("write", write), list("env", env)];
  // Without a value the flag would allow every program.
  return run.length === 0 ? flags : [...flags, list("run", run)];
}

/** The program of the token command: the same word that is started. */
function tokenPrograms({ KAFKA_SASL_MECHANISM: mechanism, KAFKA_OAUTH_TOKEN_COMMAND: command }: Settings): string[] {
  return mechanism === "oauthbearer" && command !== undefined ? [command.trim().split(/\s+/)[0]!] : [];
}

function endpointAddress(url: string): string {
  const { hostname, port, protocol } = new URL(url);
  return address(hostname, Number(port || (protocol === "https:" ? 443 : 80)));
}

const variables = () => unique([...ENVIRONMENT_NAMES, ...FOREIGN_VARIABLES]);
const unique = (values: readonly string[]) => [...new Set(values)];
const address = (host: string, port: number) =>
  `${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${port}`;

/** Where HTTP listens, and where `tidemark health` asks: no client can connect to the address that means all interfaces. */
function listeningAddresses(host: string, port: number): string[] {
  const bare = host.replace(/^\[|\]$/g, "");
  return [
    address(bare, port),
    ...(bare === "0.0.0.0" ? [address("127.0.0.1", port)] : bare === "::" ? [address("::1", port)] : []),
  ];
}

/** Settings whose grant would be the root folder. */
function rootProblems(settings: Settings, absolute: (path: string) => string): string[] {
  const target = postgresTarget(settings);
  const granted: readonly (readonly [string, string | undefined])[] = [
    ["DATA_DIR", absolute(settings.DATA_DIR)],
    ...(settings.SOURCE === "file" ? settings.FILE_PATH ?? [] : []).filter((path) => path !== "-").map((path) =>
      ["FILE_PATH", logFolder(absolute(path))] as const
    ),
    ...(target.kind === "embedded" ? [] : target.hosts).map(({ host }) =>
      ["POSTGRES_URL", host.startsWith("/") ? host : undefined] as const
    ),
    ...(settings.GEO_DATABASE ?? []).map((path) => ["GEO_DATABASE", absolute(path)] as const),
  ];
  return granted.filter(([, path]) => path !== undefined && isRoot(path)).map(([name]) =>
    `${name} names what lies directly in the root folder: the program would have to be allowed to read every file`
  );
}

/** Whether an absolute path is the root folder, also in spellings such as `//`, `/.` and `/a/..`. */
function isRoot(path: string): boolean {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.length === 0;
}

/** The folder above everything that a path or glob can name: rotation makes new files beside the log. */
function logFolder(path: string): string {
  const fixed = path.split(/[*?[{]/, 1)[0]!.replace(/\/+/g, "/");
  return fixed.slice(0, Math.max(1, fixed.lastIndexOf("/")));
}
