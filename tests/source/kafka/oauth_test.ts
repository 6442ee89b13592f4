// How tokens are kept, and what becomes of odd answers. A real broker takes them in tests/integration/kafka_group_test.ts.
import { assertEquals, assertRejects } from "@std/assert";
import { Unavailable } from "../../../src/shared/errors.ts";
import { tokenProvider } from "../../../src/source/kafka/oauth.ts";

const endpoint = (port: number) =>
  ({
    kind: "endpoint",
    url: `http://127.0.0.1:${port}/`,
    clientId: "a b",
    clientSecret: "p:+",
    scope: null,
    extensions: { logicalCluster: "lkc-1" },
  }) as const;

Deno.test("tokenProvider() asks once for many logins, and again after most of a token's life", async () => {
  let asked = 0;
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    assertEquals(request.headers.get("authorization"), `Basic ${btoa("a%20b:p%3A%2B")}`);
    return Response.json({ access_token: `t${++asked}`, expires_in: 100 });
  });
  let now = 1_000_000;
  const token = tokenProvider(endpoint(server.addr.port), () => now);
  const both = await Promise.all([token(), token()]);
  assertEquals(both.map(({ value }) => value), ["t1", "t1"]);
  assertEquals(both[0]!.extensions, { logicalCluster: "lkc-1" });
  now += 79_999;
  assertEquals((await token()).value, "t1");
  now += 1;
  assertEquals((await token()).value, "t2");
});

Deno.test("tokenProvider() names answers that hold no token, without repeating them", async () => {
  const answers = ["{", "{}", '{"access_token":5}', '{"access_token":"a\\nb"}', ""];
  for (const answer of answers) {
    await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response(answer));
    const error = await assertRejects(() => tokenProvider(endpoint(server.addr.port))(), Unavailable);
    assertEquals(error.code, "kafka_token", answer);
  }
});
