// Goal: whatever the database does to a commit, its records are in once. Method: under load the connection is cut before, in and after the
// commit statement, the server crashes, freezes, and comes back as an older copy of itself; then everything is compared with the oracle.
import { assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { COMMIT_MARK, cutCommits, goesOn, restoreOlder } from "../faults/postgres_faults.ts";
import { underLoad } from "../faults/under_load.ts";
import { migrate } from "../../src/store/migrate.ts";
import { Database } from "../../src/store/postgres/client.ts";
import { silentLog } from "../../src/shared/log.ts";
import { startBroker } from "../support/kafka_broker.ts";
import { startPostgres } from "../support/postgres.ts";
import { until } from "../support/wait.ts";

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
    await cutCommits(world, { from: "client", pattern: COMMIT_MARK, when: "before" }, 2);
    await cutCommits(world, { from: "client", pattern: COMMIT_MARK, when: "after" }, 2);
    await cutCommits(world, { from: "server", pattern: "SELECT 1\0", when: "before" }, 4);
    await database.restart("immediate");
    await goesOn(world);
    const [instance] = world.instances;
    const unavailable = () => instance!.count("database unavailable, trying again");
    const before = unavailable();
    await database.pause();
    await until("the frozen database is noticed", () => unavailable() > before);
    await database.resume();
    await goesOn(world);
    await restoreOlder(database.url, () => goesOn(world));
    await until("the older copy is noticed", () => world.fenced > 0);
  });
  assertEquals(differences, []);
  assertGreater(events, 99_999);
  assertGreater(commits, 5);
  assertStringIncludes(log, "database unavailable, trying again");
  assertGreater(fenced, 0, "the older copy went unnoticed");
});

Deno.test("migrate() does not take tables for foreign ones that another process has just made", async () => {
  await using server = await startPostgres();
  const options = { schema: "public", applicationName: "test", max: 1, statementTimeoutMs: 60_000, readOnly: false };
  const address = { kind: "url", url: server.url } as const;
  const other = new Database({ ...options, address });
  // The other process commits between our look for applied migrations and our look for foreign tables.
  class Overtaken extends Database {
    #queries = 0;
    override async query<T>(...args: Parameters<Database["query"]>): Promise<T> {
      if (++this.#queries === 2) await migrate(other, "public", silentLog);
      return await super.query(...args) as T;
    }
  }
  const overtaken = new Overtaken({ ...options, address });
  try {
    assertEquals(await migrate(overtaken, "public", silentLog), []);
  } finally {
    await Promise.all([other.close(), overtaken.close()]);
  }
});
