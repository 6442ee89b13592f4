// The permissions that are baked into the scoped binary, tried out; and no secret or address in anything that leaves the process.
import { assert, assertEquals, assertMatch } from "@std/assert";
import postgres from "postgres";
import { freePort } from "../support/postgres.ts";
import { REPOSITORY, spawn } from "../support/process.ts";
import { DAY, event, MINUTE, Rig, type StreamRig } from "../operate/rig.ts";
import { MAIN, scopeFlags } from "../../tools/scope.ts";
import { BREAKDOWNS } from "../../src/report/breakdown.ts";

/** A settings file with the stream's settings, and Deno's flags for it. */
async function scoped(stream: StreamRig, more: Readonly<Record<string, string>> = {}) {
  const envFile = `${stream.rig.folder}/${stream.name}.env`;
  const settings = { ...stream.env, ...more };
  await Deno.writeTextFile(envFile, Object.entries(settings).map(([name, value]) => `${name}='${value}'\n`).join(""));
  const flags = scopeFlags({ envFile, generic: false, net: [], fromSource: true });
  const start = (program: string, ...args: string[]) =>
    spawn(Deno.execPath(), ["run", "--quiet", ...flags, program, ...args], {
      cwd: stream.rig.folder,
      env: { NO_COLOR: "1" },
    });
  return { envFile, flags, start };
}

Deno.test("the scoped permissions suffice for the program and refuse everything else", async (t) => {
  await using rig = await Rig.start();
  await using stream = await rig.stream("scoped");
  const port = freePort();
  const { envFile, flags, start } = await scoped(stream, { HTTP_PORT: String(port) });
  await stream.produce(0, [...Array.from({ length: 20 }, (_, i) => event(i * MINUTE)), "no json"]);

  await t.step("run, doctor, replay and health work under them", async () => {
    for (const command of [["run", "--once"], ["doctor"], ["dead-letters", "list"]]) {
      await using child = start(MAIN, ...command, "--env-file", envFile);
      const { code, stderr, stdout } = await child.exit();
      assertEquals(code, 0, `${command}: ${stdout}${stderr}`);
    }
    assertEquals((await stream.sql`select sum(counted)::int as n from stream_partition`)[0]!.n, 20);
    const range = ["--from", new Date(DAY).toISOString(), "--to", new Date(DAY + 10 * MINUTE).toISOString()];
    await using replay = start(MAIN, "replay", ...range, "--env-file", envFile);
    const replayed = await replay.exit();
    assertEquals(replayed.code, 0, replayed.stderr);
    // With threads: they have the permissions of the process, and may need no more.
    await using service = start(MAIN, "run", "--workers", "2", "--env-file", envFile);
    await service.waitForLine("listening");
    for (const path of ["/livez", "/", "/pipeline", "/v1/ledger", "/docs", "/metrics"]) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      await response.body?.cancel();
      assertEquals(response.status, 200, path);
    }
    await using health = start(MAIN, "health", "--env-file", envFile);
    assertEquals((await health.exit()).code, 0);
    service.signal("SIGTERM");
    const { code, stderr } = await service.exit();
    assertEquals(code, 0, stderr);
    assert(!/NotCapable|PermissionDenied/.test(stderr), stderr);
  });

  await t.step("another file, another host, programs, libraries and the system are refused", async () => {
    using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const probe = new URL("tests/operate/scope_probe.ts", REPOSITORY).pathname;
    await using child = start(probe, `${stream.env.DATA_DIR}/probe`, rig.broker.url, `127.0.0.1:${other.addr.port}`);
    const { stdout, stderr } = await child.exit();
    const results = JSON.parse(stdout || "{}");
    for (const name of ["write_own", "read_own", "dial_allowed", "env_own"]) {
      assertEquals(results[name], "done", name + stderr);
    }
    const refused = [
      "read_other",
      "read_source",
      "write_other",
      "dial_other",
      "dial_node",
      "fetch_other",
      "run",
      "ffi",
      "sys",
      "env_other",
    ];
    for (const name of refused) assertEquals(results[name], "NotCapable", name);
    assertEquals(Object.keys(results).length, refused.length + 4);
    assert(flags.includes("--no-prompt"));
  });

  await t.step("settings that ask for more than was granted are refused by name", async () => {
    await using file = start(MAIN, "config", "--env-file", "/etc/hosts");
    assertMatch((await file.exit()).stderr, /--env-file cannot be read: .*read access/);
    await using host = start(
      MAIN,
      "migrate",
      "--postgres-url",
      "postgresql://10.1.2.3:5432/x",
      "--wait",
      "0s",
      "--env-file",
      envFile,
    );
    const { code, stderr } = await host.exit();
    assert(code !== 0, "another database was accepted");
    assertMatch(stderr, /net access to "10\.1\.2\.3:5432"/);
  });
});

