// The fault matrix: runs entries by name, judges each by the oracle, and writes the table of docs/reliability.md. Shell.
import { startBroker } from "../support/kafka_broker.ts";
import { startPostgres } from "../support/postgres.ts";
import { BROKER_ENTRIES } from "./matrix_broker.ts";
import { EXPLOSION_ENTRIES } from "./matrix_explosion.ts";
import { FLOOD_ENTRIES } from "./matrix_flood.ts";
import { HOST_ENTRIES } from "./matrix_host.ts";
import { LOG_ENTRIES } from "./matrix_log.ts";
import { MEMORY_ENTRIES } from "./matrix_memory.ts";
import { POSTGRES_ENTRIES } from "./matrix_postgres.ts";
import { PROCESS_ENTRIES } from "./matrix_process.ts";
import { TIME_ENTRIES } from "./matrix_time.ts";
import { UPGRADE_ENTRIES } from "./matrix_upgrade.ts";
import type { Entry } from "./entry.ts";
import { recordOutcome } from "./record.ts";

export const ENTRIES: readonly Entry[] = [
  ...PROCESS_ENTRIES,
  ...POSTGRES_ENTRIES,
  ...BROKER_ENTRIES,
  ...LOG_ENTRIES,
  ...HOST_ENTRIES,
  ...TIME_ENTRIES,
  ...FLOOD_ENTRIES,
  ...MEMORY_ENTRIES,
  ...EXPLOSION_ENTRIES,
  ...UPGRADE_ENTRIES,
];

/** Runs the named entries one after the other. Returns whether each came out as it must. */
export async function runMatrix(
  names: readonly string[],
  options: { readonly record: boolean; readonly say: (line: string) => void },
): Promise<boolean> {
  const unknown = names.filter((name) => !ENTRIES.some((entry) => entry.name === name));
  if (unknown.length > 0) {
    options.say(`No such entry: ${unknown.join(", ")}. \`deno task faults list\` names them.`);
    return false;
  }
  let good = true;
  for (const name of names) {
    const entry = ENTRIES.find((candidate) => candidate.name === name)!;
    const startedAt = performance.now();
    options.say(`${name}: ${entry.done} …`);
    try {
      await using broker = await startBroker({
        ...(entry.brokerProperties && { properties: entry.brokerProperties }),
      });
      await using postgres = await startPostgres({
        faults: true,
        ...(entry.postgresSettings && { settings: entry.postgresSettings }),
      });
      const outcome = await entry.run({ broker, postgres });
      const seconds = Math.round((performance.now() - startedAt) / 1000);
      const equal = outcome.differences.length === 0;
      good &&= equal;
      options.say(
        `  ${equal ? outcome.result : "DIFFERS"}: ${outcome.events} events, ${outcome.commits} commits, ` +
          `${outcome.kills} kills, ${outcome.fenced} fenced, ${seconds} s${outcome.note ? `; ${outcome.note}` : ""}`,
      );
      for (const difference of outcome.differences) options.say(`    ${difference}`);
      if (options.record && equal) await recordOutcome(entry, outcome, seconds);
    } catch (error) {
      good = false;
      options.say(`  FAILED: ${error instanceof Error ? error.stack : error}`);
    }
  }
  return good;
}
