// Stops a timer of kafkajs that fires a thousand times a second on every idle connection. Changes one shared object of kafkajs, once.
import { requestQueuePrototype } from "./internals.ts";

let silenced = false;

/**
 * kafkajs looks for waiting requests again after a delay that is negative when none wait, which timers take for one millisecond, for ever.
 * Measured: an idle consumer takes 2.5 % of a core with it and 1.0 % without, and a warning is printed. A queue without waiting requests
 * needs no look: putting one in looks by itself.
 */
export function silenceIdleTimer(): void {
  if (silenced) return;
  silenced = true;
  const original = requestQueuePrototype.scheduleCheckPendingRequests;
  requestQueuePrototype.scheduleCheckPendingRequests = function () {
    if (this.pending.length > 0) original.call(this);
  };
}
