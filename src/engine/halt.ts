// A stream that is stopped by a named error: what the engine does until an operator resumes it. I/O only through the ports.
import { movedPartitions } from "../commit/decision.ts";
import type { Store } from "../commit/port.ts";
import { invariant, messageOf } from "../shared/errors.ts";
import type { Commits } from "./commits.ts";
import type { EngineState } from "./state.ts";

/**
 * One step of a stopped engine: makes sure that the stream row says why, so that every instance stops. Not polling is back-pressure: the
 * source holds still and keeps its membership. Returns whether the engine goes on after all.
 */
export async function holdStopped(state: EngineState, commits: Commits): Promise<"stopped" | "restarted"> {
  const { source, store, log } = state.parts;
  invariant(state.stopped !== null, "called while stopped");
  await state.sending;
  commits.dropDelivery();
  if (state.stopRecorded) return "stopped";
  try {
    const stored = await store.read();
    if (source.renew && movedPartitions(state.stoodAt, stored?.rows ?? []).length > 0) {
      // An instance that slept past the log's retention must not stop those that have read on meanwhile.
      log.warn("a fault was seen from positions that another instance has moved: reading them again");
      restart(state);
      return "restarted";
    }
    await store.stop(state.stopped.code as Parameters<Store["stop"]>[0], state.stopped.message);
    state.stopRecorded = true;
  } catch (error) {
    state.storeFailed(messageOf(error));
  }
  return "stopped";
}

/** The operator has resumed the stream, or the stop was not ours to make. */
export function restart(state: EngineState): void {
  state.parts.log.info("the stream was resumed");
  state.stopped = null;
  state.phase = "waiting";
  state.waiting("joining", "reading positions again");
  const { source } = state.parts;
  if (source.renew) {
    // What stopped the stream is no longer true, but the source may have stopped by it, or may be about to report it.
    state.assignment = null;
    return source.renew();
  }
  if (state.assignment) state.want(state.assignment.partitions, { settle: true });
}
