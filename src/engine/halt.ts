// A stream that is stopped by a named error: what the engine does until an operator resumes it. I/O only through the ports.
import { movedPartitions } from "../store/decision.ts";
import type { StoredState } from "../store/port.ts";
import { invariant, messageOf, StreamStopped } from "../shared/errors.ts";
import type { LogIdentity } from "../source/port.ts";
import type { Commits } from "./commits.ts";
import { checkStoredPositions } from "./log_check.ts";
import type { EngineState } from "./state.ts";

/** Faults that the stored positions and the log show to every process that looks, no matter which one found them. */
const SHOWN_BY_POSITIONS: ReadonlySet<string> = new Set([
  "data_gap",
  "position_beyond_end",
  "topic_recreated",
  "partitions_removed",
  "partition_returned",
]);

/**
 * One step of a stopped engine: makes sure that the fault is one, and that the stream row says so, so that every instance stops. Not polling
 * is back-pressure: the source holds still and keeps its membership. Returns whether the engine goes on after all.
 *
 * An instance that slept past the log's retention, or read on from its position before it was fenced, sees faults that are not real for those
 * that have read on meanwhile. So what the stored positions do not show, or was seen from other rows than are stored, stops no instance: the
 * positions are read again, and a fault that is one is found again.
 */
export async function holdStopped(state: EngineState, commits: Commits): Promise<"stopped" | "restarted"> {
  const { source, store, log } = state.parts;
  invariant(state.stopped !== null, "called while stopped");
  await state.sending;
  commits.dropDelivery();
  if (state.stopRecorded) return "stopped";
  let before: LogIdentity;
  try {
    before = await source.identify();
  } catch (error) {
    log.warn("the log cannot be looked at, to see whether the fault is one", { error: messageOf(error) });
    return "stopped";
  }
  try {
    const stored = await store.read();
    const fault = await confirmed(state, stored, before);
    if (fault === null) {
      log.warn("the stored positions do not show the fault that was seen: reading them again");
      restart(state);
      return "restarted";
    }
    state.nameStop(fault);
    await store.stop(fault.code, fault.message);
    state.stopRecorded = true;
  } catch (error) {
    state.storeFailed(error);
  }
  return "stopped";
}

/** The fault by the name that what is stored now gives it; null where the stored positions do not show one. */
async function confirmed(
  state: EngineState,
  stored: StoredState | null,
  before: LogIdentity,
): Promise<StreamStopped | null> {
  if (stored !== null && SHOWN_BY_POSITIONS.has(state.stopped!.code)) {
    try {
      await checkStoredPositions(state, stored, before);
      return null;
    } catch (error) {
      if (!(error instanceof StreamStopped)) throw error;
      return error;
    }
  }
  const seenFromStored = !state.stoodOnGivenUp && movedPartitions(state.stoodAt, stored?.rows ?? []).length === 0;
  return seenFromStored ? state.stopped : null;
}

/** The operator has resumed the stream, or the stop was not ours to make. */
export function restart(state: EngineState): void {
  state.stopped = null;
  state.phase = "waiting";
  state.waiting("joining", "reading positions again");
  // What stopped the stream is no longer true, but the source may have stopped by it, or may be about to report it.
  state.assignment = null;
  state.parts.source.renew();
}
