// Goal: every way to reach PostgreSQL works or is refused by a name that says what to set, before anything is made. Method: real servers with
// certificates, wrong databases, limits and a failover; the client and its checks directly.
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import postgres from "postgres";
import { defaultSettings } from "../support/settings.ts";
import { parseValue } from "../../src/shared/config/kinds.ts";
import { postgresTarget, postgresUrl } from "../../src/shared/config/postgres.ts";
import type { Settings } from "../../src/shared/config/settings.ts";
import { type NamedError, Unavailable } from "../../src/shared/errors.ts";
import { silentLog } from "../../src/shared/log.ts";
import { DeadlineError } from "../../src/shared/sql.ts";
import { migrate } from "../../src/store/migrate.ts";
import { Database } from "../../src/store/postgres/client.ts";
import { checkServer } from "../../src/store/postgres/preflight.ts";
import { startPostgres } from "../support/postgres.ts";
import { serverUser } from "../support/postgres_binaries.ts";
import { startProxy } from "../support/tcp_proxy.ts";
import { until } from "../support/wait.ts";
import { Standby } from "../faults/postgres_standby.ts";

const open = (
  url: string,
  settings: Partial<Settings> = {},
  more: { schema?: string; unstamped?: boolean; max?: number } = {},
) => {
  const parsed = parseValue(postgresUrl, url);
  if (!parsed.ok) throw new Error(parsed.problem);
  const address = postgresTarget({ ...defaultSettings(), ...settings, POSTGRES_URL: parsed.value });
  if (address.kind === "embedded") throw new Error("no server");
  return new Database({
    address,
    schema: "public",
    applicationName: "test",
    max: 1,
    statementTimeoutMs: 30_000,
    ...more,
  });
};

/** What a first statement ends in: "ok", or the error's name; the whole error goes to `seen`. */
async function outcome(url: string, settings: Partial<Settings> = {}, seen: string[] = []): Promise<string> {
  const database = open(url, settings);
  try {
    await database.query((sql) => sql`select 1`, 10_000);
    return "ok";
  } catch (error) {
    const { code, message, action } = error as NamedError;
    seen.push(`${message} ${action}`);
    return code;
  } finally {
    await database.close();
  }
}

