// Slows two timers of kafkajs that take most of an idle connection's processor time. Shell: changes one shared
// object of kafkajs, once.
import { requestQueuePrototype } from "./internals.ts";

/** kafkajs compares the requests in flight with their time limits, which are of seconds, ten times a second. */
const TIMEOUT_CHECK_MS = 2_000;

let silenced = false;

/**
 * Without waiting requests, kafkajs computes a negative delay for its next check, which timers take for one millisecond, again and again:
 * 2.5 % of a core for an idle consumer in place of 1.0 %. An empty queue needs no check, because adding a request makes one. Time limits of
 * requests are compared every two seconds, so a request may end that much later; at the same moments, so that one wake-up serves all
 * connections.
 */
export function silenceIdleTimers(): void {
  if (silenced) return;
  silenced = true;
  const { scheduleCheckPendingRequests } = requestQueuePrototype;
  requestQueuePrototype.scheduleCheckPendingRequests = function () {
    if (this.pending.length > 0) scheduleCheckPendingRequests.call(this);
  };
  requestQueuePrototype.scheduleRequestTimeoutCheck = function () {
    if (!this.enforceRequestTimeout) return;
    this.destroy();
    const every = Math.min(this.requestTimeout, TIMEOUT_CHECK_MS);
    const wait = () => {
      this.requestTimeoutIntervalId = setTimeout(check, every - Date.now() % every);
    };
    const check = () => {
      wait();
      const now = Date.now();
      for (const request of this.inflight.values()) {
        if (now - request.sentAt > request.requestTimeout) request.timeoutRequest();
      }
      if (!this.isConnected()) this.destroy();
    };
    wait();
  };
}
