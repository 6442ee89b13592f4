// docs/compatibility.md: what it calls tested names a test that there is, and what it calls refused names an error of the runbook.
import { assert, assertGreater } from "@std/assert";

const REPOSITORY = new URL("../../", import.meta.url);
const page = await Deno.readTextFile(new URL("docs/compatibility.md", REPOSITORY));
const rows = page.split("\n").filter((line) => line.startsWith("|"));

Deno.test("each row of docs/compatibility.md that says tested names a test that there is", () => {
  const [, ofTls = ""] = page.split("### TLS");
  const tested = rows.filter((row) => /\(tested/.test(row));
  assertGreater(tested.length, 20);
  for (const row of tested) {
    const paths = [...row.matchAll(/`(tests\/[^`]+)`/g)].map(([, path]) => path!);
    assertGreater(paths.length, 0, row);
    for (const path of paths) assert(Deno.statSync(new URL(path, REPOSITORY)), row);
  }
  for (const [, path] of page.matchAll(/`(tests\/[^`]+)`/g)) assert(Deno.statSync(new URL(path!, REPOSITORY)), path);
  assert(ofTls.includes("are tested: `tests/"));
});

Deno.test("each error that docs/compatibility.md names is in the runbook", async () => {
  const runbook = await Deno.readTextFile(new URL("docs/runbook.md", REPOSITORY));
  const names = rows.flatMap((row) => [...row.matchAll(/refused as `([a-z_]+)`/g)].map(([, name]) => name!));
  assertGreater(names.length, 10);
  for (const name of names) assert(runbook.includes(`\`${name}\``), name);
});
