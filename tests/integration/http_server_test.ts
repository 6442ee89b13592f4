// The application behind a real socket: timeouts, half-open connections, ports, server-sent events.
import { assert, assertEquals, assertInstanceOf, assertLess, assertStringIncludes } from "@std/assert";
import { serveHttp } from "../../src/http/server/server.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { EXIT, NamedError } from "../../src/shared/errors.ts";
import { silentLog } from "../../src/shared/log.ts";
import { hashToken } from "../../src/http/server/auth.ts";
import { testApp } from "../http/app_fixture.ts";
import { commit, DAY0, MIN } from "../http/stream_fixture.ts";
import { streamDatabase } from "./http_fixture.ts";
import { until } from "../support/wait.ts";

const listen = (app: ReturnType<typeof testApp>, port = 0) =>
  serveHttp(app, { host: "127.0.0.1", port, connectionsMax: 2_000, log: silentLog });

Deno.test("serveHttp() reports the real port of port 0, and close() ends it", async () => {
  const server = await listen(testApp());
  assert(server.port > 0);
  assertEquals(server.url, `http://localhost:${server.port}`);
  const response = await fetch(`http://127.0.0.1:${server.port}/livez`);
  assertEquals(await response.json(), { status: "alive" });
  await server.close(100);
  await fetch(`http://127.0.0.1:${server.port}/livez`).then(
    () => {
      throw new Error("still listening");
    },
    (error) => assertInstanceOf(error, TypeError),
  );
});

Deno.test("serveHttp() names a port in use and exits busy", async () => {
  const server = await listen(testApp());
  try {
    const error = await listen(testApp(), server.port).then(() => null, (error) => error);
    assertInstanceOf(error, NamedError);
    assertEquals([error.code, error.exitCode], ["port_in_use", EXIT.busy]);
    assertStringIncludes(error.action, "HTTP_PORT");
  } finally {
    await server.close(100);
  }
});

Deno.test("serveHttp() answers health within 100 ms beside 1,000 half-open sockets", async () => {
  const server = await listen(testApp({ clock: systemClock }));
  const sockets: Deno.TcpConn[] = [];
  try {
    for (let i = 0; i < 1_000; i += 100) {
      const some = await Promise.all(
        Array.from({ length: 100 }, () => Deno.connect({ hostname: "127.0.0.1", port: server.port })),
      );
      sockets.push(...some);
      await Promise.all(some.map((s) => s.write(new TextEncoder().encode("GET /livez HTTP/1.1\r\nHost: local"))));
    }
    const times: number[] = [];
    for (let i = 0; i < 10; i++) {
      const startedAt = performance.now();
      const response = await fetch(`http://127.0.0.1:${server.port}/livez`);
      await response.body?.cancel();
      assertEquals(response.status, 200);
      times.push(performance.now() - startedAt);
    }
    // The best of some: others use this machine too.
    assertLess(Math.min(...times), 100, `${times.map(Math.round)}`);
  } finally {
    for (const socket of sockets) socket.close();
    await server.close(100);
  }
});

Deno.test("serveHttp() ends the connections that are idle for longest, so that it answers new clients, and keeps running requests", async () => {
  const release = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const server = await serveHttp({
    fetch: async (request) => {
      if (request.url.endsWith("/slow")) asked.resolve(), await release.promise;
      return new Response("ok");
    },
  }, { host: "127.0.0.1", port: 0, connectionsMax: 20, log: silentLog });
  const sockets: Deno.TcpConn[] = [];
  try {
    const slow = fetch(`http://127.0.0.1:${server.port}/slow`);
    await asked.promise;
    for (let i = 0; i < 200; i++) sockets.push(await Deno.connect({ hostname: "127.0.0.1", port: server.port }));
    assertEquals(await (await fetch(`http://127.0.0.1:${server.port}/`)).text(), "ok", "beside 200 idle sockets");
    // The oldest was ended by the server; the newest is still there.
    assertEquals(await sockets[0]!.read(new Uint8Array(1)).catch(() => null), null);
    release.resolve();
    assertEquals(await (await slow).text(), "ok");
  } finally {
    release.resolve();
    for (const socket of sockets) socket.close();
    await server.close(100);
  }
});

