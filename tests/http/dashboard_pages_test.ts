// The pages' routes without a browser and without a database: status, policy, assets.
import { assert, assertEquals, assertMatch, assertNotEquals, assertNotMatch, assertStringIncludes } from "@std/assert";
import { snapshot, testApp } from "./app_fixture.ts";

for (const path of ["/", "/pipeline"]) {
  Deno.test(`${path} is a page of its own policy, also while the database is away`, async () => {
    const app = testApp({ snapshots: [snapshot()] });
    const response = await app.request(path);
    assertEquals(response.status, 503);
    assertMatch(response.headers.get("content-type") ?? "", /^text\/html/);
    const policy = response.headers.get("content-security-policy") ?? "";
    const [, nonce] = /script-src 'nonce-([^']+)'/.exec(policy) ?? [];
    assert(nonce, policy);
    assertNotMatch(policy, /unsafe/);
    const html = await response.text();
    // Everything that runs or styles carries this answer's nonce; nothing runs or styles from an attribute.
    for (const [tag] of html.matchAll(/<(?:script|style|link rel="stylesheet")[^>]*>/g)) {
      assertStringIncludes(tag.replaceAll("&#61;", "="), `nonce="${nonce}"`);
    }
    assertNotMatch(html, /\son\w+=|\sstyle=/);
    assertMatch(html, /database does not answer/);
    assertNotEquals((await (await app.request(path)).text()).includes(nonce), true);
  });
}

Deno.test("pages say that the database is busy where it has no turn left for a reader, not that it is away", async () => {
  const refused = Object.assign(new Error("no turn"), { code: "TM020" });
  const app = testApp({ snapshots: [snapshot()], database: { query: () => Promise.reject(refused) } });
  for (const path of ["/", "/pipeline"]) {
    const html = await (await app.request(path)).text();
    assertMatch(html, /The database is busy/);
    assertNotMatch(html, /does not answer/);
  }
});

Deno.test("assets carry their content in their name, and browsers keep them", async () => {
  const app = testApp();
  const html = await (await app.request("/")).text();
  const assets = [...html.matchAll(/"(\/assets\/[^"]+)"/g)].map(([, path]) => path!);
  assertEquals(assets.map((path) => path.replace(/\.[0-9a-f]{12}\./, ".")), [
    "/assets/dashboard.css",
    "/assets/dashboard.js",
  ]);
  for (const path of assets) {
    const response = await app.request(path);
    assertEquals(response.status, 200);
    assertStringIncludes(response.headers.get("cache-control") ?? "", "immutable");
    assertMatch(response.headers.get("content-type") ?? "", /^text\/(css|javascript)/);
    assert((await response.text()).length > 1_000);
  }
  assertEquals((await app.request(assets[0]!.replace(/[0-9a-f]{12}/, "0".repeat(12)))).status, 404);
});

Deno.test("a wrong parameter is a page that says so, and a problem where a script asks", async () => {
  const app = testApp();
  const page = await app.request("/?tz=%22%3E%3Cscript%3E");
  assertEquals(page.status, 400);
  const html = await page.text();
  assertMatch(html, /must be an IANA time zone/);
  assertNotMatch(html, /"><script>/);
  // Sentences do not run into each other.
  assertMatch(await (await app.request("/?from=garbage")).text(), /9998-12-31\. Allowed: YYYY-MM-DD\./);
  const fragments = await app.request("/fragments/overview?tz=Mars&have=totals.x");
  assertEquals(fragments.status, 400);
  assertEquals((await fragments.json()).errors[0].field, "tz");
});

Deno.test("/fragments/* tell a page to ask again while the database is away, and what to show meanwhile", async () => {
  const app = testApp({ snapshots: [snapshot()] });
  for (const name of ["overview", "pipeline"]) {
    const answer = await (await app.request(`/fragments/${name}?have=state.,notice.,totals.,flow.`)).json();
    assertEquals(answer.again, true);
    assertEquals(answer.fragments.map(({ id }: { id: string }) => id), ["state", "notice"]);
  }
});

Deno.test("pages answer no client without the token where one is set", async () => {
  const app = testApp({ settings: { access: { publicAccess: false, readTokenHash: new Uint8Array(32) } } });
  for (const path of ["/", "/pipeline", "/fragments/overview", "/fragments/pipeline"]) {
    assertEquals((await app.request(path)).status, 401, path);
  }
});
