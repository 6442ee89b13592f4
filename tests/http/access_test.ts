// Who reaches what, without sockets: tokens by header, link and cookie, pages for browsers, CORS, scopes.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { hashToken, reaches } from "../../src/http/server/auth.ts";
import type { AccessSettings, AppSettings, Scope } from "../../src/http/server/deps.ts";
import { wantsPage } from "../../src/http/server/wants_page.ts";
import { ownAddress } from "../../src/http/pages/login.ts";
import { NOW, testApp, TestClock } from "./app_fixture.ts";

const READER = "reader-token-0123456789", ADMIN = "admin-token-0123456789";
const CHART = "chart-token-0123456789", SHARE = "share-token-0123456789";
const access: AccessSettings = {
  readTokenHash: await hashToken(READER),
  adminTokenHash: await hashToken(ADMIN),
  chartTokenHash: await hashToken(CHART),
  shareTokenHash: await hashToken(SHARE),
  publicAccess: false,
};
/** What Firefox sends when an address is opened. */
const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const guarded = (changes: Partial<AppSettings> = {}, clock = new TestClock()) =>
  testApp({ clock, settings: { access, ...changes } });

const form = (fields: Readonly<Record<string, string>>): RequestInit => {
  const body = new URLSearchParams(fields).toString();
  return {
    method: "POST",
    body,
    headers: { "content-type": "application/x-www-form-urlencoded", "content-length": String(body.length) },
  };
};

/** Name and value of the cookie that a response sets. */
const cookieOf = (response: Response) => response.headers.get("set-cookie")?.split(";")[0] ?? "";

Deno.test("wantsPage() is true for an address that is opened in a browser, and for nothing else", () => {
  for (
    const [accept, expected] of [
      [BROWSER, true],
      ["text/html", true],
      ["text/html;q=0.9, application/json", false],
      ["text/html, application/json;q=0.9", true],
      ["text/html;q=0.5, application/problem+json;q=0.8", false],
      ["*/*", false],
      ["text/*", false],
      ["application/json", false],
      ["image/avif,image/webp,*/*", false],
      ["text/html;q=0", false],
      ["", false],
      [undefined, false],
    ] as const
  ) assertEquals(wantsPage(accept), expected, accept);
});

Deno.test("a browser is shown pages for 404, 401, 405 and 429; a program gets problem documents for the same", async () => {
  const app = guarded({ rateLimit: { perSecond: 1, burst: 8 } });
  const headers = { authorization: `Bearer ${READER}` };
  const cases: readonly (readonly [path: string, init: RequestInit, status: number, title: string])[] = [
    ["/nothing/here", { headers }, 404, "There is nothing here"],
    ["/v1/ledger", {}, 401, "Sign in"],
    ["/v1/ledger", { headers, method: "DELETE" }, 405, "The method is not allowed"],
    ["/v1/ledger?deep=maybe", { headers }, 400, "A parameter is wrong"],
    ["/version", { headers }, 429, "Too many requests"],
  ];
  for (const [path, init, status, title] of cases) {
    const ask = (accept: string) => app.request(path, { ...init, headers: { ...init.headers, accept } });
    const page = await ask(BROWSER), problem = await ask("*/*");
    assertEquals([page.status, problem.status], [status, status], path);
    assertMatch(page.headers.get("content-type")!, /^text\/html/);
    assertEquals(problem.headers.get("content-type"), "application/problem+json");
    assertEquals(page.headers.get("cache-control"), "no-store");
    assertStringIncludes(await page.text(), `<h1>${title}</h1>`);
    assertEquals((await problem.json()).status, status);
  }
});

Deno.test("an address of a stranger's making is text in a page, never markup", async () => {
  const response = await guarded().request("/v1/ledger?%3Cscript%3Ealert(1)%3C/script%3E=1", {
    headers: { authorization: `Bearer ${READER}`, accept: BROWSER },
  });
  assert(!(await response.text()).includes("<script>alert"));
});