/** An authority and certificates that it signed, in a folder that the server's user can read. */
async function certificates() {
  const folder = await Deno.makeTempDir({ prefix: "tidemark-tls-" });
  const script = `set -e
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=Tidemark test authority" -keyout ca.key -out ca.pem
    mk() { openssl req -newkey rsa:2048 -nodes -subj "/CN=$2" -keyout $1.key -out $1.csr
      printf "$3" > $1.ext; openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days $4 -extfile $1.ext -out $1.pem; }
    mk names localhost "subjectAltName=DNS:localhost" 2
    mk address localhost "subjectAltName=DNS:localhost,IP:127.0.0.1" 2
    mk client postgres "" 2
    chmod 600 *.key`;
  const { success, stderr } = await new Deno.Command("bash", { args: ["-c", script], cwd: folder }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const { ids } = await serverUser();
  if (ids.uid !== undefined) {
    await new Deno.Command("chown", { args: ["-R", `${ids.uid}:${ids.gid}`, folder] }).output();
  }
  return folder;
}

Deno.test("TLS to PostgreSQL works, or is a named error that says what to set", async (t) => {
  const folder = await certificates();
  const read = (name: string) => Deno.readTextFileSync(`${folder}/${name}`);
  const ca = { POSTGRES_TLS_CA: read("ca.pem") };
  const client = { POSTGRES_TLS_CERT: read("client.pem"), POSTGRES_TLS_KEY: read("client.key") };
  await Deno.writeTextFile(
    `${folder}/hba.conf`,
    "hostssl all strict 127.0.0.1/32 cert\nhostssl all all 127.0.0.1/32 trust\nhost all all ::1/128 trust\n",
  );
  const tls = (name: string) => ({
    ssl: "on",
    ssl_cert_file: `${folder}/${name}.pem`,
    ssl_key_file: `${folder}/${name}.key`,
    ssl_ca_file: `${folder}/ca.pem`,
    hba_file: `${folder}/hba.conf`,
  });
  try {
    await t.step("a certificate for names", async () => {
      await using server = await startPostgres({ faults: true, settings: tls("names"), tls: true });
      const at = (host: string, mode: string) =>
        `postgresql://postgres@${host}:${server.port}/postgres?sslmode=${mode}`;
      const seen: string[] = [];
      assertEquals(await outcome(at("localhost", "verify-full"), ca), "ok");
      assertEquals(await outcome(at("localhost", "require")), "ok");
      assertEquals(await outcome(at("localhost", "prefer")), "ok");
      assertEquals(await outcome(at("127.0.0.1", "verify-ca"), ca), "ok");
      assertEquals(await outcome(at("localhost", "verify-full"), {}, seen), "postgres_tls_authority");
      assertMatch(seen.pop()!, /POSTGRES_TLS_CA_FILE/);
      assertEquals(await outcome(at("127.0.0.1", "verify-full"), ca, seen), "postgres_tls_name");
      assertMatch(seen.pop()!, /not for 127\.0\.0\.1.*POSTGRES_TLS=verify-ca/);
      assertEquals(await outcome(at("localhost", "disable"), {}, seen), "postgres_tls_required");
      assertMatch(seen.pop()!, /POSTGRES_TLS=verify/);
      const strict = at("localhost", "verify-full").replace("postgres@", "strict@");
      assertEquals(await outcome(strict, ca, seen), "postgres_tls_client");
      assertMatch(seen.pop()!, /POSTGRES_TLS_CERT_FILE/);
      // The certificate is known, but is for another user.
      assertEquals(await outcome(strict, { ...ca, ...client }), "postgres_refused");
    });
    await t.step("a certificate for the address, and a client's", async () => {
      await Deno.writeTextFile(`${folder}/hba.conf`, "hostssl all all 127.0.0.1/32 cert\n");
      await using server = await startPostgres({ faults: true, settings: tls("address"), tls: true });
      const url = `postgresql://postgres@127.0.0.1:${server.port}/postgres?sslmode=verify-full`;
      assertEquals(await outcome(url, { ...ca, ...client }), "ok");
      assertEquals(await outcome(url, ca), "postgres_tls_client");
    });
    await t.step("a server without TLS", async () => {
      await using server = await startPostgres();
      const url = (mode: string) => `postgresql://postgres@127.0.0.1:${server.port}/postgres?sslmode=${mode}`;
      const seen: string[] = [];
      assertEquals(await outcome(url("verify-full"), ca, seen), "postgres_tls_not_offered");
      assertMatch(seen.pop()!, /ssl=on.*POSTGRES_TLS=disable/);
      assertEquals(await outcome(url("require")), "postgres_tls_not_offered");
      assertEquals(await outcome(url("prefer")), "ok");
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("several hosts: the primary is found, also after a failover", async () => {
  await using primary = await startPostgres({ faults: true });
  await using standby = await Standby.follow(primary.port);
  const hosts = `127.0.0.1:${standby.port},127.0.0.1:${primary.port}`;
  const database = open(`postgresql://postgres@${hosts}/postgres?target_session_attrs=read-write`);
  try {
    const port = async () => {
      const [row] = await database.query((sql) => sql`select current_setting('port')::integer as port`, 20_000);
      return row!.port as number;
    };
    assertEquals(await port(), primary.port);
    await database.query((sql) => sql`create table written (n integer)`, 10_000);
    await primary.kill();
    const error = await assertRejects(port, Unavailable);
    assert(error.code === "postgres_unavailable");
    await standby.promote();
    assertEquals(await port(), standby.port);
    await database.query((sql) => sql`insert into written values (1)`, 10_000);
  } finally {
    await database.close();
  }
});

Deno.test("a standby alone is waited for, not written to", async () => {
  await using primary = await startPostgres({ faults: true });
  await using standby = await Standby.follow(primary.port);
  const database = open(`postgresql://postgres@127.0.0.1:${standby.port}/postgres`);
  const error = await assertRejects(
    () => checkServer(database, "public", { connections: 5, makes: true }),
    Unavailable,
  );
  assertEquals(error.code, "postgres_read_only");
  await database.close();
});

Deno.test("checkServer() refuses what cannot hold a stream, and nothing is made", async () => {
  await using server = await startPostgres();
  const admin = postgres(server.url, { max: 1, onnotice: () => {} });
  const refusal = async (url: string, connections = 5) => {
    const database = open(url);
    try {
      await checkServer(database, "public", { connections, makes: true });
      return "ok";
    } catch (error) {
      return (error as NamedError).code;
    } finally {
      await database.close();
    }
  };
  try {
    const base = new URL(server.url);
    const named = (name: string, user = "postgres") => `postgresql://${user}@127.0.0.1:${base.port}/${name}`;
    assertEquals(await refusal(server.url), "ok");
    await admin`create database latin template template0 encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'`;
    assertEquals(await refusal(named("latin")), "postgres_encoding");
    await admin`create role poor login connection limit 3`;
    assertEquals(await refusal(named(base.pathname.slice(1), "poor")), "postgres_rights");
    await admin`grant create on schema public to poor`;
    assertEquals(await refusal(named(base.pathname.slice(1), "poor")), "postgres_connections");
    assertEquals(await refusal(named(base.pathname.slice(1), "poor"), 3), "ok");
    await admin`alter role poor set default_transaction_read_only = on`;
    assertEquals(await refusal(named(base.pathname.slice(1), "poor"), 3), "postgres_read_only");
    assertEquals((await admin`select from pg_class where relnamespace = 'public'::regnamespace`).length, 0);
    // A stream's table that a user has changed.
    const database = open(server.url);
    await migrate(database, "public", silentLog);
    await database.close();
    await admin`alter table late_web_traffic add column mine integer not null`;
    assertEquals(await refusal(server.url), "foreign_column");
    await admin`alter table late_web_traffic alter mine set default 0`;
    assertEquals(await refusal(server.url), "ok");
  } finally {
    await admin.end();
  }
});

Deno.test("migrate() takes another tool's schema_migration for foreign, and any tablespace", async () => {
  await using server = await startPostgres();
  const admin = postgres(server.url, { max: 1, onnotice: () => {} });
  try {
    await admin`create table schema_migration (version varchar primary key)`;
    const database = open(server.url);
    const error = await assertRejects(() => migrate(database, "public", silentLog));
    assertEquals((error as NamedError).code, "foreign_table");
    await database.close();
    await admin`drop table schema_migration`;
    await admin`alter role postgres set default_tablespace = 'pg_default'`;
    const again = open(server.url);
    assert((await migrate(again, "public", silentLog)).length > 0);
    await again.close();
  } finally {
    await admin.end();
  }
});

Deno.test("a renamed schema is noticed before anything is read or written, and bound again by migrate()", async () => {
  await using server = await startPostgres();
  const admin = postgres(server.url, { max: 1, onnotice: () => {} });
  try {
    const first = open(server.url, {}, { schema: "first" });
    await migrate(first, "first", silentLog);
    await first.query((sql) => sql`select tm.tidemark_ensure_day_v1('2026-03-01')`, 10_000);
    await first.close();
    await admin`alter schema first rename to second`;
    const second = open(server.url, {}, { schema: "second" });
    const error = await assertRejects(() => second.query((sql) => sql`select 1`, 10_000));
    assertEquals((error as NamedError).code, "schema_renamed");
    await second.close();
    const owner = open(server.url, {}, { schema: "second", unstamped: true });
    assertEquals(await migrate(owner, "second", silentLog), []);
    await owner.close();
    const bound = open(server.url, {}, { schema: "second" });
    await bound.query((sql) => sql`select tm.tidemark_ensure_day_v1('2026-03-02')`, 10_000);
    await bound.close();
    const [row] = await admin`select to_regclass('second.aggregated_web_traffic_20260302') is not null as there`;
    assertEquals(row!.there, true);
  } finally {
    await admin.end();
  }
});

Deno.test("a deadline cancels the statement at the server", async () => {
  await using server = await startPostgres();
  const admin = postgres(server.url, { max: 1, onnotice: () => {} });
  const database = open(server.url);
  try {
    await database.query((sql) => sql`select 1`, 10_000);
    await assertRejects(() => database.query((sql) => sql`select pg_sleep(60), ${"slow"}::text`, 300), DeadlineError);
    for (const deadline = performance.now() + 10_000;;) {
      const rows =
        await admin`select from pg_stat_activity where query like '%pg_sleep%' and state = 'active' and pid <> pg_backend_pid()`;
      if (rows.length === 0) break;
      assert(performance.now() < deadline, "the statement goes on");
    }
  } finally {
    await database.close();
    await admin.end();
  }
});

Deno.test("a deadline whose cancellation does not reach the server ends the statement, not the process", async () => {
  await using server = await startPostgres();
  await using proxy = startProxy(`127.0.0.1:${server.port}`);
  const url = new URL(server.url);
  url.host = proxy.url;
  const database = open(`${url.href}?sslmode=prefer`);
  try {
    await database.query((sql) => sql`select 1`, 10_000);
    // The session lives on; what comes new is cut off before the server has answered.
    proxy.aim("127.0.0.1:1");
    const accepted = proxy.accepted;
    await assertRejects(() => database.query((sql) => sql`select pg_sleep(60)`, 300), DeadlineError);
    await until("the cancellation was tried", () => proxy.accepted > accepted);
    proxy.aim(`127.0.0.1:${server.port}`);
    await database.query((sql) => sql`select 1`, 10_000);
  } finally {
    await database.close();
  }
});

Deno.test("a statement that passes its deadline does not end those beside it", async () => {
  await using server = await startPostgres();
  await using proxy = startProxy(`127.0.0.1:${server.port}`);
  const url = new URL(server.url);
  url.host = proxy.url;
  const database = open(`${url.href}?sslmode=disable`, {}, { max: 2 });
  try {
    await database.query((sql) => sql`select 1`, 10_000);
    const beside = database.query((sql) => sql`select 7 as n from pg_sleep(1.5)`, 20_000);
    await assertRejects(() => database.query((sql) => sql`select pg_sleep(60)`, 300), DeadlineError);
    assertEquals([...await beside], [{ n: 7 }]);
    // The late one is cancelled, so both connections are free again.
    const answers = await Promise.all([1, 2].map((n) => database.query((sql) => sql`select ${n}::int as n`, 5_000)));
    assertEquals(answers.map(([row]) => row!.n), [1, 2]);
    // Where the server is gone, its connections go as well: the next statement opens new ones.
    const stuck = database.query((sql) => sql`select pg_sleep(60)`, 20_000);
    stuck.catch(() => {});
    proxy.pause();
    await assertRejects(() => database.query((sql) => sql`select 1`, 300), DeadlineError);
    await assertRejects(() => stuck, Unavailable);
    proxy.resume();
    assertEquals([...await database.query((sql) => sql`select 3 as n`, 10_000)], [{ n: 3 }]);
  } finally {
    await database.close();
  }
});
