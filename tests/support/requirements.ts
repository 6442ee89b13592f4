// Checks before the tests what the integration tests need from the machine: a missing server fails them and never skips them. Runs programs.
import { findChromium } from "./browser.ts";
import { PGBOUNCER } from "./pgbouncer.ts";
import type { Need } from "./package_managers.ts";
import { findBinaries, installedBinaries } from "./postgres_binaries.ts";

/** Something that is missing. */
export interface Missing {
  readonly need: Need;
  /** In words, with what it is for. */
  readonly what: string;
  /** How to do without installing it, if that is possible. */
  readonly instead?: string;
}

const JAVA_MAJOR_MIN = 17;

/**
 * Everything that is missing; empty when the integration tests can run.
 *
 * @param mayInstall whether a package manager can be called: then PostgreSQL counts as missing if only the npm package has it
 */
export async function missingRequirements(mayInstall: boolean): Promise<Missing[]> {
  const checks = await Promise.all([
    missingJava(),
    missingMaven(),
    missingPostgres(mayInstall),
    missingBrowser(),
    missingPs(),
    missingPgBouncer(),
    missingProgram("systemd", "systemd-analyze", "systemd-analyze, which judges the units of deploy/"),
    missingProgram("zsh", "zsh", "zsh, for its completions"),
    missingProgram("fish", "fish", "fish, for its completions"),
  ]);
  return checks.filter((missing) => missing !== undefined);
}

const OWN_BROKER = "set KAFKA_TEST_URL=host:port of a broker that may be filled";

async function missingJava(): Promise<Missing | undefined> {
  if (Deno.env.get("KAFKA_TEST_URL")) return undefined;
  const java = await firstOutput("java", ["-version"]);
  const major = java === undefined ? undefined : javaMajor(java);
  if (major !== undefined && major >= JAVA_MAJOR_MIN) return undefined;
  const found = major === undefined ? "" : `, found ${major}`;
  return { need: "java", what: `Java ${JAVA_MAJOR_MIN} or newer, for Kafka brokers${found}`, instead: OWN_BROKER };
}

async function missingMaven(): Promise<Missing | undefined> {
  if (Deno.env.get("KAFKA_TEST_URL") || await firstOutput("mvn", ["--version"]) !== undefined) return undefined;
  return { need: "maven", what: "Maven, which fetches Kafka", instead: OWN_BROKER };
}

/** The npm package does not have `pg_dump` and `psql`, which the savepoint's test needs. */
async function missingPostgres(mayInstall: boolean): Promise<Missing | undefined> {
  if (await installedBinaries()) {
    const clients = await Promise.all(["pg_dump", "psql"].map((name) => firstOutput(name, ["--version"])));
    if (clients.every((version) => version !== undefined)) return undefined;
    return { need: "postgres", what: "PostgreSQL's client programs pg_dump and psql" };
  }
  const missing: Missing = { need: "postgres", what: "PostgreSQL 14 or newer: server programs, pg_dump and psql" };
  if (mayInstall) return missing;
  const server = await findBinaries().then(() => true, () => false);
  return server ? { need: "postgres", what: "PostgreSQL's pg_dump and psql (the server is an npm package)" } : missing;
}

async function missingBrowser(): Promise<Missing | undefined> {
  if (await findChromium()) return undefined;
  return { need: "chromium", what: "Chromium, for the pages", instead: "set CHROMIUM_PATH to one that is there" };
}

async function missingPs(): Promise<Missing | undefined> {
  if (await firstOutput("ps", ["-A", "-o", "pid=,ppid="]) !== undefined) return undefined;
  return { need: "ps", what: "ps, to freeze a server with all its processes" };
}

async function missingPgBouncer(): Promise<Missing | undefined> {
  if (await firstOutput(PGBOUNCER, ["--version"]) !== undefined) return undefined;
  return { need: "pgbouncer", what: "PgBouncer, a pooler in front of PostgreSQL" };
}

async function missingProgram(need: Need, program: string, what: string): Promise<Missing | undefined> {
  return await firstOutput(program, ["--version"]) === undefined ? { need, what } : undefined;
}

/** Major version out of `java -version`: `17.0.9` is 17, `1.8.0_392` is 8. */
export function javaMajor(text: string): number | undefined {
  const found = /version "(?:1\.)?(\d+)/.exec(text);
  return found ? Number(found[1]) : undefined;
}

/** What a program prints; undefined if it is missing or fails. */
export async function firstOutput(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(command, { args: [...args] }).output();
    return success ? new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
