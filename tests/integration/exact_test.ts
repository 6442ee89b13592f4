// Goal: what is derived from rows is as exact as the rows: texts are told apart by themselves, an edited row is found, event times and the
// positions of dead letters are kept, and a database that an operator has changed or published goes on or refuses by name.
import { assertEquals, assertMatch } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import postgres, { type Sql } from "postgres";
import { refusalOf } from "../../src/shared/refusal.ts";
import { startEmbeddedPostgres } from "../../src/store/embedded/postgres.ts";
import { MIGRATIONS } from "../../src/store/migrate.ts";
import { testApp } from "../http/app_fixture.ts";
import { closeAll, commit, DAY0, fill, join, type KeyHits, MIN, WINDOW } from "../http/stream_fixture.ts";
import { EMBEDDED_CLIENT_OPTIONS, makeEmbeddedFolder } from "../support/embedded.ts";
import { startPostgres } from "../support/postgres.ts";
import { findBinaries } from "../support/postgres_binaries.ts";
import { spawn } from "../support/process.ts";
import { streamDatabase } from "./http_fixture.ts";

/** Two texts with one MD5, as published by Marc Stevens: they differ in the 21st character. */
const SAME_MD5 = ["4hAc", "4hEc"].map((part) =>
  `TEXTCOLLBYfGiJUETHQ${part}KSMd5zYpgqf1YRDhkmxHkhPWptrkoyz28wnI9V0aHeAuaKnak`
);
const DEEP = "/v1/ledger?deep=true&from=2026-01-31T00:00:00Z&to=2026-02-01T00:00:00Z";
const HOUR = 60 * MIN;

/** One window an hour with the given keys, closed, and rolled up. */
async function hours(sql: Sql, keys: readonly (readonly Omit<KeyHits, "window">[])[]): Promise<void> {
  await join(sql, 1);
  for (const [n, hits] of keys.entries()) {
    const at = DAY0 + n * HOUR, counted = hits.reduce((sum, { hits }) => sum + hits, 0);
    await commit(
      sql,
      [{ partition: 0, by: counted, counted, watermark: at + HOUR, maxWindowEnd: at + WINDOW }],
      hits.map((key) => ({ ...key, window: at })),
    );
  }
  await closeAll(sql);
}

async function rollUp(sql: Sql): Promise<void> {
  for (let state = ""; state !== "nothing";) {
    state = (await sql<{ state: string }[]>`select tidemark_roll_up_v2() ->> 'state' as state`)[0]!.state;
  }
}

const summed = async (sql: Sql, dimension: string) =>
  Object.fromEntries(
    (await sql`select k.key, sum(h.num_hits)::int as n from web_traffic_hour h join web_traffic_key k using (key_id)
      where k.dimension = ${dimension} group by k.key order by k.key`).map(({ key, n }) => [key, n]),
  );

Deno.test("two texts with one MD5 are two keys, in one hour and one after the other", async () => {
  const [a, b] = SAME_MD5 as [string, string];
  await using stream = await streamDatabase(async (sql) => {
    await hours(sql, [
      [{ host: "h", referrer: a, hits: 2 }, { host: "h", referrer: b, hits: 5 }],
      [{ host: a, referrer: b, hits: 1 }],
      [{ host: b, referrer: a, hits: 10 }],
    ]);
    await rollUp(sql);
  });
  const { sql } = stream;
  const [same] = await sql`select md5(${a}::text) = md5(${b}::text) as same`;
  assertEquals(same!.same, true);
  assertEquals(await summed(sql, "referrer"), { [a]: 12, [b]: 6 });
  assertEquals(await summed(sql, "host"), { h: 7, [a]: 1, [b]: 10 });
  const [key] =
    await sql`select count(*)::int as n, count(distinct (dimension, key))::int as texts from web_traffic_key`;
  assertEquals(key!.n, key!.texts);
  // Reports by key: the digest finds both, the text decides.
  await sql`update stream set closed_through = '2026-02-02Z'`;
  await rollUp(sql);
  const days =
    await sql`select key, num_hits::int as n from tidemark_key_days_v2('referrer', '2026-01-31', '2026-01-31', 'UTC', array[${a}], null, false)`;
  assertEquals([...days].map(({ key, n }) => [key, n]), [[a, 12]]);
});

