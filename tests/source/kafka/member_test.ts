// What a group member hands on to the Kafka client.
import { assertEquals } from "@std/assert";
import { metadataRefresh } from "../../../src/shared/config/relations.ts";
import { durationMs } from "../../../src/shared/units.ts";
import { KafkaMember } from "../../../src/source/kafka/member.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { systemClock } from "../../../src/shared/clock.ts";

Deno.test("KafkaMember reads the topic's metadata as often as the settings say", () => {
  const made: { metadataMaxAge?: number }[] = [];
  const kafka = { consumer: (options: { metadataMaxAge?: number }) => made.push(options) } as never;
  for (const delay of [2_000, 60_000]) {
    new KafkaMember({
      kafka,
      topic: "t",
      group: "g",
      clock: systemClock,
      log: silentLog,
      rackId: "r",
      maxBytesPerPartition: 1,
      maxWaitMs: 1,
      metadataMs: metadataRefresh({ WATERMARK_DELAY: durationMs(delay) }),
    }, {} as never);
  }
  assertEquals(made.map(({ metadataMaxAge }) => metadataMaxAge), [1_000, 10_000]);
});
