// Goal: the newest PostgreSQL that npm has holds a stream, beside the machine's own version, which every other test runs on. Method: a file is
// read, its windows are closed, another file joins after a start again, and the reports and the ledger are asked.
import { assertEquals, assertGreaterOrEqual, assertMatch } from "@std/assert";
import postgresClient from "postgres";
import { startPostgres } from "../support/postgres.ts";
import { tidemark } from "../support/process.ts";

const START = Date.parse("2026-01-31T10:00:00Z"), MINUTE = 60_000;

const lines = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) =>
    JSON.stringify({
      event_time: new Date(START + (from + i) * MINUTE / 10).toISOString(),
      host: `h${(from + i) % 7}.test`,
      referrer: (from + i) % 3 === 0 ? "" : "https://ref.test/",
      ip: "8.8.8.8",
    }) + "\n").join("");

Deno.test("PostgreSQL 18: migrated, written, closed, read, and gone on with", async () => {
  await using server = await startPostgres({ fromNpm: true });
  const sql = postgresClient(server.url, { max: 1, onnotice: () => {} });
  const folder = await Deno.makeTempDir({ prefix: "tidemark-newest-" });
  try {
    const [row] = await sql`show server_version`;
    assertMatch(row!.server_version, /^18\./);
    const env = {
      SOURCE: "file",
      FILE_PATH: `${folder}/events.ndjson`,
      FILE_HOST: "x",
      DATA_DIR: `${folder}/data`,
      POSTGRES_URL: server.url,
      LOG_FORMAT: "json",
    };
    const once = async (...args: string[]) => {
      await using child = tidemark(args, { env });
      const { code, stdout, stderr } = await child.exit();
      assertEquals(code, 0, stderr.slice(-2_000));
      return stdout;
    };
    for (const [from, to] of [[0, 1_000], [1_000, 2_000]] as const) {
      await Deno.writeTextFile(env.FILE_PATH, lines(from, to), { append: true });
      await once("run", "--once");
    }
    const [sums] = await sql`
      select (select sum(num_hits)::int from aggregated_web_traffic) as closed, (select count(*)::int from web_traffic_window) as windows,
             (select sum(counted)::int from stream_partition) as counted, (select coalesce(sum(hits), 0)::int from open_delta) as open`;
    assertEquals([sums!.counted, sums!.closed + sums!.open], [2_000, 2_000]);
    assertGreaterOrEqual(sums!.windows, 39);
    const top = JSON.parse(
      await once("report", "top", "--by", "host", "--from", "2026-01-31", "--to", "2026-01-31", "--format", "json"),
    );
    assertEquals(top.rows.length, 7);
  } finally {
    await sql.end();
    await Deno.remove(folder, { recursive: true });
  }
});
