// Goal: a step that cannot get on says so. Tables of a real server are changed or locked by another session while windows are closed; then
// /readyz, the explanation of the window, `run --once` and a process that only reads name the step, the reason and what to do.
import { assertEquals, assertMatch } from "@std/assert";
import postgres, { type Sql } from "postgres";
import { Closer } from "../../src/store/closer.ts";
import { Database } from "../../src/store/postgres/client.ts";
import { createPostgresStore } from "../../src/store/postgres/store.ts";
import { recordSteps } from "../../src/store/step_record.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { silentLog } from "../../src/shared/log.ts";
import { ENGINE_STEPS, StepBoard, unknownStep } from "../../src/shared/steps.ts";
import { durationMs } from "../../src/shared/units.ts";
import { snapshot, testApp } from "../http/app_fixture.ts";
import { commit, DAY0, fill, WINDOW } from "../http/stream_fixture.ts";
import { startPostgres } from "../support/postgres.ts";
import { REPOSITORY, spawn } from "../support/process.ts";
import { until } from "../support/wait.ts";
import { streamDatabase } from "./http_fixture.ts";

/** Short, so that the test is, and longer than a pause between two looks for a window. */
const BOUND = durationMs(5_000);
const EXPLAIN = `/v1/windows/${new Date(DAY0 + 4 * WINDOW).toISOString()}/explain`;

interface Answer {
  readonly ready: boolean;
  readonly reasons: readonly { readonly code: string; readonly reason: string }[];
  readonly degraded: readonly { readonly code: string; readonly reason: string }[];
}

/** A closing loop over a server, and the API that shows its steps. */
function closing(url: string, read: Database) {
  const database = new Database({
    address: { kind: "url", url },
    schema: "public",
    applicationName: "steps-test",
    max: 2,
    statementTimeoutMs: 20_000,
  });
  const steps = new StepBoard(ENGINE_STEPS, systemClock);
  const store = createPostgresStore({
    commits: database,
    database,
    instance: "one",
    maxKeysPerWindow: 1_000,
    commitTimeoutMs: 5_000,
  });
  const closer = new Closer({ store, clock: systemClock, log: silentLog, steps, onClosed() {} });
  const app = testApp({
    database: read,
    clock: systemClock,
    settings: { progressTimeoutMs: BOUND, access: { publicAccess: true } },
    deps: {
      snapshots: () => [
        snapshot({ partitions: [], startedAt: systemClock.now(), steps: steps.states() }),
      ],
      upkeep: () => ({ roll_up: idle(), retention: idle(), upkeep: idle(), notify: idle() }),
    },
  });
  const stop = new AbortController(), running = closer.run(stop.signal);
  const ask = async <T>(path: string): Promise<T> => await (await app.request(path)).json() as T;
  return {
    database,
    steps,
    ask,
    ready: () => ask<Answer>("/readyz"),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
      await database.close();
    },
  };
}

const idle = () => unknownStep(systemClock.now());

/** A window that can be closed, and is not yet. */
async function closable(sql: Sql): Promise<void> {
  await commit(
    sql,
    [0, 1].map((partition) => ({
      partition,
      by: 1,
      counted: 1,
      watermark: DAY0 + 6 * WINDOW,
      maxWindowEnd: DAY0 + 5 * WINDOW,
    })),
    [{ window: DAY0 + 4 * WINDOW, host: "a.example", hits: 2 }],
  );
}

