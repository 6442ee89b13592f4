// `open`, and `report` beside a running service on the embedded database: found by the note in its data folder, asked over HTTP.
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dispatch } from "../../src/cli/dispatch.ts";
import { lockFolder } from "../../src/shared/folder_lock.ts";
import { fakeHost } from "./fake_host.ts";

const TOKEN = "reader-token-0123456789";
const REPORT = {
  query: { by: "host", from: "2026-01-31", to: "2026-01-31", tz: "UTC" },
  rows: [{ rank: 1, key: "a.example", label: "a.example", count: 12_345, human: 12_345, bot: 0, percentage: 100 }],
  reserved: [],
  other: null,
  breakdown: null,
  total_count: 12_345,
  completeness: { status: "final", coverage: [], degraded: [] },
};

/** A data folder that a service holds, which listens and left its address there. */
async function running() {
  const folder = await Deno.makeTempDir({ prefix: "tidemark-running-" });
  // As an embedded database has it.
  await Deno.mkdir(`${folder}/pg`);
  await Deno.writeTextFile(`${folder}/pg/PG_VERSION`, "17");
  const asked: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/livez") return new Response("ok\n");
    asked.push(`${pathname}${search}`);
    if (request.headers.get("authorization") !== `Bearer ${TOKEN}`) {
      return Response.json({ detail: "A token is needed." }, { status: 401 });
    }
    return search.includes("format=csv") ? new Response("rank,city\r\n1,Bern\r\n2,Basel\r\n") : Response.json(REPORT);
  });
  const lock = await lockFolder(folder);
  const address = `http://127.0.0.1:${server.addr.port}`;
  await lock.writeNote("http", address);
  return {
    folder,
    address,
    asked,
    lock,
    server,
    async [Symbol.asyncDispose]() {
      lock.release();
      await server.shutdown();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

async function call(words: readonly string[], env: Readonly<Record<string, string>>) {
  const host = fakeHost({ env });
  return { code: await dispatch(words, host), ...await host.written() };
}

Deno.test("report asks the service that holds the data folder, in every format", async () => {
  await using service = await running();
  const env = { DATA_DIR: service.folder, API_TOKEN: TOKEN, LOG_FORMAT: "text" };
  const text = await call(["report", "top", "--from", "2026-01-31", "--to", "2026-01-31"], env);
  assertEquals([text.code, text.err], [0, ""]);
  assertMatch(text.out, /a\.example +12,345 \| █+ 100%/);
  assertEquals(service.asked, ["/v1/reports/top?from=2026-01-31&to=2026-01-31&format=json"]);
  const json = await call(["report", "top", "--format", "json"], env);
  assertEquals(JSON.parse(json.out), REPORT);
  const csv = await call(["report", "contributions", "--format", "csv", "--bom"], env);
  assertEquals(csv.out, "\ufeffrank,city\r\n1,Bern\r\n2,Basel\r\n");
  const wrong = await call(["report", "top", "--from", "never"], env);
  assertEquals(wrong.code, 2, "what is wrong is said here, as without a service");
});

Deno.test("report names a missing token, and a holder of the folder that does not listen", async () => {
  await using service = await running();
  const env = { DATA_DIR: service.folder, LOG_FORMAT: "text" };
  const refused = await call(["report", "top"], env);
  assertEquals(refused.code, 2);
  assertMatch(refused.err, /service_refused.*401: A token is needed\.\nSet API_TOKEN/);
  await service.lock.writeNote("http", "");
  const silent = await call(["report", "top"], env);
  assertEquals(silent.code, 5);
  assertStringIncludes(silent.err, "data_dir_locked");
});

Deno.test("open finds the service by its folder, then by HTTP_PORT, and says where it does not run", async () => {
  await using service = await running();
  const found = await call(["open", "--print"], { DATA_DIR: service.folder, HTTP_PORT: "0" });
  assertEquals([found.code, found.out], [0, `${service.address}\n`]);
  const elsewhere = { DATA_DIR: `${service.folder}/nothing`, HTTP_PORT: String(service.server.addr.port) };
  assertEquals((await call(["open", "--print"], elsewhere)).out, `${service.address}\n`);
  const none = await call(["open"], { DATA_DIR: `${service.folder}/nothing`, HTTP_PORT: "0", LOG_FORMAT: "text" });
  assertEquals(none.code, 3);
  assertStringIncludes(none.err, "service_unavailable");
});