Deno.test("serveHttp() answers again after more connections than there are descriptors", async () => {
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const program = `
    import { serveHttp } from "${new URL("../../src/http/server/server.ts", import.meta.url)}";
    import { descriptorLimit, httpShare } from "${new URL("../../src/app/descriptors.ts", import.meta.url)}";
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const connectionsMax = httpShare(await descriptorLimit());
    const server = await serveHttp({ fetch: () => new Response("ok") }, { host: "127.0.0.1", port: 0, connectionsMax, log });
    console.log(JSON.stringify({ port: server.port, connectionsMax }));`;
  const child = new Deno.Command("bash", {
    args: ["-c", `ulimit -n 256; exec "$0" run -A --no-check --config "$1" -`, Deno.execPath(), config],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  try {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(program));
    await writer.close();
    const { value } = await child.stdout.pipeThrough(new TextDecoderStream()).getReader().read();
    const { port, connectionsMax } = JSON.parse(value!);
    assertEquals(connectionsMax, 128);
    const sockets: Deno.TcpConn[] = [];
    for (let i = 0; i < 600; i++) sockets.push(await Deno.connect({ hostname: "127.0.0.1", port }));
    for (const when of ["while they are open", "after they have left"]) {
      // The runtime may have stopped accepting: then the socket is opened again, which resets those that wait at it.
      for (const deadline = performance.now() + 30_000;;) {
        const answer = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(5_000) })
          .then((response) => response.text(), (error) => String(error));
        if (answer === "ok") break;
        assert(performance.now() < deadline, `${when}: ${answer}`);
      }
      for (const socket of sockets.splice(0)) socket.close();
    }
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
});

Deno.test("serveHttp() cuts a socket that never finishes its headers", async () => {
  const server = await listen(testApp());
  const socket = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  try {
    await socket.write(new TextEncoder().encode("GET /livez HTTP/1.1\r\nHost: local"));
    const startedAt = Date.now();
    const buffer = new Uint8Array(1024);
    const read = await socket.read(buffer).catch(() => null);
    const text = read === null ? "" : new TextDecoder().decode(buffer.subarray(0, read));
    assert(text === "" || text.includes("408"), text);
    assertLess(Date.now() - startedAt, 60_000);
  } finally {
    socket.close();
    await server.close(100);
  }
});

Deno.test("serveHttp() refuses another Host on loopback and bodies, and goes on", async () => {
  const server = await listen(testApp());
  try {
    const raw = async (request: string) => {
      const socket = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
      await socket.write(new TextEncoder().encode(request));
      const text = await new Response(socket.readable).text();
      return text.split("\r\n")[0];
    };
    const end = "Connection: close\r\n\r\n";
    assertEquals(await raw(`GET /version HTTP/1.1\r\nHost: evil.example\r\n${end}`), "HTTP/1.1 403 Forbidden");
    assertEquals(await raw(`GET /version HTTP/1.1\r\nHost: localhost\r\n${end}`), "HTTP/1.1 200 OK");
    const body = `GET /version HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n${end}hello`;
    assertEquals(await raw(body), "HTTP/1.1 400 Bad Request");
    const large = `GET /${"a".repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n${end}`;
    assert(/ (4\d\d) /.test(await raw(large) ?? ""));
  } finally {
    await server.close(100);
  }
});

