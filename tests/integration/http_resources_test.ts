// Every resource over a real PostgreSQL: its answer fits its own schema, its numbers are those of the rows, bad queries name their fields.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { epochMs, offset } from "../../src/shared/units.ts";
import { durationMs } from "../../src/shared/units.ts";
import { Database } from "../../src/store/postgres/client.ts";
import { keepPlacePoints } from "../../src/store/place_points.ts";
import { hashToken } from "../../src/http/server/auth.ts";
import { NOW, partition, snapshot, testApp } from "../http/app_fixture.ts";
import { closeAll, commit, DAY0, fill, join, MIN, WINDOW } from "../http/stream_fixture.ts";
import { streamDatabase } from "./http_fixture.ts";
import { fitsDocument } from "../http/openapi_check.ts";
import { until } from "../support/wait.ts";

Deno.test("each route's answer fits the document that it is described by", async () => {
  await using stream = await streamDatabase();
  await stream
    .sql`insert into source_log (name, partition, found_by) values ('/log/a.log', 0, '/log/*.log'), ('/log/<b>.log', 1, '/log/*.log')`;
  // The newest file of each log in which a format was found; a partition's rows lie beside those of the one before.
  for (
    const [partition, number, format] of [[0, 1, "common"], [0, 2, "combined"], [0, 3, null], [1, -1, "json"]] as const
  ) {
    await stream.sql`
      insert into source_generation (generation, partition, number, fingerprint, fingerprint_bytes, path, size_seen, finished, format)
      values (${partition * 262_144 + number}, ${partition}, ${number}, '', 0, '/log', 0, true, ${format})`;
  }
  const app = testApp({ database: stream.database, snapshots: [snapshot()] });
  const document = await (await app.request("/openapi.json")).json();
  for (
    const path of [
      "/livez",
      "/readyz",
      "/healthz",
      "/version",
      "/v1/pipeline",
      "/v1/checkpoints",
      "/v1/checkpoints/history?limit=1",
      "/v1/windows?state=closed",
      "/v1/windows/2026-01-31T00:10:00Z/explain",
      "/v1/ledger?deep=true&from=2026-01-31T00:00:00Z&to=2026-02-01T00:00:00Z",
      "/v1/dead-letters",
      "/v1/dead-letters/samples",
      "/v1/late",
    ]
  ) {
    const response = await app.request(path);
    assertEquals(response.status, 200, path);
    assertEquals(fitsDocument(document, path, 200, await response.json()), [], path);
    assert(response.headers.get("content-security-policy")?.includes("default-src 'none'"));
    assertEquals(response.headers.get("access-control-allow-origin"), null);
    assertEquals(response.headers.get("cache-control"), "no-store");
  }
  const { partitions } = await (await app.request("/v1/pipeline")).json();
  const log = (name: string, format: string | null) => [{ name: `/log/${name}.log`, found_by: "/log/*.log", format }];
  assertEquals(partitions.map((row: { logs: unknown }) => row.logs), [log("a", "combined"), log("<b>", null)]);
  const page = await (await app.request("/pipeline")).text();
  assertMatch(page, /title="\/log\/a\.log"[^]{0,200}a\.log[^]{0,60}\(combined\)/);
  assert(!page.includes("<b>.log"), "a file's name is not markup");
});

Deno.test("the pages of windows, and commits over hours", async () => {
  await using stream = await streamDatabase();
  const app = testApp({ database: stream.database, snapshots: [snapshot()] });
  const get = async (path: string) => {
    const response = await app.request(path, { headers: { accept: "text/html" } });
    return [response.status, (await response.text()).replace(/<[^>]+>/g, " ").replace(/\s+/g, " ")] as const;
  };
  const [status, open] = await get("/windows/2026-01-31T00:10:00.000Z");
  assertEquals(status, 200);
  assertMatch(open, /Window 00:10 – 00:15/);
  assertMatch(open, /is open: the watermarks? of .* Partition \d/);
  assertMatch(open, /What holds it Partition Watermark Behind Why What would close it By/);
  const [, closed] = await get("/windows/2026-01-31T00:00:00Z");
  assertMatch(closed, /closed The window from .* its numbers are (?:final|provisional)/);
  assertMatch(closed, /Late hits, stored beside 2/);
  const [, empty] = await get("/windows/2026-01-30T00:00:00Z?tz=Asia/Tokyo");
  assertMatch(empty, /holds no record and never will/);
  for (const bad of ["2026-01-31T00:01:00Z", "now", "-5"]) assertEquals((await get(`/windows/${bad}`))[0], 400, bad);
  const [, pipeline] = await get("/pipeline");
  assertMatch(pipeline, /30 minutes 6 hours 24 hours/);
  const hours = await (await app.request("/pipeline?span=24h")).text();
  assertMatch(hours, /Commits of the last 24 hours/);
  assertMatch(hours, /data-fragments="\/fragments\/pipeline\?span=24h"/);
  assertMatch(hours, /href="\/windows\/2026-01-31T00:10:00.000Z"/);
});

