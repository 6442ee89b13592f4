// Goal: whatever moment an instance dies at, nothing is lost or doubled. Method: kill -9 at random moments under load while a second
// instance comes and goes, and one that wakes up after it was given up for dead; then every row, late row, dead letter, breakdown and sketch of visitors is compared with the
// naive oracle. The long version is a command (docs/reliability.md).
import { assert, assertEquals, assertGreater, assertGreaterOrEqual } from "@std/assert";
import { killRun } from "../faults/kill_run.ts";
import { pause } from "../faults/load.ts";
import { World } from "../faults/world.ts";
import { startBroker } from "../support/kafka_broker.ts";
import { startPostgres } from "../support/postgres.ts";

Deno.test("run() counts every record exactly once when it is killed at random moments", async () => {
  await using broker = await startBroker();
  await using database = await startPostgres();
  const seed = Math.floor(Math.random() * 2 ** 31);
  const { comparison, killsAtWork, joins, fenced } = await killRun({
    broker,
    database: database.url,
    seed,
    events: 200_000,
    kills: 5,
    freezes: 1,
    rate: 20_000,
    lifeMs: [600, 2_000],
  });
  assertEquals(comparison.differences, [], `seed ${seed}`);
  assertGreaterOrEqual(killsAtWork, 5);
  assertGreater(joins, 0);
  assertGreaterOrEqual(comparison.events, 200_000);
  // The run must have met what it is about.
  assertGreater(comparison.late, 0);
  assertGreater(comparison.dead, 0);
  assertGreater(fenced, 0);
  const { pairs, folded, latePairs, sketches } = comparison.breakdown;
  for (const count of [pairs, folded, latePairs, sketches]) assertGreater(count, 0);
});

Deno.test("run() heeds SIGTERM at every moment of its start", async () => {
  await using broker = await startBroker();
  await using database = await startPostgres();
  await using world = await World.create({ broker, database: database.url });
  const late: number[] = [];
  const stopAfter = async (ms: number) => {
    const instance = world.instance(`after-${ms}`);
    instance.start();
    await pause(ms);
    instance.signal("SIGTERM");
    const ended = await Promise.race([instance.ended(), pause(30_000)]);
    // Before the program listens for it, the signal ends it as it ends any process.
    if (ended === undefined) late.push(ms);
    else assert(ended.code === 0 || ended.code === 143, `exit code ${ended.code} after ${ms} ms:\n${ended.stderr}`);
  };
  for (let ms = 150; ms < 1_350; ms += 300) await Promise.all([0, 100, 200].map((more) => stopAfter(ms + more)));
  assertEquals(late, [], "milliseconds after which SIGTERM was not heeded");
});