Deno.test("signing in: a wrong token is refused, the right one becomes a cookie that ends, and signing out takes it away", async () => {
  const clock = new TestClock(), app = guarded({}, clock);
  const asked = await app.request("/pipeline?tz=Europe/Berlin", { headers: { accept: BROWSER } });
  const page = await asked.text();
  assertEquals(asked.status, 401);
  assert(!asked.headers.get("www-authenticate")!.startsWith("Basic"), "the browser's own dialog would hide the page");
  assertStringIncludes(page, `<form method="post" action="/login">`);
  assertStringIncludes(page, `value="/pipeline?tz=Europe/Berlin"`);
  assertMatch((await app.request("/version")).headers.get("www-authenticate")!, /^Basic /);

  for (const token of ["", "wrong-token-0123456789", CHART]) {
    const refused = await app.request("/login", form({ token, next: "/" }));
    assertEquals([refused.status, refused.headers.get("set-cookie")], [401, null], token);
  }
  const done = await app.request("/login", form({ token: READER, next: "/pipeline?tz=Europe/Berlin" }));
  assertEquals([done.status, done.headers.get("location")], [303, "/pipeline?tz=Europe/Berlin"]);
  assertMatch(done.headers.get("set-cookie")!, /HttpOnly; SameSite=Lax$/);
  assert(!done.headers.get("set-cookie")!.includes(READER), "the cookie does not hold the token");
  const cookie = cookieOf(done);
  const status = async (path: string, value: string) =>
    (await app.request(path, { headers: { cookie: value } })).status;
  assertEquals([await status("/version", cookie), await status("/version", "")], [200, 401]);
  for (
    const forged of [cookie.replace("read.", "admin."), cookie.slice(0, -6), "tidemark=read.9999999999", "tidemark="]
  ) {
    assertEquals(await status("/version", forged), 401, forged);
  }
  assertEquals(cookieOf(await app.request("/logout", form({}))), "tidemark=");
  clock.time += 31 * 86_400_000;
  assertEquals(await status("/version", cookie), 401, "it ends after 30 days");
});

Deno.test("a cookie ends with the token that it came from, and admin's carries admin", async () => {
  const clock = new TestClock(NOW);
  const cookie = cookieOf(await guarded({}, clock).request("/login", form({ token: ADMIN, next: "/" })));
  const other = { ...access, adminTokenHash: await hashToken("another-admin-token-1") };
  const status = async (settings: Partial<AppSettings>) =>
    (await guarded(settings, clock).request("/login", { headers: { cookie } })).status;
  assertEquals([await status({}), await status({ access: other })], [200, 401]);
  const page = await (await guarded({}, clock).request("/login", { headers: { cookie } })).text();
  assertStringIncludes(page, "admin");
});

Deno.test("the cookie is for HTTPS alone where the browser came by HTTPS, also through a trusted proxy", async () => {
  const secure = async (settings: Partial<AppSettings>, url: string, headers: Record<string, string> = {}) => {
    const init = form({ token: READER, next: "/" });
    const response = await guarded(settings).request(url, { ...init, headers: { ...init.headers, ...headers } });
    return /; Secure/.test(response.headers.get("set-cookie")!);
  };
  const proxied = { "x-forwarded-proto": "https" };
  assertEquals(await secure({}, "https://stats.example/login"), true);
  assertEquals(await secure({}, "http://stats.example/login"), false);
  assertEquals(await secure({}, "http://stats.example/login", proxied), false, "anybody can write that header");
  assertEquals(await secure({ proxyHops: 1 }, "http://stats.example/login", proxied), true);
});

Deno.test("ownAddress() leads nowhere but here", () => {
  for (const own of ["/", "/pipeline", "/?from=2026-01-01&to=2026-01-02"]) assertEquals(ownAddress(own), own);
  for (
    const other of [
      "",
      "//evil.example",
      "/\\evil.example",
      "https://evil.example",
      "/a\r\nb",
      "javascript:1",
      "/login",
    ]
  ) {
    assertEquals(ownAddress(other), "/", other);
  }
});

Deno.test("a share link gives a cookie for the overview, its reports and charts, and leaves the address without the token", async () => {
  const app = guarded();
  const link = await app.request(`/?from=2026-01-01&share=${SHARE}`, { headers: { accept: BROWSER } });
  assertEquals([link.status, link.headers.get("location")], [303, "/?from=2026-01-01"]);
  const cookie = cookieOf(link);
  const status = async (path: string) => (await app.request(path, { headers: { cookie } })).status;
  // 503: let in, and the database of this test answers nothing.
  assertEquals([await status("/"), await status("/v1/reports/top"), await status("/v1/charts/map.svg")], [
    503,
    503,
    503,
  ]);
  for (const path of ["/pipeline", "/v1/ledger", "/v1/dead-letters", "/metrics", "/openapi.json", "/version"]) {
    assertEquals(await status(path), 403, path);
  }
  assertEquals((await app.request("/?share=wrong-token-0123456789")).status, 401);
  assertEquals((await app.request(`/v1/ledger?share=${SHARE}`)).status, 401, "a link opens the overview alone");
});