Deno.test("texts far wider than an index entry are told apart by their last character, and found again", async () => {
  const wide = (end: string) => "x".repeat(8_191) + end;
  await using stream = await streamDatabase(async (sql) => {
    await hours(sql, [
      [{ host: "h", referrer: wide("1"), hits: 1 }, { host: "h", referrer: wide("2"), hits: 2 }],
      [{ host: "h", referrer: wide("1"), hits: 4 }],
    ]);
    await rollUp(sql);
  });
  assertEquals(await summed(stream.sql, "referrer"), { [wide("1")]: 5, [wide("2")]: 2 });
  const [keys] = await stream.sql`select count(*)::int as n from web_traffic_key where dimension = 'referrer'`;
  assertEquals(keys!.n, 2);
  const error = await stream.sql`insert into web_traffic_key (dimension, key) values ('referrer', ${wide("1")})`
    .then(() => null, (e) => e);
  assertEquals(error?.code, "23P01", "the constraint compares texts of any length");
});

/** Lets every hash and digest by which keys are looked for give one value: in functions, index and constraint. */
async function collideKeys(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create function one_digest(text) returns text language sql immutable return 'same';
    create function one_hash(text) returns integer language plpgsql immutable as 'begin return 0; end';
    create operator class colliding_text for type text using hash as operator 1 = (text, text), function 1 one_hash(text);
    drop index web_traffic_key_candidate;
    create index web_traffic_key_candidate on web_traffic_key (dimension, one_digest(key));
    alter table web_traffic_key drop constraint web_traffic_key_text;
    alter table web_traffic_key add constraint web_traffic_key_text
      exclude using hash ((dimension || E'\\x1f' || key) colliding_text with =);`);
  const definitions = await sql<{ text: string }[]>`
    select pg_get_functiondef(oid) as text from pg_proc
    where pronamespace = 'public'::regnamespace and prokind = 'f' and pg_get_functiondef(oid) like '%md5(%'`;
  assertEquals(definitions.length, 3, "the roll-up of the version before and reports look for keys by MD5");
  for (const { text } of definitions) await sql.unsafe(text.replaceAll("md5(", "one_digest("));
}

Deno.test("where all hashes and digests of keys collide, roll-ups and reports are the same", async () => {
  const key = (name: string, hour: number, n: number) => `${name}-${(hour * 3 + n) % 10}`;
  const traffic = Array.from(
    { length: 5 },
    (_, hour) =>
      Array.from({ length: 7 }, (_, n) => ({
        host: key("host", hour, n),
        referrer: key("referrer", hour, 2 * n),
        hits: 1 + hour * 7 + n,
      })),
  );
  await using stream = await streamDatabase(async (sql) => {
    await collideKeys(sql);
    await hours(sql, traffic);
    await sql`update stream set closed_through = '2026-02-02Z'`;
    await rollUp(sql);
  });
  for (const dimension of ["host", "referrer"] as const) {
    const expected = new Map<string, number>();
    for (const hit of traffic.flat()) expected.set(hit[dimension], (expected.get(hit[dimension]) ?? 0) + hit.hits);
    const days = (keys: string[] | null) =>
      stream
        .sql`select key, num_hits::int as n from tidemark_key_days_v2(${dimension}, '2026-01-31', '2026-01-31', 'UTC', ${keys}, null, false)`;
    const all = new Map((await days(null)).map(({ key, n }) => [key, n]));
    assertEquals([...all].sort(), [...expected].sort());
    for (const [name, hits] of expected) {
      assertEquals([...await days([name])].map(({ key, n }) => [key, n]), [[name, hits]]);
    }
    assertEquals([...await days([`${dimension}-10`])], []);
  }
});

const EDITS: readonly (readonly [name: string, sql: string])[] = [
  ["a host", "update aggregated_web_traffic set host = 'evil.example' where host = 'b.example'"],
  ["a referrer", "update aggregated_web_traffic set referrer = '' where referrer <> ''"],
  ["a place", "update aggregated_web_traffic set city = 'Perth' where city = 'Sydney'"],
  [
    "the end of a window, by a microsecond",
    "update aggregated_web_traffic set window_end = window_end + interval '1 microsecond'",
  ],
  [
    "hits moved from one row to another",
    "update aggregated_web_traffic set num_hits = num_hits + case host when 'c.example' then 1 else -1 end where host in ('c.example', 'd.example')",
  ],
  [
    "two rows that changed their windows",
    "update aggregated_web_traffic set window_start = case when window_start = '2026-01-31Z' then timestamptz '2026-01-31 00:05Z' else '2026-01-31Z' end",
  ],
];

Deno.test("the deep ledger finds every edit of a closed window that keeps its sums", async (t) => {
  await using stream = await streamDatabase(async (sql) => {
    await join(sql, 1);
    await commit(sql, [{
      partition: 0,
      by: 14,
      counted: 14,
      watermark: DAY0 + 2 * WINDOW,
      maxWindowEnd: DAY0 + 2 * WINDOW,
    }], [
      { window: DAY0, host: "b.example", hits: 4, bots: 1, referrer: "https://r.example/" },
      { window: DAY0, host: "c.example", hits: 3, place: ["AU", "New South Wales", "Sydney"] },
      { window: DAY0 + WINDOW, host: "d.example", hits: 7, bots: 1 },
    ]);
    await closeAll(sql);
    // The second window again with the first one's sums, so that rows can be exchanged unseen.
    await commit(sql, [{
      partition: 0,
      by: 6,
      counted: 6,
      watermark: DAY0 + 4 * WINDOW,
      maxWindowEnd: DAY0 + 4 * WINDOW,
    }], [
      { window: DAY0 + 3 * WINDOW, host: "c.example", hits: 3 },
      { window: DAY0 + 3 * WINDOW, host: "d.example", hits: 3 },
    ]);
    await closeAll(sql);
    await sql`update aggregated_web_traffic set num_hits = num_hits where false`;
  });
  const { sql } = stream;
  const app = testApp({ database: stream.database });
  const deep = async () => await (await app.request(DEEP)).json();
  assertEquals((await deep()).balanced, true);
  for (const [name, edit] of EDITS) {
    await t.step(name, async () => {
      await sql`create table saved as select * from aggregated_web_traffic`;
      await sql.unsafe(edit);
      const { balanced, imbalances } = await deep();
      assertEquals(balanced, false);
      assertMatch(imbalances[0].message, /digest|holds/);
      await sql`delete from aggregated_web_traffic`;
      await sql`insert into aggregated_web_traffic select * from saved order by num_hits`;
      await sql`drop table saved`;
      assertEquals((await deep()).balanced, true, "the order of rows does not matter");
    });
  }
  await t.step("a window that an older version closed says that it has no digest", async () => {
    await sql`update web_traffic_window set digest = null where window_start = ${new Date(DAY0)}`;
    const { balanced, deep: { windows_without_digest } } = await deep();
    assertEquals([balanced, windows_without_digest], [true, 1]);
  });
  await t.step("the table of a retired day that is not dropped yet is not an imbalance", async () => {
    await sql`update stream set closed_through = '2026-02-03Z'`;
    await rollUp(sql);
    const [done] = await sql`select tidemark_retire_v2('2026-02-02') ->> 'state' as state`;
    assertEquals(done!.state, "retired");
    assertEquals((await deep()).balanced, true);
  });
});

Deno.test("stream_span is right for open, late and closed data, and after the rows are gone", async () => {
  await using stream = await streamDatabase(() => Promise.resolve());
  const { sql } = stream;
  const span = async () => {
    const [row] =
      await sql`select tidemark_ms_v1(first_event_time)::float8 as first, tidemark_ms_v1(newest_event_time)::float8 as newest from stream_span`;
    return row === undefined ? null : [row.first, row.newest];
  };
  await join(sql, 2);
  assertEquals(await span(), [null, null]);
  const at = DAY0 + 6 * HOUR;
  const one = { partition: 0, by: 1, maxWindowEnd: at + WINDOW };
  await commit(sql, [{ ...one, counted: 1, watermark: at, firstEventTime: at + 7, newestEventTime: at + 9_000 }], [
    { window: at, host: "a", hits: 1 },
  ]);
  assertEquals(await span(), [at + 7, at + 9_000]);
  // A late record is older than all; a commit without a record changes nothing.
  await commit(sql, [{ partition: 1, by: 1, late: 1, firstEventTime: DAY0 + 3, newestEventTime: DAY0 + 3 }], [
    { window: DAY0, host: "a", hits: 1, late: true },
  ]);
  await commit(sql, [{ partition: 0, by: 1, nulls: 1 }]);
  assertEquals(await span(), [DAY0 + 3, at + 9_000]);
  // The partition that began the stream has an older one, too.
  await commit(sql, [{ partition: 0, by: 1, late: 1, firstEventTime: DAY0 + 1, newestEventTime: DAY0 + 1 }], [
    { window: DAY0, host: "a", hits: 1, late: true },
  ]);
  assertEquals(await span(), [DAY0 + 1, at + 9_000]);
  await sql`delete from open_delta`;
  await sql`delete from late_web_traffic`;
  assertEquals(await span(), [DAY0 + 1, at + 9_000]);
  // A program of the version before, beside this one, moves only the highest window.
  await sql`update stream_partition set max_window_end = ${new Date(at + 3 * WINDOW)} where partition = 0`;
  assertEquals(await span(), [DAY0 + 1, at + 2 * WINDOW]);
});

Deno.test("every step works while all tables are published", async () => {
  await using stream = await streamDatabase(() => Promise.resolve(), {
    faults: true,
    settings: { wal_level: "logical" },
  });
  const { sql } = stream;
  // A day table of the version before has no replica identity until upkeep gives it one.
  await sql`select tidemark_ensure_day_v1('2026-02-01')`;
  await sql`create publication p for all tables`;
  await fill(sql);
  await commit(sql, [{ partition: 0, by: 1, skipped: 1, watermark: DAY0 + 60 * HOUR }, {
    partition: 1,
    by: 1,
    skipped: 1,
    watermark: DAY0 + 60 * HOUR,
  }]);
  await closeAll(sql);
  await rollUp(sql);
  const [made] =
    await sql`select relreplident as identity from pg_class where relname = 'aggregated_web_traffic_20260131'`;
  assertEquals(made!.identity, "f", "a new day table has its identity from the start");
  await sql`select tidemark_identify_v1(), tidemark_prune_v1(), tidemark_merge_dead_ranges_v1(p_kept => 0)`;
  const without = await sql`
    select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relreplident = 'd'
      and not exists (select from pg_index x where x.indrelid = c.oid and x.indisprimary)`;
  assertEquals([...without], []);
  const [retired] = await sql`select tidemark_retire_v2('2026-02-01') ->> 'state' as state`;
  assertEquals(retired!.state, "retired");
  await rollUp(sql);
  await sql`delete from aggregated_web_traffic`;
  await sql`update late_web_traffic set num_hits = num_hits`;
  assertEquals((await sql`select tidemark_drop_retired_v1() ->> 'state' as state`)[0]!.state, "dropped");
});

Deno.test("columns of an operator: generated ones and defaults come along, a NOT NULL without default is refused by name", async () => {
  await using stream = await streamDatabase(() => Promise.resolve());
  const { sql } = stream;
  await sql`alter table aggregated_web_traffic add column site text generated always as (lower(host)) stored, add column tenant text not null default 'us',
    add constraint sane check (num_hits >= 0)`;
  await fill(sql);
  const rows = await sql`select distinct site, tenant from aggregated_web_traffic order by 1`;
  assertEquals([...rows].map(({ site, tenant }) => [site, tenant]), [["a.example", "us"], ["b.example", "us"]]);
  await sql`alter table aggregated_web_traffic add column later text`;
  await sql`update aggregated_web_traffic set later = ''`;
  await sql`alter table aggregated_web_traffic alter column later set not null`;
  await commit(sql, [{ partition: 0, by: 1, skipped: 1, watermark: DAY0 + HOUR }, {
    partition: 1,
    by: 1,
    skipped: 1,
    watermark: DAY0 + HOUR,
  }]);
  const error = await closeAll(sql).then(() => null, (e) => e);
  const { code, sqlstate, message } = refusalOf(error);
  assertEquals([code, sqlstate], ["table_changed", "23502"]);
  assertMatch(message, /column "later"/);
  await sql`alter table aggregated_web_traffic alter column later set default ''`;
  await closeAll(sql);
  const [open] = await sql`select count(*)::int as n from open_delta`;
  assertEquals(open!.n, 0);
});

interface DigestedRow {
  readonly host: string;
  readonly referrer: string;
  readonly place: readonly string[];
  readonly hits: number;
  readonly bots: number;
}
const DIRECT = { referrer: "", place: ["unknown", "", ""] } as const;

/** The digest of the window that starts at DAY0, by its definition alone (docs/concepts.md). */
function digestByDefinition(
  rows: readonly DigestedRow[],
  { rowBlock = 1_000_000, textBlock = 100_000 } = {},
): string {
  const sha = (...parts: (string | Uint8Array)[]) =>
    parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
  const blocks = <T>(list: readonly T[], size: number) =>
    Array.from({ length: Math.ceil(list.length / size) }, (_, n) => list.slice(n * size, (n + 1) * size));
  const texts = [
    (row: DigestedRow) => row.host,
    (row: DigestedRow) => row.referrer,
    (row: DigestedRow) => row.place.join("\x1e"),
  ].map((of) => ({
    of,
    sorted: [...new Set(rows.map(of))].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  }));
  const lines = rows.map((row) => [...texts.map(({ of, sorted }) => sorted.indexOf(of(row)) + 1), row.hits, row.bots])
    .sort((a, b) => a.map((n, i) => n - b[i]!).find((difference) => difference !== 0) ?? 0);
  const counts = texts.flatMap(({ sorted }, kind) =>
    blocks(sorted, textBlock).map((block, n) => [kind + 1, n * textBlock + block.length])
  );
  return sha(
    [DAY0 * 1_000, ...Array(2).fill((DAY0 + WINDOW) * 1_000), rows.length, ...counts.flat()].join(",") + "\n",
    ...texts.flatMap(({ sorted }) =>
      blocks(sorted, textBlock).map((block) => sha(block.map((text) => `${Buffer.byteLength(text)}:${text}`).join("")))
    ),
    ...blocks(lines, rowBlock).map((block) => sha(block.map((line) => line.join(",")).join("\n"))),
  ).toString("hex");
}

Deno.test("digests of windows that take several blocks, several chunks, or are folded: as defined, and found again", async () => {
  const names = Array.from({ length: 9 }, (_, n) => `${"zyxab"[n % 5]}${n}.example`);
  const rows = names.map((host, n) => ({ ...DIRECT, host, hits: 1 + n, bots: n % 2 }));
  const total = (list: readonly DigestedRow[]) => list.reduce((sum, { hits }) => sum + hits, 0);
  const cases = [
    { name: "one chunk", chunks: [rows], keysMax: 1_000, expected: rows },
    {
      name: "two chunks with common keys",
      chunks: [rows, rows.slice(3)],
      keysMax: 1_000,
      expected: rows.map((row, n) => n < 3 ? row : { ...row, hits: 2 * row.hits, bots: 2 * row.bots }),
    },
    {
      name: "folded",
      chunks: [rows],
      keysMax: 4,
      expected: [
        ...rows.slice(6),
        { host: "(other)", referrer: "(other)", place: ["unknown", "", ""], hits: total(rows.slice(0, 6)), bots: 3 },
      ],
    },
  ];
  await using server = await startPostgres();
  for (const blocks of [undefined, { rowBlock: 4, textBlock: 2 }]) {
    for (const { name, chunks, keysMax, expected } of cases) {
      const sql = postgres(await server.createDatabase(), { max: 1, onnotice: () => {} });
      for (const migration of MIGRATIONS) {
        const text = await Deno.readTextFile(new URL(`../../ddl/${migration}.sql`, import.meta.url));
        await sql.unsafe(
          blocks === undefined ? text : text
            .replaceAll(/(\(k\.n - 1\) \/ |keys <= )1000000\b/g, `$1${blocks.rowBlock}`)
            .replaceAll("(t.n - 1) / 100000", `(t.n - 1) / ${blocks.textBlock}`),
        );
      }
      await join(sql, 1);
      for (const [n, chunk] of chunks.entries()) {
        const counted = total(chunk);
        const moves = [{
          partition: 0,
          by: counted,
          counted,
          watermark: n + 1 < chunks.length ? DAY0 : DAY0 + WINDOW,
          maxWindowEnd: DAY0 + WINDOW,
        }];
        await commit(sql, moves, chunk.map(({ place: _, ...row }) => ({ window: DAY0, ...row })));
      }
      await sql`select tidemark_ensure_day_v2(${new Date(DAY0)}::timestamptz::date)`;
      await sql`select tidemark_close_v2('test', ${keysMax}::bigint)`;
      const [digests] = await sql`
        select encode(w.digest, 'hex') as stored, encode(f.digest, 'hex') as found
        from web_traffic_window w full join tidemark_found_windows_v1('-infinity', 'infinity') f using (window_start)`;
      const expectedDigest = digestByDefinition(expected, blocks);
      assertEquals({ ...digests }, { stored: expectedDigest, found: expectedDigest }, `${name}, ${blocks?.rowBlock}`);
      await sql.end({ timeout: 1 });
    }
  }
});

Deno.test("a digest is the same on another version of PostgreSQL, in another zone, and after dump and restore", async () => {
  const key = {
    host: "münchen.example",
    referrer: "https://r.example/日本",
    place: ["DE", "Bayern", "München"],
  } as const;
  const write = async (sql: Sql) => {
    await join(sql, 1);
    await commit(sql, [{ partition: 0, by: 9, counted: 9, watermark: DAY0 + WINDOW, maxWindowEnd: DAY0 + WINDOW }], [
      { window: DAY0, ...key, hits: 5, bots: 2 },
      { window: DAY0, host: "a", hits: 4 },
    ]);
    await closeAll(sql);
  };
  const stored = async (sql: Sql) =>
    (await sql`select encode(digest, 'hex') as d from web_traffic_window`)[0]!.d as string;
  const found = async (sql: Sql) =>
    (await sql`select encode(digest, 'hex') as d from tidemark_found_windows_v1('-infinity', 'infinity')`)[0]!
      .d as string;
  await using stream = await streamDatabase(write, { faults: true });
  const digest = await stored(stream.sql);
  assertEquals(
    digest,
    digestByDefinition([{ ...key, hits: 5, bots: 2 }, { ...DIRECT, host: "a", hits: 4, bots: 0 }]),
  );
  const elsewhere = postgres(stream.server.url, {
    max: 1,
    onnotice: () => {},
    connection: { TimeZone: "Asia/Kathmandu", datestyle: "SQL, DMY", extra_float_digits: 0, intervalstyle: "iso_8601" },
  });
  assertEquals(await found(elsewhere), digest);
  await elsewhere.end({ timeout: 1 });

  const restored = await stream.server.createDatabase();
  const bin = (await findBinaries()).postgres.replace(/postgres$/, "");
  const file = await Deno.makeTempFile();
  for (
    const [tool, args] of [["pg_dump", ["--file", file, "--dbname", stream.server.url]], [
      "psql",
      ["-X", "-q", "-v", "ON_ERROR_STOP=1", "--file", file, "--dbname", restored],
    ]] as const
  ) {
    await using child = spawn(bin + tool, args);
    const { code, stderr } = await child.exit();
    assertEquals(code, 0, stderr);
  }
  await Deno.remove(file);
  const other = postgres(restored, { max: 1, onnotice: () => {} });
  assertEquals([await stored(other), await found(other)], [digest, digest]);
  await other.end({ timeout: 1 });

  const folder = await Deno.makeTempDir({ prefix: "tidemark-digest-" });
  try {
    await makeEmbeddedFolder(`${folder}/pg`);
    const embedded = await startEmbeddedPostgres({ folder: `${folder}/pg` });
    const sql = postgres(embedded.url, { ...EMBEDDED_CLIENT_OPTIONS, onnotice: () => {} });
    for (const name of MIGRATIONS) {
      await sql.unsafe(await Deno.readTextFile(new URL(`../../ddl/${name}.sql`, import.meta.url)));
    }
    await write(sql);
    assertEquals([await stored(sql), await found(sql)], [digest, digest]);
    await sql.end({ timeout: 1 });
    await embedded.stop();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
