// Reports and alerts over a real PostgreSQL, to a real web server and a real mail server: each is taken at least once under the same id, also
// where the sender is killed between sending and noting it.
import type { Sql } from "postgres";
import { SMTPServer } from "smtp-server";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runNotifying } from "../../../src/app/notifying.ts";
import { defaultSettings } from "../../../src/shared/config/load.ts";
import type { Settings } from "../../../src/shared/config/settings.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { StepBoard, UPKEEP_STEPS } from "../../../src/shared/steps.ts";
import { Database } from "../../../src/store/postgres/client.ts";
import { testApp, TestClock } from "../../http/app_fixture.ts";
import { closeAll, commit, join, type KeyHits, MIN, WINDOW } from "../../http/stream_fixture.ts";
import { type Child, spawn } from "../../support/process.ts";
import { until } from "../../support/wait.ts";
import { streamDatabase } from "../http_fixture.ts";

const DAY = 24 * 60 * MIN;
const TODAY = Math.floor(Date.now() / DAY) * DAY;
const YESTERDAY = new Date(TODAY - DAY).toISOString().slice(0, 10);

/** Forty days of about 1,000 hits, the last of 5,000, from hosts whose names mean something to Slack. */
async function traffic(sql: Sql): Promise<void> {
  const first = TODAY - 40 * DAY;
  await join(sql, 1, { anchor: first });
  const hits: KeyHits[] = [];
  for (let day = 0; day < 40; day++) {
    for (const quarter of [0, 1, 2, 3]) {
      const window = first + day * DAY + quarter * 6 * 60 * MIN;
      const many = day === 39 ? 1_250 : 250 + 3 * (day % 7);
      hits.push({ window, host: "<!channel>", hits: many, bots: 50, place: ["DE", "Berlin", "Berlin"] });
    }
  }
  const counted = hits.reduce((sum, key) => sum + key.hits, 0);
  const newest = TODAY + 2 * WINDOW;
  await commit(sql, [{
    partition: 0,
    by: counted,
    counted,
    watermark: newest,
    maxWindowEnd: newest,
    firstEventTime: first,
    newestEventTime: newest,
  }], hits);
  await closeAll(sql);
}

interface Post {
  readonly id: string;
  readonly key: string;
  readonly text: string;
  readonly body: string;
  readonly kind: string;
  readonly hits: number;
}