Deno.test("totals and charts are shown where rankings are not read in time", async () => {
  await using stream = await streamDatabase();
  const late = Object.assign(new Error("canceling statement"), { code: "57014" });
  const app = testApp({
    snapshots: [snapshot()],
    database: {
      query: (read, deadlineMs) =>
        stream.database.query((sql) =>
          read(
            new Proxy(sql, {
              apply: (target, self, [text, ...values]) =>
                Array.isArray(text) && text.join("").includes("with hit as materialized")
                  ? Promise.reject(late)
                  : Reflect.apply(target, self, [text, ...values]),
            }),
          ), deadlineMs),
    },
  });
  const page = await app.request("/?from=2026-01-31&to=2026-01-31");
  assertEquals(page.status, 200);
  const html = await page.text();
  assertMatch(html, /Map, rankings and table follow/);
  assertMatch(html, /<section id="totals"[^>]*>\s*<h2/);
  assertMatch(html, /<section id="map"[^>]*hidden/);
  const fragments =
    await (await app.request("/fragments/overview?from=2026-01-31&to=2026-01-31&have=map.,totals.,hosts.")).json();
  assertEquals(fragments.again, true);
  assertEquals(fragments.fragments.map(({ id }: { id: string }) => id), ["totals"]);
});

Deno.test("a map shows cities at their own places, once the engine has told where they lie", async () => {
  await using stream = await streamDatabase(async (sql) => {
    await join(sql, 1);
    await commit(sql, [{ partition: 0, by: 9, counted: 9, watermark: DAY0 + WINDOW, maxWindowEnd: DAY0 + WINDOW }], [
      { window: DAY0, host: "a.example", hits: 5, place: ["DE", "Hesse", "Kassel"] },
      { window: DAY0, host: "a.example", hits: 4, place: ["DE", "Hesse", "Fulda"] },
    ]);
    await closeAll(sql);
  });
  const app = testApp({ database: stream.database });
  const circles = async () => {
    const svg = await (await app.request("/v1/charts/map.svg?from=2026-01-31&to=2026-01-31")).text();
    return [...svg.matchAll(/<circle[^>]*><title>([^<]*)</g)].map((match) => match[1]);
  };
  assertEquals(await circles(), ["Germany: 9"]);
  const writes = new Database({
    address: { kind: "url", url: stream.server.url },
    schema: "public",
    applicationName: "http-writes",
    max: 1,
    statementTimeoutMs: 10_000,
  });
  const kassel = { countryCode: "DE", region: "Hesse", city: "Kassel", latitude: 51.3, longitude: 9.5 };
  // A point that is known stays; a statement that fails is sent again.
  const turns = [[kassel], [{ ...kassel, latitude: 1 }, { ...kassel, city: "Fulda", longitude: 9.7 }], []];
  let failed = false;
  const stop = new AbortController();
  await keepPlacePoints({
    database: {
      query(statement, deadlineMs) {
        if (failed) return writes.query(statement, deadlineMs);
        failed = true;
        return Promise.reject(new Error("away"));
      },
    },
    clock: {
      now: () => NOW,
      sleep: () => Promise.resolve(stop.abort()),
    },
    take: () => turns.shift() ?? [],
  }, stop.signal);
  await writes.close();
  assertEquals(await circles(), ["Kassel, Hesse, Germany: 5", "Fulda, Hesse, Germany: 4"]);
  const [stored] = await stream.sql`select latitude::text from place_point where city = 'Kassel'`;
  assertEquals(stored!.latitude, "51.3");
});

