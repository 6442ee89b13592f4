// The engine's inner step: one batch of bytes → counts in the delta. No I/O, no clock: the caller gives the time.
// Hot path: one call of `#visit` per record, no allocation; the reader and the key table are the only other code that runs per record.
import { type DeadReason, deadReason, type EventReader, READ_COMMENT, READ_OK } from "../event/types.ts";
import type { FetchedBatch, RecordRun } from "../source/port.ts";
import type { DurationMs, EpochMs, Offset } from "../shared/units.ts";
import { invariant } from "../shared/errors.ts";
import { type Delta, type DeltaBounds, NO_BOUNDS } from "./delta.ts";
import { NamedTexts } from "./named_texts.ts";
import { isLate } from "./tumbling.ts";
import type { KeyTable } from "./key_table.ts";
import type { Tracker } from "./tracker.ts";

export interface CountingRules {
  readonly windowSize: DurationMs;
  readonly watermarkDelay: DurationMs;
  /** Event time this far above record time is a dead letter. */
  readonly maxFutureSkew: DurationMs;
  readonly latePolicy: "store" | "drop";
  /** Whether offsets count records: then gaps between offsets are added to `skipped`. */
  readonly offsetsCountRecords: boolean;
}

/** The size of the dictionaries is checked each time this many bytes of values were read. They cannot grow by much more in between. */
const LOOK_BYTES = 64 * 1024;

/** Applies batches to a delta by the rules of event time. */
export class Counter {
  /** Bytes of all values seen. */
  bytes = 0;
  readonly #rules: CountingRules;
  readonly #reader: EventReader;
  #tracker!: Tracker;
  #delta!: Delta;
  /** The run that is read now. */
  #run!: RecordRun;
  #now = 0;
  #expectedOffset = 0;
  readonly #bounds: DeltaBounds;
  /** Whether the delta has reached a bound: the rest of the batch is not counted into it. */
  #full = false;
  /** Offset of the first record that was not counted; -1 if all were. */
  #leftFrom = -1;
  #lookAt = LOOK_BYTES;
  /** Tables numbered so far. */
  #tables = 0;
  readonly #hosts = new NamedTexts();
  readonly #referrers = new NamedTexts();

  constructor(rules: CountingRules, reader: EventReader, bounds: DeltaBounds = NO_BOUNDS) {
    this.#rules = rules;
    this.#reader = reader;
    this.#bounds = bounds;
  }

  /**
   * Counts the records of `batch` into `delta` until the delta reaches a bound, and moves `tracker` behind the last counted record.
   * Returns whether that was the whole batch. If not, the caller counts the rest into the next delta, from the tracker's position.
   *
   * @param now clock of this process: record time is never taken above it
   * @param serverNow the same moment by PostgreSQL's clock, by which silence is measured
   */
  count(tracker: Tracker, batch: FetchedBatch, delta: Delta, now: EpochMs, serverNow: EpochMs): boolean {
    invariant(batch.from === tracker.position, `batch at ${batch.from}, position is ${tracker.position}`);
    this.#tracker = tracker;
    this.#delta = delta;
    this.#now = now;
    this.#expectedOffset = batch.from;
    this.#full = delta.reached(this.#bounds, this.#reader.memoryBytes);
    this.#leftFrom = -1;
    const watermark = tracker.watermark;
    this.#reader.useHost(batch.host);
    for (const run of batch.runs) {
      this.#run = run;
      run.walk(batch.from, this.#visit);
    }
    const next = this.#leftFrom < 0 ? batch.next : this.#leftFrom as Offset;
    if (this.#rules.offsetsCountRecords) {
      invariant(this.#expectedOffset <= next, `records reach ${this.#expectedOffset}, the batch ends at ${next}`);
      tracker.tally.skipped += next - this.#expectedOffset;
    }
    tracker.position = next;
    if (tracker.watermark > watermark) tracker.raisedAt = serverNow;
    if (tracker.recordWatermark >= tracker.watermark) tracker.quietSince = null;
    return this.#leftFrom < 0;
  }

  /** Checks the size of the dictionaries. If the delta has no keys (late records were dropped), no key names their ids: empty them at once. */
  #look(): void {
    const reader = this.#reader, { maxDictionaryBytes } = this.#bounds;
    this.#lookAt = this.bytes + LOOK_BYTES;
    if (reader.memoryBytes < maxDictionaryBytes) return;
    if (this.#delta.keys > 0) this.#full = true;
    else reader.reset();
  }

  readonly #visit = (bytes: Uint8Array, start: number, end: number, offset: number, recordTime: number): void => {
    if (this.#full) {
      if (this.#leftFrom < 0) this.#leftFrom = offset;
      return;
    }
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
    if (this.bytes >= this.#lookAt) this.#look();
    const code = reader.read(bytes, start, end);
    if (code !== READ_OK) {
      if (code === READ_COMMENT) {
        tally.nulls++;
        return;
      }
      this.#bury(deadReason(code), bytes, start, end, offset);
      return;
    }
    const eventTime = reader.eventTime;
    const seenAt = recordTime < this.#now ? recordTime : this.#now;
    if (eventTime > seenAt + rules.maxFutureSkew) {
      this.#bury("future_event_time", bytes, start, end, offset);
      return;
    }
    const size = rules.windowSize;
    const windowStart = Math.floor(eventTime / size) * size;
    const windowEnd = windowStart + size;
    if (isLate(windowEnd, tracker.watermark)) {
      tally.late++;
      if (rules.latePolicy === "store") this.#add(this.#delta.lateTable(windowStart));
      else tally.lateDropped++;
    } else {
      tally.counted++;
      this.#add(this.#delta.table(windowStart));
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

  #bury(reason: DeadReason, bytes: Uint8Array, start: number, end: number, offset: number): void {
    const { partition, tally } = this.#tracker, line = this.#run.line;
    tally.dead++;
    this.#delta.dead.add(
      { partition, reason, offset, line: line === undefined || line !== line ? null : line },
      bytes,
      start,
      end,
    );
  }

  /** Adds the reader's event to `table`. */
  #add(table: KeyTable): void {
    const reader = this.#reader;
    if (!table.add(reader.host, reader.referrer, reader.place, reader.bot)) return;
    const delta = this.#delta, { maxDeltaKeys, maxDeltaBytes } = this.#bounds;
    table.number ||= ++this.#tables;
    delta.addKey(
      this.#hosts.bytesOf(reader.host, reader.hosts, table.number) +
        this.#referrers.bytesOf(reader.referrer, reader.referrers, table.number),
    );
    if (delta.keys >= maxDeltaKeys || delta.bytes >= maxDeltaBytes) this.#full = true;
  }
}
