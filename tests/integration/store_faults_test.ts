// Goal: whatever the database does to a commit, its records are in once. Method: under load the connection is cut before, in and after the
// commit statement, the server crashes, freezes, and comes back as an older copy of itself; then everything is compared with the oracle.
import { assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { cutCommits, restoreOlder } from "../faults/postgres_faults.ts";
import { underLoad } from "../faults/under_load.ts";
import { pause } from "../faults/load.ts";
import { startBroker } from "../support/kafka_broker.ts";
import { startPostgres } from "../support/postgres.ts";

Deno.test("run() commits every record exactly once over a database that fails around the commit", async () => {
  await using broker = await startBroker();
  await using database = await startPostgres({ faults: true });
  const servers = { broker, postgres: database };
  let log = "";
  const { differences, events, commits, fenced } = await underLoad(servers, {
    events: 100_000,
    rate: 4_000,
    proxiedDatabase: true,
    env: { COMMIT_TIMEOUT: "3s" },
    note: (world) => log = world.logTail(500),
  }, async (world) => {
    await cutCommits(world, { from: "client", pattern: "tidemark_commit_v1", when: "before" }, 2);
    await cutCommits(world, { from: "client", pattern: "tidemark_commit_v1", when: "after" }, 2);
    await cutCommits(world, { from: "server", pattern: "SELECT 1\0", when: "before" }, 4);
    await database.restart("immediate");
    await pause(1_500);
    await database.pause();
    await pause(6_000);
    await database.resume();
    await pause(1_500);
    await restoreOlder(database.url, 2_500);
  });
  assertEquals(differences, []);
  assertGreater(events, 99_999);
  assertGreater(commits, 5);
  assertStringIncludes(log, "database unavailable, trying again");
  assertGreater(fenced, 0, "the older copy went unnoticed");
});