Deno.test("views and notes: an admin of a running process keeps them, all others read them", async (t) => {
  await using stream = await streamDatabase();
  const writes = new Database({
    address: { kind: "url", url: stream.server.url },
    schema: "public",
    applicationName: "http-writes",
    max: 1,
    statementTimeoutMs: 10_000,
  });
  const [read, admin] = ["reader-token-0123456789", "admin-token-0123456789"];
  const access = { publicAccess: false, readTokenHash: await hashToken(read), adminTokenHash: await hashToken(admin) };
  const running = testApp({ database: stream.database, settings: { access }, deps: { writes } });
  const serving = testApp({ database: stream.database, settings: { access } });
  const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}, app = running) => {
    const text = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
    return app.request(`http://localhost${path}`, {
      method,
      ...(text !== undefined && { body: text }),
      headers: {
        authorization: `Bearer ${admin}`,
        ...(text !== undefined && { "content-type": "application/json", "content-length": String(text.length) }),
        ...headers,
      },
    });
  };
  const get = async (path: string) =>
    await (await send("GET", path, undefined, { authorization: `Bearer ${read}` })).json();
  try {
    await t.step("written, replaced, read, removed; answers fit the document", async () => {
      assertEquals((await send("PUT", "/v1/views/All%20of%20Germany", { query: "range=28d" })).status, 200);
      assertEquals((await send("PUT", "/v1/views/All%20of%20Germany", { query: "filter=country:is:DE" })).status, 200);
      const note = await (await send("POST", "/v1/notes", { day: "2026-01-31", note: "release 2.1" })).json();
      const document = await get("/openapi.json");
      for (const path of ["/v1/views", "/v1/notes?from=2026-01-31&to=2026-01-31", "/v1/deliveries"]) {
        assertEquals(fitsDocument(document, path, 200, await get(path)), [], path);
      }
      const { views } = await get("/v1/views");
      assertEquals(views.map((v: { name: string; query: string }) => [v.name, v.query]), [[
        "All of Germany",
        "filter=country:is:DE",
      ]]);
      assertEquals((await get("/v1/notes?from=2026-02-01")).notes, []);
      assertEquals((await get("/v1/notes")).notes.map((n: { note: string }) => n.note), ["release 2.1"]);
      assertEquals((await send("DELETE", `/v1/notes/${note.id}`)).status, 204);
      assertEquals((await send("DELETE", `/v1/notes/${note.id}`)).status, 404);
      assertEquals((await send("DELETE", "/v1/views/All%20of%20Germany")).status, 204);
      assertEquals((await get("/v1/views")).views, []);
    });

    await t.step("forms of the page do the same, and lead back to where they were", async () => {
      const form = (fields: Record<string, string>) => new URLSearchParams(fields).toString();
      const type = { "content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin" };
      const saved = await send(
        "POST",
        "/views",
        form({ do: "save", name: "Bots", query: "traffic=bot&utm=1", next: "/?traffic=bot" }),
        type,
      );
      assertEquals([saved.status, saved.headers.get("location")], [303, "/?traffic=bot"]);
      assertEquals((await get("/v1/views")).views[0].query, "traffic=bot");
      const away = await send(
        "POST",
        "/notes",
        form({ do: "save", day: "2026-01-31", note: "x", next: "//evil.example" }),
        type,
      );
      assertEquals(away.headers.get("location"), "/");
      assertEquals((await send("POST", "/notes", form({ do: "save", day: "31.1.", note: "x" }), type)).status, 400);
      assertEquals((await send("POST", "/views", form({ do: "remove", name: "Bots" }), type)).status, 303);
      assertEquals((await get("/v1/views")).views, []);
    });

    await t.step("refused: readers, processes that only show, pages of other sites, what does not fit", async () => {
      const note = { day: "2026-01-31", note: "x" };
      const status = async (answer: Response | Promise<Response>) => {
        const response = await answer;
        return [response.status, (await response.json()).code];
      };
      assertEquals(await status(send("POST", "/v1/notes", note, { authorization: `Bearer ${read}` })), [
        403,
        "forbidden",
      ]);
      assertEquals(await status(send("POST", "/v1/notes", note, { authorization: "" })), [401, "unauthorized"]);
      assertEquals(await status(send("POST", "/v1/notes", note, {}, serving)), [403, "read_only"]);
      for (
        const headers of [{ "sec-fetch-site": "cross-site" }, { "sec-fetch-site": "same-site" }, {
          origin: "https://evil.example",
        }, { origin: "null" }]
      ) {
        assertEquals(await status(send("POST", "/v1/notes", note, headers as Record<string, string>)), [
          403,
          "forbidden",
        ], JSON.stringify(headers));
        assertEquals(await status(send("DELETE", "/v1/notes/1", undefined, headers as Record<string, string>)), [
          403,
          "forbidden",
        ]);
      }
      assertEquals(await status(send("POST", "/v1/notes", note, { "content-type": "text/plain" })), [400, "bad_query"]);
      assertEquals(await status(send("POST", "/v1/notes", "{", {})), [400, "bad_query"]);
      assertEquals(await status(send("POST", "/v1/notes", { day: "2026-02-30", note: "x" })), [400, "bad_query"]);
      assertEquals(await status(send("POST", "/v1/notes", { ...note, note: "a\nb" })), [400, "bad_query"]);
      assertEquals(await status(send("POST", "/v1/notes", { ...note, note: "x".repeat(10_000) })), [
        400,
        "body_not_allowed",
      ]);
      assertEquals(await status(send("POST", "/v1/windows", note)), [400, "body_not_allowed"]);
      assertEquals((await send("POST", "/v1/notes", note, { origin: "http://localhost" })).status, 200);
    });
  } finally {
    await writes.close();
  }
});

