// What an entry of the fault matrix is and what comes of it. The judgement at the end is the world's.
import type { TestBroker } from "../support/kafka_broker.ts";
import type { TestPostgres } from "../support/postgres.ts";
import type { JudgeOptions } from "./compare.ts";
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

/** The usual end: everything stopped, read to the end, compared. */
export async function judged(
  world: World,
  note?: string,
  options: JudgeOptions = {},
): Promise<Outcome> {
  const { events, commits, differences } = await world.judge(options);
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