Deno.test("the chart token reaches charts alone, in the address or as a header", async () => {
  const app = guarded();
  const status = async (path: string, headers: Record<string, string> = {}) => {
    const response = await app.request(path, { headers });
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await status(`/v1/charts/map.svg?token=${CHART}`), 503, "let in");
  assertEquals(await status(`/v1/charts/map.svg?token=${CHART}&from=never`), 400);
  assertEquals(await status("/v1/charts/map.svg", { authorization: `Bearer ${CHART}` }), 503);
  assertEquals(await status("/v1/charts/map.svg"), 401);
  assertEquals(await status(`/v1/charts/map.svg?token=${CHART}x`), 401);
  assertEquals(await status(`/v1/reports/top?token=${CHART}`), 401);
  for (const path of ["/", "/v1/reports/top", "/metrics", "/v1/events"]) {
    assertEquals(await status(path, { authorization: `Bearer ${CHART}` }), 403, path);
  }
});

Deno.test("reaches() by scope: probes, forms and assets are open, and each scope holds the one below", () => {
  const scopes: readonly Scope[] = ["none", "chart", "share", "read", "admin"];
  const first = (path: string, settings = {}) => scopes.find((scope) => reaches(scope, path, settings));
  for (const path of ["/livez", "/readyz", "/login", "/assets/dashboard.0123.css"]) {
    assertEquals(first(path), "none", path);
  }
  assertEquals(first("/v1/charts/map.svg"), "chart");
  for (const path of ["/", "/fragments/overview", "/v1/reports/top", "/v1/events"]) {
    assertEquals(first(path), "share", path);
  }
  for (const path of ["/metrics", "/pipeline", "/fragments/pipeline", "/v1/ledger", "/docs", "/v1/chartsx"]) {
    assertEquals(first(path), "read", path);
  }
  assertEquals(first("/metrics", { publicMetrics: true }), "none");
});

Deno.test("/metrics is open from anywhere where the settings say so, and nothing beside it", async () => {
  const app = testApp({ settings: { access: { ...access, publicMetrics: true } } });
  const status = async (path: string) =>
    (await app.request(`http://10.1.2.3:8080${path}`, {}, { incoming: { socket: { remoteAddress: "10.1.2.9" } } }))
      .status;
  assertEquals([await status("/metrics"), await status("/version"), await status("/healthz")], [200, 401, 401]);
});

Deno.test("CORS: only the origins of the setting may read, preflights need no token, and without the setting there is none", async () => {
  const origin = "https://www.example.com";
  const app = guarded({ corsOrigins: [origin] });
  const preflight = await app.request("/v1/reports/top", {
    method: "OPTIONS",
    headers: { origin, "access-control-request-method": "GET", "access-control-request-headers": "authorization" },
  });
  const header = (response: Response, name: string) => response.headers.get(`access-control-${name}`);
  assertEquals([preflight.status, header(preflight, "allow-origin")], [204, origin]);
  assertStringIncludes(header(preflight, "allow-headers")!.toLowerCase(), "authorization");
  assertEquals(header(preflight, "allow-credentials"), null);
  for (const [path, authorization] of [["/v1/reports/top", `Bearer ${READER}`], ["/v1/ledger", ""]] as const) {
    const answer = await app.request(path, { headers: { origin, ...(authorization && { authorization }) } });
    assertEquals(header(answer, "allow-origin"), origin, "also where it is refused, so that scripts can say why");
    assertStringIncludes(header(answer, "expose-headers")!, "RateLimit-Remaining");
    assertMatch(answer.headers.get("vary")!, /Origin/);
  }
  const stranger = await app.request("/v1/ledger", { headers: { origin: "https://evil.example" } });
  assertEquals(header(stranger, "allow-origin"), null);
  assertEquals(
    header(await app.request("/pipeline", { headers: { origin } }), "allow-origin"),
    null,
    "pages are not for scripts",
  );
  const any = await guarded({ corsOrigins: ["*"] }).request("/v1/ledger", { headers: { origin } });
  assertEquals(header(any, "allow-origin"), "*");
  const off = await guarded().request("/v1/ledger", { headers: { origin } });
  assertEquals(header(off, "allow-origin"), null);
});
