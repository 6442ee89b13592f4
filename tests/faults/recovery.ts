// Measures how soon a killed instance's successor commits again: from exec to its first commit under a steady load. Shell.
import { startBroker } from "../support/kafka_broker.ts";
import { startPostgres } from "../support/postgres.ts";
import { randomStream } from "./generator.ts";
import { planOf } from "./kill_run.ts";
import { pause } from "./load.ts";
import { World } from "./world.ts";

const RATE = 2_000;
const SECONDS_A_KILL_MAX = 25;
/** Records that wait for each successor where there is a backlog. */
const BACKLOG = 100_000;

/** What is measured: whose folder the successor gets, and whether it starts with a backlog or level with the load. */
const CASES = [
  { title: "same data folder (the dead member is sent away), steady load", sameFolder: true, backlog: false },
  { title: "same data folder, backlog of 100,000 or more", sameFolder: true, backlog: true },
  { title: "fresh data folder (the dead member's session has to end), steady load", sameFolder: false, backlog: false },
];

/** Kills `kills` times in each case and prints p50 and p99 of the time from exec to the first commit. */
export async function measureRecovery(kills: number, say: (line: string) => void): Promise<boolean> {
  await using broker = await startBroker();
  await using database = await startPostgres({ faults: true });
  let equal = true;
  for (const { title, sameFolder, backlog } of CASES) {
    await using world = await World.create({ broker, database: await database.createDatabase() });
    const stop = new AbortController();
    const events = backlog ? BACKLOG * (kills + 1) : RATE * SECONDS_A_KILL_MAX * (kills + 2);
    const plan = planOf(7, events);
    const sending = backlog ? world.send(plan, { to: BACKLOG }) : world.send(plan, { rate: RATE, signal: stop.signal });
    if (backlog) await sending;
    const random = randomStream(11);
    const times: number[] = [];
    let generation = 0;
    const next = () => world.instance(sameFolder ? "same" : `fresh-${generation++}`);
    let instance = next();
    instance.start();
    await firstCommit(world, new Date(0));
    for (let i = 0; i < kills; i++) {
      if (!backlog) await pause(1_500 + random() * 2_000);
      await instance.kill();
      if (backlog) await world.send(plan, { from: BACKLOG * (i + 1), to: BACKLOG * (i + 2) });
      const since = await databaseTime(world);
      if (!sameFolder) instance = next();
      const started = performance.now();
      instance.start();
      await firstCommit(world, since);
      times.push(performance.now() - started);
    }
    stop.abort();
    await sending;
    await world.caughtUp();
    const { differences } = await world.judge();
    equal &&= differences.length === 0;
    times.sort((a, b) => a - b);
    const at = (share: number) => Math.round(times[Math.min(times.length - 1, Math.floor(share * times.length))]!);
    say(
      `${title}: ${kills} kills, exec to first commit p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, least ${at(0)} ms; ` +
        (differences.length === 0 ? "equal to the oracle" : `DIFFERS: ${differences.join("\n")}`),
    );
  }
  return equal;
}

async function databaseTime(world: World): Promise<Date> {
  const [row] = await world.sql`select clock_timestamp() as now`;
  return row!.now;
}

async function firstCommit(world: World, since: Date): Promise<void> {
  for (const deadline = performance.now() + 60_000;;) {
    if (performance.now() > deadline) throw new Error(`No commit within a minute:\n${world.logTail()}`);
    try {
      const [row] = await world.sql`select 1 from commit_history where committed_at > ${since} and counted > 0 limit 1`;
      if (row) return;
    } catch (error) {
      if ((error as { code?: string }).code !== "42P01") throw error;
    }
    await pause(10);
  }
}