Deno.test("a message is sent until it is taken, under one id, also after a kill between sending and noting it", async (t) => {
  await using stream = await streamDatabase(traffic);
  const { sql } = stream;
  const posts: Post[] = [];
  let child = null as Child | null;
  /** What the web server answers next; 200 where nothing is named. */
  const answers: (number | "kill")[] = ["kill", 503];
  const web = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const body = await request.text();
    posts.push({ ...JSON.parse(body), body, key: request.headers.get("idempotency-key") ?? "" });
    const answer = answers.shift() ?? 200;
    if (answer === "kill") {
      child!.signal("SIGKILL");
      await child!.exit();
    }
    return new Response(null, { status: answer === "kill" ? 200 : answer });
  });
  const mails: string[] = [];
  const mail = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    onData(data, _session, done) {
      let text = "";
      data.on("data", (part: { toString(): string }) => text += part.toString());
      data.on("end", () => {
        mails.push(text);
        done();
      });
    },
  });
  await new Promise<void>((resolve) => mail.listen(0, "127.0.0.1", resolve));
  const { port: mailPort } = mail.server.address() as { port: number };
  const settings: Partial<Settings> = {
    NOTIFY_WEBHOOKS: [`http://127.0.0.1:${web.addr.port}/services/secret`],
    NOTIFY_EMAILS: ["team@example.com"],
    NOTIFY_REPORT: "daily",
    NOTIFY_LINK: "https://stats.example.com",
    SMTP_URL: `smtp://127.0.0.1:${mailPort}`,
    SMTP_FROM: "tidemark@example.com",
  };
  const rows = () =>
    sql<{ id: string; state: string; attempts: number; last_error: string | null }[]>`
      select id, state, attempts, last_error from notification order by created_at, id`;
  const due = () => sql`update notification set next_attempt_at = created_at, claimed_until = now()`;
  const database = new Database({
    address: { kind: "url", url: stream.server.url },
    schema: "public",
    applicationName: "notify-test",
    max: 2,
    statementTimeoutMs: 10_000,
  });
  /** Runs the loop until `done`. */
  const run = async (done: () => Promise<boolean>) => {
    const clock = new TestClock(Date.now()), steps = new StepBoard(UPKEEP_STEPS, clock), stop = new AbortController();
    const running = runNotifying(
      { settings: { ...defaultSettings(), ...settings }, clock, log: silentLog },
      { database, steps },
      stop.signal,
    );
    await until("messages are sent", done);
    stop.abort();
    await running;
    return steps.states().notify;
  };
  try {
    await t.step("killed after the target took it, before that was noted", async () => {
      const program = new URL("notify_program.ts", import.meta.url).pathname;
      child = spawn(Deno.execPath(), [
        "run",
        "-A",
        "--no-check",
        program,
        JSON.stringify({ url: stream.server.url, settings }),
      ]);
      await until("the child is killed", () => answers[0] !== "kill" && posts.length > 0);
      await child.exit();
      assertEquals(posts.length, 1);
      const [first] = (await rows()).filter(({ attempts }) => attempts > 0);
      assertEquals([first?.id, first?.state, first?.attempts], [posts[0]!.id, "pending", 1]);
    });

    await t.step("sent again by the next process, refused, sent again: one id, one body", async () => {
      await due();
      const state = await run(async () => (await rows()).some(({ last_error }) => last_error !== null));
      assertEquals([state.state, state.problem?.code], ["failing", "webhook_failed"]);
      const failed = (await rows()).find(({ last_error }) => last_error !== null)!;
      assertEquals([failed.id, failed.state, failed.attempts], [posts[0]!.id, "pending", 2]);
      assertMatch(failed.last_error!, /^127\.0\.0\.1:\d+ did not take report-daily-\w+-\S+: HTTP 503$/);
      await due();
      const after = await run(async () => (await rows()).every(({ state }) => state === "sent"));
      assertEquals(after.state, "ok");
      const same = posts.filter(({ id }) => id === posts[0]!.id);
      assertEquals(same.length, 3);
      assertEquals(new Set(same.map(({ body }) => body)).size, 1);
      assertEquals(new Set(same.map(({ key }) => key)), new Set([posts[0]!.id]));
    });

    await t.step("what a webhook and a mail say", async () => {
      assertEquals((await rows()).map(({ id }) => id.replace(/-[0-9a-f]{12}-/, " ")).sort(), [
        `alert ${YESTERDAY}`,
        `alert ${YESTERDAY}`,
        `report-daily ${YESTERDAY}`,
        `report-daily ${YESTERDAY}`,
      ]);
      const report = posts.find(({ kind }) => kind === "report")!, alert = posts.find(({ kind }) => kind === "alert")!;
      assertEquals(report.hits, 5_000);
      assertStringIncludes(report.text, "5,000 hits on " + YESTERDAY);
      assertStringIncludes(report.text, "Hosts: &lt;!channel&gt; 5,000 (100.0 %)");
      assertStringIncludes(report.text, "https://stats.example.com/?from=" + YESTERDAY);
      assertMatch(alert.text, /had 5,000 hits, more than forecast: 1,[\d,]+ to 1,[\d,]+ were expected/);
      assertEquals(mails.length, 2);
      const mailed = mails.find((text) => text.includes("Message-ID: <report-daily-"))!;
      assertMatch(mailed, /^From: tidemark@example.com\r$/m);
      assertMatch(mailed, /^To: team@example.com\r$/m);
      assertStringIncludes(mailed, "<!channel> 5,000 (100.0 %)");
    });

    await t.step("nothing is due twice; a process that sends nothing changes nothing", async () => {
      const before = posts.length;
      let turns = 0;
      await run(() => Promise.resolve(++turns > 20));
      assertEquals([posts.length, mails.length, (await rows()).length], [before, 2, 4]);
    });

    await t.step("/v1/deliveries, metrics and the page show them, without the target's secret", async () => {
      const app = testApp({ database: stream.database });
      const { deliveries } = await (await app.request("/v1/deliveries")).json();
      assertEquals(deliveries.map(({ state }: { state: string }) => state), ["sent", "sent", "sent", "sent"]);
      const page = await (await app.request("/pipeline")).text();
      assertStringIncludes(page, "Reports and alerts");
      assertStringIncludes(page, "team@example.com");
      const metrics = await (await app.request("/metrics")).text();
      assertStringIncludes(metrics, 'tidemark_deliveries{state="sent"} 4');
      for (const text of [JSON.stringify(deliveries), page, metrics]) assert(!text.includes("/services/secret"));
    });
  } finally {
    await child?.[Symbol.asyncDispose]();
    await web.shutdown();
    await new Promise<void>((resolve) => mail.close(resolve));
    await database.close();
  }
});
