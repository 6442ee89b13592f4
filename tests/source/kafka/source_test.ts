import { assertEquals, assertLess } from "@std/assert";
import { systemClock } from "../../../src/shared/clock.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { createKafkaSource } from "../../../src/source/kafka/source.ts";

Deno.test({
  name: "poll() ends when the signal aborts, however long it may wait",
  sanitizeOps: false, // the connection to the broker, which never answers
  sanitizeResources: false,
  fn: async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const source = createKafkaSource({
      connection: { brokers: [`127.0.0.1:${listener.addr.port}`], clientId: "t", tls: null, sasl: null },
      topic: "t",
      group: "g",
      clock: systemClock,
      log: silentLog,
    });
    const stop = new AbortController(), began = performance.now();
    await source.open(stop.signal);
    const polled = source.poll(5_000);
    stop.abort();
    assertEquals(await polled, { kind: "timeout" });
    assertLess(performance.now() - began, 2_500);
    await source.close(100);
  },
});
