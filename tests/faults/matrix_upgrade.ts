// An upgrade under load, as docs/upgrades.md promises it: the old program runs on beside the newer schema and the newer program. Shell.
import type { Entry, Outcome, Servers } from "./entry.ts";
import { judged } from "./entry.ts";
import type { Instance } from "./instance.ts";
import { pause } from "./load.ts";
import { NewerTree } from "./newer_tree.ts";
import { World } from "./world.ts";

const EVENTS = 240_000;
const RATE = 2_500;
const HOUR = 3_600_000;
/** So many hours of event time that a day begins after the migration whose table was not made ahead. */
const SPAN_HOURS = 78;
const STEP_MS_MAX = 60_000;

/** Commits that `instance` has made since `since`, by the program that made them. */
async function commitsOf(world: World, instance: Instance, since: Date, program: "old" | "newer"): Promise<number> {
  const [row] = await world.sql`
    select count(*)::int as n from commit_history
    where instance = ${instance.name} and committed_at > ${since} and program = ${program} and counted > 0`;
  return row!.n;
}

/** Waits for three commits by `instance` from now on. @throws Error where they do not come */
async function commits(world: World, instance: Instance, program: "old" | "newer"): Promise<void> {
  const [clock] = await world.sql`select clock_timestamp() as now`;
  for (const deadline = performance.now() + STEP_MS_MAX; await commitsOf(world, instance, clock!.now, program) < 3;) {
    if (instance.died) throw new Error(`${instance.name} ended by itself`);
    if (performance.now() > deadline) throw new Error(`${instance.name} (${program}) commits no more`);
    await pause(200);
  }
}

/** What the old program says over HTTP on the newer schema. */
async function answers(instance: Instance): Promise<string[]> {
  const differences: string[] = [];
  for (
    const path of [
      "/readyz",
      "/v1/pipeline",
      "/v1/ledger",
      "/v1/checkpoints/history",
      "/v1/windows",
      "/v1/dead-letters",
      "/v1/late",
      "/v1/reports/contributions",
    ]
  ) {
    const answer = await fetch(`${instance.url}${path}`);
    const text = await answer.text();
    if (!answer.ok) differences.push(`${path} of the old program answers ${answer.status}: ${text.slice(0, 300)}`);
    if (path === "/v1/ledger" && JSON.parse(text).balanced !== true) differences.push(`ledger: ${text.slice(0, 300)}`);
  }
  return differences;
}

async function upgrade({ broker, postgres }: Servers): Promise<Outcome> {
  await using tree = await NewerTree.make();
  await using world = await World.create({ broker, database: postgres.url });
  const old = world.instance("old");
  const newer = world.instance("newer", {}, tree.root);
  const startMs = Date.now() - SPAN_HOURS * HOUR - 60_000;
  const plan = { seed: 17, events: EVENTS, partitions: 4, startMs, spanMs: SPAN_HOURS * HOUR };
  const sending = world.send(plan, { rate: RATE });
  old.start();
  while (await world.position() < EVENTS / 8) await pause(100);
  const days = () => world.sql`select relname from pg_class where relname ~ '^aggregated_web_traffic_[0-9]{8}$'`;
  const before = await days();

  newer.start(["migrate"]);
  const migrated = await newer.ended();
  if (migrated.code !== 0 || !migrated.stdout.includes("0099")) {
    throw new Error(`migrate: ${migrated.stdout}${migrated.stderr}`);
  }
  await commits(world, old, "old");
  const differences = await answers(old);

  await old.kill();
  old.start();
  await commits(world, old, "old");
  const { code } = await old.stop();
  if (code !== 0) differences.push(`SIGTERM of the old program ended with ${code}`);
  old.start(["migrate"]);
  const again = await old.ended();
  if (again.code !== 0) differences.push(`migrate by the old program ended with ${again.code}: ${again.stderr}`);
  old.start();

  newer.start();
  await commits(world, newer, "newer");
  await commits(world, old, "old");
  await newer.kill();
  newer.start();
  await commits(world, newer, "newer");
  await old.kill();
  old.start();
  await commits(world, old, "old");
  differences.push(...await answers(old));

  await sending;
  await world.caughtUp();
  if ((await days()).length === before.length) differences.push("no day was begun after the migration");
  const [made] = await world.sql`
    select count(*) filter (where program = 'old')::int as old, count(*) filter (where program = 'newer')::int as newer from commit_history`;
  // Back: the last reading is the old program's.
  await newer.stop();
  const outcome = await judged(world, `${made!.old} commits by the old program, ${made!.newer} by the newer one`);
  return { ...outcome, differences: [...differences, ...outcome.differences] };
}

export const UPGRADE_ENTRIES: readonly Entry[] = [
  {
    name: "old-binary-new-schema",
    done:
      "the next release migrates under load and joins; the old program runs on, is killed, stopped and started again",
    run: upgrade,
  },
];
