// What is exported has a user elsewhere: a name that only its own file uses is private.
import { assertEquals } from "@std/assert";
import { walkFiles } from "../support/files.ts";
import { ROOT } from "../support/modules.ts";

/** Whole modules that are taken by `import()` or `import * as`: all their names are in use. */
const ANY = "*";

/** Names by the module (below the root) that others import them from. */
async function taken(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const names = new Map<string, Set<string>>();
  for (const folder of ["src", "tests", "bench", "tools"]) {
    for await (const path of walkFiles(new URL(`${folder}/`, ROOT))) {
      if (!/\.tsx?$/.test(path) || path.includes("node_modules/")) continue;
      const at = new URL(`${folder}/${path}`, ROOT);
      const text = await Deno.readTextFile(at);
      const take = (target: string, name: string) => {
        const module = new URL(target, at).href.slice(ROOT.href.length);
        names.set(module, (names.get(module) ?? new Set()).add(name));
      };
      const lists = /^(?:import|export)\s+(?:type\s+)?(\{[^}]*\}|\*)?[^"{};]*from\s+"(\.[^"]+)"/gm;
      for (const [, list, target] of text.matchAll(lists)) {
        if (list === undefined || list === "*") take(target!, ANY);
        else for (const [, name] of list.matchAll(/(?:type\s+)?(\w+)(?:\s+as\s+\w+)?\s*[,}]/g)) take(target!, name!);
      }
      for (const [, target] of text.matchAll(/import\(\s*"(\.[^"]+)"/g)) take(target!, ANY);
    }
  }
  return names;
}

Deno.test("an exported name is imported somewhere", async () => {
  const users = await taken();
  const wrong: string[] = [];
  const src = new URL("src/", ROOT);
  for await (const path of walkFiles(src)) {
    const names = users.get(`src/${path}`);
    if (!/\.tsx?$/.test(path) || names?.has(ANY)) continue;
    const text = await Deno.readTextFile(new URL(path, src));
    const declared =
      /^export\s+(?:async\s+)?(?:abstract\s+)?(?:function\*?|const|let|class|interface|type|enum)\s+(\w+)/gm;
    for (const [, name] of text.matchAll(declared)) if (!names?.has(name!)) wrong.push(`src/${path}: ${name}`);
  }
  assertEquals(wrong, [], "take the word export away");
});

Deno.test("an exported type or class has a name of its own", async () => {
  const homes = new Map<string, string[]>();
  const src = new URL("src/", ROOT);
  for await (const path of walkFiles(src)) {
    if (!/\.tsx?$/.test(path)) continue;
    const text = await Deno.readTextFile(new URL(path, src));
    for (const [, name] of text.matchAll(/^export\s+(?:abstract\s+)?(?:class|interface|type|enum)\s+(\w+)/gm)) {
      homes.set(name!, [...homes.get(name!) ?? [], path]);
    }
  }
  assertEquals(
    [...homes].filter(([, paths]) => paths.length > 1),
    [],
    "two things under one name: rename or merge one",
  );
});
