// Goal: examples of the pages work. Method: shell blocks below `<!-- runs -->` are run as they are, with a data folder of their own, and print
// what the block below `<!-- prints -->` says; every call of docs/http_api.md is made against a filled stream.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { hashToken } from "../../src/http/server/auth.ts";
import { walkFiles } from "../support/files.ts";
import { spawn } from "../support/process.ts";
import { snapshot, testApp, TestClock } from "../http/app_fixture.ts";
import { streamDatabase } from "./http_fixture.ts";

const ADMIN = "token-of-the-operator";
const DOCS = new URL("../../docs/", import.meta.url);

interface Example {
  readonly page: string;
  readonly script: string;
  /** What standard output must hold. */
  readonly prints: string | undefined;
}

async function shellExamples(): Promise<Example[]> {
  const found: Example[] = [];
  for await (const page of walkFiles(DOCS)) {
    if (!page.endsWith(".md")) continue;
    const text = await Deno.readTextFile(new URL(page, DOCS));
    for (const block of text.matchAll(/<!-- runs -->\s+```sh\n([\s\S]*?)^```/gm)) {
      const rest = text.slice(block.index + block[0].length).split("<!-- runs -->")[0]!;
      found.push({ page, script: block[1]!, prints: /<!-- prints -->\s+```text\n([\s\S]*?)\n```/.exec(rest)?.[1] });
    }
  }
  return found;
}

Deno.test("shell examples that are marked so run and print what the page says", async (t) => {
  const examples = await shellExamples();
  assert(examples.length >= 2, "the marks are still there");
  for (const { page, script, prints } of examples) {
    await t.step(`${page}: ${script.split("\n")[0]}`, async () => {
      const folder = await Deno.makeTempDir();
      try {
        // `deno` is this one, whatever else is installed; files of the example go into the test's own folder.
        const own = script.replaceAll("/tmp/", `${folder}/`);
        const text = `set -eu\ndeno() { '${Deno.execPath()}' "$@"; }\n${own}`;
        await using child = spawn("bash", ["-c", text], {
          cwd: new URL("../", DOCS),
          env: { DATA_DIR: `${folder}/data`, NO_COLOR: "1", LOG_LEVEL: "error" },
        });
        const { code, stdout, stderr } = await child.exit();
        assertEquals(code, 0, stderr);
        if (prints !== undefined) assertStringIncludes(stdout, prints);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    });
  }
});

Deno.test("every call of docs/http_api.md is answered", async (t) => {
  await using stream = await streamDatabase();
  const app = testApp({
    database: stream.database,
    clock: new TestClock(),
    snapshots: [snapshot()],
    settings: { access: { adminTokenHash: await hashToken(ADMIN), publicAccess: true } },
  });
  const page = await Deno.readTextFile(new URL("http_api.md", DOCS));
  const calls = [...page.matchAll(/```http\nGET (\S+)\n```/g)].map((match) => match[1]!);
  assertEquals(calls.length, [...page.matchAll(/^### GET /gm)].length, "each endpoint has a call");
  const [window] = await stream.sql<{ start: string }[]>`
    select to_char(min(window_start) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as start from web_traffic_window`;
  for (const call of calls) {
    await t.step(`GET ${call}`, async () => {
      // The example's window is some window: here, one that exists.
      const path = call.replace(/(\/v1\/windows\/)[^/]+/, `$1${window!.start}`);
      const response = await app.request(path, { headers: { authorization: `Bearer ${ADMIN}` } });
      assertEquals(response.status, 200, path);
      if (path === "/v1/events") await response.body?.cancel();
      else await response.text();
    });
  }
});
