// The pages against the repository: links lead somewhere, paths exist, tests that are named exist, commands and flags are real.
import { assertEquals } from "@std/assert";
import { parseArguments } from "../../src/cli/args.ts";
import { COMMANDS } from "../../src/cli/commands.ts";
import { walkFiles } from "../support/files.ts";

const ROOT = new URL("../../", import.meta.url);
const exists = (path: string) => Deno.stat(new URL(path, ROOT)).then(() => true, () => false);

async function pages(): Promise<Map<string, string>> {
  const paths = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];
  for await (const path of walkFiles(new URL("docs/", ROOT))) if (path.endsWith(".md")) paths.push(`docs/${path}`);
  return new Map(
    await Promise.all(paths.sort().map(async (p) => [p, await Deno.readTextFile(new URL(p, ROOT))] as const)),
  );
}

/** What a heading is called in a link, as GitHub makes it. */
const anchorOf = (heading: string) =>
  heading.toLowerCase().replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");

const headings = (page: string) =>
  [...page.replace(/^```[\s\S]*?^```/gm, "").matchAll(/^#{1,6} (.+)$/gm)].map((match) => anchorOf(match[1]!));

/** Commands in shell blocks, one a line, continuation lines joined. */
function shellLines(page: string): string[] {
  return [...page.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap((block) =>
    block[1]!.replaceAll("\\\n", " ").split("\n").map((line) => line.replace(/(^|\s)#.*$/, "").trim()).filter(Boolean)
  );
}

Deno.test("links lead to files and headings that exist", async () => {
  const all = await pages();
  const broken: string[] = [];
  for (const [path, page] of all) {
    for (const [, target] of page.replace(/^```[\s\S]*?^```/gm, "").matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      const [file, anchor] = target!.split("#") as [string, string | undefined];
      const linked = file === "" ? path : new URL(file, new URL(path, ROOT)).href.slice(ROOT.href.length);
      if (!await exists(linked)) broken.push(`${path}: ${target}`);
      else if (anchor !== undefined && linked.endsWith(".md")) {
        const known = headings(all.get(linked) ?? await Deno.readTextFile(new URL(linked, ROOT)));
        if (!known.includes(anchor)) broken.push(`${path}: ${target}`);
      }
    }
  }
  assertEquals(broken, []);
});

Deno.test("paths of this repository that pages name exist", async () => {
  const broken: string[] = [];
  for (const [path, page] of await pages()) {
    for (const [, named] of page.matchAll(/`((?:src|tests|ddl|docs|deploy|bench|\.ci|\.vscode)\/[\w./-]*\w\/?)`/g)) {
      if (!await exists(named!)) broken.push(`${path}: ${named}`);
    }
  }
  assertEquals(broken, []);
});

Deno.test("tests that docs/architecture.md calls guards exist", async () => {
  let tests = "";
  for await (const path of walkFiles(new URL("tests/", ROOT))) {
    if (/\.tsx?$/.test(path)) tests += await Deno.readTextFile(new URL(`tests/${path}`, ROOT));
  }
  const page = await Deno.readTextFile(new URL("docs/architecture.md", ROOT));
  const table = page.slice(page.indexOf("## Not obvious"));
  const guards = table.split("\n").filter((line) => line.startsWith("| ")).slice(2).map((line) =>
    line.split("|")[3]!.trim()
  );
  assertEquals(guards.filter((guard) => !/^".+"$/.test(guard)), [], "each row names a test in quotes");
  const names = guards.map((guard) => guard.slice(1, -1));
  assertEquals(names.filter((name) => !tests.includes(JSON.stringify(name))), []);
});

Deno.test("commands and flags in shell examples are real", async () => {
  const tasks = Object.keys(
    (JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT))) as { tasks: object }).tasks,
  );
  const wrong: string[] = [];
  for (const [path, page] of await pages()) {
    for (const line of shellLines(page)) {
      const task = /\bdeno(?:@[\d.]+)? task (?:-q )?([\w:-]+)/.exec(line)?.[1];
      if (task !== undefined && !tasks.includes(task)) wrong.push(`${path}: no task ${task}`);
      const called = /\b(?:deno(?:@[\d.]+)? task tidemark|^tidemark) (.+)$/.exec(line)?.[1];
      const words = called?.split(/ [|>] /, 1).join("").match(/'[^']*'|\S+/g);
      if (!words || words[0]!.startsWith("-")) continue;
      const [name, ...rest] = words.map((word) => word.replace(/^'|'$/g, "")) as [string, ...string[]];
      const entry = COMMANDS[name];
      if (entry === undefined) wrong.push(`${path}: no command ${name}`);
      else {
        // Values that a reader puts in: any will do for the grammar.
        const { problems } = parseArguments(name, (await entry.load()).command, rest.filter((word) => word !== "…"));
        for (const problem of problems) wrong.push(`${path}: ${line}: ${problem}`);
      }
    }
  }
  assertEquals(wrong, []);
});
