// The kill run: load flows while an instance is killed at random moments and a second one joins and leaves; then everything is compared.
import type { TestBroker } from "../support/kafka_broker.ts";
import type { Comparison } from "./compare.ts";
import { type LoadPlan, randomStream } from "./generator.ts";
import type { Instance } from "./instance.ts";
import { pause } from "./load.ts";
import { World } from "./world.ts";
import { until } from "../support/wait.ts";

export interface KillRunOptions {
  readonly broker: TestBroker;
  /** URL of an empty database. */
  readonly database: string;
  readonly seed: number;
  readonly events: number;
  readonly kills: number;
  /** Times that the first instance is frozen until the group has given its partitions away, then goes on as a zombie. */
  readonly freezes: number;
  /** Records sent per second while the killing goes on. */
  readonly rate: number;
  /** Shortest and longest life of an instance, ms. */
  readonly lifeMs: readonly [number, number];
}

export interface KillRunResult {
  readonly comparison: Comparison;
  readonly kills: number;
  /** Kills of an instance that had partitions; the others died while they started. */
  readonly killsAtWork: number;
  readonly joins: number;
  readonly freezes: number;
  readonly fenced: number;
  readonly seconds: number;
}

/** A plan whose last record is as old as the run will be long, so that no record time lies in the future. */
export function planOf(seed: number, events: number, partitions = 4): LoadPlan {
  const spanMs = 3 * 3_600_000;
  return { seed, events, partitions, startMs: Date.now() - spanMs - 60_000, spanMs, requests: true };
}

/** BREAKDOWN_VALUES_MAX: hosts have more pages than that, and no more than ten times as many, so that closings fold and nothing else does. */
const VALUES_MAX = 50;

const ASSIGNED = '"partitions assigned"';
const FENCED = /"fenced:|has moved the stored rows/;
const ZOMBIE_MS_MAX = 180_000;

/**
 * Freezes `first` until the group has given its partitions to `second` and every position has moved; then lets it go on, so that what it
 * counted and had not committed must be refused. Tried again where it held nothing. Returns how many times it was frozen.
 */
async function makeZombie(world: World, first: Instance, second: Instance, life: () => Promise<void>): Promise<number> {
  const alive = () => {
    for (const one of [first, second]) {
      if (one.died) throw new Error(`${one.name} ended by itself:\n${world.logTail()}`);
    }
    return true;
  };
  const wait = (what: string, condition: () => boolean | Promise<boolean>) =>
    until(() => `${what}\n${world.logTail()}`, async () => alive() && await condition(), { everyMs: 100 });
  const deadline = performance.now() + ZOMBIE_MS_MAX;
  for (let freezes = 1; performance.now() < deadline; freezes++) {
    await Promise.all([first, second].map((one) => one.waitForLine(ASSIGNED, 60_000)));
    await life();
    const [given, fenced] = [second.count(ASSIGNED), first.count(FENCED)];
    first.signal("SIGSTOP");
    await wait("the group gives the frozen instance's partitions to the other", () => second.count(ASSIGNED) > given);
    const taken = await world.positions();
    await wait("the other moves every position", async () => {
      const now = await world.positions();
      return [...taken].every(([partition, position]) => now.get(partition)! > position);
    });
    const [woken] = await world.sql`select clock_timestamp() as at`;
    first.signal("SIGCONT");
    const committed = async () => {
      const rows = await world.sql`
        select from commit_history where instance = ${first.name} and committed_at > ${woken!.at} limit 1`;
      return rows.length > 0;
    };
    await wait(
      "it is fenced, or commits what it read since",
      async () => first.count(FENCED) > fenced || await committed(),
    );
    if (first.count(FENCED) > fenced) return freezes;
  }
  throw new Error(`No zombie was fenced within ${ZOMBIE_MS_MAX} ms:\n${world.logTail()}`);
}

/** Runs it. @throws Error where the stream does not get to its end, or a freeze makes no zombie that is fenced */
export async function killRun(options: KillRunOptions): Promise<KillRunResult> {
  const random = randomStream(options.seed);
  const [shortest, longest] = options.lifeMs;
  const life = () => pause(shortest + random() * (longest - shortest));
  await using world = await World.create({
    broker: options.broker,
    database: options.database,
    env: { BREAKDOWN_VALUES_MAX: String(VALUES_MAX) },
  });
  const first = world.instance("first");
  const second = world.instance("second");
  let joins = 0, freezes = 0, zombies = 0, killsAtWork = 0;
  const enough = () => killsAtWork >= options.kills && zombies >= options.freezes;
  let sent = false;
  const sending = world.sendUntil(planOf(options.seed, options.events), { rate: options.rate }, enough)
    .finally(() => sent = true);
  sending.catch(() => {/* awaited below */});
  first.start();
  while (!sent || !enough()) {
    if (zombies < options.freezes) {
      if (!second.running) {
        second.start();
        joins++;
      }
      freezes += await makeZombie(world, first, second, life);
      zombies++;
    }
    // Every other life is counted from the start of the process, so that it may end before it has partitions.
    const choice = random(), victim = second.running && choice < 0.6 ? second : first;
    if (random() < 0.5) await victim.waitForLine(ASSIGNED, 60_000);
    await life();
    // Every other death is the second instance's, or happens while it is there.
    if (!second.running && choice < 0.4) {
      second.start();
      joins++;
    } else if (second.running && choice < 0.4) {
      await second.stop();
    } else {
      if (victim.said(ASSIGNED)) killsAtWork++;
      await victim.kill();
      victim.start();
    }
  }
  await sending;
  await world.caughtUp();
  return {
    comparison: await world.judge({ breakdown: { valuesMax: VALUES_MAX } }),
    kills: world.kills,
    killsAtWork,
    joins,
    freezes,
    fenced: world.fenced,
    seconds: world.seconds,
  };
}
