// Every named error of the program has its entry in docs/runbook.md, every entry is an error of the program, and every alert has one.
import { assert, assertEquals } from "@std/assert";
import { walkFiles } from "../support/files.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, ROOT));

/** The arguments of the call whose opening parenthesis is at `open`, as source text. */
function argumentsAt(source: string, open: number): string[] {
  const found: string[] = [];
  let depth = 0, start = open + 1, quote = "";
  for (let i = open; i < source.length; i++) {
    const char = source[i]!;
    if (quote !== "") {
      if (char === "\\") i++;
      else if (char === quote) quote = "";
      continue;
    }
    if (char === '"' || char === "'" || char === "`") quote = char;
    else if ("([{".includes(char)) depth++;
    else if (")]}".includes(char)) depth--;
    if ((char === "," && depth === 1) || depth === 0) {
      found.push(source.slice(start, i).trim());
      start = i + 1;
      if (depth === 0) return found.filter((argument) => argument !== "");
    }
  }
  return found;
}

/** Codes that `source` gives to errors. The code is the first argument, of UsageError the third. */
function codesIn(source: string): string[] {
  const codes: string[] = [];
  for (const match of source.matchAll(/new (NamedError|Unavailable|StreamStopped|UsageError)\(/g)) {
    const given = argumentsAt(source, match.index + match[0].length - 1)[match[1] === "UsageError" ? 2 : 0];
    const literal = /^"([a-z_]+)"$/.exec(given ?? "");
    if (literal) codes.push(literal[1]!);
  }
  // The classes' own: a default, the union of codes that stop a stream, and failures that are no NamedError.
  const stops = /export type StopCode =([^;]*);/.exec(source)?.[1] ?? "";
  for (const match of stops.matchAll(/"([a-z_]+)"/g)) codes.push(match[1]!);
  // Failures that are no NamedError, and reasons for not being ready.
  for (
    const match of source.matchAll(/\b(?:reasonCode|code)(?:: | = )(?:[\w.]+ \?\? |trouble === null \? )?"([a-z_]+)"/g)
  ) codes.push(match[1]!);
  for (const match of source.matchAll(/\bwaiting\("([a-z_]+)"/g)) codes.push(match[1]!);
  return codes;
}

Deno.test("codesIn() finds codes behind nested arguments", () => {
  assertEquals(codesIn('throw new UsageError([`a ${f(1, "x")}, b`], "Do (that), then", "bad_thing")'), ["bad_thing"]);
  assertEquals(codesIn('new NamedError(\n "one_two",\n `x`, 1, "y")'), ["one_two"]);
  assertEquals(codesIn('new UsageError(["x"], "y")'), []);
  assertEquals(codesIn("new Unavailable(code ?? other, message, action)"), []);
});

Deno.test("docs/runbook.md has an entry for every named error, and none for what is not an error", async () => {
  const codes = new Set<string>();
  for await (const path of walkFiles(new URL("src/", ROOT))) {
    // Problems of the HTTP API are described in its own page; "custom" is zod's.
    if (
      !/\.tsx?$/.test(path) || /^http\/(?!api\/readiness\.ts|server\/server\.ts)|^shared\/config\/kinds\.ts/.test(path)
    ) continue;
    for (const code of codesIn(await read(`src/${path}`))) codes.add(code);
  }
  for (const code of codesIn(await read("tools/permissions.ts"))) codes.add(code);
  const entries = [...(await read("docs/runbook.md")).matchAll(/^### `([a-z_]+)`$/gm)].map((match) => match[1]!);
  assertEquals([...entries].sort(), [...codes].sort());
  assertEquals(new Set(entries).size, entries.length);
});

Deno.test("docs/runbook.md has an entry for every alert, and none for what is not an alert", async () => {
  const alerts = [...(await read("deploy/prometheus/rules/tidemark.yml")).matchAll(/^ +- alert: (\w+)$/gm)].map((
    match,
  ) => match[1]!);
  const entries = [...(await read("docs/runbook.md")).matchAll(/^### (Tidemark\w+)$/gm)].map((match) => match[1]!);
  assert(alerts.length > 0);
  assertEquals(entries.sort(), alerts.sort());
});
