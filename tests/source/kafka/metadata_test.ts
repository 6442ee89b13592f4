import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { systemClock } from "../../../src/shared/clock.ts";
import { Unavailable } from "../../../src/shared/errors.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { KafkaMetadata } from "../../../src/source/kafka/metadata.ts";

Deno.test({
  name: "describe() rejects with one line that names the broker where nothing listens",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const broker = `127.0.0.1:${listener.addr.port}`;
    listener.close();
    const metadata = new KafkaMetadata({
      connection: { brokers: [broker], clientId: "t", tls: null, sasl: null },
      topic: "t",
      group: "g",
      clock: systemClock,
      log: silentLog,
    });
    const error = await assertRejects(() => metadata.describe(), Unavailable);
    assertStringIncludes(error.message, broker);
    assertEquals([error.code, error.message.includes("\n")], ["kafka_unavailable", false]);
    await metadata.close();
  },
});
