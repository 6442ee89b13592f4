// Goal: a stream behind PgBouncer is stored in its own schema, whatever the pool mode. Method: a real PgBouncer with its defaults and two
// connections; two streams in two schemas, both read over the API while they run; then their tables are compared with the ledger's sums.
import { assertEquals, assertGreater, assertMatch } from "@std/assert";
import postgres from "postgres";
import { startPgBouncer } from "../support/pgbouncer.ts";
import { startPostgres } from "../support/postgres.ts";
import { tidemark } from "../support/process.ts";
import { until } from "../support/wait.ts";

const DEMO = { SOURCE: "demo", DEMO_HISTORY_DAYS: "1", HTTP_PORT: "0", LOG_FORMAT: "json", COMMIT_INTERVAL: "200ms" };

const IGNORED = "statement_timeout,jit,default_transaction_isolation,default_transaction_read_only,search_path";

for (
  const [mode, name, settings] of [
    ["transaction", "its defaults", {}],
    // Parameters that are dropped without a word are worse than refused ones.
    ["transaction", "parameters dropped", { ignore_startup_parameters: IGNORED }],
    ["session", "its defaults", { default_pool_size: "8" }],
  ] as const
) {
  Deno.test(`two streams in two schemas behind PgBouncer, ${mode} mode, ${name}`, async () => {
    await using server = await startPostgres();
    await using pooler = await startPgBouncer(server.url, mode, settings);
    await using stack = new AsyncDisposableStack();
    const sql = postgres(server.url, { max: 1, onnotice: () => {} });
    stack.defer(() => sql.end({ timeout: 1 }));
    const streams = ["one", "two"].map((schema, n) => {
      const folder = Deno.makeTempDirSync({ prefix: "tidemark-pooled-" });
      stack.defer(() => Deno.remove(folder, { recursive: true }));
      return stack.use(tidemark(["run"], {
        env: {
          ...DEMO,
          DEMO_SEED: String(n + 1),
          DATA_DIR: folder,
          POSTGRES_URL: pooler.url,
          POSTGRES_SCHEMA: schema,
          POSTGRES_CONNECTIONS: "3",
        },
      }));
    });
    const urls = await Promise.all(streams.map(async (stream) => {
      const line = JSON.parse(await stream.waitForLine(/"listening"/)) as { url: string };
      return line.url;
    }));
    const closed = async (schema: string) => {
      const [row] = await sql`select to_regclass(${`${schema}.web_traffic_window`}) is not null as made`;
      if (!row!.made) return 0;
      return Number((await sql.unsafe(`select count(*) as n from ${schema}.web_traffic_window`))[0]!.n);
    };
    let asked = 0;
    const ask = async (url: string) => {
      const today = new Date().toISOString().slice(0, 10);
      for (const path of ["/v1/ledger", "/v1/windows", `/v1/reports/contributions?date=${today}`]) {
        const answer = await fetch(`${url}${path}`);
        await answer.body?.cancel();
        if (answer.ok) asked++;
      }
    };
    let done = false;
    const load = Promise.all(urls.map(async (url) => {
      while (!done) await ask(url);
    }));
    try {
      await until(
        () => `60 closed windows in each schema\n${streams.map((s) => s.lines.slice(-5).join("\n")).join("\n---\n")}`,
        async () => await closed("one") > 60 && await closed("two") > 60,
        { limitMs: 90_000, everyMs: 200 },
      );
    } finally {
      done = true;
    }
    await load;
    assertGreater(asked, 10);
    for (const stream of streams) stream.signal("SIGTERM");
    for (const stream of streams) {
      const { code, stderr } = await stream.exit();
      assertEquals(code, 0, stderr.slice(-2_000));
      assertEquals(stderr.includes("prepared statement"), false);
    }
    const sums = await Promise.all(["one", "two"].map(async (schema) => {
      const [row] = await sql.unsafe(
        `select (select sum(counted) from ${schema}.stream_partition)::float8 as counted,
           coalesce((select sum(num_hits) from ${schema}.aggregated_web_traffic), 0)::float8
           + coalesce((select sum(hits) from ${schema}.open_delta), 0)::float8 as stored`,
      );
      assertEquals(row!.counted, row!.stored, schema);
      return row!.counted as number;
    }));
    assertGreater(Math.min(...sums), 0);
    assertEquals((await sql`select relname from pg_class c where c.relnamespace = 'public'::regnamespace`).length, 0);
  });
}

Deno.test("PgBouncer in statement mode is refused by name, and nothing is made", async () => {
  await using server = await startPostgres();
  await using pooler = await startPgBouncer(server.url, "statement");
  await using child = tidemark(["migrate", "--wait", "5s"], { env: { POSTGRES_URL: pooler.url } });
  const { code, stderr } = await child.exit();
  assertEquals(code, 2, stderr);
  assertMatch(stderr, /postgres_statement_pooling/);
  assertMatch(stderr, /pool_mode = transaction/);
  const sql = postgres(server.url, { max: 1, onnotice: () => {} });
  assertEquals((await sql`select from pg_class c where c.relnamespace = 'public'::regnamespace`).length, 0);
  await sql.end();
});
