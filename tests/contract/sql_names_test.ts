// Statements name the schema of our tables and functions, `tm.NAME`: a search path may be another's behind a connection pooler.
import { assert, assertEquals } from "@std/assert";
import { walkFiles } from "../support/files.ts";

const ROOT = new URL("../../", import.meta.url);

/** Names of ours without their schema in statements of `text`; `tables` are the names that ddl/ makes. */
function bareNames(text: string, tables: readonly string[]): string[] {
  const code = text.replace(/^\s*(\/\/|\*|\/\*).*$/gm, "");
  if (!/\bsql(<[^`]*>)?`|sql\.unsafe/.test(code)) return [];
  const patterns = [
    new RegExp(
      String.raw`\b(?:from|join|into|update|only|table|table if exists|partition)\s+(?:${tables.join("|")})\b`,
      "g",
    ),
    /(?<![\w.])(?:tidemark_[a-z_]+_v\d+|contribution_report)\(/g,
    /current_schema|(?<!'tm\.\w+')::regclass|to_regclass\((?!'tm\.)/g,
    /\b(?:table|table if exists|partition)\s+["$][^`]{0,20}/g,
  ];
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[0]));
}

Deno.test("bareNames() finds tables, functions and made-up names without a schema", () => {
  const bare = 'sql`select tidemark_x_v1(a) from stream s, tm.lease`; sql.unsafe(`drop table "${day}"`)';
  assertEquals(bareNames(bare, ["stream", "lease"]), ["from stream", "tidemark_x_v1(", 'table "${day}"']);
  assertEquals(
    bareNames('sql`select tm.tidemark_x_v1(a) from tm.stream`; sql.unsafe(`drop table tm."${d}"`)', ["stream"]),
    [],
  );
});

Deno.test("statements of src name tables and functions as tm.NAME", async () => {
  const tables: string[] = [];
  for await (const path of walkFiles(new URL("ddl/", ROOT))) {
    if (!/^\d{4}_/.test(path)) continue;
    const text = await Deno.readTextFile(new URL(path, new URL("ddl/", ROOT)));
    tables.push(...[...text.matchAll(/^create (?:or replace )?(?:table|view) (\w+)/gm)].map((match) => match[1]!));
  }
  assert(tables.includes("stream") && tables.length > 15);
  const wrong: string[] = [];
  const src = new URL("src/", ROOT);
  for await (const path of walkFiles(src)) {
    // The texts of migrations name no schema; migrate() sets the search path of their transaction.
    if (!/\.tsx?$/.test(path) || ["store/migrate.ts", "store/postgres/stamp.ts"].includes(path)) continue;
    wrong.push(...bareNames(await Deno.readTextFile(new URL(path, src)), tables).map((name) => `${path}: ${name}`));
  }
  assertEquals(wrong, []);
});