Deno.test("/v1/events sends progress once, resumes by Last-Event-ID and notices that clients are gone", async () => {
  await using stream = await streamDatabase();
  const server = await listen(testApp({ database: stream.database, clock: systemClock }));
  const url = `http://127.0.0.1:${server.port}/v1/events`, metrics = `http://127.0.0.1:${server.port}/metrics`;
  try {
    const first = await events(url);
    const [hello] = await first.take(1);
    assertEquals(hello!.event, "progress");
    assertEquals(hello!.id, `2-${DAY0 + 14 * MIN}`);
    assertEquals(JSON.parse(hello!.data).counted, 18);
    await commit(stream.sql, [{ partition: 0, by: 1, dead: 1, watermark: DAY0 + 14 * MIN }]);
    const [next] = await first.take(1);
    assertEquals(JSON.parse(next!.data).dead, 3);

    const second = await events(url, { "last-event-id": hello!.id });
    await commit(stream.sql, [{ partition: 0, by: 1, dead: 1, watermark: DAY0 + 14 * MIN }]);
    const [resumed] = await second.take(1);
    assertEquals(JSON.parse(resumed!.data).dead, 4, "the known state is not repeated");

    await first.cancel();
    await second.cancel();
    const clients = async () => /^tidemark_http_event_clients (\d+)$/m.exec(await (await fetch(metrics)).text())?.[1];
    await until("both clients are gone", async () => await clients() === "0");
  } finally {
    await server.close(100);
  }
});

Deno.test("/v1/events refuses more clients than it may hold", async () => {
  await using stream = await streamDatabase();
  const server = await listen(
    testApp({ database: stream.database, clock: systemClock, settings: { eventClientsMax: 1 } }),
  );
  const url = `http://127.0.0.1:${server.port}/v1/events`;
  try {
    const head = await fetch(url, { method: "HEAD" });
    assertEquals(head.headers.get("content-type"), "text/event-stream");
    const first = await events(url);
    await first.take(1);
    const second = await fetch(url);
    assertEquals(second.status, 503);
    assertEquals((await second.json()).code, "overloaded");
    await first.cancel();
  } finally {
    await server.close(100);
  }
});

Deno.test("a token guards everything but the probes, which then tell no reasons", async () => {
  const readTokenHash = await hashToken("secret-token-of-readers");
  const server = await listen(testApp({ settings: { access: { readTokenHash, publicAccess: false } } }));
  const get = (path: string, authorization?: string) =>
    fetch(`http://127.0.0.1:${server.port}${path}`, authorization ? { headers: { authorization } } : {});
  try {
    const refused = await get("/version");
    assertEquals(refused.status, 401);
    assertStringIncludes(refused.headers.get("www-authenticate") ?? "", "Basic");
    await refused.body?.cancel();
    for (const authorization of ["Bearer secret-token-of-readers", `Basic ${btoa("me:secret-token-of-readers")}`]) {
      const response = await get("/version", authorization);
      await response.body?.cancel();
      assertEquals(response.status, 200);
    }
    const wrong = await get("/version", "Bearer secret-token-of-reader");
    await wrong.body?.cancel();
    assertEquals(wrong.status, 401);
    const probe = await get("/readyz");
    assertEquals([probe.status, (await probe.json()).reasons], [503, [{
      code: "postgres_unavailable",
      reason: "postgres_unavailable",
    }]]);
  } finally {
    await server.close(100);
  }
});

interface SseEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** A minimal reader of the event stream format. */
async function events(url: string, headers: Record<string, string> = {}) {
  const response = await fetch(url, { headers });
  assertEquals(response.headers.get("content-type"), "text/event-stream");
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    cancel: () => reader.cancel(),
    async take(count: number): Promise<SseEvent[]> {
      const found: SseEvent[] = [];
      while (found.length < count) {
        const end = text.indexOf("\n\n");
        if (end < 0) {
          const { value, done } = await reader.read();
          if (done) throw new Error("the stream ended");
          text += value;
          continue;
        }
        const fields = Object.fromEntries(
          text.slice(0, end).split("\n").map((line) => line.split(/: ?(.*)/s).slice(0, 2)),
        );
        text = text.slice(end + 2);
        if (fields.data !== undefined) found.push({ id: fields.id ?? "", event: fields.event, data: fields.data });
      }
      return found;
    },
  };
}
