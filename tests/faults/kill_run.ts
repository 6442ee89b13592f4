// The kill run: load flows while an instance is killed at random moments and a second one joins and leaves; then everything is compared.
import type { TestBroker } from "../support/kafka_broker.ts";
import type { Comparison } from "./compare.ts";
import { type LoadPlan, randomStream } from "./generator.ts";
import { pause } from "./load.ts";
import { World } from "./world.ts";

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
  readonly joins: number;
  readonly freezes: number;
  readonly fenced: number;
  readonly seconds: number;
}

/** A plan whose last record is as old as the run will be long, so that no record time lies in the future. */
export function planOf(seed: number, events: number, partitions = 4): LoadPlan {
  const spanMs = 3 * 3_600_000;
  return { seed, events, partitions, startMs: Date.now() - spanMs - 60_000, spanMs };
}

/** Longer than the group's session timeout of 6 s. */
const FREEZE_MS = 7_500;

/** Runs it. @throws Error where the stream does not get to its end */
export async function killRun(options: KillRunOptions): Promise<KillRunResult> {
  const random = randomStream(options.seed);
  const [shortest, longest] = options.lifeMs;
  const life = () => pause(shortest + random() * (longest - shortest));
  await using world = await World.create({ broker: options.broker, database: options.database });
  const plan = planOf(options.seed, options.events);
  const sending = world.send(plan, { rate: options.rate });
  const first = world.instance("first");
  const second = world.instance("second");
  first.start();
  let joins = 0;
  let freezes = 0;
  let sent = false;
  void sending.then(() => sent = true);
  while (!sent || world.kills < options.kills || freezes < options.freezes) {
    if (freezes < options.freezes) {
      freezes++;
      if (!second.running) {
        second.start();
        joins++;
      }
      await Promise.all([first, second].map((one) => one.waitForLine("partitions assigned")));
      await life();
      first.signal("SIGSTOP");
      await pause(FREEZE_MS);
      first.signal("SIGCONT");
    }
    await life();
    // Every other death is the second instance's, or happens while it is there.
    const choice = random();
    if (!second.running && choice < 0.4) {
      second.start();
      joins++;
    } else if (second.running && choice < 0.4) {
      await second.stop();
    } else {
      const victim = second.running && choice < 0.6 ? second : first;
      await victim.kill();
      victim.start();
    }
  }
  await sending;
  await world.caughtUp();
  return {
    comparison: await world.judge(),
    kills: world.kills,
    joins,
    freezes,
    fenced: world.fenced,
    seconds: world.seconds,
  };
}
