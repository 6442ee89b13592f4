// Reports and alerts over a real PostgreSQL, to a real web server and a real mail server: each is taken at least once under the same id, also
// where the sender is killed between sending and noting it.
import type { Sql } from "postgres";
import { SMTPServer } from "smtp-server";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runNotifying } from "../../../src/app/notifying.ts";
import { runNotify } from "../../../src/notify/notify.ts";
import { defaultSettings } from "../../support/settings.ts";
import type { Settings } from "../../../src/shared/config/settings.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { StepBoard, type StepState, UPKEEP_STEPS } from "../../../src/shared/steps.ts";
import { Database } from "../../../src/store/postgres/client.ts";
import { testApp, TestClock } from "../../http/app_fixture.ts";
import { reportFacts } from "../../notify/report_facts.ts";
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
  let settings: Partial<Settings> = {
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
  /** Runs the loop until `done`, which may move the clock. */
  const run = async (done: (clock: TestClock, state: StepState) => Promise<boolean>) => {
    const clock = new TestClock(Date.now()), steps = new StepBoard(UPKEEP_STEPS, clock), stop = new AbortController();
    const running = runNotifying(
      { settings: { ...defaultSettings(), ...settings }, clock, log: silentLog },
      { database, steps },
      stop.signal,
    );
    await until("messages are sent", () => done(clock, steps.states().notify));
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

    /** Whether there are `count` messages, all of them sent. */
    const sent = async (count: number) => {
      const all = await rows();
      return all.length === count && all.every(({ state }) => state === "sent");
    };

    await t.step("a view has its own report; a name without a view is named, and the others are sent", async () => {
      await sql`insert into saved_view (name, query) values ('People', 'range=90d&traffic=human&city=Berlin')`;
      settings = { ...settings, NOTIFY_VIEWS: ["People", "Gone"] };
      const state = await run(() => sent(6));
      assertEquals([state.state, state.problem?.code], ["failing", "view_failed"]);
      assertStringIncludes(state.problem!.message, '"Gone" (there is no saved view of this name)');
      const post = posts.at(-1)!, report = JSON.parse(post.body);
      assertMatch(post.id, new RegExp(`^report-daily-[0-9a-f]{12}\\.[0-9a-f]{12}-${YESTERDAY}$`));
      assertEquals([report.view, report.traffic, report.hits], ["People", "human", 4_800]);
      assertStringIncludes(report.text, `4,800 human hits on ${YESTERDAY} (UTC) in the view "People".`);
      const query = new URLSearchParams({
        from: YESTERDAY,
        to: YESTERDAY,
        tz: "UTC",
        traffic: "human",
        filter: "city:is:Berlin",
      });
      assertEquals(report.link, `https://stats.example.com/?${query}`);
      assertMatch(mails.at(-1)!, /^Subject: .*People/m);
      assertStringIncludes(mails.at(-1)!, `4,800 human hits on ${YESTERDAY} (UTC) in the view "People".`);
      assertEquals(mails.length, 3);
    });

    await t.step("its report is made while the process runs, once the view is saved", async () => {
      let saved = false;
      const state = await run(async (clock, { state }) => {
        if (!saved && state === "failing") {
          await sql`insert into saved_view (name, query) values ('Gone', 'filter=host:is:nowhere.example')`;
          saved = true;
        }
        clock.time += 30_000;
        return await sent(8);
      });
      assertEquals([saved, state.state], [true, "ok"]);
      const report = JSON.parse(posts.at(-1)!.body);
      assertEquals([report.view, report.hits], ["Gone", 0]);
      const app = testApp({ database: stream.database });
      const { deliveries } = await (await app.request("/v1/deliveries")).json();
      const views = deliveries.map(({ view }: { view: string | null }) => view);
      assertEquals(views.filter((view: string | null) => view !== null).sort(), ["Gone", "Gone", "People", "People"]);
      assertStringIncludes(await (await app.request("/pipeline")).text(), "People");
    });

    await t.step("a report that cannot be read does not keep back the messages after it", async () => {
      const clock = new TestClock(Date.now()), steps = new StepBoard(UPKEEP_STEPS, clock), stop = new AbortController();
      const views = ["slow", "fine"].map((name) => ({ name, key: name, parameters: {} }));
      const delivered: string[] = [];
      const running = runNotify({
        database,
        clock,
        log: silentLog,
        steps,
        schedule: "daily",
        alertAt: null,
        tz: "UTC",
        link: undefined,
        targets: [{ kind: "webhook", key: "own", label: "own" }],
        days: () => Promise.resolve([{ day: YESTERDAY, count: 1_000, forecast: null }]),
        views: () => Promise.resolve({ views, problem: null }),
        report: ({ view }) =>
          view?.name === "slow" ? Promise.reject(new Error("took too long")) : Promise.resolve(reportFacts("all")),
        deliver(_target, { id }) {
          delivered.push(id);
          return Promise.resolve({ ok: true } as const);
        },
      }, stop.signal);
      await until("the step fails", () => steps.states().notify.state === "failing");
      stop.abort();
      await running;
      assertEquals(delivered, [`report-daily-own.fine-${YESTERDAY}`]);
      assertEquals(steps.states().notify.problem?.message, "took too long");
    });
  } finally {
    await child?.[Symbol.asyncDispose]();
    await web.shutdown();
    await new Promise<void>((resolve) => mail.close(resolve));
    await database.close();
  }
});
