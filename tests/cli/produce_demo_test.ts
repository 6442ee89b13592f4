// Demo traffic into a topic: records come as their time comes, each once, and are events.
import { assert, assertEquals, assertGreater } from "@std/assert";
import { produceDemo } from "../../src/cli/produce/produce_demo.ts";
import type { OutMessage } from "../../src/cli/produce/produce_message.ts";
import { epochMs } from "../../src/shared/units.ts";

Deno.test("produceDemo() sends nothing of the past, then about the rate, in order, until it is stopped", async () => {
  const start = Date.UTC(2026, 0, 5, 19);
  let now = start;
  const stop = new AbortController();
  const sent: OutMessage[] = [];
  const counts = await produceDemo({
    rate: 100,
    clock: {
      now: () => epochMs(now),
      sleep: (duration: number) => {
        now += duration;
        if (now >= start + 60_000) stop.abort();
        return Promise.resolve();
      },
    } as Parameters<typeof produceDemo>[0]["clock"],
    signal: stop.signal,
    onProgress: () => {},
    send: (messages) => {
      sent.push(...messages);
      return Promise.resolve();
    },
  });
  assertEquals(counts.sent, sent.length);
  // 19:00 is a peak: above the mean of 6,000 a minute.
  assert(sent.length > 6_000 && sent.length < 15_000, String(sent.length));
  const events = sent.flatMap(({ value }) => {
    try {
      return [JSON.parse(value.toString()) as { event_time: string }];
    } catch {
      return [];
    }
  });
  assertGreater(events.length, sent.length * 0.98, "only some are broken on purpose");
  const fresh = events.filter(({ event_time }) => Date.parse(event_time) >= start - 5_000).length;
  assertGreater(fresh, sent.length * 0.95, "nothing of the past but what is late on purpose");
});
