// The application without sockets and without a database: problems, headers, the document, bad queries, limits, tokens.
import { clientAddress } from "../../src/http/server/limits.ts";
import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { Validator } from "@seriousme/openapi-schema-validator";
import { createLog } from "../../src/shared/log.ts";
import { hashToken } from "../../src/http/server/auth.ts";
import { NOW, testApp, TestClock } from "./app_fixture.ts";
import { fitsDocument } from "./openapi_check.ts";

interface Operation {
  readonly operationId: string;
  readonly summary?: string;
  readonly tags: readonly string[];
  readonly responses: Readonly<Record<string, { readonly headers?: object }>>;
}

/** Every operation of a document, under its method and path. */
function operationsOf(document: { paths: Record<string, Record<string, Operation>> }) {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation }))
  );
}

Deno.test("/openapi.json validates and lists every route", async () => {
  const app = testApp();
  const document = await (await app.request("/openapi.json")).json();
  const result = await new Validator().validate(structuredClone(document));
  assert(result.valid, JSON.stringify(result.errors));
  // Pages for people, their assets and the document itself are no part of the API.
  const isApi = (path: string) => path.startsWith("/v1/") || /^\/(livez|readyz|healthz|version|metrics)$/.test(path);
  const served = app.routes.filter(({ method, path }) => method !== "ALL" && isApi(path))
    .map(({ method, path }) => `${method} ${path}`);
  assert(served.length >= 20, "the routes are found");
  const listed = operationsOf(document);
  assertEquals(new Set(listed.map(({ name }) => name.replace(/\{(\w+)\}/g, ":$1"))), new Set(served));
  for (const { name, operation } of listed) {
    assert(operation.summary && operation.tags.length === 1, `${name} has a summary and a tag`);
  }
});

Deno.test("every operation has a name of its own, and every counted answer the headers of the rate limit", async () => {
  const document = await (await testApp().request("/openapi.json")).json();
  const names: string[] = [];
  for (const { name, operation } of operationsOf(document)) {
    names.push(operation.operationId);
    for (const [status, response] of Object.entries(operation.responses)) {
      const counted = name !== "GET /livez" && name !== "GET /readyz";
      assertEquals("RateLimit-Limit" in (response.headers ?? {}), counted, `${name} ${status}`);
    }
  }
  assertEquals(new Set(names).size, names.length);
  assert(names.includes("getReportsContributions") && names.includes("getWindowsStartExplain"), names.join());
});

Deno.test("answers, refusals and what no route knows carry the rate limit; probes do not", async () => {
  const app = testApp({ clock: new TestClock() });
  const init = { method: "DELETE" };
  const paths = ["/v1/ledger", "/v1/windows?limit=0", "/v1/nothing", `/v1/windows?cursor=${"a".repeat(5_000)}`];
  const answers = [...await Promise.all(paths.map((path) => app.request(path))), await app.request("/v1/ledger", init)];
  assertEquals(answers.map(({ status }) => status), [503, 400, 404, 414, 405]);
  for (const { headers, status } of answers) assertEquals(headers.get("ratelimit-limit"), "200", String(status));
  assertEquals((await app.request("/livez")).headers.get("ratelimit-limit"), null);
});

Deno.test("a slash at the end of a path makes no difference", async () => {
  const app = testApp();
  for (const path of ["/version", "/livez", "/readyz", "/docs", "/v1/ledger", "/v1/ledger?deep=maybe", "/nothing"]) {
    const [plain, slashed] = [await app.request(path), await app.request(path.replace(/(\?|$)/, "/$1"))];
    assertEquals(slashed.status, plain.status, path);
    await Promise.all([plain.body?.cancel(), slashed.body?.cancel()]);
  }
});

