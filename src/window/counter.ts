// The engine's inner step: one batch of bytes → counts in the delta. No I/O, no clock: the caller gives the time.
// Hot path: one call of `#visit` per record, no allocation; the reader and the key table are the only other code that runs per record.
import type { VisitorSalt } from "../breakdown/visitor.ts";
import { deadReason, type EventBreakdowns, type EventReader, READ_COMMENT, READ_OK } from "../event/types.ts";
import type { DeadReason } from "../shared/dead_reasons.ts";
import type { FetchedBatch, RecordRun } from "../source/port.ts";
import type { DurationMs, EpochMs, Offset } from "../shared/units.ts";
import { invariant } from "../shared/errors.ts";
import { type Delta, type DeltaBounds, NO_BOUNDS } from "./delta.ts";
import { NamedTexts } from "./named_texts.ts";
import { isLate } from "./tumbling.ts";
import type { KeyTable } from "./key_table.ts";
import type { PairTables } from "./pair_table.ts";
import type { Tracker } from "./tracker.ts";
import { dayOfWindow, type Visitors } from "./visitors.ts";

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
  /** `null` where visitors are not counted. */
  readonly #visitors: Visitors | null;
  /** Day (since 1970) whose salt the first record that was not counted needs; `null` if it does not need one. */
  #wants: number | null = null;
  /** Whether the rest of the batch is not counted now: the delta has reached a bound, or a salt is missing. */
  #full = false;
  /** Offset of the first record that was not counted; -1 if all were. */
  #leftFrom = -1;
  #lookAt = LOOK_BYTES;
  /** Tables numbered so far. */
  #tables = 0;
  readonly #hosts = new NamedTexts();
  readonly #referrers = new NamedTexts();
  readonly #pages = new NamedTexts();
  readonly #clients = new NamedTexts();
  readonly #campaigns = new NamedTexts();
  readonly #visitorHosts = new NamedTexts();

  /** @param visitors `null` where visitors are not counted, whatever the reader could say of them */
  constructor(
    rules: CountingRules,
    reader: EventReader,
    bounds: DeltaBounds = NO_BOUNDS,
    visitors: Visitors | null = null,
  ) {
    this.#rules = rules;
    this.#reader = reader;
    this.#bounds = bounds;
    this.#visitors = visitors;
  }

  /** The UTC day (since 1970) whose salt has to be learned before counting goes on, if that ended the last `count`. */
  get wants(): number | null {
    return this.#wants;
  }

  /**
   * Counts the records of `batch` into `delta` until the delta reaches a bound, or a record needs a salt that is not known, and moves `tracker` behind the last counted record.
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
    this.#wants = null;
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
    else {
      reader.reset();
      this.#visitors?.forgetHosts();
    }
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
      const visitors = reader.bot === 0 ? this.#visitors : null;
      if (visitors !== null) {
        const salt = visitors.saltOf(windowStart);
        if (salt === undefined) {
          this.#stopBefore(offset, end - start, windowStart);
          return;
        }
        this.#addVisitor(visitors, windowStart, salt);
      }
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

  /** Leaves a record, and all after it, until the salt of its day is known. Only the gap before it is booked. */
  #stopBefore(offset: number, valueBytes: number, windowStart: number): void {
    this.#wants = dayOfWindow(windowStart);
    this.#full = true;
    this.#leftFrom = offset;
    if (this.#rules.offsetsCountRecords) this.#expectedOffset = offset;
    this.bytes -= valueBytes;
  }

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
    if (table.add(reader.host, reader.referrer, reader.place, reader.bot)) {
      table.number ||= ++this.#tables;
      this.#delta.addKey(
        this.#hosts.bytesOf(reader.host, reader.hosts, table.number) +
          this.#referrers.bytesOf(reader.referrer, reader.referrers, table.number),
      );
      this.#checkBounds();
    }
    if (table.pairs !== null) this.#addPairs(table.number, table.pairs, reader.breakdown!);
  }

  /** Adds the reader's event to the breakdowns of the table with this number. */
  #addPairs(number: number, { page, client, campaign }: PairTables, event: EventBreakdowns): void {
    const { host, bot } = this.#reader, delta = this.#delta;
    let isNew = false;
    if (page !== null && page.add(host, event.page, bot)) {
      delta.addPair(this.#pages.bytesOf(event.page, event.pages, number));
      isNew = true;
    }
    if (client !== null && client.add(host, event.client, bot)) {
      delta.addPair(this.#clients.bytesOf(event.client, event.clients, number));
      isNew = true;
    }
    if (campaign !== null && campaign.add(host, event.campaign, bot)) {
      delta.addPair(this.#campaigns.bytesOf(event.campaign, event.campaigns, number));
      isNew = true;
    }
    if (isNew) this.#checkBounds();
  }

  /** Adds the visitor of the reader's event, whose window begins at `windowStart`. */
  #addVisitor(visitors: Visitors, windowStart: number, salt: VisitorSalt): void {
    const reader = this.#reader, update = reader.breakdown!.visitor(salt);
    if (!visitors.add(windowStart, reader.host, update)) return;
    const list = this.#delta.updates(windowStart, salt);
    list.number ||= ++this.#tables;
    list.add(reader.host, update);
    this.#delta.addUpdate(this.#visitorHosts.bytesOf(reader.host, reader.hosts, list.number));
    this.#checkBounds();
  }

  #checkBounds(): void {
    const delta = this.#delta, { maxDeltaKeys, maxDeltaBytes } = this.#bounds;
    if (delta.keys >= maxDeltaKeys || delta.bytes >= maxDeltaBytes) this.#full = true;
  }
}
