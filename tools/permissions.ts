// From settings to Deno's permissions, for the scoped run, the scoped binary and the tests of refusal. No I/O.
import { UsageError } from "../src/shared/errors.ts";
import { postgresTarget } from "../src/shared/config/postgres.ts";
import { ENVIRONMENT_NAMES, type Settings } from "../src/shared/config/settings.ts";

/** Permissions in Deno's form; "any" = without restriction. Others (ffi, sys, import) are never granted. */
interface Permissions {
  /** `host:port`, or `host` for all its ports. */
  readonly net: readonly string[] | "any";
  /** Absolute paths; a folder includes everything in it. */
  readonly read: readonly string[] | "any";
  readonly write: readonly string[];
  readonly env: readonly string[];
  /** The token command, if there is one. */
  readonly run: readonly string[];
}

/** Environment variables that are read beside the settings. */
const FOREIGN_VARIABLES = [
  // The command line: colour, and the instance's name if the host's name may not be read.
  "NO_COLOR HOSTNAME",
  // kafkajs, when it is imported or a client is made.
  "NODE_ENV KAFKAJS_LOG_LEVEL KAFKAJS_DEBUG_PROTOCOL_BUFFERS KAFKAJS_DEBUG_EXTENDED_PROTOCOL_BUFFERS",
  "KAFKAJS_NO_PARTITIONER_WARNING",
  // postgres.js, even if options are given.
  "PGHOST PGPORT PGUSERNAME PGUSER PGDATABASE PGPASSWORD PGAPPNAME PGTARGETSESSIONATTRS PGTARGET_SESSION_ATTRS PGSSL",
  "PGSSLNEGOTIATION PGMAX PGIDLE_TIMEOUT PGMAX_LIFETIME PGMAX_PIPELINE PGBACKOFF PGKEEP_ALIVE PGPREPARE PGDEBUG",
  "PGFETCH_TYPES PGPUBLICATIONS PGCONNECT_TIMEOUT",
].flatMap((names) => names.split(" "));

/** Inputs of a build or a run beside the settings. */
interface PermissionContext {
  /** Makes a path absolute. A relative one would be resolved against the folder in which the binary is started later. */
  readonly absolute: (path: string) => string;
  /** Further `host:port`: the addresses that brokers advertise. */
  readonly net?: readonly string[];
  /** Further files to read: `_FILE` secrets, the settings file, ddl/ when run from source. */
  readonly read?: readonly string[];
}

/**
 * Exactly the permissions that these settings need.
 *
 * @throws UsageError if a setting would need the root folder, that is every file of the machine
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
  net.push(...(settings.NOTIFY_WEBHOOKS ?? []).map(endpointAddress));
  if (settings.NOTIFY_EMAILS !== undefined && settings.SMTP_URL !== undefined) {
    net.push(endpointAddress(settings.SMTP_URL));
  }
  if (settings.SOURCE === "file" && settings.FILE_PATH !== undefined) {
    // Standard input is written to the data folder.
    read.push(...settings.FILE_PATH.filter((path) => path !== "-").map((path) => logFolder(absolute(path))));
  }
  // The embedded database listens on any free port.
  if (target.kind === "embedded") net.push("127.0.0.1");
  for (const { host, port } of target.kind === "embedded" ? [] : target.hosts) {
    if (host.startsWith("/")) {
      // A Unix socket is a file.
      read.push(host);
      write.push(host);
    } else net.push(address(host, port));
  }
  return { net: unique(net), read: unique(read), write: unique(write), env: variables(), run: tokenPrograms(settings) };
}

/**
 * The permissions of a binary for any settings: any host, any file to read, but only its data folder to write, and only the token command of
 * these settings to run.
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

/** The program of the token command. */
function tokenPrograms({ KAFKA_SASL_MECHANISM: mechanism, KAFKA_OAUTH_TOKEN_COMMAND: command }: Settings): string[] {
  return mechanism === "oauthbearer" && command !== undefined ? [command.trim().split(/\s+/)[0]!] : [];
}

function endpointAddress(url: string): string {
  const { hostname, port, protocol } = new URL(url);
  return address(hostname, Number(port || DEFAULT_PORTS[protocol]));
}

/** Where a URL that names no port leads; SMTP's is that of mail submission. */
const DEFAULT_PORTS: Readonly<Record<string, number>> = { "https:": 443, "http:": 80, "smtps:": 465, "smtp:": 587 };

const variables = () => unique([...ENVIRONMENT_NAMES, ...FOREIGN_VARIABLES]);
const unique = (values: readonly string[]) => [...new Set(values)];
const address = (host: string, port: number) =>
  `${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${port}`;

/** Where HTTP listens, and where `tidemark health` connects: it cannot connect to the address that means all interfaces. */
function listeningAddresses(host: string, port: number): string[] {
  const bare = host.replace(/^\[|\]$/g, "");
  return [
    address(bare, port),
    ...(bare === "0.0.0.0" ? [address("127.0.0.1", port)] : bare === "::" ? [address("::1", port)] : []),
  ];
}

/** Settings that would need the root folder. */
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
    `${name} is directly in the root folder: the program would need the right to read every file`
  );
}

/** Whether an absolute path is the root folder, also if written as `//`, `/.` or `/a/..`. */
function isRoot(path: string): boolean {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.length === 0;
}

/** The folder above all files that a path or pattern can match. Rotation makes new files beside the log. */
function logFolder(path: string): string {
  const fixed = path.split(/[*?[{]/, 1)[0]!.replace(/\/+/g, "/");
  return fixed.slice(0, Math.max(1, fixed.lastIndexOf("/")));
}