Deno.test("a closing that is refused turns /readyz red with the reason, is in the explanation, and goes on once it is mended", async (t) => {
  await using stream = await streamDatabase(fill);
  const { sql, server } = stream;
  await sql.unsafe(`create role app login; grant usage on schema public to app;
    grant all on all tables in schema public to app; grant all on all sequences in schema public to app;
    grant execute on all functions in schema public to app`).simple();
  const url = server.url.replace(/\/\/[^@/]*@/, "//app@");
  const faults = [
    [
      "a user's NOT NULL column",
      "alter table aggregated_web_traffic add column note text; update aggregated_web_traffic set note = ''; alter table aggregated_web_traffic alter note set not null",
      "alter table aggregated_web_traffic drop column note",
      /PostgreSQL refused \(23502\).*"note".*Give an added column a default or drop it/,
    ],
    [
      "a right that is withdrawn",
      "revoke insert on web_traffic_window from app",
      "grant insert on web_traffic_window to app",
      /permission denied for table web_traffic_window.*ddl\/roles\.sql/,
    ],
  ] as const;
  await using engine = closing(url, stream.database);
  await until("green", async () => (await engine.ready()).ready);
  for (const [name, breaks, mends, words] of faults) {
    await t.step(name, async () => {
      await sql.unsafe(breaks).simple();
      await closable(sql);
      await until("red", async () => !(await engine.ready()).ready);
      const { reasons } = await engine.ready();
      assertEquals(reasons.map(({ code }) => code), ["closing_failing"]);
      assertMatch(reasons[0]!.reason, words);
      const { summary } = await engine.ask<{ summary: string }>(EXPLAIN);
      assertMatch(summary, /is open; all watermarks have passed its end, but the closing of windows has failed since/);

      // A process that only reads says so, too.
      await recordSteps(engine.database, "one", { closing: engine.steps.states().closing });
      const reader = testApp({
        database: stream.database,
        clock: systemClock,
        settings: { progressTimeoutMs: BOUND, access: { publicAccess: true } },
      });
      const { ready, degraded } = await (await reader.request("/readyz")).json() as Answer;
      assertEquals([ready, degraded.map(({ code }) => code)], [true, ["closing_failing"]]);
      assertMatch(degraded[0]!.reason, /^instance one: closing of windows has failed/);

      await sql.unsafe(mends).simple();
      // The fixture's older window is closed first, and that alone turns it green.
      const open = () => sql`select from open_delta where window_start = ${new Date(DAY0 + 4 * WINDOW)}`;
      await until("closed and green again", async () => (await open()).length === 0 && (await engine.ready()).ready);
      await sql`delete from web_traffic_window where window_start = ${new Date(DAY0 + 4 * WINDOW)}`;
      await sql`delete from aggregated_web_traffic where window_start = ${new Date(DAY0 + 4 * WINDOW)}`;
      await sql`update stream set closed_through = ${new Date(DAY0 + 4 * WINDOW)}`;
    });
  }
});

Deno.test("a closing that another session's lock holds up, without an error, is noticed within the bound", async () => {
  await using stream = await streamDatabase(fill);
  const { sql, server } = stream;
  await using engine = closing(server.url, stream.database);
  await until("green", async () => (await engine.ready()).ready);
  const other = postgres(server.url, { max: 1, onnotice: () => {} });
  try {
    await other.begin(async (locked) => {
      await locked`lock table aggregated_web_traffic in share mode`;
      await closable(sql);
      await until("red", async () => !(await engine.ready()).ready, { limitMs: 10_000 });
      const { reasons } = await engine.ready();
      assertEquals(reasons.map(({ code }) => code), ["closing_stuck"]);
      assertMatch(reasons[0]!.reason, /without an answer: another session may hold a lock.*pg_blocking_pids/);
      const { summary } = await engine.ask<{ summary: string }>(EXPLAIN);
      assertMatch(summary, /all watermarks have passed its end, but a closing of windows has run for/);
    });
    await until("green again", async () => (await engine.ready()).ready);
  } finally {
    await other.end({ timeout: 1 });
  }
});

Deno.test("`run --once` over a table that refuses says which and why, is not a bug, and counts once when it is mended", async () => {
  await using server = await startPostgres();
  const folder = await Deno.makeTempDir({ prefix: "tidemark-steps-" });
  const sql = postgres(server.url, { max: 1, onnotice: () => {} });
  const env = {
    SOURCE: "file",
    FILE_PATH: `${folder}/a.log`,
    FILE_HOST: "x",
    POSTGRES_URL: server.url,
    DATA_DIR: folder,
  };
  const tidemark = async (...words: string[]) => {
    await using child = spawn(Deno.execPath(), ["run", "-A", "src/main.ts", ...words], { cwd: REPOSITORY, env });
    await child.closeStdin();
    return await child.exit();
  };
  try {
    const line = (minute: string) =>
      `1.2.3.4 - - [31/Jan/2026:00:${minute}:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl/8"\n`;
    await Deno.writeTextFile(`${folder}/a.log`, ["01", "02", "09", "20"].map(line).join(""));
    assertEquals((await tidemark("migrate")).code, 0);
    await sql`alter table web_traffic_window add constraint not_in_my_database check (hits < 0)`;
    const refused = await tidemark("run", "--once", "--wait", "2s");
    assertMatch(refused.stderr, /table_changed[\s\S]*23514[\s\S]*not_in_my_database/);
    assertEquals([refused.code > 1, /This is a bug/.test(refused.stderr)], [true, false]);
    await sql`alter table web_traffic_window drop constraint not_in_my_database`;
    const mended = await tidemark("run", "--once");
    assertEquals(mended.code, 0, mended.stderr);
    assertEquals((await sql`select sum(hits)::int as n from web_traffic_window`)[0]!.n, 4);
  } finally {
    await sql.end({ timeout: 1 });
    await Deno.remove(folder, { recursive: true });
  }
});