Deno.test("every bad query is a problem that names the field and what is allowed", async () => {
  const app = testApp();
  const document = await (await app.request("/openapi.json")).json();
  const windows = "/v1/windows/2026-01-31T00:00:00Z/explain";
  const cases: readonly (readonly [path: string, field: string, message: RegExp, allowed?: readonly string[]])[] = [
    ["/v1/windows?limit=0", "limit", /from 1 to 1000/],
    ["/v1/windows?limit=1001", "limit", /from 1 to 1000/],
    ["/v1/windows?limit=1e2", "limit", /from 1 to 1000/],
    ["/v1/windows?limit=", "limit", /from 1 to 1000/],
    ["/v1/windows?limit=1&limit=2", "limit", /more than once/],
    ["/v1/windows?state=opened", "state", /one of/, ["all", "open", "closed"]],
    ["/v1/windows?stat=open", "stat", /did you mean state/, ["state", "limit", "cursor"]],
    ["/v1/windows?cursor=", "cursor", /gave out/, ["next_cursor of the page before"]],
    ["/v1/windows?cursor=WzFd", "cursor", /gave out/],
    ["/v1/windows?cursor=WyJsYXRlIiwxXQ", "cursor", /gave out/],
    [`/v1/windows?cursor=${"a".repeat(501)}`, "cursor", /page before/],
    ["/v1/windows/yesterday/explain", "start", /a time such as/],
    ["/v1/windows/2026-02-30T00:00:00Z/explain", "start", /a time such as/],
    ["/v1/windows/2026-01-31T00:00:00/explain", "start", /a time such as/],
    ["/v1/windows/1969-12-31T00:00:00Z/explain", "start", /a time such as/],
    [`${windows}?x=1`, "x", /not a parameter/],
    ["/v1/dead-letters?reason=%27%3B%20drop%20table", "reason", /a name such as/],
    ["/v1/dead-letters?partition=-1", "partition", /from 0/],
    ["/v1/ledger?deep=yes", "deep", /one of/, ["true", "false"]],
    ["/v1/ledger?deep=true&from=1", "from", /a time such as/],
    ["/v1/pipeline?%3Cscript%3E=1", "<script>", /not a parameter/],
  ];
  for (const [path, field, message, allowed] of cases) {
    const response = await app.request(path);
    const body = await response.json();
    assertEquals(response.status, 400, path);
    assertEquals(response.headers.get("content-type"), "application/problem+json");
    assertEquals(fitsDocument(document, path, 400, body), [], path);
    assertEquals([body.code, body.errors[0].field], ["bad_query", field], path);
    assertMatch(body.errors[0].message, message, path);
    if (allowed) assertEquals(body.errors[0].allowed, allowed, path);
    assert(!body.instance.includes("?"));
  }
});

Deno.test("unknown paths, methods, bodies and long addresses end as problems", async () => {
  const app = testApp();
  const code = async (path: string, init?: RequestInit) => {
    const response = await app.request(path, init);
    const body = await response.json();
    assertEquals([response.headers.get("content-type"), body.status], ["application/problem+json", response.status]);
    assertEquals(body.request_id, response.headers.get("x-request-id"));
    return [body.status, body.code];
  };
  assertEquals(await code("/nothing/here"), [404, "not_found"]);
  assertEquals(await code("/v1/ledger", { method: "DELETE" }), [405, "method_not_allowed"]);
  assertEquals(await code("/v1/ledger", { method: "OPTIONS" }), [405, "method_not_allowed"]);
  const headers = { "content-length": "2" };
  assertEquals(await code("/v1/ledger", { method: "POST", body: "{}", headers }), [400, "body_not_allowed"]);
  assertEquals(await code(`/v1/windows?cursor=${"a".repeat(5_000)}`), [414, "url_too_long"]);
  const refused = await app.request("/v1/ledger", { method: "PUT" });
  assertEquals(refused.headers.get("allow"), "GET, HEAD");
  assertEquals((await app.request("/livez", { method: "HEAD" })).status, 200);
});

