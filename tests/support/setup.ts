// Installs what the integration tests need and the machine lacks, by its package manager; Kafka by Maven. Shell: runs programs that install.
import { makeClassArchive } from "./kafka_broker.ts";
import { KAFKA_VERSIONS, kafkaClassPath } from "./kafka_jars.ts";
import { commandLine, installLine, PACKAGE_MANAGERS, type PackageManager, type Right } from "./package_managers.ts";
import { firstOutput, type Missing, missingRequirements } from "./requirements.ts";

/**
 * Sets the machine up. Says with `say` what is missing, how it is installed, and for what could not be installed the line that does it.
 * `TEST_SETUP=off` forbids installing.
 *
 * @returns whether the integration tests can run
 */
export async function setUp(say: (line: string) => void): Promise<boolean> {
  const off = Deno.env.get("TEST_SETUP") === "off";
  const manager = await findManager();
  const right = manager === undefined || off ? "none" : await rightOf(manager);
  let missing = await missingRequirements(right !== "none");
  if (missing.length > 0 && manager !== undefined && right !== "none") {
    for (const { what, need } of missing) {
      say(`Missing: ${what}. Getting it by ${manager.command}: ${manager.packages[need]}.`);
    }
    await install(manager, right, missing, say);
    missing = await missingRequirements(false);
  }
  if (missing.length > 0) {
    say("The integration tests need what this machine lacks (`deno task test:unit` runs without):");
    for (const { what, need, instead } of missing) {
      say(`- ${what}: ${installLine(manager, [need])}${instead === undefined ? "" : `, or ${instead}`}`);
    }
    if (off) say("TEST_SETUP=off forbids installing it here.");
    else if (right === "none") say(`Installing takes root, or sudo without a password: then this command does it.`);
    return false;
  }
  return await fetchKafka(say);
}

async function findManager(): Promise<PackageManager | undefined> {
  for (const manager of PACKAGE_MANAGERS) {
    if (await firstOutput(manager.command, ["--version"]) !== undefined) return manager;
  }
  return undefined;
}

async function rightOf(manager: PackageManager): Promise<Right> {
  if (!manager.root || Deno.uid() === 0) return "direct";
  return await firstOutput("sudo", ["-n", "true"]) === undefined ? "none" : "sudo";
}

async function install(
  manager: PackageManager,
  right: Right,
  missing: readonly Missing[],
  say: (line: string) => void,
): Promise<void> {
  const names = missing.map(({ need }) => manager.packages[need]);
  const calls = [
    ...(manager.refresh ? [commandLine(manager, right, manager.refresh)] : []),
    commandLine(manager, right, [...manager.install, ...names]),
  ];
  for (const [program, ...args] of calls) {
    say(`$ ${program} ${args.join(" ")}`);
    // Its output is shown, because it may run for minutes.
    const { code } = await new Deno.Command(program!, {
      args,
      stdin: "null",
      env: { DEBIAN_FRONTEND: "noninteractive" },
    }).spawn().status;
    if (code !== 0) say(`${program} ended with exit code ${code}.`);
  }
}

/** Fetched here and not by the first test that needs it, so that these minutes do not count as that test's time. */
async function fetchKafka(say: (line: string) => void): Promise<boolean> {
  if (Deno.env.get("KAFKA_TEST_URL")) return true;
  for (const version of KAFKA_VERSIONS) {
    try {
      await kafkaClassPath(version, () => say(`Missing: Kafka ${version}. Getting it by Maven, once.`));
      await makeClassArchive(version, () => say(`Starting Kafka ${version} once, to keep its loaded classes.`));
    } catch (error) {
      say(error instanceof Error ? error.message : String(error));
      return false;
    }
  }
  return true;
}
