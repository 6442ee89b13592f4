// Commands that only look: they change nothing, wherever they are run, and print nothing that a terminal would act on.
import { assert, assertEquals, assertMatch } from "@std/assert";
import postgresClient, { type Sql } from "postgres";
import { dispatch } from "../../src/cli/dispatch.ts";
import { COMMANDS } from "../../src/cli/commands.ts";
import { lockFolder } from "../../src/shared/folder_lock.ts";
import { fakeHost } from "../cli/fake_host.ts";
import { makeEmbeddedFolder } from "../support/embedded.ts";
import { startPostgres } from "../support/postgres.ts";

const RANGE = ["--from", "2026-11-20T10:00Z", "--to", "2026-11-20T10:05Z"];
const DAYS = ["--from", "2026-11-20", "--to", "2026-11-20"];

/** Every command that looks, with the words by which it does; the others are there to change something. */
const LOOKING: Readonly<Record<string, readonly (readonly string[])[]>> = {
  doctor: [[], ["--json"]],
  replay: [RANGE, [...RANGE, "--json"], [...RANGE, "--dry-run"]],
  resume: [["--dry-run"], ["--dry-run", "--accept-gap"]],
  rules: [[], ["--json"], ["--switch", "--dry-run"]],
  migrate: [["--dry-run"], ["--print"]],
  "dead-letters": [["list"], ["list", "--json"], ["show", "0", "1"], ["show", "0", "1", "--json"]],
  report: ["text", "csv", "json", "ndjson"].map((format) => ["top", "--by", "host", ...DAYS, "--format", format])
    .concat([["top", "--by", "referrer", ...DAYS], ["contributions", ...DAYS]]),
  config: [[], ["--json"]],
  plan: [[]],
  health: [["--timeout", "200ms"]],
  open: [["--print"]],
  completions: [["bash"], ["zsh"], ["fish"]],
  geo: [["status"], ["lookup", "8.8.8.8"]],
};
const CHANGING = ["run", "dev", "serve", "produce"];

async function tidemark(words: readonly string[], env: Readonly<Record<string, string>>, terminal = false) {
  const host = fakeHost({ env: { LOG_FORMAT: "text", HTTP_PORT: "9", ...env }, terminal });
  const code = await dispatch(words, host);
  return { code, ...await host.written() };
}

const looks = () => Object.entries(LOOKING).flatMap(([name, calls]) => calls.map((words) => [name, ...words]));

async function tree(folder: string, prefix = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(`${folder}/${prefix}`)) {
    const path = prefix + entry.name;
    const { mtime, size } = await Deno.stat(`${folder}/${path}`);
    found.push(`${path} ${size} ${mtime?.getTime()}`);
    if (entry.isDirectory) found.push(...await tree(folder, `${path}/`));
  }
  return found.sort();
}

/** All tables with the digest of their rows, and every name of the catalogue that anybody could make. */
async function contents(sql: Sql): Promise<unknown> {
  const tables = await sql<{ name: string }[]>`
    select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema') order by 1`;
  const rows = await Promise.all(tables.map(async ({ name }) => {
    const [row] = await sql.unsafe(
      `select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) as d from ${name} t`,
    );
    return [name, row!.d];
  }));
  const names = await sql`select nspname, relname from pg_class c join pg_namespace n on n.oid = relnamespace
    where nspname not like 'pg\\_%' and nspname <> 'information_schema' order by 1, 2`;
  return {
    rows,
    names: names.map((row) => Object.values(row).join(".")),
    schemas: await sql`select nspname from pg_namespace order by 1`,
  };
}

Deno.test("every command either looks or changes something, and is named here", () => {
  assertEquals([...Object.keys(LOOKING), ...CHANGING].sort(), Object.keys(COMMANDS).sort());
});