Deno.test("an error of ours shows neither its words nor its place", async () => {
  const lines: string[] = [];
  const log = createLog({ level: "info", format: "json", write: (line) => lines.push(line), now: () => NOW });
  const app = testApp({ log, database: { query: () => Promise.reject(new Error("secret words at 10.1.2.3")) } });
  const response = await app.request("/v1/ledger");
  const text = await response.text();
  assertEquals(response.status, 500);
  assert(!text.includes("secret") && !text.includes("10.1.2.3"), text);
  const { request_id } = JSON.parse(text);
  assert(lines.some((line) => line.includes(request_id) && line.includes("secret words")));
});

Deno.test("a request id is kept when it is sane, and replaced when it is not", async () => {
  const app = testApp();
  const idOf = async (id: string) =>
    (await app.request("/livez", { headers: { "x-request-id": id } })).headers.get("x-request-id");
  assertEquals(await idOf("trace-0123.ab:c"), "trace-0123.ab:c");
  for (const id of ["short", "<script>alert(1)</script>", "a".repeat(81), 'quote"quote"']) {
    assertNotEquals(await idOf(id), id);
  }
});

Deno.test("every answer carries the headers that keep browsers in check", async () => {
  const app = testApp();
  for (const path of ["/livez", "/nothing", "/docs", "/v1/ledger"]) {
    const { headers } = await app.request(path);
    const csp = headers.get("content-security-policy") ?? "";
    assertStringIncludes(csp, "default-src 'none'");
    assertMatch(csp, /script-src 'nonce-[\w+/=]+'/);
    assert(!csp.includes("unsafe"), csp);
    assertEquals(headers.get("x-content-type-options"), "nosniff");
    assertEquals(headers.get("x-frame-options"), "DENY");
    assertEquals(headers.get("referrer-policy"), "no-referrer");
    assertEquals(headers.get("access-control-allow-origin"), null);
  }
  const nonces = await Promise.all(
    [1, 2].map(async () => (await app.request("/docs")).headers.get("content-security-policy")),
  );
  assertNotEquals(nonces[0], nonces[1]);
});