/** Texts that must never be seen outside of the process. */
const CANARY = {
  apiToken: "canary-api-token-000000",
  adminToken: "canary-admin-token-000000",
  password: "canaryPostgresPassword",
  saslPassword: "canarySaslPassword",
  address: "198.51.100.77",
  address6: "2001:db8:ca4a:1::77",
  query: "canaryquery",
  header: "canaryheader",
} as const;

Deno.test("neither secrets nor client addresses reach a log, metric, page, answer, error or table", async () => {
  await using rig = await Rig.start();
  await using stream = await rig.stream("canary");
  const port = freePort();
  const url = new URL(rig.postgres.url);
  url.password = CANARY.password;
  const env = {
    POSTGRES_URL: url.href,
    HTTP_PORT: String(port),
    API_TOKEN: CANARY.apiToken,
    API_ADMIN_TOKEN: CANARY.adminToken,
    LOG_LEVEL: "debug",
    LOG_FORMAT: "json",
  };
  const marked = (over: Readonly<Record<string, unknown>> = {}) =>
    event(0, { ip: CANARY.address, url: `/a?${CANARY.query}=1`, headers: `Cookie: ${CANARY.header}`, ...over });
  await stream.produce(0, [
    marked(),
    marked({ ip: CANARY.address6 }),
    marked({ ip: `${CANARY.address}, 10.0.0.1` }),
    // Dead letters of every kind: their samples are stored.
    marked({ event_time: "never" }),
    marked({ event_time: "2090-01-01T00:00:00Z", ip: CANARY.address6 }),
    marked({ host: "", url: `/a?${CANARY.query}=1` }),
    marked().slice(0, -3),
    `${CANARY.address} - - GET /x?${CANARY.query}=1`,
    `[${JSON.stringify({ ip: CANARY.address6 })}]`,
    event(10 * MINUTE),
    event(20 * MINUTE),
  ]);
  let seen = "";
  const commands: [string[], Record<string, string>][] = [
    [["run", "--once"], {}],
    [["config"], {}],
    [["config", "--json"], {}],
    [["doctor", "--json"], {}],
    [["dead-letters", "list"], {}],
    ...Array.from(
      { length: 9 },
      (_, i): [string[], Record<string, string>] => [["dead-letters", "show", "0", String(i)], {}],
    ),
    [["replay", "--from", "2026-01-31T00:00Z", "--to", "2026-01-31T00:05Z"], {}],
    // Errors are where secrets like to show: a server that is not there, one that refuses, settings that are wrong.
    [["migrate", "--wait", "0s"], { POSTGRES_URL: url.href.replace(/:\d+\//, ":9/") }],
    [["migrate", "--wait", "0s"], { POSTGRES_URL: `${url.href}_missing` }],
    [["migrate"], { POSTGRES_URL: url.href.replace("postgres://", "postgre://") }],
    [["run"], { API_TOKEN: `${CANARY.apiToken} with spaces`, KAFKA_SASL_PASSWORD: CANARY.saslPassword }],
    [["doctor"], {
      KAFKA_SASL_MECHANISM: "scram-sha-256",
      KAFKA_SASL_USERNAME: "u",
      KAFKA_SASL_PASSWORD: CANARY.saslPassword,
    }],
    [["doctor", "--api-tokne", CANARY.apiToken], {}],
  ];
  for (const [command, over] of commands) {
    const { stdout, stderr } = await stream.command(command, { ...env, ...over });
    seen += `\n--- ${command.slice(0, 2).join(" ")}\n${stdout}${stderr}`;
  }
  await using service = stream.start(["run"], env);
  await service.waitForLine("listening");
  const base = `http://127.0.0.1:${port}`;
  const headers = { authorization: `Bearer ${CANARY.apiToken}` };
  const { paths } = await (await fetch(`${base}/openapi.json`, { headers })).json() as {
    paths: Record<string, unknown>;
  };
  const pages = [
    "/",
    "/pipeline",
    "/docs",
    "/metrics",
    "/openapi.json",
    `/v1/nothing?token=x`,
    "/v1/late?from=2026-01-01T00:00Z",
  ];
  for (const path of [...pages, ...Object.keys(paths).filter((path) => !path.includes("{") && path !== "/v1/events")]) {
    for (const given of [headers, { authorization: `Bearer wrong` }]) {
      const response = await fetch(base + path, { headers: given as Record<string, string> });
      seen += `\n--- ${path} ${response.status} ${JSON.stringify([...response.headers])}\n${await response.text()}`;
    }
  }
  assertMatch(seen, /--- \/metrics 200[\s\S]*tidemark_/);
  assertMatch(seen, /"reason":"bad_json"|bad_json/);
  service.signal("SIGTERM");
  const { stderr, stdout } = await service.exit();
  seen += stdout + stderr;

  const sql = postgres(rig.postgres.url, { max: 1 });
  const tables = await sql`select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${stream.name} and c.relkind in ('r', 'p')`;
  for (const { relname } of tables) {
    const rows = await sql`select t::text as row from ${sql(stream.name)}.${sql(relname)} t`;
    seen += `\n--- table ${relname}\n${rows.map(({ row }) => row).join("\n")}`;
  }
  await sql.end();

  for (const [name, text] of Object.entries(CANARY)) {
    const at = seen.indexOf(text);
    assert(at < 0, `${name} leaked: …${seen.slice(Math.max(0, seen.lastIndexOf("\n---", at)), at + 60)}…`);
  }
});

/** Paths as a client may send them, and the page that each is. */
const HOSTILE_PATHS: readonly (readonly [sent: string, page: string])[] = [
  ["/<script>alert(1)</script>", "/%3Cscript%3Ealert(1)%3C/script%3E"],
  ['/"><img src=x onerror=alert(1)>', "/%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E"],
  ["/%2e%2e/%2E./../etc/passwd", "/etc/passwd"],
  ["//evil.example/x", "/evil.example/x"],
  ["/'; drop table stream; --", "/';%20drop%20table%20stream;%20--"],
  ["/%00%1b[31m%c3%28%", "/%00%1B%5B31m%C3%28%25"],
  ["/\u0000\u001b[31m\u202e\u2066", "/%00%1B%5B31m%E2%80%AE%E2%81%A6"],
  [`/${"x".repeat(900_000)}`, "(path too long)"],
  ["javascript:alert(1)", "(no path)"],
];
/** Parts of a campaign, as they are sent and stored. */
const HOSTILE_PARTS: readonly (readonly [sent: string, part: string])[] = [
  ["<script>alert(1)</script>", "<script>alert(1)</script>"],
  ['"><img src=x onerror=alert(1)>', '"><img src=x onerror=alert(1)>'],
  ["=cmd|'/c calc'!A1", "=cmd|'/c calc'!A1"],
  ["@SUM(1+1)", "@SUM(1+1)"],
  ["a\u001e\u001f\u0000b", "a\ufffd\ufffd\ufffdb"],
  ["\u001b[31mred", "\ufffd[31mred"],
  ["(other)", "(other)"],
];

Deno.test("hostile paths and campaigns are counted, bounded, and text wherever they are shown", async () => {
  await using rig = await Rig.start();
  await using stream = await rig.stream("hostile");
  const campaigns = HOSTILE_PARTS.map(([part]) => `/?${new URLSearchParams({ utm_source: part, utm_campaign: part })}`);
  const urls = [...HOSTILE_PATHS.map(([sent]) => sent), ...campaigns];
  await stream.produce(0, urls.map((url, i) => event(i * 1_000, { url })));
  const run = await stream.command(["run", "--once"]);
  assertEquals(run.code, 0, run.stderr);
  assertEquals(await stream.imbalances(), []);
  await using service = stream.start(["serve"]);
  const [, base] = /url=(\S+)/.exec(await service.waitForLine("listening"))!;
  const day = "from=2026-01-31&to=2026-01-31";
  const ask = async (path: string) => {
    const response = await fetch(base + path);
    const text = await response.text();
    assertEquals(response.status, 200, `${path} ${text.slice(0, 300)}`);
    return text;
  };
  const keysBy = async (by: string) => {
    const { rows, reserved, other, total_count } = JSON.parse(await ask(`/v1/reports/top?by=${by}&limit=1000&${day}`));
    assertEquals([total_count, other], [urls.length, null]);
    return [...rows, ...reserved].map(({ key }: { key: string }) => key).sort();
  };
  assertEquals(await keysBy("page"), [...new Set([...HOSTILE_PATHS.map(([, page]) => page), "/"])].sort());
  assertEquals(
    await keysBy("campaign"),
    ["(none)", ...HOSTILE_PARTS.map(([, part]) => [part, "", part].join("\x1e"))].sort(),
  );
  const ledger = JSON.parse(await ask("/v1/ledger?deep=true&from=2026-01-31T00:00:00Z&to=2026-02-01T00:00:00Z"));
  assertEquals([ledger.balanced, ledger.imbalances], [true, []]);

  const page = await ask(`/?${day}`);
  assert(!/<script>alert|<img src=x|javascript:alert/.test(page), "markup of a stranger is in the page");
  assertMatch(page, /&lt;script&gt;alert\(1\)/);
  for (const by of ["page", "campaign"]) {
    const csv = await ask(`/v1/reports/top?by=${by}&format=csv&${day}`);
    assert(!/(?:^|,)"?[=+@]/m.test(csv), `a cell begins as a formula: ${csv}`);
    for (const text of [csv, await ask(`/v1/reports/top?by=${by}&format=text&${day}`)]) {
      // deno-lint-ignore no-control-regex
      assert(!/[\0-\x08\x0b\x0c\x0e-\x1d\x1f\x7f\u202e\u2066]/.test(text), `a control character: ${text}`);
    }
    const printed = await stream.command(["report", "top", "--by", by, "--from", "2026-01-31", "--to", "2026-01-31"]);
    assertEquals(printed.code, 0, printed.stderr);
    // deno-lint-ignore no-control-regex
    assert(!/[\0-\x09\x0b-\x1f\x7f\u202e]/.test(printed.stdout), `a control character: ${printed.stdout}`);
  }
});

Deno.test("ddl/roles.sql lets a writer run and a reader serve, and neither do more", async (t) => {
  await using rig = await Rig.start();
  await using stream = await rig.stream("roles");
  const roles = await Deno.readTextFile(new URL("ddl/roles.sql", REPOSITORY));
  const admin = postgres(rig.postgres.url, { max: 1, onnotice: () => {} });
  await assertFails(admin.unsafe(roles), /holds no stream/);
  assertEquals((await stream.command(["migrate"])).code, 0);
  await admin.unsafe("create table roles.of_somebody_else (n integer)");
  await admin.unsafe(`set tidemark.schema = 'roles'`);
  for (let i = 0; i < 2; i++) await admin.unsafe(roles);
  const as = (user: string) => {
    const url = new URL(rig.postgres.url);
    url.username = user;
    return url.href;
  };

  await t.step("the writer counts, closes, makes days, rolls up and resumes", async () => {
    const env = { POSTGRES_URL: as("tidemark_writer") };
    const human = { user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0" };
    await stream.produce(0, [...Array.from({ length: 20 }, (_, i) => event(i * MINUTE, human)), "no json"]);
    const run = await stream.command(["run", "--once"], env);
    assertEquals(run.code, 0, run.stderr);
    assertEquals((await stream.sql`select sum(num_hits)::int as n from aggregated_web_traffic`)[0]!.n, 20);
    assertEquals(await stream.imbalances(), []);
    await stream.sql`update stream set stopped_code = 'data_gap', stopped_message = ''`;
    const resumed = await stream.command(["resume"], env);
    assertEquals(resumed.code, 0, resumed.stderr);
    assertEquals((await stream.command(["dead-letters", "purge"], env)).code, 0);
    const doctor = await stream.command(["doctor", "--json"], env);
    const rights = JSON.parse(doctor.stdout).findings.find((f: { check: string }) => f.check === "postgres_rights");
    assertEquals(rights.status, "ok", rights.detail);
  });

  await t.step("the reader answers every page and report", async () => {
    await using service = stream.start(["serve"], { POSTGRES_URL: as("tidemark_reader") });
    const [, base] = /url=(\S+)/.exec(await service.waitForLine("listening"))!;
    const { paths } = await (await fetch(`${base}/openapi.json`)).json() as { paths: Record<string, unknown> };
    const asked = Object.keys(paths).filter((path) => !path.includes("{") && path !== "/v1/events");
    for (const path of [...asked, "/", "/v1/reports/contributions?from=2026-01-31&to=2026-01-31"]) {
      const response = await fetch(base + path);
      const body = await response.text();
      assert(response.status < 500 || path === "/readyz" || path === "/healthz", `${path} ${response.status} ${body}`);
    }
    // The day is open or closed: either way its salt is not needed.
    for (const report of [...BREAKDOWNS.map((by) => `top?by=${by}&`), "visitors?"]) {
      const response = await fetch(`${base}/v1/reports/${report}from=2026-01-31&to=2026-01-31`);
      const body = await response.text();
      assertEquals(response.status, 200, `${report} ${body}`);
      const { total_count: hits, visitors } = JSON.parse(body);
      assertEquals(report === "visitors?" ? visitors : hits, report === "visitors?" ? 1 : 20, report);
    }
  });

  await t.step("neither may do more", async () => {
    const writer = postgres(as("tidemark_writer"), {
      max: 1,
      onnotice: () => {},
      connection: { search_path: "roles" },
    });
    const reader = postgres(as("tidemark_reader"), {
      max: 1,
      onnotice: () => {},
      connection: { search_path: "roles" },
    });
    const refused = /permission denied|must be owner|read-only transaction/;
    for (
      const statement of [
        "create table mine (n integer)",
        "drop table open_delta",
        "truncate aggregated_web_traffic",
        "alter table stream add column n integer",
        "update schema_migration set checksum = ''",
        "insert into of_somebody_else values (1)",
        "create or replace function tidemark_ms_v1(t timestamptz) returns bigint language sql return 0",
      ]
    ) {
      await assertFails(writer.unsafe(statement), refused, statement);
      await assertFails(reader.unsafe(statement), refused, statement);
    }
    // Not by the session's default alone: the right itself is missing.
    await reader.unsafe("set default_transaction_read_only = off");
    for (
      const statement of [
        "update stream set stopped_code = null",
        "delete from late_web_traffic",
        "select tidemark_ensure_day_v2('2026-05-01')",
        "select tidemark_close_v2('x', 1)",
        "select salt from visitor_salt",
        "select * from visitor_salt",
        "select tidemark_salts_v1(array[current_date])",
      ]
    ) await assertFails(reader.unsafe(statement), /permission denied/, statement);
    // The ledger checks that no salt of a closed day is left.
    await reader.unsafe("select day, id from visitor_salt");
    await assertFails(reader.unsafe("select * from of_somebody_else"), /permission denied/);
    await writer.end();
    await reader.end();
  });
  await admin.end();
});

async function assertFails(statement: PromiseLike<unknown>, pattern: RegExp, name = ""): Promise<void> {
  const message = await Promise.resolve(statement).then(() => `done: ${name}`, (error: Error) => error.message);
  assertMatch(message, pattern, name);
}
