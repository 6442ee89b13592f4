// What caches may keep: a table over tokens, revisions and If-None-Match.
import { assertEquals, assertNotEquals } from "@std/assert";
import { Hono } from "hono";
import { cacheHeaders, type DataVersion, isUnchanged, revisionOf } from "../../src/http/caching.ts";
import type { AccessSettings, AppEnv } from "../../src/http/deps.ts";
import { settings } from "./app_fixture.ts";
import { DAY0 } from "./stream_fixture.ts";

const VERSION: DataVersion = { closedThrough: DAY0, dataRevision: 7, late: 2 };
const HASH = new Uint8Array(32);

async function headers(path: string, access: AccessSettings) {
  const app = new Hono<AppEnv>();
  app.get("/x", (c) => c.json(cacheHeaders(c, { ...settings, access }, VERSION, "json")));
  return await (await app.request(path)).json();
}

Deno.test("cacheHeaders() is public for a minute, private behind a token, immutable for the revision that was asked for", async () => {
  const open = { publicAccess: false };
  const guarded = { publicAccess: false, readTokenHash: HASH };
  const rev = `/x?rev=${revisionOf(VERSION)}`;
  const cases = [
    ["/x", open, "public, max-age=60"],
    ["/x", guarded, "private, max-age=60"],
    ["/x", { publicAccess: true, readTokenHash: HASH }, "public, max-age=60"],
    [rev, open, "public, max-age=31536000, immutable"],
    [rev, guarded, "private, max-age=31536000, immutable"],
    ["/x?rev=6.1.0", open, "public, max-age=60"],
    ["/x?rev=", open, "public, max-age=60"],
  ] as const;
  for (const [path, access, expected] of cases) {
    assertEquals((await headers(path, access))["cache-control"], expected, path);
  }
});

Deno.test("revisionOf() changes with a closing, with closed-through and with a late record", () => {
  for (const change of [{ dataRevision: 8 }, { closedThrough: DAY0 + 1 }, { closedThrough: null }, { late: 3 }]) {
    assertNotEquals(revisionOf({ ...VERSION, ...change }), revisionOf(VERSION));
  }
});

Deno.test("isUnchanged() compares weakly, in lists, and with *", async () => {
  const app = new Hono<AppEnv>();
  app.get("/x", (c) => c.json(isUnchanged(c, 'W/"7.1.json"')));
  const cases = [
    [undefined, false],
    ['W/"7.1.json"', true],
    ['"7.1.json"', true],
    ['"6.1.json", W/"7.1.json"', true],
    ["*", true],
    ['"7.1.csv"', false],
    ["7.1.json", false],
  ] as const;
  for (const [tag, expected] of cases) {
    const response = await app.request("/x", tag === undefined ? {} : { headers: { "if-none-match": tag } });
    assertEquals(await response.json(), expected, tag);
  }
});
