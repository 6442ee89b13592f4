// What the integration tests need from the machine, checked before anything runs: a missing server fails, it never skips. Runs programs.
import { findChromium } from "./browser.ts";
import { KAFKA_INSTALL_HINT } from "./kafka_jars.ts";
import { findBinaries } from "./postgres_binaries.ts";

/** Something that is not there, and the one line that puts it there. */
export interface Missing {
  readonly what: string;
  readonly install: string;
}

const JAVA_MAJOR_MIN = 17;

/** Everything that is missing; empty when the integration tests can run. */
export async function missingRequirements(): Promise<Missing[]> {
  const checks = await Promise.all([missingKafka(), missingPostgres(), missingBrowser()]);
  return checks.filter((missing) => missing !== undefined);
}

async function missingKafka(): Promise<Missing | undefined> {
  if (Deno.env.get("KAFKA_TEST_URL")) return undefined;
  const java = await firstOutput("java", ["-version"]);
  const major = java === undefined ? undefined : javaMajor(java);
  const lacking = [
    ...(major === undefined || major < JAVA_MAJOR_MIN
      ? [`Java ${JAVA_MAJOR_MIN} or newer${major ? ` (found ${major})` : ""}`]
      : []),
    ...(await firstOutput("mvn", ["--version"]) === undefined ? ["Maven"] : []),
  ];
  if (lacking.length === 0) return undefined;
  return { what: `Kafka brokers for the tests: ${lacking.join(" and ")}`, install: KAFKA_INSTALL_HINT };
}

async function missingPostgres(): Promise<Missing | undefined> {
  if (Deno.env.get("POSTGRES_TEST_URL")) return undefined;
  try {
    await findBinaries();
    return undefined;
  } catch {
    return {
      what: "PostgreSQL server programs (14 or newer)",
      install:
        "apt-get install postgresql, or set POSTGRES_TEST_URL=postgres://… of a server where databases may be made",
    };
  }
}

async function missingBrowser(): Promise<Missing | undefined> {
  if (await findChromium()) return undefined;
  return { what: "Chromium", install: "apt-get install chromium, or set CHROMIUM_PATH to one that is there" };
}

/** Major version out of `java -version`: `17.0.9` is 17, `1.8.0_392` is 8. */
export function javaMajor(text: string): number | undefined {
  const found = /version "(?:1\.)?(\d+)/.exec(text);
  return found ? Number(found[1]) : undefined;
}

/** What a program prints, or undefined where it is missing or fails. */
async function firstOutput(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(command, { args: [...args] }).output();
    return success ? new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
