// The engine's inner step: one batch of bytes → counts in the delta. No I/O, no clock: the caller says what time it is.
// Hot path: one call of `#visit` per record, no allocation; the reader and the key table are the only other code that runs per record.
import { deadReason, type EventReader, READ_COMMENT, READ_OK } from "../event/types.ts";
import type { FetchedBatch } from "../source/port.ts";
import type { DurationMs, EpochMs } from "../shared/units.ts";
import { invariant } from "../shared/errors.ts";
import { Delta } from "./delta.ts";
import { isLate } from "./tumbling.ts";
import type { Tracker } from "./tracker.ts";

export interface CountingRules {
  readonly windowSize: DurationMs;
  readonly watermarkDelay: DurationMs;
  /** Event time this far above record time is a dead letter. */
  readonly maxFutureSkew: DurationMs;
  readonly latePolicy: "store" | "drop";
  /** Whether offsets count records: then holes between offsets are booked as skipped. */
  readonly offsetsCountRecords: boolean;
}

/** Applies batches to a delta by the rules of event time. */
export class Counter {
  /** Bytes of all values seen. */
  bytes = 0;
  readonly #rules: CountingRules;
  readonly #reader: EventReader;
  #tracker!: Tracker;
  #delta!: Delta;
  #now = 0;
  #expectedOffset = 0;

  constructor(rules: CountingRules, reader: EventReader) {
    this.#rules = rules;
    this.#reader = reader;
  }

  /**
   * Counts every record of `batch` into `delta` and moves `tracker` behind it.
   *
   * @param now clock of this process: record time is never taken above it
   * @param serverNow the same moment by PostgreSQL's clock, by which silence is measured
   */
  count(tracker: Tracker, batch: FetchedBatch, delta: Delta, now: EpochMs, serverNow: EpochMs): void {
    invariant(batch.from === tracker.position, `batch at ${batch.from}, position is ${tracker.position}`);
    this.#tracker = tracker;
    this.#delta = delta;
    this.#now = now;
    this.#expectedOffset = batch.from;
    const watermark = tracker.watermark;
    for (const run of batch.runs) run.walk(batch.from, this.#visit);
    if (this.#rules.offsetsCountRecords) {
      invariant(
        this.#expectedOffset <= batch.next,
        `records reach ${this.#expectedOffset}, the batch ends at ${batch.next}`,
      );
      tracker.tally.skipped += batch.next - this.#expectedOffset;
    }
    tracker.position = batch.next;
    if (tracker.watermark > watermark) tracker.raisedAt = serverNow;
    if (tracker.recordWatermark >= tracker.watermark) tracker.quietSince = null;
  }

  readonly #visit = (bytes: Uint8Array, start: number, end: number, offset: number, recordTime: number): void => {
    const rules = this.#rules, tracker = this.#tracker, tally = tracker.tally, reader = this.#reader;
    if (rules.offsetsCountRecords) {
      tally.skipped += offset - this.#expectedOffset;
      this.#expectedOffset = offset + 1;
    }
    if (end < 0) {
      tally.nulls++;
      return;
    }
    this.bytes += end - start;
    const code = reader.read(bytes, start, end);
    if (code !== READ_OK) {
      if (code === READ_COMMENT) {
        tally.nulls++;
        return;
      }
      tally.dead++;
      this.#delta.dead.add(tracker.partition, deadReason(code), offset, bytes, start, end);
      return;
    }
    const eventTime = reader.eventTime;
    const seenAt = recordTime < this.#now ? recordTime : this.#now;
    if (eventTime > seenAt + rules.maxFutureSkew) {
      tally.dead++;
      this.#delta.dead.add(tracker.partition, "future_event_time", offset, bytes, start, end);
      return;
    }
    const size = rules.windowSize;
    const windowStart = Math.floor(eventTime / size) * size;
    const windowEnd = windowStart + size;
    if (isLate(windowEnd, tracker.watermark)) {
      tally.late++;
      if (rules.latePolicy === "store") {
        this.#delta.lateTable(windowStart).add(reader.host, reader.referrer, reader.place, reader.bot);
      } else tally.lateDropped++;
    } else {
      tally.counted++;
      this.#delta.table(windowStart).add(reader.host, reader.referrer, reader.place, reader.bot);
      if (windowEnd > tracker.maxWindowEnd) tracker.maxWindowEnd = windowEnd as EpochMs;
    }
    if (eventTime > tracker.lastEventTime) tracker.lastEventTime = eventTime as EpochMs;
    if (eventTime < tracker.firstEventTime) tracker.firstEventTime = eventTime as EpochMs;
    const raised = (eventTime < seenAt ? eventTime : seenAt) - rules.watermarkDelay;
    if (raised > tracker.recordWatermark) {
      tracker.recordWatermark = raised as EpochMs;
      if (raised > tracker.watermark) tracker.watermark = raised as EpochMs;
    }
  };
}
