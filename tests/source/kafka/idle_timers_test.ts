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
    requestTimeoutIntervalId: undefined as ReturnType<typeof setInterval> | undefined,
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

Deno.test("silenceIdleTimers() wakes an idle connection once a second", () => {
  silenceIdleTimers();
  const { state } = queue(Date.now(), 30_000);
  const delays: (number | undefined)[] = [], { setInterval } = globalThis;
  globalThis.setInterval = ((_run: unknown, delay?: number) => delays.push(delay)) as unknown as typeof setInterval;
  try {
    requestQueuePrototype.scheduleRequestTimeoutCheck.call(state);
    requestQueuePrototype.scheduleCheckPendingRequests.call(state);
  } finally {
    globalThis.setInterval = setInterval;
  }
  assertEquals(delays, [1_000]);
});
