import { assertEquals, assertMatch } from "@std/assert";
import { dispatch } from "../../src/cli/dispatch.ts";
import { healthUrl } from "../../src/cli/running/health.ts";
import { fakeHost } from "./fake_host.ts";

Deno.test("healthUrl() asks this machine where the process listens on every interface", () => {
  assertEquals(healthUrl("127.0.0.1", 8080, "/livez"), "http://127.0.0.1:8080/livez");
  assertEquals(healthUrl("0.0.0.0", 80, "/readyz"), "http://127.0.0.1:80/readyz");
  assertEquals(healthUrl("::", 80, "/livez"), "http://[::1]:80/livez");
  assertEquals(healthUrl("[::1]", 80, "/livez"), "http://[::1]:80/livez");
});

Deno.test("health ends with 0 for an answer, with 7 for a refusal, silence and a closed port", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    ({ url }) => url.endsWith("/livez") ? new Response("ok\n") : new Response("no\n", { status: 503 }),
  );
  const ask = async (port: number, ...words: string[]) => {
    const host = fakeHost();
    const code = await dispatch(["health", "--http-port", String(port), ...words], host);
    return { code, ...await host.written() };
  };
  const { port } = server.addr;
  assertEquals(await ask(port), { code: 0, out: "ok\n", err: "" });
  const refused = await ask(port, "--ready");
  assertEquals([refused.code, refused.out], [7, ""]);
  assertMatch(refused.err, /readyz answers 503: no/);
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  closed.close();
  assertMatch((await ask(closed.addr.port)).err, /does not answer/);
  // A listener that never answers, as a process that hangs.
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { code, err } = await ask(silent.addr.port, "--timeout", "100ms");
  assertEquals(code, 7);
  assertMatch(err, /does not answer/);
  assertEquals((await ask(0)).code, 2);
});
