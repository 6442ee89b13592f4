// A spelling list of habits that cost a second reading. Comments, documents, help, messages and SQL comments are held against it.
import { assertEquals } from "@std/assert";
import { walkFiles } from "../support/files.ts";
import { ROOT } from "../support/modules.ts";

/** What must not be written, and what to write. */
const HABITS: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/\bnobody\b/i, "say which process, reader or user does not"],
  [/\bwhoever\b/i, "name who"],
  [/(?<!there )\b(?:is|are) none\b/, 'say what it is not: "is not a value"'],
  [/\b(?:is|are) told\b(?! apart)/, "gets, hears of, is shown, is printed"],
  [/\bstands\b/, "is, is written, waits"],
  [/\bstands? for\b/, "means, replaces, matches"],
  [/(?<!there )\bis no (?!longer\b|more\b|such\b)/i, '"is not a …"'],
];

const FOLDERS = ["src", "docs", "ddl", "tests", "bench", "tools", "deploy", ".github", ".ci"];
const FILES = [
  "README.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  "SECURITY.md",
  "Dockerfile",
  "docker-compose.yml",
  "stream.env",
];
const TEXT = /\.(?:tsx?|js|css|sql|md|sh|yml|yaml|py|java)$/;

/** Released migrations are never edited, and init.sql is made of them; golden files are old output; the list itself names what it bans. */
const LEFT_OUT = /^(?:ddl\/(?:000[1-4]_|init)|tests\/golden\/|tests\/contract\/language_test\.ts)/;
/** PostgreSQL may run as the system user of that name. */
const SYSTEM_USER = /"nobody"|`nobody`/;

async function* texts() {
  yield* FILES;
  for (const folder of FOLDERS) {
    for await (const path of walkFiles(new URL(`${folder}/`, ROOT))) {
      const name = `${folder}/${path}`;
      if (TEXT.test(path) && !LEFT_OUT.test(name) && !path.includes("node_modules/")) yield name;
    }
  }
}

Deno.test("sentences keep to plain words", async () => {
  const wrong: string[] = [];
  for await (const name of texts()) {
    (await Deno.readTextFile(new URL(name, ROOT))).split("\n").forEach((line, i) => {
      for (const [pattern, instead] of HABITS) {
        if (!pattern.test(line) || (SYSTEM_USER.test(line) && pattern.test("nobody"))) continue;
        wrong.push(`${name}:${i + 1}: "${line.match(pattern)![0]}" (${instead}): ${line.trim().slice(0, 120)}`);
      }
    });
  }
  assertEquals(wrong, []);
});
