// Who in a consumer group is a stranger, and how it is named; a Java member is met in tests/integration/kafka_strangers_test.ts.
import { assertEquals, assertRejects } from "@std/assert";
import { describeGroup, strangersOf } from "../../../src/source/kafka/group_members.ts";
import type { Broker } from "../../../src/source/kafka/internals.ts";

Deno.test("strangersOf() names members of other programs, and of the new protocol whatever they call themselves", () => {
  const member = (clientId: string, newProtocol = false) => ({ clientId, clientHost: "/10.0.0.1", newProtocol });
  assertEquals(strangersOf([member("tidemark-a"), member("tidemark-b#2"), member("tidemark")]), []);
  assertEquals(strangersOf([member("tidemark-a"), member("kcat"), member("kcat"), member("tidemarkish")]), [
    "kcat on 10.0.0.1",
    "tidemarkish on 10.0.0.1",
  ]);
  assertEquals(strangersOf([member("tidemark-a", true)]), ["tidemark-a on 10.0.0.1 (group.protocol=consumer)"]);
});

Deno.test("strangersOf() lets no control character of a stranger through", () => {
  const [name] = strangersOf([{ clientId: "a\x1b[31m\n\u202eb", clientHost: "/h\r", newProtocol: false }]);
  assertEquals(name, "a [31m b on h ");
});

Deno.test("describeGroup() asks by the classic request where the broker has no group of the new protocol, or does not offer it", async () => {
  const members = [{ clientId: "kcat", clientHost: "/10.0.0.1" }];
  const brokerAnswering = (errorCode: number) =>
    ({
      versions: { 69: { minVersion: 0, maxVersion: 0 } },
      connectionPool: { send: () => Promise.resolve({ errorCode, state: "", members: [] }) },
      describeGroups: () => Promise.resolve({ groups: [{ state: "Stable", members }] }),
    }) as unknown as Broker;
  for (const errorCode of [69, 35]) {
    const { state, members: [member] } = await describeGroup(brokerAnswering(errorCode), "g");
    assertEquals([state, member], ["Stable", { ...members[0]!, newProtocol: false }]);
  }
  await assertRejects(() => describeGroup(brokerAnswering(30), "g"));
});
