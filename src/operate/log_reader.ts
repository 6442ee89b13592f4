// The port through which doctor, replay and resume read a log from any offset, beside a running stream. No I/O.
import type { Offset, PartitionId } from "../shared/units.ts";
import type { FetchedBatch, LogIdentity } from "../source/port.ts";

export interface LogReader {
  /** The log's identity and bounds now. @throws Unavailable */
  identify(): Promise<LogIdentity>;
  /**
   * The next batches of one partition: the first begins at `from`, each other one at the end of the one before. At the log's end there are
   * none, or one with `next === from`.
   *
   * @throws NamedError `log_gone` if the log does not hold `from`
   * @throws StreamStopped if a batch cannot be read
   * @throws Unavailable
   */
  read(partition: PartitionId, from: Offset): Promise<FetchedBatch[]>;
  /** Never rejects. */
  close(): Promise<void>;
}