Deno.test("/v1/windows lists open and closed windows page by page, without gap or repeat", async () => {
  await using stream = await streamDatabase();
  const app = testApp({ database: stream.database });
  const seen: unknown[][] = [];
  for (let path: string | null = "/v1/windows?limit=1"; path !== null;) {
    const page: { windows: Record<string, unknown>[]; next_cursor: string | null } = await (await app.request(path))
      .json();
    seen.push(...page.windows.map((w) => [w.window_start, w.state, w.certainty, w.hits, w.bot_hits, w.late]));
    path = page.next_cursor === null ? null : `/v1/windows?limit=1&cursor=${page.next_cursor}`;
  }
  assertEquals(seen, [
    ["2026-01-31T00:15:00.000Z", "open", "provisional", 1, 0, 0],
    ["2026-01-31T00:10:00.000Z", "open", "provisional", 6, 1, 0],
    ["2026-01-31T00:05:00.000Z", "closed", "final", 5, 0, 0],
    ["2026-01-31T00:00:00.000Z", "closed", "final", 6, 2, 2],
  ]);
});

Deno.test("a window closed on an idle advance is provisional until a record confirms it", async () => {
  await using stream = await streamDatabase(async (sql) => {
    await join(sql, 1);
    await commit(sql, [{ partition: 0, by: 1, counted: 1, watermark: DAY0 + MIN, maxWindowEnd: DAY0 + WINDOW }], [
      { window: DAY0, host: "a.example", hits: 1 },
    ]);
    await commit(sql, [{
      partition: 0,
      by: 0,
      watermark: DAY0 + WINDOW,
      recordWatermark: DAY0 + MIN,
      quietSince: DAY0 + 2 * MIN,
    }]);
    await closeAll(sql);
  });
  const app = testApp({ database: stream.database });
  const get = async () => (await (await app.request("/v1/windows")).json()).windows[0];
  assertEquals([(await get()).state, (await get()).certainty], ["closed", "provisional"]);
  await commit(stream.sql, [{ partition: 0, by: 1, dead: 1, watermark: DAY0 + 2 * WINDOW }]);
  assertEquals((await get()).certainty, "final");
});

