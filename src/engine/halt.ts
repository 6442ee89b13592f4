// A stream that is stopped by a named error: what the engine does until an operator resumes it. I/O only through the ports.
import { movedPartitions } from "../store/decision.ts";
import type { StoredState } from "../store/port.ts";
import { invariant, messageOf, StreamStopped } from "../shared/errors.ts";
import type { LogIdentity } from "../source/port.ts";
import type { Commits } from "./commits.ts";
import { checkStoredPositions } from "./log_check.ts";
import type { EngineState } from "./state.ts";

/** Faults that every process finds when it compares the stored positions with the log. */
const SHOWN_BY_POSITIONS: ReadonlySet<string> = new Set([
  "data_gap",
  "position_beyond_end",
  "topic_recreated",
  "partitions_removed",
  "partition_returned",
]);

/**
 * One step of a stopped engine. It confirms the fault and stores the stop in the stream row, so that every instance stops. The engine does
 * not poll meanwhile: the source waits and stays in the group. Returns whether the engine goes on after all.
 *
 * An instance may see a fault that is not real: it slept past retention, or read on after it was fenced. Stop the stream only if the stored
 * positions show the fault; otherwise read them again.
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
    log.warn("cannot confirm the fault: the log cannot be read", { error: messageOf(error) });
    return "stopped";
  }
  try {
    const stored = await store.read();
    const fault = await confirmed(state, stored, before);
    if (fault === null) {
      log.warn("the stored positions do not show the fault; reading them again");
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

/** The fault, by the name that the stored positions give it; null if they do not show one. */
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

/** Ends a stop: the operator has resumed the stream, or the fault was not confirmed. */
export function restart(state: EngineState): void {
  state.stopped = null;
  state.phase = "waiting";
  state.waiting("joining", "reading positions again");
  // The source may have stopped by the same fault, or may be about to report it.
  state.assignment = null;
  state.parts.source.renew();
}
