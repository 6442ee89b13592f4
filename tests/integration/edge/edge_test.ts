// Goal: the module for the edge answers pages and API under `deno serve`, with permissions for its database alone, also through a pooler.
// Method: a real PostgreSQL with a small stream, a real PgBouncer, the module started as its documentation says.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { testApp } from "../../http/app_fixture.ts";
import { startPgBouncer } from "../../support/pgbouncer.ts";
import { freePort } from "../../support/postgres.ts";
import { spawn } from "../../support/process.ts";
import { streamDatabase } from "../http_fixture.ts";

const ROOT = new URL("../../../", import.meta.url);
const TOKEN = "edge-token-0123456789";
const DAY = "from=2026-01-31&to=2026-01-31";

/** The module under `deno serve`, which may read its settings and reach its database, and nothing else. */
async function edge(postgres: string) {
  const port = freePort(), { host } = new URL(postgres);
  const child = spawn(Deno.execPath(), [
    "serve",
    "--no-prompt",
    "--host=127.0.0.1",
    `--port=${port}`,
    `--allow-net=${host}`,
    "--allow-env=POSTGRES_*,API_*,HTTP_*,LOG_*,PG*",
    new URL("src/serve.ts", ROOT).href,
  ], { env: { POSTGRES_URL: postgres, API_TOKEN: TOKEN, NO_COLOR: "1" }, cwd: ROOT.pathname });
  await child.waitForLine(/Listening on/, 60_000);
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${port}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${TOKEN}`, ...init.headers },
    });
  return { child, ask };
}

Deno.test("the module for the edge answers as the service does, directly and through a pooler", async () => {
  await using stream = await streamDatabase();
  await using pooler = await startPgBouncer(stream.server.url, "transaction");
  const same = testApp({ database: stream.database });
  for (const url of [stream.server.url, pooler.url]) {
    const { child, ask } = await edge(url);
    await using _stop = child;
    for (
      const path of ["/v1/ledger", `/v1/reports/top?${DAY}&by=host`, `/v1/reports/contributions?${DAY}`, "/v1/windows"]
    ) {
      const answer = await ask(path), expected = await (await same.request(path)).json();
      assertEquals(answer.status, 200, path);
      const { watermark: _a, ...found } = await answer.json();
      const { watermark: _b, ...wanted } = expected;
      assertEquals(Object.keys(found), Object.keys(wanted), path);
      assertEquals(found.rows, wanted.rows, path);
    }
    for (const path of ["/", "/pipeline", "/docs"]) {
      const page = await ask(path, { headers: { accept: "text/html" } });
      assertEquals(page.status, 200, path);
      assertStringIncludes(await page.text(), "<!doctype html>");
    }
    const chart = await ask(`/v1/charts/map.svg?${DAY}`);
    assertMatch(await chart.text(), /^<svg /);
    const csv = await ask(`/v1/reports/contributions?${DAY}&format=csv`);
    assertMatch(await csv.text(), /^rank,city,/);
    assertEquals((await (await ask("/readyz")).json()).ready, true);
    assertEquals((await ask("/v1/ledger", { method: "DELETE" })).status, 405);
    const stranger = await ask("/v1/ledger", { headers: { authorization: "Bearer wrong-token-0123456789" } });
    assertEquals(stranger.status, 401);
    await stranger.body?.cancel();
    const events = await ask("/v1/events");
    const reader = events.body!.pipeThrough(new TextDecoderStream()).getReader();
    let seen = "";
    while (!seen.includes("event: progress")) seen += (await reader.read()).value ?? "event: progress";
    assertStringIncludes(seen, "data: {");
    await reader.cancel();
  }
});

Deno.test("nothing of Node's server, of the embedded database or of Kafka is in the module for the edge", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", new URL("src/serve.ts", ROOT).href],
    cwd: ROOT.pathname,
  }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: readonly { specifier: string }[] };
  const names = modules.map(({ specifier }) => specifier);
  assert(names.length > 50 && names.some((name) => name.endsWith("/http/server/app.ts")), "the graph was read");
  assertEquals(names.filter((name) => /node-server|pglite|kafkajs|http\/server\/server\.ts|^node:http/.test(name)), []);
});
