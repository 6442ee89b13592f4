// Goal: what an earlier release stored opens, goes on and reports right. Method: a dump and a data folder that the program of 026e399 made in
// the middle of its work are opened by this program, migrated and read to the end of the log; every row is compared with the naive oracle
// and every report with the rows. Both streams keep version 1 of the event rules. tests/fixtures has both, and the command that made them.
import { assert, assertEquals, assertGreater } from "@std/assert";
import type postgres from "postgres";
import { countryLookup } from "../faults/countries.ts";
import { Oracle, rowKey } from "../faults/oracle.ts";
import { World } from "../faults/world.ts";
import { testApp } from "../http/app_fixture.ts";
import { commit, DAY0, join, type KeyHits, MIN } from "../http/stream_fixture.ts";
import { DUMPED, FOLDER_LINES, logBytes, logLines, TOPIC_PLAN } from "../fixtures/load.ts";
import { readFrom, restoreDump, unpackFolder, withFolder } from "../fixtures/open.ts";
import { startBroker } from "../support/kafka_broker.ts";
import { startPostgres } from "../support/postgres.ts";
import { tidemark } from "../support/process.ts";
import { streamDatabase } from "./http_fixture.ts";

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
  const { differences, events, late, dead } = await world.judge({ breakdown: { hasOlderProgram: true } });
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

// ---- A program of the release before works beside this one on the newest schema: the functions of ddl/0001 to 0004, as that program calls
// them, in turn with today's. That it is refused by name where it would read events by other rules is in postgres_store_test.ts.

const HOUR = 60 * MIN, DAY = 24 * HOUR, WINDOW = 5 * MIN;
type Version = 1 | 2;

/** What a program of a version does with all that is there to do; returns how many windows it closed. */
async function work(sql: postgres.Sql, version: Version): Promise<number> {
  for (let closed = 0;;) {
    const [row] = await sql.unsafe(`select tidemark_close_v${version}('v${version}', 1000000) as done`);
    if (row!.done.state === "closed") closed++;
    else if (row!.done.state === "day_missing") {
      await sql.unsafe(`select tidemark_ensure_day_v${version}('${row!.done.day}')`);
    } else return closed;
  }
}

async function rollUp(sql: postgres.Sql, version: Version): Promise<void> {
  for (;;) {
    const [row] = await sql.unsafe(`select tidemark_roll_up_v${version}() ->> 'state' as state`);
    if (row!.state === "nothing") return;
  }
}

Deno.test("commits, merges, closings, roll-ups and retention of the release before go on beside this one's", async () => {
  await using stream = await streamDatabase((sql) => join(sql, 1));
  const { sql } = stream;
  const expected = { hits: 0, bots: 0, late: 0, closed: { 1: 0, 2: 0 } };
  // Two days and one hour in steps of two hours: each version commits to a window that the other one has begun, and closes what both wrote.
  for (let n = 0; n <= 25; n++) {
    const window = DAY0 + n * 2 * HOUR, version = n % 2 === 0 ? 1 : 2;
    for (const by of [version, 3 - version] as Version[]) {
      const hits: KeyHits[] = Array.from({ length: 4 }, (_, i) => ({
        window,
        host: `h${i}.example`,
        referrer: i % 2 === 0 ? "" : `https://r${n % 3}.example/`,
        place: ["AU", "New South Wales", "Sydney"],
        hits: 1 + i,
        bots: i % 2,
      }));
      const late: KeyHits[] = n > 0 ? [{ window: window - 2 * HOUR, host: "late.example", hits: 2, late: true }] : [];
      await commit(
        sql,
        [{
          partition: 0,
          by: 13,
          counted: 10,
          late: n > 0 ? 2 : 0,
          dead: n > 0 ? 1 : 3,
          watermark: window,
          maxWindowEnd: window + WINDOW,
        }],
        [...hits, ...late],
        {
          counts: [{ partition: 0, reason: "bad_json", records: n > 0 ? 1 : 3 }],
          ranges: [],
          samples: [],
        },
        by,
      );
      expected.hits += 10;
      expected.bots += 2;
      expected.late += n > 0 ? 2 : 0;
    }
    await sql`select tidemark_compact_v1(2)`;
    expected.closed[version] += await work(sql, version);
    await rollUp(sql, n % 3 === 0 ? 1 : 2);
  }
  await commit(sql, [{ partition: 0, by: 0, watermark: DAY0 + 3 * DAY }], [], null, 1);
  expected.closed[1] += await work(sql, 1);
  await rollUp(sql, 1);
  assertEquals(expected.closed[1] + expected.closed[2], 26);

  const app = testApp({ database: stream.database });
  const get = async (path: string) => await (await app.request(path)).json();
  const ledger = await get("/v1/ledger?deep=true&from=2026-01-31T00:00:00Z&to=2026-02-03T00:00:00Z");
  assertEquals([ledger.balanced, ledger.imbalances], [true, []]);
  assertEquals(
    ledger.deep.windows_without_digest,
    expected.closed[1],
    "a closing of the release before makes no digest",
  );
  const [rows] = await sql`
    select sum(num_hits)::int as hits, sum(bot_hits)::int as bots, (select sum(num_hits)::int from late_web_traffic) as late
    from aggregated_web_traffic`;
  assertEquals({ ...rows }, { hits: expected.hits, bots: expected.bots, late: expected.late });
  const total = async (version: Version, late: "include" | "exclude") => {
    const name = version === 1 ? "contribution_report" : "contribution_report_v2";
    const [row] = await sql.unsafe(
      `select total_hits::int as total from ${name}('2026-01-31', '2026-02-02', p_late => '${late}') limit 1`,
    );
    return row!.total;
  };
  const totals = async () => [
    await total(1, "exclude"),
    await total(2, "exclude"),
    await total(1, "include"),
    await total(2, "include"),
  ];
  const all = [expected.hits, expected.hits, expected.hits + expected.late, expected.hits + expected.late];
  assertEquals(await totals(), all);

  // Its retention books the day and drops the table itself; this one's goes on with the next day.
  await sql`select tidemark_retire_v1('2026-02-01')`;
  await sql`alter table aggregated_web_traffic detach partition aggregated_web_traffic_20260131`;
  await sql`drop table aggregated_web_traffic_20260131`;
  assertEquals((await get("/v1/ledger?deep=true&from=2026-01-31T00:00:00Z&to=2026-02-03T00:00:00Z")).balanced, true);
  const [done] = await sql`select tidemark_retire_v2('2026-02-02') as done`;
  assertEquals(done!.done.state, "retired");
  assertEquals((await sql`select tidemark_drop_retired_v1() ->> 'state' as state`)[0]!.state, "dropped");
  assertEquals((await get("/v1/ledger")).balanced, true);
  assertEquals((await totals()).slice(0, 2), all.slice(0, 2), "sums by place outlive the rows");
});
