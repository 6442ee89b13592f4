// Reports and charts over HTTP: formats agree with SQL written independently, hostile text stays text, caches learn the truth.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Sql } from "postgres";
import { BREAKDOWNS } from "../../src/report/breakdown.ts";
import { hashToken } from "../../src/http/server/auth.ts";
import { testApp } from "../http/app_fixture.ts";
import { fitsDocument } from "../http/openapi_check.ts";
import { closeAll, commit, DAY0, fill, join, MIN, WINDOW } from "../http/stream_fixture.ts";
import { streamDatabase } from "./http_fixture.ts";

const DAY = "from=2026-01-31&to=2026-01-31";

/** Values that would be markup, formulas, SQL or control sequences somewhere. */
const HOSTILE = [
  "<script>alert(1)</script>",
  '"><img src=x onerror=alert(1)>',
  "=cmd|'/c calc'!A1",
  "@SUM(1+1)",
  "'; drop table stream; --",
  "\u001b[31mred\u0007",
  'a,b\n"c"',
  "\u202eevil",
];

async function hostile(sql: Sql): Promise<void> {
  await join(sql, 1);
  await commit(
    sql,
    [{
      partition: 0,
      by: HOSTILE.length,
      counted: HOSTILE.length,
      watermark: DAY0 + 2 * WINDOW,
      maxWindowEnd: DAY0 + WINDOW,
    }],
    HOSTILE.map((text, i) => ({
      window: DAY0,
      host: text,
      referrer: text,
      place: ["AU", text, `${text} ${i}`],
      hits: 1,
    })),
  );
  await closeAll(sql);
}

Deno.test("every report and format answers, and JSON fits the document", async () => {
  await using stream = await streamDatabase();
  const app = testApp({ database: stream.database });
  const document = await (await app.request("/openapi.json")).json();
  const reports = ["contributions", "timeseries", "top", "bots", "visitors"];
  const breakdowns = BREAKDOWNS.map((by) => `top?by=${by}`);
  for (const name of [...reports, ...breakdowns]) {
    const path = `/v1/reports/${name}${name.includes("?") ? "&" : "?"}${DAY}`;
    const response = await app.request(path);
    assertEquals(response.status, 200, path);
    assertEquals(fitsDocument(document, path, 200, await response.json()), [], path);
    for (const [format, type] of [["csv", "text/csv"], ["ndjson", "application/x-ndjson"], ["text", "text/plain"]]) {
      const byName = await app.request(`${path}&format=${format}`);
      assertEquals(byName.headers.get("content-type")?.split(";")[0], type);
      const text = await byName.text();
      // The windows of this stream were committed without breakdowns: no lines.
      if (format === "ndjson" && breakdowns.includes(name)) assertEquals(text, "", path);
      else assert(text.length > 10, path);
      assertEquals(await (await app.request(path, { headers: { accept: type! } })).text(), text);
    }
  }
  const path = "/v1/reports/forecast";
  assertEquals(fitsDocument(document, path, 200, await (await app.request(path)).json()), []);
  for (const name of ["cities", "map", "timeseries"]) {
    const response = await app.request(`/v1/charts/${name}.svg?${DAY}`);
    assertEquals([response.status, response.headers.get("content-type")], [200, "image/svg+xml"], name);
    assertStringIncludes(await response.text(), "</svg>");
    assertStringIncludes(response.headers.get("content-security-policy") ?? "", "sandbox");
  }
});

Deno.test("JSON, CSV, NDJSON and SQL agree on counts", async () => {
  await using stream = await streamDatabase();
  const app = testApp({ database: stream.database });
  const url = `/v1/reports/contributions?${DAY}`;
  const json = await (await app.request(url)).json();
  const fromJson = json.rows.map((r: { place: { city: string }; city_contribution: { count: number } }) => [
    r.place.city,
    r.city_contribution.count,
  ]);
  const ndjson = (await (await app.request(`${url}&format=ndjson`)).text()).trim().split("\n").map((l) =>
    JSON.parse(l)
  );
  const csv = (await (await app.request(`${url}&format=csv`)).text()).trim().split("\r\n").slice(1).map((l) =>
    l.split(",")
  );
  const rows = await stream.sql<{ city: string; count: number }[]>`
    select city, sum(num_hits)::int as count from web_traffic_live group by country_code, region, city order by 2 desc`;
  const expected = rows.map((r) => [r.city, r.count]);
  assertEquals(fromJson, expected);
  assertEquals(ndjson.map((r) => [r.city, r.count]), expected);
  assertEquals(csv.map((cells) => [cells[1], Number(cells[5])]), expected);
  assertEquals(json.total_count, expected.reduce((sum, [, count]) => sum + (count as number), 0));
});

