// Whether the stored positions fit the log, judged by two looks at a log that grows meanwhile. I/O only through the port.
import { checkLog } from "../store/decision.ts";
import type { StoredState } from "../store/port.ts";
import { StreamStopped } from "../shared/errors.ts";
import type { LogIdentity } from "../source/port.ts";
import type { EngineState } from "./state.ts";

/**
 * Between our look at the log and the reading of the rows, the log may have grown and its owner may have committed beyond the end that we
 * saw. So a fault is confirmed by log ends and partitions read after the rows, and by log starts read before them.
 *
 * @param stored the rows, read after `before`
 * @throws StreamStopped with the name of the fault; the caller stops the stream
 * @throws Unavailable if the second look fails
 */
export async function checkStoredPositions(
  { settings, parts }: EngineState,
  stored: StoredState,
  before: LogIdentity,
): Promise<void> {
  const stream = { ...settings.stream, topicId: before.topicId };
  try {
    checkLog(stream, stored, before);
  } catch (error) {
    if (!(error instanceof StreamStopped)) throw error;
    const after = await parts.source.identify();
    const starts = new Map(before.partitions.map((bounds) => [bounds.partition, bounds.logStart]));
    checkLog(stream, stored, {
      topicId: after.topicId,
      partitions: after.partitions.map((bounds) => ({
        ...bounds,
        logStart: starts.get(bounds.partition) ?? bounds.logStart,
      })),
    });
  }
}