Deno.test("looking commands leave a fresh folder as it was, and say that nothing was started", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/a.ndjson`, "");
    await Deno.mkdir(`${folder}/empty`);
    for (const data of ["none", "empty"]) {
      const env = { DATA_DIR: `${folder}/${data}`, SOURCE: "file", FILE_PATH: `${folder}/a.ndjson`, FILE_HOST: "x" };
      const before = await tree(folder);
      for (const words of looks()) {
        const { code, out, err } = await tidemark(words, env);
        const said = `${words.join(" ")}: exit ${code}\n${out}${err}`;
        assertEquals(await tree(folder), before, said);
        assert(code !== 1, said);
        if (words[0] === "resume") assertMatch(out, /No stream was started/);
        if (["replay", "report", "dead-letters"].includes(words[0]!)) assertMatch(err, /stream_missing/);
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("beside a service with the embedded database doctor checks the rest, and the others name the lock", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const line = JSON.stringify({ event_time: new Date().toISOString(), host: "h.test", ip: "8.8.8.8" });
    await Deno.writeTextFile(`${folder}/a.ndjson`, `${line}\n`);
    await Deno.mkdir(`${folder}/data`, { mode: 0o700 });
    await makeEmbeddedFolder(`${folder}/data/pg`);
    const env = { DATA_DIR: `${folder}/data`, SOURCE: "file", FILE_PATH: `${folder}/a.ndjson`, FILE_HOST: "x" };
    const lock = await lockFolder(env.DATA_DIR);
    try {
      const before = await tree(folder);
      const { code, out, err } = await tidemark(["doctor", "--json"], env);
      assertEquals([code, err], [6, ""]); // the place database is missing here
      const { findings } = JSON.parse(out) as { findings: { check: string; status: string; detail: string }[] };
      const of = (check: string) => findings.find((finding) => finding.check === check);
      assertEquals(of("postgres")?.status, "skip");
      assertMatch(of("postgres")!.detail, /in use: .*over HTTP \(\/readyz, \/v1\/ledger\)/);
      assertEquals(findings.filter(({ status }) => status === "fail").map(({ check }) => check), ["geo"]);
      assertEquals(of("source")?.status, "ok");
      assertEquals(of("log_files")?.detail, `0: ${await Deno.realPath(folder)}/a.ndjson (json)`);
      assertMatch(of("positions")!.detail, /not read: see/);
      for (const words of looks().filter(([name]) => ["replay", "resume", "report", "dead-letters"].includes(name!))) {
        const said = await tidemark(words, env);
        assertEquals([said.code, /data_dir_locked/.test(said.err)], [5, true], `${words.join(" ")}: ${said.err}`);
      }
      assertEquals(await tree(folder), before);
    } finally {
      lock.release();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Escape sequences, line ends, C1 and bidirectional controls where producers may put them. */
const HOSTILE = "a\x1b[2J\x1b]0;pwned\x07\r\nFAKE LINE ok\u202eb\u009b31m\u2028c";
const ACTED_ON = new RegExp(
  String.raw`[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|^\s*fake line`,
  "im",
);

Deno.test("looking commands change nothing of a server, and print nothing that a terminal acts on", async (t) => {
  const folder = await Deno.makeTempDir();
  await using postgres = await startPostgres();
  const sql = postgresClient(postgres.url, { max: 1, onnotice: () => {} });
  const lines = [
    ...[0, 1, 2].map((second) =>
      JSON.stringify({
        event_time: `2026-11-20T10:00:0${second}Z`,
        host: HOSTILE,
        referrer: `=cmd|'/c calc'!A1${HOSTILE}`,
        ip: "8.8.8.8",
      })
    ),
    JSON.stringify({ event_time: "2026-11-20T10:20:00Z", host: "h", ip: "8.8.8.8" }),
    `{"bad":"x\x1b[31m\rFAKE LINE \u202e", "event_time":"never"}`,
    "not json \x1b[2J\rFAKE LINE\u009b31m",
  ];
  await Deno.writeTextFile(`${folder}/a.ndjson`, lines.join("\n") + "\n");
  const env = {
    DATA_DIR: `${folder}/data`,
    SOURCE: "file",
    FILE_PATH: `${folder}/a.ndjson`,
    FILE_HOST: "x",
    POSTGRES_URL: postgres.url,
    POSTGRES_SCHEMA: "looked_at",
  };
  const unchanged = async (words: readonly string[], terminal = false) => {
    const before = await contents(sql);
    const { code, out, err } = await tidemark(words, env, terminal);
    assertEquals(await contents(sql), before, words.join(" "));
    // deno-lint-ignore no-control-regex -- our own colours
    const shown = (out + err).replaceAll(/\x1b\[(?:0|2|31|32|33)m|\r\x1b\[K/g, "");
    // CSV is data: a quoted field keeps its line ends, and for another program everything else too.
    const csv = words.includes("csv");
    if (!csv || terminal) {
      const found = (csv ? shown.replace(/^fake line/m, "") : shown).match(ACTED_ON);
      assertEquals(found, null, `${words.join(" ")} prints ${JSON.stringify(shown)}`);
    }
    return { code, out, err };
  };
  try {
    await t.step("before the first start", async () => {
      for (const words of looks()) {
        const { code, err } = await unchanged(words);
        assert(code !== 1, `a database without tables is not a bug: ${words.join(" ")}: ${err}`);
      }
      const { out } = await unchanged(["doctor"]);
      assertMatch(out, /schema .*does not exist yet; `run` and `migrate` make it/);
      assertMatch(out, /ok {4}source/, "the log is looked at although no table is there");
    });
    await t.step("after it, with rows that differ", async () => {
      const run = await tidemark(["run", "--once"], env);
      assertEquals(run.code, 0, run.err);
      await sql`set search_path to looked_at`;
      await sql`update looked_at.aggregated_web_traffic set num_hits = num_hits + 1 where host = '(invalid)'`;
      for (const terminal of [false, true]) for (const words of looks()) await unchanged(words, terminal);
      assertMatch((await unchanged(["replay", ...RANGE])).out, /counted hits: \(invalid\).*published 4 .*replayed 3/);
      const samples = await sql<
        { record_offset: string }[]
      >`select record_offset::text from looked_at.dead_letter_sample`;
      assertEquals(samples.length, 2);
      for (const { record_offset } of samples) {
        assertMatch((await unchanged(["dead-letters", "show", "0", record_offset])).out, /masked:\n.*FAKE LINE/);
      }
    });
    await t.step("while it is stopped, in the words of a stranger", async () => {
      await sql`update looked_at.stream set stopped_code = 'data_gap', stopped_message = ${HOSTILE}, stopped_at = now()`;
      for (const words of looks()) await unchanged(words);
      assertMatch((await unchanged(["resume", "--dry-run"])).out, /Stopped by data_gap: a/);
    });
    await t.step("with the settings of another stream", async () => {
      const other = { ...env, KAFKA_GROUP: HOSTILE.replace(/\p{Cc}|\u2028/gu, "") };
      for (const command of [["replay", ...RANGE], ["resume", "--dry-run"]]) {
        const { code, err } = await tidemark(command, other);
        assertEquals(code, 2);
        assertMatch(err, /stream_settings_differ: .*consumer_group is 'web_traffic_group' in this schema/);
        assert(!ACTED_ON.test(err));
      }
    });
  } finally {
    await sql.end();
    await Deno.remove(folder, { recursive: true });
  }
});
