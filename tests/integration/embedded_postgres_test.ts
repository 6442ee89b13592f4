// The embedded database as the engine uses it: over postgres.js, several connections, and through kill -9.
import { assert, assertEquals, assertGreaterOrEqual, assertRejects } from "@std/assert";
import postgres from "postgres";
import {
  type EmbeddedOptions,
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from "../../src/store/embedded/postgres.ts";
import { durationMs } from "../../src/shared/units.ts";
import { EMBEDDED_CLIENT_OPTIONS, makeEmbeddedFolder } from "../support/embedded.ts";
import { REPOSITORY, spawn } from "../support/process.ts";

const quiet = { ...EMBEDDED_CLIENT_OPTIONS, onnotice: () => {} };

async function temporary(test: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir({ prefix: "tidemark-embedded-" });
  try {
    await makeEmbeddedFolder(`${folder}/pg`);
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function withDatabase(
  folder: string,
  test: (sql: postgres.Sql, database: EmbeddedPostgres) => Promise<void>,
) {
  const database = await startEmbeddedPostgres({ folder: `${folder}/pg` });
  const sql = postgres(database.url, quiet);
  try {
    await test(sql, database);
  } finally {
    await sql.end({ timeout: 1 });
    await database.stop();
  }
}

Deno.test("startEmbeddedPostgres() serves what the schema and the commit path need", () =>
  temporary((folder) =>
    withDatabase(folder, async (sql, database) => {
      const url = new URL(database.url);
      assertEquals(url.hostname, "127.0.0.1");
      await assertRejects(
        () => {
          url.password = "guess";
          return postgres(url.href, { ...quiet, max: 1 })`select 1`;
        },
        Error,
        "password authentication failed",
      );

      await sql.unsafe(`
        create table part (id int primary key, commit_id uuid not null, next bigint not null);
        create function advance(p_id int, p_old uuid, p_new uuid, p_keys text, p_hits text, p_rows text) returns bigint
        language plpgsql volatile as $$
        declare total bigint;
        begin
          update part set commit_id = p_new, next = next + 1 where id = p_id and commit_id = p_old;
          if not found then raise exception 'fenced' using errcode = 'TM001'; end if;
          select sum(h) into total from unnest(p_keys::text[], string_to_array(p_hits, ',')::int[]) as d(k, h);
          return total + (select sum(n) from jsonb_to_recordset(p_rows::jsonb) as r(n int));
        end $$`);
      const [a, b] = [crypto.randomUUID(), crypto.randomUUID()];
      await sql`insert into part values (1, ${a}, 0)`;
      const call = () =>
        sql`select advance(1, ${a}, ${b}, ${'{x,"y z"}'}, ${"2,3"}, ${'[{"n":4},{"n":5}]'})::int as total`;
      assertEquals((await call())[0]!.total, 14);
      assertEquals(await call().catch((error) => error.code), "TM001");

      await sql.unsafe(`
        create table web (day timestamptz not null, hits bigint not null) partition by range (day);
        create table web_1 (like web including all);
        alter table web attach partition web_1 for values from ('2026-01-01Z') to ('2026-01-02Z');
        insert into web values ('2026-01-01T12:00:00Z', 7)`);
      assertEquals((await sql`select hits::int from web`)[0]!.hits, 7);
      await sql`alter table web detach partition web_1`;
      assertEquals((await sql`select count(*)::int as n from web`)[0]!.n, 0);

      const locked = await sql.begin((tx) => tx`select id from part for update skip locked`);
      assertEquals(locked.map((row) => row.id), [1]);
      assertEquals((await sql`select current_setting('fsync') as fsync`)[0]!.fsync, "on");
    })
  ));

for (const prepare of [true, false]) {
  Deno.test(`connections side by side keep their statements, errors and transactions apart (prepare: ${prepare})`, () =>
    temporary((folder) =>
      withDatabase(folder, async (setup, database) => {
        await setup`create table kept (n int)`;
        const sql = postgres(database.url, { ...quiet, prepare, connection: { application_name: "side" } });
        const results = await Promise.all(
          Array.from({ length: 120 }, async (_, n) => {
            if (n % 4 === 0) return (await sql`select ${n}::int as n, ${n}::text as t`)[0]!.n === n;
            if (n % 4 === 1) return (await sql`select ${n}::int as n`)[0]!.n === n;
            if (n % 4 === 2) {
              return await sql`select ${n} / 0 as n`.then(() => false, (error) => error.code === "22012");
            }
            const work = sql.begin(async (tx) => {
              await tx`insert into kept values (${n})`;
              if (n % 8 === 3) throw new Error("undone");
              const seen = await tx`select n from kept where n = ${n}`;
              return seen.length === 1;
            });
            return await work.catch((error) => error.message === "undone");
          }),
        );
        assert(results.every(Boolean), results.map((good, n) => good ? "" : n).filter((n) => n !== "").join());
        assertEquals((await sql`select count(*)::int as n from kept`)[0]!.n, 15);
        assertEquals((await sql`show application_name`)[0]!.application_name, "side");
        assertEquals((await setup`show application_name`)[0]!.application_name, "postgres.js");
        await sql.end({ timeout: 1 });
        const left =
          await setup`select count(*)::int as n from pg_prepared_statements where statement like 'insert into kept%'`;
        assertEquals(left[0]!.n, 0);
      })
    ));
}

Deno.test("COPY FROM STDIN is refused instead of blocking all clients", () =>
  temporary((folder) =>
    withDatabase(folder, async (sql) => {
      await sql`create table t (a int)`;
      for (const simple of [true, false]) {
        const copy = sql.begin(async (tx) => {
          await tx`insert into t values (1)`;
          await (simple
            ? tx.unsafe("copy t from stdin").simple()
            : tx.unsafe("copy t from stdin", [], { prepare: true }));
        });
        await assertRejects(() => copy, Error, "not supported by the embedded database");
      }
      assertEquals((await sql`select count(*)::int as n from t`)[0]!.n, 0);
      assertEquals((await sql`select 1 as one`)[0]!.one, 1);
    })
  ));

Deno.test("a new database whose making was interrupted is made again", () =>
  temporary(async (folder) => {
    await Deno.remove(`${folder}/pg`, { recursive: true });
    await Deno.mkdir(`${folder}/pg.making/base`, { recursive: true });
    await Deno.writeTextFile(`${folder}/pg.making/PG_VERSION`, "18\n");
    await withDatabase(folder, async (sql) => {
      assertEquals((await sql`select 1 as one`)[0]!.one, 1);
    });
  }));

Deno.test("kill -9 in the middle of writes loses no committed row and keeps no uncommitted one", () =>
  temporary(async (folder) => {
    const module = new URL("src/store/embedded/postgres.ts", REPOSITORY).href;
    const script = `import { startEmbeddedPostgres } from "${module}"; import postgres from "postgres";
      const database = await startEmbeddedPostgres({ folder: Deno.args[0] });
      const sql = postgres(database.url, { max: 2, onnotice: () => {} });
      await sql\`create table if not exists pair (n int, side text)\`;
      for (let n = Number(Deno.args[1]);; n++) {
        await sql.begin(async (tx) => {
          await tx\`insert into pair values (\${n}, 'a')\`;
          await tx\`insert into pair values (\${n}, 'b')\`;
        });
        console.log("committed " + n);
      }`;
    await Deno.writeTextFile(`${folder}/write.ts`, script);
    const config = new URL("deno.json", REPOSITORY).pathname;
    let committed = -1;
    for (let round = 0; round < 3; round++) {
      const from = committed + 1;
      const args = ["run", "-A", "--no-check", "--config", config, `${folder}/write.ts`, `${folder}/pg`, String(from)];
      await using child = spawn(Deno.execPath(), args);
      await child.waitForLine(`committed ${from + 40 + round * 7}`);
      child.signal("SIGKILL");
      const { stdout } = await child.exit();
      committed = Number(stdout.trim().split("\n").at(-1)!.split(" ")[1]);
      await withDatabase(folder, async (sql) => {
        const [row] =
          await sql`select count(distinct n)::int as n, count(*)::int as rows, max(n)::int as last from pair`;
        assertGreaterOrEqual(row!.last, committed);
        assertEquals([row!.n, row!.rows], [row!.last + 1, 2 * (row!.last + 1)]);
        committed = row!.last;
      });
    }
  }));

Deno.test("readers that would take minutes neither hold up commits nor fill the queue, and learn so", () =>
  temporary(async (folder) => {
    await using database = await bounded(folder, { readerMax: durationMs(300), readerWaitMax: durationMs(1_000) });
    const commits = database.connect("tidemark commit", 1), readers = database.connect("tidemark api", 6);
    await commits`create table filled as select n, repeat('x', 300) as x from generate_series(1, 60000) n`;
    // Reads the table for each of its rows: far longer than any test.
    const slow = () =>
      readers`select count(*) from filled a where exists (select from filled b where b.x > a.x || a.n)`;
    let asking = true;
    const codes = new Map<string, number>();
    const load = Array.from({ length: 6 }, async () => {
      while (asking) {
        const code = await slow().then(() => "answered", (error) => String(error.code));
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
    });
    const waits: number[] = [];
    for (let n = 0; n < 8; n++) {
      const asked = performance.now();
      await commits`insert into filled values (${n}, 'commit')`;
      waits.push(performance.now() - asked);
    }
    asking = false;
    await Promise.all(load);
    // A commit waits for one reader at the most; the bound leaves room for a busy machine.
    assert(Math.max(...waits) < 5_000, `${waits} ${[...codes]}`);
    assertGreaterOrEqual(codes.get("57014") ?? 0, 1, JSON.stringify([waits, [...codes]]));
    assertGreaterOrEqual(codes.get("TM020") ?? 0, 1, JSON.stringify([waits, [...codes]]));
    assertEquals([...codes.keys()].filter((code) => code !== "57014" && code !== "TM020"), []);
    assertEquals((await commits`select count(*)::int as n from filled where x = 'commit'`)[0]!.n, 8);
  }));

async function bounded(folder: string, limits: Pick<EmbeddedOptions, "readerMax" | "readerWaitMax">) {
  const database = await startEmbeddedPostgres({ folder: `${folder}/pg`, ...limits });
  const open: postgres.Sql[] = [];
  return {
    connect(application_name: string, max: number) {
      const sql = postgres(database.url, { ...quiet, max, connection: { application_name } });
      open.push(sql);
      return sql;
    },
    async [Symbol.asyncDispose]() {
      for (const sql of open) await sql.end({ timeout: 1 });
      await database.stop();
    },
  };
}
