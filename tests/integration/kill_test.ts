// Goal: whatever moment an instance dies at, nothing is lost or doubled. Method: kill -9 at random moments under load while a second
// instance comes and goes, and one that wakes up after it was given up for dead; then every row, late row and dead letter is compared with the naive oracle. The long version is a command
// (docs/reliability.md).
import { assertEquals, assertGreater, assertGreaterOrEqual } from "@std/assert";
import { killRun } from "../faults/kill_run.ts";
import { startBroker } from "../support/kafka_broker.ts";
import { startPostgres } from "../support/postgres.ts";

Deno.test("run() counts every record exactly once when it is killed at random moments", async () => {
  await using broker = await startBroker();
  await using database = await startPostgres();
  const seed = Math.floor(Math.random() * 2 ** 31);
  const { comparison, kills, joins, fenced } = await killRun({
    broker,
    database: database.url,
    seed,
    events: 200_000,
    kills: 5,
    freezes: 1,
    rate: 12_000,
    lifeMs: [800, 2_500],
  });
  assertEquals(comparison.differences, [], `seed ${seed}`);
  assertGreaterOrEqual(kills, 5);
  assertGreater(joins, 0);
  assertGreaterOrEqual(comparison.events, 200_000);
  // The run must have met what it is about.
  assertGreater(comparison.late, 0);
  assertGreater(comparison.dead, 0);
  assertGreater(comparison.commits, kills);
  assertGreater(fenced, 0, "the zombie was not fenced: it did not try to commit");
});
