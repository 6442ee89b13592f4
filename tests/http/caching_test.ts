// What caches may keep: a table over tokens, revisions and If-None-Match.
import { assertEquals, assertNotEquals } from "@std/assert";
import { Hono } from "hono";
import {
  cacheHeaders,
  type CacheScope,
  type DataVersion,
  isUnchanged,
  revisionOf,
} from "../../src/http/server/caching.ts";
import type { AccessSettings, AppEnv } from "../../src/http/server/deps.ts";
import { DAY0 } from "./stream_fixture.ts";

const VERSION: DataVersion = {
  closedThrough: DAY0,
  finalThrough: DAY0 - 1,
  dataRevision: 7,
  late: 2,
  counted: 9,
  failing: [],
};
const CLOSED: CacheScope = { end: DAY0, pinned: true, variant: "json" };
const HASH = new Uint8Array(32);

async function headers(path: string, access: AccessSettings, coverage = CLOSED) {
  const app = new Hono<AppEnv>();
  app.get("/x", (c) => c.json(cacheHeaders(c, access, VERSION, coverage)));
  return await (await app.request(path)).json();
}

Deno.test("cacheHeaders() is public for a minute, private behind a token, immutable for the revision that was asked for", async () => {
  const open = { publicAccess: false };
  const guarded = { publicAccess: false, readTokenHash: HASH };
  const rev = `/x?rev=${revisionOf(VERSION, DAY0)}`;
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

Deno.test("cacheHeaders() pins nothing whose URL means another range tomorrow", async () => {
  const rev = `/x?rev=${revisionOf(VERSION, DAY0)}`;
  const answer = await headers(rev, { publicAccess: false }, { ...CLOSED, pinned: false });
  assertEquals(answer["cache-control"], "public, max-age=60");
});

Deno.test("revisionOf() changes with a closing, with what is closed or final, with a late record, with failing steps, and with any record where windows are open", () => {
  const changes: Partial<DataVersion>[] = [
    { dataRevision: 8 },
    { closedThrough: DAY0 + 1 },
    { closedThrough: null },
    { finalThrough: DAY0 },
    { late: 3 },
    { failing: ["roll_up_failing"] },
  ];
  for (const change of changes) {
    assertNotEquals(revisionOf({ ...VERSION, ...change }, DAY0), revisionOf(VERSION, DAY0));
  }
  const more = { ...VERSION, counted: 10 };
  assertEquals(revisionOf(more, DAY0), revisionOf(VERSION, DAY0));
  assertEquals(revisionOf(more, null), revisionOf(VERSION, null));
  assertNotEquals(revisionOf(more, DAY0 + 1), revisionOf(VERSION, DAY0 + 1));
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