Deno.test("an export has no cap on rows, unless one is asked for", async () => {
  await using stream = await streamDatabase(async (sql) => {
    await join(sql, 1);
    const places = Array.from({ length: 2_345 }, (_, i) => ({
      window: DAY0,
      host: "a.example",
      hits: 1 + i % 7,
      place: ["AU", "NSW", `City ${i}`] as const,
    }));
    const counted = places.reduce((sum, p) => sum + p.hits, 0);
    await commit(
      sql,
      [{ partition: 0, by: counted, counted, watermark: DAY0 + WINDOW, maxWindowEnd: DAY0 + WINDOW }],
      places,
    );
    await closeAll(sql);
  });
  const app = testApp({ database: stream.database });
  const lines = async (query: string) =>
    (await (await app.request(`/v1/reports/contributions?${DAY}&format=ndjson${query}`)).text()).trim().split("\n");
  const all = (await lines("")).map((line) => JSON.parse(line));
  assertEquals(new Set(all.map((row) => row.city)).size, 2_345);
  assertEquals(all.map((row) => row.rank), all.map((_, i) => i + 1));
  assertEquals((await lines("&limit=10")).length, 11, "ten and (other)");
});

Deno.test("hostile text is text in every format", async () => {
  await using stream = await streamDatabase(hostile);
  const app = testApp({ database: stream.database });
  const get = async (path: string) => await (await app.request(path)).text();
  const json = JSON.parse(await get(`/v1/reports/top?${DAY}&by=host`));
  assertEquals(json.rows.map((r: { key: string }) => r.key).sort(), [...HOSTILE].sort());
  for (const by of ["host", "referrer", "city"]) {
    const csv = await get(`/v1/reports/top?${DAY}&by=${by}&format=csv`);
    assert(!/(^|,)"?[=@]/m.test(csv), csv);
    const text = await get(`/v1/reports/top?${DAY}&by=${by}&format=text`);
    // deno-lint-ignore no-control-regex -- terminal control sequences are what must not be there
    assert(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/.test(text), JSON.stringify(text));
  }
  const svg = await get(`/v1/charts/cities.svg?${DAY}`);
  assert(!/<script|<img/i.test(svg));
  assertStringIncludes(svg, "&lt;script&gt;");
  const late = await get(`/v1/reports/contributions?${DAY}&host=${encodeURIComponent("'; drop table stream; --")}`);
  assertEquals(JSON.parse(late).total_count, 1);
});

Deno.test("an answer is kept by its ETag until a window closes, a late record comes, or a record in an open window", async () => {
  await using stream = await streamDatabase();
  const app = testApp({ database: stream.database, clock: tick() });
  const url = `/v1/reports/top?${DAY}`;
  const first = await app.request(url);
  await first.body?.cancel();
  assertEquals(first.headers.get("cache-control"), "public, max-age=60");
  let etag = first.headers.get("etag")!;
  const again = async () => {
    const response = await app.request(url, { headers: { "if-none-match": etag } });
    await response.body?.cancel();
    etag = response.headers.get("etag")!;
    return response.status;
  };
  assertEquals([await again(), await again()], [304, 304]);
  const other = await app.request(`${url}&format=csv`, { headers: { "if-none-match": etag } });
  assertEquals(other.status, 200, "another format is another answer");
  await other.body?.cancel();
  await commit(stream.sql, [{ partition: 0, by: 1, counted: 1, watermark: DAY0 + 14 * MIN }], [
    { window: DAY0 + 3 * WINDOW, host: "a.example", hits: 1 },
  ]);
  assertEquals([await again(), await again()], [200, 304], "a record in an open window");
  await commit(stream.sql, [{ partition: 0, by: 1, late: 1, watermark: DAY0 + 14 * MIN }], [
    { window: DAY0, host: "a.example", hits: 1, late: true },
  ]);
  assertEquals([await again(), await again()], [200, 304], "a late record");
  await commit(stream.sql, [{ partition: 0, by: 0, watermark: DAY0 + 15 * MIN }]);
  await closeAll(stream.sql);
  assertEquals([await again(), await again()], [200, 304], "a closing");
});

Deno.test("only a link that carries the revision and its range is immutable, and private behind a token", async () => {
  await using stream = await streamDatabase();
  const app = testApp({ database: stream.database });
  const control = async (query: string) => {
    const response = await app.request(`/v1/charts/cities.svg?${query}`);
    await response.body?.cancel();
    return [response.headers.get("cache-control"), response.headers.get("etag")];
  };
  const [plain, etag] = await control(DAY);
  assertEquals(plain, "public, max-age=60");
  const rev = /W\/"([\d.]+)\.svg/.exec(etag!)![1]!;
  assertEquals((await control(`${DAY}&rev=${rev}`))[0], "public, max-age=31536000, immutable");
  assertEquals((await control(`${DAY}&rev=1.1`))[0], "public, max-age=60");
  assertMatch((await control(`rev=${rev}`))[0]!, /max-age=60$/);

  const access = { readTokenHash: await hashToken("token-of-the-readers"), publicAccess: false };
  const guarded = testApp({ database: stream.database, settings: { access } });
  const response = await guarded.request(`/v1/charts/cities.svg?${DAY}`, {
    headers: { authorization: "Bearer token-of-the-readers" },
  });
  await response.body?.cancel();
  assertEquals(response.headers.get("cache-control"), "private, max-age=60");
  assertEquals(response.headers.get("vary"), "Accept, Accept-Encoding, Authorization, Cookie");
});

Deno.test("bad report queries name the field and what is allowed", async () => {
  const app = testApp();
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ["contributions?tz=Mars/Olympus", "tz", /UTC/],
    ["contributions?from=2026-02-30", "from", /YYYY-MM-DD/],
    ["contributions?from=2026-02-02&to=2026-02-01", "from", /up to 2026-02-01/],
    ["contributions?from=1970-01-01&to=2026-02-01", "from", /to 2026-02-01/],
    ["contributions?cursor=abc", "cursor", /next_cursor/],
    ["contributions?format=xml", "format", /json,csv,ndjson,text/],
    ["contributions?place=planet", "place", /city,region,country/],
    ["timeseries?step=5min&from=2025-01-01&to=2026-01-01", "from", /to 2026-01-01/],
    ["top?by=user", "by", /host,referrer/],
    ["forecast?from=2026-01-01", "from", /tz/],
  ];
  for (const [path, field, allowed] of cases) {
    const response = await app.request(`/v1/reports/${path}`);
    const { errors } = await response.json();
    assertEquals([response.status, errors[0].field], [400, field], path);
    assertMatch(String(errors[0].allowed), allowed, path);
  }
  const refused = await app.request("/v1/reports/top", { headers: { accept: "image/png" } });
  assertEquals([refused.status, (await refused.json()).code], [406, "not_acceptable"]);
  const browser = await app.request(`/v1/reports/top?tz=x`, {
    headers: { accept: "text/html,application/xml;q=0.9,*/*;q=0.8" },
  });
  assertEquals(browser.status, 400);
});

