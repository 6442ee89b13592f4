// Which answers are compressed and how, also streams, and what headers caches need for that.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Hono } from "hono";
import { compressed, prefersBrotli } from "../../src/http/server/compression.ts";
import type { AppEnv } from "../../src/http/server/deps.ts";
import { until } from "../support/wait.ts";
import { testApp } from "./app_fixture.ts";

const inflate = (response: Response, format: CompressionFormat) =>
  new Response(response.body!.pipeThrough(new DecompressionStream(format))).text();

Deno.test("prefersBrotli() where it is taken, and at least as gladly as gzip", () => {
  for (
    const [accept, expected] of [
      ["gzip, deflate, br, zstd", true],
      ["br;q=0.5, gzip;q=0.8", false],
      ["br;q=0", false],
      ["BR", true],
      ["gzip", false],
      ["*", false],
      [undefined, false],
    ] as const
  ) assertEquals(prefersBrotli(accept), expected, accept);
});

Deno.test("all text is compressed, in the client's encoding, with Vary; event streams and pictures of pixels are not", async () => {
  const app = new Hono<AppEnv>();
  app.use(compressed());
  const body = "text of some length ".repeat(200);
  const types = ["text/html; charset=utf-8", "text/csv; charset=utf-8", "text/plain", "text/css", "application/json"];
  const texts = [...types, "application/problem+json", "application/x-ndjson", "image/svg+xml", "text/javascript"];
  app.get("/x", (c) => c.body(body, 200, { "content-type": c.req.query("type")!, etag: 'W/"7"', vary: "Accept" }));
  const ask = (type: string, encoding: string) =>
    app.request(`/x?type=${encodeURIComponent(type)}`, { headers: { "accept-encoding": encoding } });
  for (const type of texts) {
    for (const [encoding, sent, format] of [["gzip, br", "br", "brotli"], ["gzip", "gzip", "gzip"]] as const) {
      const response = await ask(type, encoding);
      assertEquals(response.headers.get("content-encoding"), sent, type);
      assertMatch(response.headers.get("vary")!, /Accept-Encoding/);
      assertEquals(response.headers.get("etag"), 'W/"7"');
      assertEquals(await inflate(response, format), body);
    }
    assertEquals((await ask(type, "identity")).headers.get("content-encoding"), null, type);
  }
  for (const type of ["text/event-stream", "image/png", "application/octet-stream"]) {
    assertEquals((await ask(type, "gzip, br")).headers.get("content-encoding"), null, type);
  }
});

Deno.test("a stream is compressed as it comes, and ends where its reader goes away", async () => {
  const app = new Hono<AppEnv>();
  app.use(compressed());
  let cancelled = false;
  app.get("/x", () => {
    let lines = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode(`${lines++},${Math.random()}\r\n`.repeat(50))),
      cancel: () => void (cancelled = true),
    });
    return new Response(body, { headers: { "content-type": "text/csv; charset=utf-8" } });
  });
  for (const encoding of ["br", "gzip"]) {
    cancelled = false;
    const response = await app.request("/x", { headers: { "accept-encoding": encoding } });
    const reader = response.body!.getReader();
    const { value } = await reader.read();
    assert(value!.length > 0, "the first bytes come before the end, which never is");
    await reader.cancel();
    await until("the source is cancelled", () => cancelled, { limitMs: 10_000 });
  }
});

Deno.test("the application compresses documents, pages and problems", async () => {
  const app = testApp();
  for (const path of ["/openapi.json", "/docs", "/nothing"]) {
    for (const [encoding, format] of [["br", "brotli"], ["gzip", "gzip"]] as const) {
      const response = await app.request(path, { headers: { "accept-encoding": encoding } });
      assertEquals(response.headers.get("content-encoding"), encoding, path);
      assert((await inflate(response, format)).length > 0);
    }
    const head = await app.request(path, { method: "HEAD", headers: { "accept-encoding": "br" } });
    assertEquals(await head.text(), "");
  }
});
