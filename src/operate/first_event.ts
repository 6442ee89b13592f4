// Finds the event time at which a gap ends. I/O only through the port.
import { type EventReader, READ_OK } from "../event/types.ts";
import { type EpochMs, epochMs, type Offset, type PartitionId } from "../shared/units.ts";
import type { LogReader } from "./log_reader.ts";

/** Most reads in search of an event. */
const READS_MAX = 4;

/** Event time of the first event at or above `from`; undefined if none was found. @throws what the reader throws */
export async function firstEventTime(
  log: LogReader,
  events: EventReader,
  partition: PartitionId,
  from: Offset,
): Promise<EpochMs | undefined> {
  let position = from;
  for (let i = 0; i < READS_MAX; i++) {
    let found: EpochMs | undefined;
    for (const batch of await log.read(partition, position)) {
      events.useHost(batch.host);
      for (const run of batch.runs) {
        run.walk(position, (bytes, start, end) => {
          if (found === undefined && end >= 0 && events.read(bytes, start, end) === READ_OK) {
            found = epochMs(events.eventTime);
          }
        });
        if (found !== undefined) return found;
      }
      if (batch.next >= batch.logEnd) return undefined;
      position = batch.next;
    }
  }
  return undefined;
}
