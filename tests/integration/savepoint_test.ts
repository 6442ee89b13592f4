// Goal: the drills of docs/upgrades.md hold. pg_dump is a savepoint: a stream that goes on from a restored dump ends with the same table and
// ledger as the one that was never interrupted, also where a later version has migrated the schema; and a second schema that counts the same
// log anew agrees with the first.
// Method: a log of three parts, which end with a window each so that silence between them decides nothing; the dump is taken after the first.
import { assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import postgres from "postgres";
import { findBinaries } from "../support/postgres_binaries.ts";
import { startPostgres } from "../support/postgres.ts";
import { spawn } from "../support/process.ts";

const WINDOWS_PER_PART = 4;
const EVENTS_PER_WINDOW = 200;

/** NDJSON of one part; within a window the events are out of order. */
function part(number: number): string {
  let lines = "";
  for (let n = 0; n < WINDOWS_PER_PART * EVENTS_PER_WINDOW; n++) {
    const window = number * WINDOWS_PER_PART + Math.floor(n / EVENTS_PER_WINDOW);
    const second = (n * 7919) % 300;
    const time = new Date(Date.UTC(2026, 0, 5) + (window * 300 + second) * 1_000).toISOString();
    const event = { host: `h${n % 5}.test`, referrer: `https://r${n % 11}.test/`, ip: "203.0.113.9", event_time: time };
    lines += n % 97 === 0 ? "not an event\n" : `${JSON.stringify({ url: "/", user_agent: "Mozilla/5.0", ...event })}\n`;
  }
  return lines;
}

async function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  await using child = spawn(command, args, { cwd: new URL("../../", import.meta.url), env });
  const { code, stderr, stdout } = await child.exit();
  assertEquals(code, 0, stderr);
  return stdout;
}

Deno.test("a restored pg_dump goes on and ends exact, and a second schema agrees", async () => {
  // Ours also where a server is given: pg_dump must be of the server's version.
  await using server = await startPostgres({ faults: true });
  const pgDump = (await findBinaries()).postgres.replace(/postgres$/, "pg_dump");
  const folder = await Deno.makeTempDir();
  const log = `${folder}/events.ndjson`;
  const count = (url: string, schema = "public") =>
    run(Deno.execPath(), ["run", "-A", "src/main.ts", "run", "--once"], {
      SOURCE: "file",
      FILE_PATH: log,
      POSTGRES_URL: url,
      POSTGRES_SCHEMA: schema,
      DATA_DIR: `${folder}/${schema}`,
      LOG_LEVEL: "error",
    });
  const look = async (url: string, schema = "public") => {
    const sql = postgres(url, { max: 1, connection: { search_path: schema } });
    try {
      const rows =
        await sql`select * from aggregated_web_traffic order by window_start, host, referrer, country_code, region, city`;
      const late = await sql`select count(*)::int as late from late_web_traffic`;
      const ledger =
        await sql`select sum(counted)::int as counted, sum(late)::int as late, sum(dead)::int as dead from stream_partition`;
      return { rows: [...rows], late: late[0]!.late, ledger: { ...ledger[0]! } };
    } finally {
      await sql.end();
    }
  };
  try {
    await Deno.writeTextFile(log, part(0));
    await count(server.url);
    // A migration of a later version: the program of this one takes no notice of it.
    const later = postgres(server.url, { max: 1 });
    await later`insert into schema_migration (version, name, checksum) values (9999, '9999_later', 'unknown')`;
    await later`alter table stream_partition add column later_on text`;
    await later.end();
    const savepoint = await run(pgDump, ["--dbname", server.url]);
    assertStringIncludes(savepoint, "aggregated_web_traffic");

    for (const number of [1, 2]) {
      await Deno.writeTextFile(log, part(number), { append: true });
      await count(server.url);
    }
    const uninterrupted = await look(server.url);

    const restored = await server.createDatabase();
    await Deno.writeTextFile(`${folder}/savepoint.sql`, savepoint);
    await run("psql", ["--quiet", "--set=ON_ERROR_STOP=1", "--dbname", restored, "--file", `${folder}/savepoint.sql`]);
    const before = await look(restored);
    assertGreater(uninterrupted.rows.length, before.rows.length, "the dump is older");
    await count(restored);
    assertEquals(await look(restored), uninterrupted);

    await count(server.url, "green");
    assertEquals(await look(server.url, "green"), uninterrupted);

    const { counted, late, dead } = uninterrupted.ledger;
    assertEquals({ late, dead }, { late: 0, dead: 3 * 9 });
    assertEquals(counted, 3 * WINDOWS_PER_PART * EVENTS_PER_WINDOW - 3 * 9);
    assertEquals(uninterrupted.rows.reduce((sum, row) => sum + Number(row.num_hits), 0), counted);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
