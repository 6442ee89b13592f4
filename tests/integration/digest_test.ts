// The digest of a closed window: as it is defined, in every way of closing, on every server, and after dump and restore.
import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import postgres, { type Sql } from "postgres";
import { EMBEDDED_CLIENT_OPTIONS, startEmbeddedPostgres } from "../../src/store/embedded/postgres.ts";
import { MIGRATIONS } from "../../src/store/migrate.ts";
import { closeAll, commit, DAY0, join, WINDOW } from "../http/stream_fixture.ts";
import { makeEmbeddedFolder } from "../support/embedded.ts";
import { startPostgres } from "../support/postgres.ts";
import { findBinaries } from "../support/postgres_binaries.ts";
import { spawn } from "../support/process.ts";
import { streamDatabase } from "./http_fixture.ts";

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
