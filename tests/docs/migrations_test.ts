// docs/upgrades.md promises that a running old program survives a migration: files of ddl/ add and never take away, functions carry a version.
import { assertEquals } from "@std/assert";
import { loadMigrations } from "../../src/store/migrate.ts";

/** Part of the stable surface: it grows by parameters with defaults only. */
const STABLE_FUNCTIONS = ["contribution_report", "breakdown_report"];
/** What would break a program that knows the schema as it was. */
const TAKES_AWAY =
  /\b(?:drop\s+(?:table|column|view|function|constraint|schema)|rename\s+(?:to|column)|alter\s+column\s+\w+\s+(?:type|set\s+not\s+null)|create\s+or\s+replace\s+function)\b/gi;

/** SQL without comments and without texts. */
const statements = (sql: string) => sql.replace(/--.*$/gm, "").replace(/'(?:[^']|'')*'/g, "''");

Deno.test("migrations add only: nothing that a running old program uses is dropped, renamed, tightened or replaced", async () => {
  for (const { name, sql } of await loadMigrations()) {
    assertEquals(statements(sql).match(TAKES_AWAY) ?? [], [], name);
  }
});

Deno.test("functions carry a version in their name, but for the stable ones", async () => {
  for (const { name, sql } of await loadMigrations()) {
    const functions = [...statements(sql).matchAll(/create\s+function\s+(\w+)/gi)].map((match) => match[1]!);
    assertEquals(functions.filter((f) => !/_v\d+$/.test(f) && !STABLE_FUNCTIONS.includes(f)), [], name);
  }
});

Deno.test("the rule finds what it is for", () => {
  assertEquals("alter table x drop column y; alter table a rename to b".match(TAKES_AWAY)?.length, 2);
  assertEquals(statements("-- drop table x\nselect 'drop table y'").match(TAKES_AWAY), null);
});