Deno.test("streamed CSV is compressed, and begins with a byte order mark where that is asked", async () => {
  await using stream = await streamDatabase(fill);
  const app = testApp({ database: stream.database });
  for (const [encoding, format] of [["br", "brotli"], ["gzip", "gzip"]] as const) {
    for (const path of [`contributions?${DAY}&format=csv`, `top?${DAY}&format=csv`]) {
      const ask = async (more: string, headers: Record<string, string> = {}) =>
        await app.request(`/v1/reports/${path}${more}`, { headers });
      const plain = new Uint8Array(await (await ask("")).arrayBuffer());
      const sent = await ask("&bom=true", { "accept-encoding": encoding });
      assertEquals(sent.headers.get("content-encoding"), encoding);
      assertMatch(sent.headers.get("vary")!, /Accept-Encoding/);
      const body = new Uint8Array(
        await new Response(sent.body!.pipeThrough(new DecompressionStream(format))).arrayBuffer(),
      );
      assertEquals(body, new Uint8Array([0xef, 0xbb, 0xbf, ...plain]), path);
      const again = await ask("", { "if-none-match": sent.headers.get("etag")!, "accept-encoding": encoding });
      assertEquals([again.status, again.headers.get("content-encoding")], [304, null]);
    }
  }
});

Deno.test("a database that is away is a problem document also for streamed exports", async () => {
  await using stream = await streamDatabase(fill, { faults: true });
  const app = testApp({
    database: stream.database,
    settings: { deepQueryTimeoutMs: 300 as never, queryTimeoutMs: 300 as never },
  });
  await stream.server.kill();
  for (const path of [`contributions?${DAY}&format=csv`, `contributions?${DAY}&format=ndjson`, `top?${DAY}`]) {
    const response = await app.request(`/v1/reports/${path}`);
    assertEquals([response.status, (await response.json()).code], [503, "database_unavailable"], path);
  }
});

/** A clock that runs: each look at the version is a new one. */
function tick() {
  let time = DAY0 + 30 * MIN;
  return {
    now: () => (time += 2_000) as never,
    sleep: () => Promise.resolve(),
  };
}
