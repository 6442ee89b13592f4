import { assertEquals } from "@std/assert";
import { silenceIdleTimers } from "../../../src/source/kafka/idle_timers.ts";
import { requestQueuePrototype } from "../../../src/source/kafka/internals.ts";

/** What kafkajs has of a connection, with one request that was sent at `sentAt`. */
function queue(sentAt: number, requestTimeout: number) {
  const ended = Promise.withResolvers<void>();
  const state = {
    pending: [],
    enforceRequestTimeout: true,
    requestTimeout,
    requestTimeoutIntervalId: undefined as ReturnType<typeof setTimeout> | undefined,
    isConnected: () => true,
    inflight: new Map([[1, { sentAt, requestTimeout, timeoutRequest: ended.resolve }]]),
    destroy: () => clearInterval(state.requestTimeoutIntervalId),
  };
  return { state, ended: ended.promise };
}

Deno.test("silenceIdleTimers() ends a request that is over its limit", async () => {
  silenceIdleTimers();
  const { state, ended } = queue(Date.now() - 100, 20);
  requestQueuePrototype.scheduleRequestTimeoutCheck.call(state);
  await ended;
  state.destroy();
});

Deno.test("silenceIdleTimers() wakes all idle connections together, every two seconds", () => {
  silenceIdleTimers();
  const { setTimeout } = globalThis, { now } = Date, looks: number[] = [];
  let time = 1_000_300;
  globalThis.setTimeout = ((_run: unknown, delay = 0) => looks.push(time + delay)) as unknown as typeof setTimeout;
  Date.now = () => time;
  try {
    for (let i = 0; i < 3; i++, time += 200) {
      const { state } = queue(time, 30_000);
      requestQueuePrototype.scheduleRequestTimeoutCheck.call(state);
      requestQueuePrototype.scheduleCheckPendingRequests.call(state);
    }
  } finally {
    globalThis.setTimeout = setTimeout;
    Date.now = now;
  }
  assertEquals(looks, [1_002_000, 1_002_000, 1_002_000]);
});
