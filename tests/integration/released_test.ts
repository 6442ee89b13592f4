// Goal: what an earlier release stored opens, goes on and reports right. Method: a dump and a data folder that the program of 026e399 made in
// the middle of its work are opened by this program, migrated and read to the end of the log; every row is compared with the naive oracle
// and every report with the rows. Both streams keep version 1 of the event rules. tests/fixtures has both, and the command that made them.
import { assert, assertEquals, assertGreater } from "@std/assert";
import type postgres from "postgres";
import { countryLookup } from "../faults/countries.ts";
import { Oracle, rowKey } from "../faults/oracle.ts";
import { World } from "../faults/world.ts";
import { DUMPED, FOLDER_LINES, logBytes, logLines, TOPIC_PLAN } from "../fixtures/load.ts";
import { readFrom, restoreDump, unpackFolder, withFolder } from "../fixtures/open.ts";
import { startBroker } from "../support/kafka_broker.ts";
import { startPostgres } from "../support/postgres.ts";
import { tidemark } from "../support/process.ts";

type Env = Readonly<Record<string, string>>;
type Hits = readonly [key: string, hits: number, bots: number];

/** First and last day of the report that is compared. */
const FROM = "2026-01-06", TO = "2026-01-07";

async function run(args: readonly string[], env: Env): Promise<string> {
  await using child = tidemark(args, { env: { LOG_LEVEL: "error", ...env } });
  const { code, stdout, stderr } = await child.exit();
  assertEquals(code, 0, `${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** Rows by {@link rowKey}, in order of key; `live` has the open windows' rows, too. */
async function rowsOf(
  sql: postgres.Sql,
  table: "aggregated_web_traffic" | "web_traffic_live" | "late_web_traffic",
): Promise<Hits[]> {
  const rows = await sql`
    select (extract(epoch from window_start) * 1000)::bigint::text as start, host, referrer, country_code, sum(num_hits)::int as hits,
           sum(bot_hits)::int as bots
    from ${sql(table)} group by 1, 2, 3, 4`;
  return sorted(rows.map((row) => [rowKey(row.start, row.host, row.referrer, row.country_code), row.hits, row.bots]));
}

const sorted = (rows: readonly Hits[]): Hits[] => [...rows].sort(([a], [b]) => a < b ? -1 : 1);
const sum = (rows: readonly Hits[]) => rows.reduce((total, [, hits]) => total + hits, 0);

/** Hits of each country from {@link FROM} to {@link TO}, out of the rows. */
async function countries(sql: postgres.Sql): Promise<Map<string, number>> {
  const rows = await sql`
    select country_code, sum(num_hits)::int as hits from web_traffic_live
    where (window_start at time zone 'UTC')::date between ${FROM}::date and ${TO}::date group by 1`;
  return new Map(rows.map((row): [string, number] => [row.country_code, row.hits]));
}

/** The same as the report says it. */
async function reported(env: Env): Promise<Map<string, number>> {
  const args = ["report", "contributions", "--place", "country", "--format", "ndjson", "--from", FROM, "--to", TO];
  const lines = (await run(args, env)).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  return new Map(lines.map((line): [string, number] => [line.country_code, line.count]));
}

function assertSame(actual: ReadonlyMap<string, number>, expected: ReadonlyMap<string, number>) {
  const entries = (map: ReadonlyMap<string, number>) => [...map].sort();
  assertEquals(entries(actual), entries(expected));
}

Deno.test("a dump of 026e399 is restored, migrated, goes on and reports the right numbers", async () => {
  await using broker = await startBroker();
  await using server = await startPostgres();
  await using world = await World.create({ broker, database: server.url, rulesVersion: 1 });
  await restoreDump(server.url);
  await readFrom(world.sql, world.topic, `group-${world.topic}`);
  const env = { POSTGRES_URL: server.url };
  const before = await rowsOf(world.sql, "aggregated_web_traffic");
  const [open] = await world.sql`select count(*)::int as chunks from open_delta`;
  assertEquals(await world.position(), DUMPED);
  assertGreater(open!.chunks, 0, "the dump holds open windows");

  await run(["migrate"], env);
  assertSame(await reported(env), await countries(world.sql));

  await world.send(TOPIC_PLAN);
  const { differences, events, late, dead } = await world.judge();
  assertEquals(differences, []);
  assertEquals(events, TOPIC_PLAN.events);
  assert(late > 0 && dead > 0);
  const after = new Map((await rowsOf(world.sql, "aggregated_web_traffic")).map(([key, ...hits]) => [key, hits]));
  for (const [key, ...hits] of before) assertEquals(after.get(key), hits, "a closed row never changes");
  assertGreater(after.size, before.length);
  assertSame(await reported(env), await countries(world.sql));
});

Deno.test("a data folder of 026e399 is opened, migrated, goes on and reports the right numbers", async () => {
  const folder = await Deno.makeTempDir({ prefix: "tidemark-released-" });
  try {
    const path = `${folder}/traffic.ndjson`, data = `${folder}/data`;
    const lines = logLines();
    await Deno.writeFile(path, logBytes(lines.slice(0, FOLDER_LINES)));
    await unpackFolder(data);
    const env = { SOURCE: "file", FILE_PATH: path, DATA_DIR: data };
    const before = await withFolder(data, async (sql) => {
      await readFrom(sql, path);
      return {
        rows: await rowsOf(sql, "aggregated_web_traffic"),
        countries: await countries(sql),
        live: sum(await rowsOf(sql, "web_traffic_live")),
      };
    });
    assertGreater(before.live, sum(before.rows), "the folder holds open windows");

    await run(["migrate"], env);
    assertSame(await reported(env), before.countries);

    await Deno.writeFile(path, logBytes(lines.slice(FOLDER_LINES)), { append: true });
    await run(["run", "--once"], env);
    const report = await reported(env);
    await withFolder(data, async (sql) => {
      assertSame(report, await countries(sql));
      const country = await countryLookup();
      const oracle = new Oracle({ windowMs: 300_000, delayMs: 60_000, skewMs: 300_000, country, version: 1 });
      for (const line of lines) oracle.apply(line);
      const { counted, late, dead } = oracle.partitions.get(0)!;
      const expected = (rows: Oracle["counted"]) => sorted([...rows].map(([key, [hits, bots]]) => [key, hits, bots]));
      const rows = await rowsOf(sql, "aggregated_web_traffic");
      assertEquals(rows, expected(oracle.counted));
      assertEquals(await rowsOf(sql, "late_web_traffic"), expected(oracle.late));
      assertEquals({ ...(await sql`select counted::int, late::int, dead::int from stream_partition`)[0] }, {
        counted,
        late,
        dead,
      });
      assert(late > 0 && dead > 0);
      const kept = new Map(rows.map(([key, ...hits]) => [key, hits]));
      for (const [key, ...hits] of before.rows) assertEquals(kept.get(key), hits, "a closed row never changes");
      assertGreater(rows.length, before.rows.length);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