Deno.test("/v1/windows/{start}/explain names who holds a window open and what would close it", async () => {
  await using stream = await streamDatabase();
  const explain = async (
    partition0: Parameters<typeof partition>[1],
    idle: number | null = MIN,
    phase: object = {},
  ) => {
    const app = testApp({
      database: stream.database,
      snapshots: [snapshot({ partitions: [partition(0, partition0), partition(1)], ...phase })],
      settings: { idleTimeoutMs: idle === null ? null : durationMs(idle) },
    });
    const body = await (await app.request("/v1/windows/2026-01-31T00:10:00Z/explain")).json();
    assertEquals([body.state, body.certainty, body.holders.length], ["open", "provisional", 1]);
    assertEquals(body.holders[0].partition, 0);
    return body.holders[0];
  };
  await stream.sql`update stream_partition set raised_at = ${new Date(NOW - 30_000)}`;
  assertEquals((await explain({ logEnd: offset(12), lastStable: offset(12) })).code, "lagging");
  assertEquals((await explain({ logEnd: offset(12), lastStable: offset(10) })).code, "open_transaction");
  assertEquals((await explain({ state: "contested" })).code, "contested");
  assertEquals((await explain({ state: "loading" })).code, "loading");
  assertEquals((await explain({}, null)).code, "idle_off");
  const waiting = await explain({});
  assertEquals([waiting.code, waiting.closes_at], ["waiting_for_idle_timeout", new Date(NOW + 30_000).toISOString()]);
  await stream.sql`update stream_partition set raised_at = ${new Date(NOW - 61_000)}`;
  assertEquals((await explain({})).code, "idle_advance_due");
  await stream
    .sql`update stream set stopped_code = 'data_gap', stopped_message = 'records are gone', stopped_at = now()`;
  assertEquals((await explain({})).code, "stream_stopped");
});

Deno.test("explain tells a window that no watermark holds, an empty one and one of the future", async () => {
  await using stream = await streamDatabase();
  const app = testApp({ database: stream.database, snapshots: [snapshot()] });
  const explain = async (start: string) => (await (await app.request(`/v1/windows/${start}/explain`)).json());
  await stream.sql`update stream_partition set watermark = '2026-01-31T00:16:00Z' where partition = 0`;
  assertStringIncludes((await explain("2026-01-31T00:10:00Z")).summary, "next tick closes it");
  assertEquals((await explain("2026-01-30T00:00:00Z")).state, "empty");
  const future = await explain("2026-02-01T00:00:00Z");
  assertEquals([future.state, future.holders[0].code], ["empty", "not_over"]);
  assertEquals((await explain("2026-01-31T00:00:00Z")).state, "closed");
});

Deno.test("/v1/checkpoints/history pages through commits of one microsecond apart", async () => {
  await using stream = await streamDatabase(async (sql) => {
    await fill(sql);
    await sql`update commit_history set committed_at = '2026-01-31T00:00:00.000001Z'`;
  });
  const app = testApp({ database: stream.database });
  const first = await (await app.request("/v1/checkpoints/history?limit=1")).json();
  const second = await (await app.request(`/v1/checkpoints/history?limit=1&cursor=${first.next_cursor}`)).json();
  assertEquals(new Set([first, second].map((p) => p.commits[0].commit_id)).size, 2);
  assertEquals(second.next_cursor, null);
});

Deno.test("/v1/dead-letters counts by reason and filters ranges and samples", async () => {
  await using stream = await streamDatabase();
  const app = testApp({ database: stream.database });
  const body = await (await app.request("/v1/dead-letters?reason=bad_json")).json();
  assertEquals([body.total, body.by_reason.length, body.ranges.length], [2, 2, 1]);
  assertEquals(body.ranges[0].first_offset, 3);
  const samples = await (await app.request("/v1/dead-letters/samples?limit=1")).json();
  assertEquals(samples.samples[0].payload, "<script>alert(1)</script>");
  const rest = await (await app.request(`/v1/dead-letters/samples?cursor=${samples.next_cursor}`)).json();
  assertEquals(rest.samples.map((s: { offset: number }) => s.offset), [3]);
});

Deno.test("samples need the admin token where there is one", async () => {
  await using stream = await streamDatabase();
  const access = {
    readTokenHash: await hashToken("token-of-the-readers"),
    adminTokenHash: await hashToken("token-of-the-admins"),
    publicAccess: false,
  };
  const app = testApp({ database: stream.database, settings: { access } });
  const status = async (token: string) =>
    (await app.request("/v1/dead-letters/samples", { headers: { authorization: `Bearer ${token}` } })).status;
  assertEquals(await status("token-of-the-readers"), 403);
  assertEquals(await status("token-of-the-admins"), 200);
});

