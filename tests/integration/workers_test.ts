// Goal: engines in threads of one process are instances like any other. Method: load over four partitions while a process with WORKERS=2 is killed
// and started again; every row is compared with the naive oracle, and what the process shows of itself with what both threads did.
import { assert, assertEquals, assertGreater } from "@std/assert";
import { planOf } from "../faults/kill_run.ts";
import { pause } from "../faults/load.ts";
import { World } from "../faults/world.ts";
import { startBroker } from "../support/kafka_broker.ts";
import { produce } from "../support/kafka_topics.ts";
import { writeMmdb } from "../support/mmdb_writer.ts";
import { startPostgres } from "../support/postgres.ts";

interface Engine {
  readonly instance: string;
  readonly phase: string;
  readonly partitions: readonly number[];
  readonly totals: { readonly records: number };
}

Deno.test("run() with WORKERS=2 shares the partitions between two threads, exactly once over a kill -9", async () => {
  await using broker = await startBroker();
  await using database = await startPostgres();
  await using world = await World.create({ broker, database: database.url });
  const instance = world.instance("threads", { WORKERS: "2" });
  const start = async () => {
    instance.start();
    const line = await instance.waitForLine(/"listening"/);
    return (JSON.parse(line) as { url: string }).url;
  };
  const engines = async (url: string) => {
    const response = await fetch(`${url}/v1/pipeline`);
    const body = await response.json() as { engines: Engine[] };
    return response.ok ? body.engines : []; // before the first start there is no stream
  };
  /** Waits until both threads hold two partitions each. */
  const shared = async (url: string) => {
    for (const deadline = performance.now() + 30_000;; await pause(200)) {
      const seen = await engines(url);
      if (seen.length === 2 && seen.every((e) => e.phase === "running" && e.partitions.length === 2)) return seen;
      if (performance.now() > deadline) throw new Error(`${JSON.stringify(seen)}\n${world.logTail()}`);
    }
  };
  const seen = await shared(await start());
  assertEquals(seen.map((e) => e.instance), ["threads#1", "threads#2"]);
  assertEquals(seen.flatMap((e) => e.partitions).sort(), [0, 1, 2, 3]);
  // Each holds partitions before the first record comes, so that each counts before it is killed.
  const sending = world.send(planOf(7, 120_000), { rate: 15_000 });
  const counting = () =>
    world.sql<{ instance: string }[]>`
      select distinct instance from commit_history where counted > 0 order by 1`
      .then((rows) => rows.map((row) => row.instance));
  for (const deadline = performance.now() + 60_000; (await counting()).length < 2; await pause(100)) {
    if (performance.now() > deadline) throw new Error(`${await counting()} alone counts\n${world.logTail()}`);
  }
  await instance.kill();

  const url = await start();
  await shared(url);
  await sending;
  await world.caughtUp();
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(metrics)?.[1]);
  assertEquals(value("tidemark_partitions_owned"), 4);
  assertGreater(value('tidemark_geo_lookups_total{result="cached"}'), 0, "the threads' look-ups are counted");
  assertGreater(value("tidemark_commit_duration_seconds_count"), 0);
  assertGreater(value("tidemark_bytes_total"), 300 * 1_000);
  const ready = await fetch(`${url}/readyz`);
  assertEquals(ready.status, 200, await ready.text());

  const { code, stderr } = await instance.stop();
  assertEquals(code, 0, stderr);
  assertEquals(await counting(), ["threads#1", "threads#2"]);
  const { differences, events } = await world.judge();
  assertEquals(differences, []);
  assertEquals(events, 120_000);
});

Deno.test("run() with WORKERS=2 ends as a whole, by name, when one thread cannot go on", async () => {
  await using broker = await startBroker();
  await using database = await startPostgres();
  await using world = await World.create({ broker, database: database.url });
  const first = world.instance("first");
  first.start();
  await first.waitForLine("partitions assigned");
  await first.stop();
  // The stored stream was made with other settings: each engine finds that out for itself.
  const other = world.instance("other", { WORKERS: "2", REFERRER_GRANULARITY: "origin" });
  other.start();
  const { code, stderr } = await other.ended();
  assertEquals(code, 2, stderr);
  assert(/referrer_granularity/i.test(stderr), stderr);
});

Deno.test("run() with WORKERS=2 takes an exchanged address database into both threads", async () => {
  await using broker = await startBroker();
  await using database = await startPostgres();
  await using world = await World.create({ broker, database: database.url });
  const place = `${world.folder}/place.mmdb`;
  const write = async (country: string) => {
    const network = { address: "8.8.8.0", prefixLength: 24, record: { country_code: country } };
    await Deno.writeFile(`${place}.new`, writeMmdb([network]));
    await Deno.rename(`${place}.new`, place);
  };
  /** One event in each partition, so that both threads count. */
  const produceEverywhere = async () => {
    const value = JSON.stringify({ host: "h", ip: "8.8.8.8", event_time: new Date().toISOString() });
    await produce(broker, world.topic, Array.from({ length: 4 }, (_, partition) => ({ partition, value })));
    await world.caughtUp();
  };
  const counted = async () => {
    const rows = await world.sql<{ country_code: string; hits: number }[]>`
      select country_code, sum(num_hits)::int as hits from web_traffic_live group by 1`;
    return Object.fromEntries(rows.map(({ country_code, hits }) => [country_code, hits]));
  };
  await write("US");
  const instance = world.instance("threads", { WORKERS: "2", GEO_DATABASE: place });
  instance.start();
  for (const name of ["threads#1", "threads#2"]) await instance.waitForLine(`assigned","instance":"${name}"`);
  await produceEverywhere();
  assertEquals(await counted(), { US: 4 });
  await write("CA");
  await instance.waitForLine("address database exchanged");
  await produceEverywhere();
  assertEquals(await counted(), { US: 4, CA: 4 });
});
