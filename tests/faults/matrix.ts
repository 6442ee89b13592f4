// The fault matrix: runs entries by name, judges each by the oracle, and writes the table of docs/reliability.md. Shell.
import { startBroker, type TestBroker } from "../support/kafka_broker.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { BROKER_ENTRIES } from "./matrix_broker.ts";
import { HOST_ENTRIES } from "./matrix_host.ts";
import { POSTGRES_ENTRIES } from "./matrix_postgres.ts";
import { PROCESS_ENTRIES } from "./matrix_process.ts";
import { recordOutcome } from "./record.ts";
import type { World } from "./world.ts";

/** What an entry is given: servers of its own. */
export interface Servers {
  readonly broker: TestBroker;
  readonly postgres: TestPostgres;
}

/** What came of an entry: the judged world, and what is worth saying beside the figures. */
export interface Outcome {
  readonly events: number;
  readonly commits: number;
  readonly differences: readonly string[];
  readonly fenced: number;
  readonly kills: number;
  /** In words: equal to the oracle, or the named error that stopped the stream. */
  readonly result: string;
  readonly note?: string;
}

/** One row of the matrix. */
export interface Entry {
  readonly name: string;
  /** What is done, in a few words. */
  readonly done: string;
  /** Settings of the broker and the database of this entry. */
  readonly brokerProperties?: Readonly<Record<string, string>>;
  readonly postgresSettings?: Readonly<Record<string, string>>;
  run(servers: Servers): Promise<Outcome>;
}

export const ENTRIES: readonly Entry[] = [
  ...PROCESS_ENTRIES,
  ...POSTGRES_ENTRIES,
  ...BROKER_ENTRIES,
  ...HOST_ENTRIES,
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

/** The usual end: everything stopped, read to the end, compared. */
export async function judged(world: World, note?: string): Promise<Outcome> {
  const { events, commits, differences } = await world.judge();
  return {
    events,
    commits,
    differences,
    fenced: world.fenced,
    kills: world.kills,
    result: "equal to the oracle",
    ...(note !== undefined && { note }),
  };
}