Deno.test("/metrics shows snapshots and the database with names of the catalogue only", async () => {
  await using stream = await streamDatabase();
  await stream
    .sql`update web_traffic_window set folded_keys = 7 where window_start = (select min(window_start) from web_traffic_window)`;
  const lagging = partition(0, { logEnd: offset(110), watermark: epochMs(NOW - 60_000) });
  const app = testApp({ database: stream.database, snapshots: [snapshot({ partitions: [lagging, partition(1)] })] });
  const text = await (await app.request("/metrics")).text();
  for (
    const line of [
      "tidemark_postgres_up 1",
      "tidemark_lag_records 100",
      'tidemark_partition_lag_records{partition="0"} 100',
      'tidemark_partition_watermark_lag_seconds{partition="0"} 60',
      `tidemark_freshness_seconds ${16 * 60}`,
      'tidemark_stream_records{result="late"} 3',
      'tidemark_dead_letters{reason="bad_json"} 1',
      "tidemark_windows_open 2",
      "tidemark_windows_closed 2",
      "tidemark_windows_folded 1",
      "tidemark_keys_folded 7",
      'tidemark_records_total{result="counted"} 18',
      "tidemark_stream_stopped 0",
    ]
  ) assert(text.split("\n").includes(line), `${line} in\n${text}`);
});

Deno.test("before the first start every resource says that there is no stream", async () => {
  await using stream = await streamDatabase(() => Promise.resolve());
  const app = testApp({ database: stream.database });
  for (const path of ["/v1/pipeline", "/v1/checkpoints", "/v1/ledger", "/v1/windows/2026-01-31T00:00:00Z/explain"]) {
    const response = await app.request(path);
    assertEquals([response.status, (await response.json()).code], [503, "stream_missing"], path);
  }
  for (
    const path of ["/v1/windows", "/v1/late", "/v1/dead-letters", "/v1/checkpoints/history", "/metrics", "/readyz"]
  ) {
    assertEquals((await app.request(path)).status, 200, path);
  }
});

Deno.test("a database without our tables is told apart from one that is away", async () => {
  await using stream = await streamDatabase(async (sql) => {
    await sql`drop schema public cascade`;
    await sql`create schema public`;
  });
  const app = testApp({ database: stream.database });
  const response = await app.request("/v1/ledger");
  assertEquals(response.status, 503);
  const body = await response.json();
  assertEquals(body.code, "schema_missing");
  assertMatch(body.detail, /tidemark migrate/);
});

Deno.test("a frozen database is answered for within the deadline, and readiness says so in words", async () => {
  await using stream = await streamDatabase(fill, { faults: true });
  const app = testApp({ database: stream.database, settings: { queryTimeoutMs: durationMs(3_000) } });
  assertEquals((await app.request("/v1/ledger")).status, 200);
  await stream.server.pause();
  try {
    const startedAt = performance.now();
    const responses = await Promise.all(
      ["/v1/ledger", "/v1/pipeline", "/v1/windows", "/v1/late", "/v1/dead-letters", "/readyz", "/metrics", "/healthz"]
        .map((path) => app.request(path)),
    );
    // The deadline is 3 s; the rest is a busy machine's. Without it the answer would never come.
    assert(performance.now() - startedAt < 30_000, `${performance.now() - startedAt} ms`);
    assertEquals(responses.map((r) => r.status), [503, 503, 503, 503, 503, 503, 200, 200]);
    const problem = await responses[0]!.json();
    assertEquals(problem.code, "database_unavailable");
    assert(!JSON.stringify(problem).includes("127.0.0.1"));
    assertEquals((await responses[5]!.json()).reasons, [
      { code: "postgres_unavailable", reason: "PostgreSQL does not answer" },
    ]);
    assertStringIncludes(await responses[6]!.text(), "tidemark_postgres_up 0");
  } finally {
    await stream.server.resume();
  }
  await until("it recovers by itself", async () => (await app.request("/v1/ledger")).status === 200);
});
