// The port through which operators' tools read a log: from any offset, beside a running stream and without its membership. No I/O.
import type { Offset, PartitionId } from "../shared/units.ts";
import type { FetchedBatch, LogIdentity } from "../source/port.ts";

/** Reads without deciding and without storing anything. */
export interface LogReader {
  /** The log's identity and bounds now. @throws Unavailable */
  identify(): Promise<LogIdentity>;
  /**
   * The next batches of one partition: the first begins at `from`, each where the one before ended. Empty, or with `next === from`, at the
   * log's end.
   *
   * @throws NamedError `log_gone` where the log does not hold `from` (any more)
   * @throws StreamStopped where a batch cannot be read
   * @throws Unavailable
   */
  read(partition: PartitionId, from: Offset): Promise<FetchedBatch[]>;
  /** Never rejects. */
  close(): Promise<void>;
}