Deno.test("/docs shows every operation, with a nonce that fits, and nothing from elsewhere", async () => {
  const app = testApp();
  const response = await app.request("/docs");
  const page = await response.text();
  const document = await (await app.request("/openapi.json")).json();
  for (const { name } of operationsOf(document)) assert(page.includes(name), name);
  const nonce = /nonce-([\w+/=]+)'/.exec(response.headers.get("content-security-policy")!)![1]!;
  assertStringIncludes(page, `nonce="${nonce}"`);
  assert(!/(src|href)="https?:/.test(page), "no asset or link to another host");
});

Deno.test("a client that asks too often learns when to come back; probes are not counted", async () => {
  const clock = new TestClock();
  const app = testApp({ clock, settings: { rateLimit: { perSecond: 2, burst: 3 } } });
  const status = async (path: string, remoteAddress = "127.0.0.1") => {
    const response = await app.request(path, {}, { incoming: { socket: { remoteAddress } } });
    await response.body?.cancel();
    return response;
  };
  for (let i = 0; i < 3; i++) assertEquals((await status("/version")).status, 200);
  const limited = await status("/version");
  assertEquals([limited.status, limited.headers.get("retry-after")], [429, "1"]);
  const left = (response: Response) =>
    ["limit", "remaining", "reset"].map((name) => response.headers.get(`ratelimit-${name}`));
  assertEquals(left(limited), ["3", "0", "2"]);
  assertEquals(left(await status("/version", "127.0.0.3")), ["3", "2", "1"]);
  assertEquals((await status("/version", "127.0.0.2")).status, 200);
  for (let i = 0; i < 10; i++) assertEquals((await status("/livez")).status, 200);
  clock.time += 500;
  assertEquals((await status("/version")).status, 200);
  assertEquals((await status("/version")).status, 429);
});

Deno.test("behind trusted proxies each client has a bucket of its own, and cannot choose another's", async () => {
  const app = testApp({ clock: new TestClock(), settings: { rateLimit: { perSecond: 1, burst: 1 }, proxyHops: 1 } });
  const ask = async (forwarded: string) =>
    (await app.request("/version", { headers: { "x-forwarded-for": forwarded } }, {
      incoming: { socket: { remoteAddress: "127.0.0.1" } },
    })).status;
  assertEquals([await ask("192.0.2.1"), await ask("192.0.2.1"), await ask("192.0.2.2")], [200, 429, 200]);
  assertEquals(await ask("192.0.2.99, 192.0.2.1"), 429, "what the client wrote itself is not believed");
  assertEquals([await ask("nonsense"), await ask("")], [200, 429], "the proxy's own address");
  for (
    const [forwarded, hops, address] of [
      ["a, 192.0.2.1", 0, "peer"],
      [undefined, 1, "peer"],
      ["192.0.2.1, 192.0.2.2", 1, "192.0.2.2"],
      ["192.0.2.1, 192.0.2.2", 2, "192.0.2.1"],
      ["192.0.2.1, 192.0.2.2", 3, "peer"],
      ["2001:db8::1", 1, "2001:db8::1"],
    ] as const
  ) assertEquals(clientAddress("peer", forwarded, hops), address);
});

Deno.test("without a limit nothing is refused and no header says so", async () => {
  const app = testApp({ clock: new TestClock(), settings: { rateLimit: null } });
  for (let i = 0; i < 500; i++) {
    const response = await app.request("/version");
    await response.body?.cancel();
    assertEquals([response.status, response.headers.get("ratelimit-limit")], [200, null]);
  }
});

Deno.test("without a token only this machine is answered, and only by its own name", async () => {
  const app = testApp();
  const status = async (host: string, remoteAddress: string) =>
    (await app.request(`http://${host}/version`, {}, { incoming: { socket: { remoteAddress } } })).status;
  assertEquals(await status("localhost:8080", "127.0.0.1"), 200);
  assertEquals(await status("[::1]:8080", "::1"), 200);
  assertEquals(await status("127.0.0.1", "::ffff:127.0.0.1"), 200);
  assertEquals(await status("localhost", "192.0.2.7"), 403);
  assertEquals(await status("evil.example", "127.0.0.1"), 403);
  const open = testApp({ settings: { access: { publicAccess: true } } });
  const response = await open.request("http://stats.example/version", {}, {
    incoming: { socket: { remoteAddress: "192.0.2.7" } },
  });
  assertEquals(response.status, 200);
});

Deno.test("no answer, metric or log line holds a token, a secret setting or an address", async () => {
  const lines: string[] = [];
  const log = createLog({ level: "debug", format: "json", write: (line) => lines.push(line), now: () => NOW });
  const canary = "canary-token-0123456789";
  const access = { readTokenHash: await hashToken(canary), publicAccess: false };
  const app = testApp({ log, settings: { access } });
  for (
    const authorization of [`Bearer ${canary}`, `Bearer ${canary}x`, `Basic ${btoa(`u:${canary}`)}`, `Digest ${canary}`]
  ) {
    for (const path of ["/metrics", "/healthz", "/v1/pipeline", "/docs", `/nothing/${canary}?token=${canary}`]) {
      const response = await app.request(path, { headers: { authorization } }, {
        incoming: { socket: { remoteAddress: "203.0.113.77" } },
      });
      lines.push(JSON.stringify([...response.headers]), (await response.text()).replaceAll(`/nothing/${canary}`, ""));
    }
  }
  const all = lines.join("\n").replaceAll(`/nothing/${canary}`, "");
  assert(!all.includes(canary));
  assert(!all.includes("203.0.113.77"));
});

Deno.test("engines hear of each reader of what is committed, not of probes and scrapes", async () => {
  let reads = 0;
  const app = testApp({ deps: { onRead: () => reads++ } });
  for (const path of ["/livez", "/readyz", "/healthz", "/metrics", "/version"]) await (await app.request(path)).text();
  assertEquals(reads, 0);
  await (await app.request("/v1/windows?limit=1")).text();
  assert(reads > 0);
});
