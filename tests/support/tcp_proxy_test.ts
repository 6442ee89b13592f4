// The proxy must make exactly the fault that a test asks for; otherwise fault tests prove nothing.
import { assert, assertEquals, assertGreaterOrEqual, assertRejects } from "@std/assert";
import { startProxy, type TcpProxy } from "./tcp_proxy.ts";

/** Runs `test` with a proxy in front of an echo server that also records what reached it. */
async function withEcho(test: (proxy: TcpProxy, received: () => string) => Promise<void>) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let received = "";
  const serving = (async () => {
    for await (const socket of listener) {
      (async () => {
        const buffer = new Uint8Array(65_536);
        for (let count = await socket.read(buffer); count !== null; count = await socket.read(buffer)) {
          received += new TextDecoder().decode(buffer.subarray(0, count));
          await socket.write(buffer.slice(0, count));
        }
      })().catch(() => {/* the proxy cut the connection, as the test wants */}).finally(() => socket.close());
    }
  })();
  const proxy = startProxy(`127.0.0.1:${listener.addr.port}`);
  try {
    await test(proxy, () => received);
  } finally {
    await proxy.stop();
    listener.close();
    await serving;
  }
}

async function connect(proxy: TcpProxy) {
  const socket = await Deno.connect({ hostname: "127.0.0.1", port: proxy.port });
  return {
    send: (text: string) => socket.write(new TextEncoder().encode(text)),
    /** Reads until `length` characters or the end of the connection. */
    async read(length: number): Promise<string> {
      const buffer = new Uint8Array(65_536);
      let text = "";
      while (text.length < length) {
        const count = await socket.read(buffer).catch(() => null);
        if (count === null) break;
        text += new TextDecoder().decode(buffer.subarray(0, count));
      }
      return text;
    },
    [Symbol.dispose]: () => socket.close(),
  };
}

Deno.test("startProxy() passes bytes both ways, also in small pieces", () =>
  withEcho(async (proxy) => {
    using client = await connect(proxy);
    proxy.chunk(3);
    const pieces: number[] = [];
    proxy.tap("server", (bytes) => pieces.push(bytes.length));
    await client.send("a message of some length");
    assertEquals(await client.read(24), "a message of some length");
    assertEquals(pieces.reduce((sum, length) => sum + length, 0), 24);
    assertEquals(proxy.accepted, 1);
  }));

for (const from of ["client", "server"] as const) {
  for (const when of ["before", "after"] as const) {
    Deno.test(`cutOn() cuts ${when} a pattern of the ${from}, also split over two sends`, () =>
      withEcho(async (proxy, received) => {
        using client = await connect(proxy);
        const cut = proxy.cutOn({ from, when, pattern: "commit" });
        await client.send("begin com");
        assertEquals(await client.read(9), "begin com");
        await client.send("mit end");
        const rest = await client.read(7);
        await cut;
        const expected = when === "before" ? "" : "mit";
        if (from === "server") assertEquals(rest, expected);
        else {
          // The echo of the last bytes is lost with the connection, so only what the server got is checked.
          for (let i = 0; i < 100 && received().length < 9 + expected.length; i++) await sleep(5);
          assertEquals(received(), `begin com${expected}`);
        }
        using again = await connect(proxy);
        await again.send("commit");
        assertEquals(await again.read(6), "commit");
      }));
  }
}

Deno.test("pause() holds bytes until resume(), delay() for a while", () =>
  withEcho(async (proxy, received) => {
    using client = await connect(proxy);
    proxy.pause();
    await client.send("held");
    await sleep(40);
    assertEquals(received(), "");
    proxy.resume();
    assertEquals(await client.read(4), "held");
    proxy.delay(30);
    const start = performance.now();
    await client.send("late");
    assertEquals(await client.read(4), "late");
    assertGreaterOrEqual(performance.now() - start, 55);
  }));

Deno.test("cut() closes what is open; down() also refuses until up()", () =>
  withEcho(async (proxy) => {
    using first = await connect(proxy);
    await first.send("x");
    assertEquals(await first.read(1), "x");
    proxy.cut();
    assertEquals(await first.read(1), "");
    await proxy.down();
    await assertRejects(() => connect(proxy), Deno.errors.ConnectionRefused);
    proxy.up();
    using second = await connect(proxy);
    await second.send("y");
    assertEquals(await second.read(1), "y");
    assert(proxy.accepted === 2);
  }));

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
