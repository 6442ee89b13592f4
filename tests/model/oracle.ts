// The oracle: keeps every event, counts by looking at all of them, and decides what a report may leave open. Slow and obvious on purpose; it
// shares the event format with the product and nothing else. Pure.
import { dayEnd, dayStart, HOUR, localDay } from "./calendar.ts";
import { CHANNEL_OF, type LogRecord, type ModelEvent, OWN_REFERRER } from "./event.ts";
import { type BreakdownProgress, NO_PROGRESS } from "./oracle_breakdown.ts";

/** A committed event, with the window it belongs to. */
export interface Fact extends ModelEvent {
  readonly window: number;
  readonly late: boolean;
  /** What the process that committed it counts beside the rows, as bits. */
  readonly counted: number;
}

export interface Rules {
  readonly windowSize: number;
  readonly watermarkDelay: number;
  readonly latePolicy: "store" | "drop";
  /** Whether time before the first event is unknown (yes, the default), a zero (no: the SQL function has it so), or either. */
  readonly beforeUnknown?: Worth["unknown"];
  /** Values of a host that a closed window and an hour keep; all if left out. */
  readonly valuesMax?: number;
}

/** Which events a number counts. */
export interface Filter {
  readonly host?: string | undefined;
  readonly referrer?: string | undefined;
  readonly channel?: string | undefined;
  readonly country?: string | undefined;
  readonly region?: string | undefined;
  readonly city?: string | undefined;
  readonly traffic?: "all" | "human" | "bot";
  readonly late?: "include" | "exclude";
}

/** What the oracle demands of a number over a stretch of time. */
export interface Worth {
  /** yes: null is the only right answer. no: a number is demanded. may: either. */
  readonly unknown: "yes" | "no" | "may";
  /** Whether the number can never change again. */
  readonly final: boolean;
}

interface Partition {
  readonly log: readonly LogRecord[];
  /** Events below it are committed, but for the lost ones. */
  next: number;
  /** Where a partition that was added later began, and the watermark it began with. */
  startWatermark: number;
  readonly lost: Set<number>;
  /** What the process that committed an offset counts beside the rows. */
  readonly counted: number[];
  /** Watermarks that silence raised: from this offset on. */
  readonly silences: { readonly at: number; readonly watermark: number }[];
}

export class Oracle {
  readonly rules: Rules;
  readonly partitions = new Map<number, Partition>();
  /** Times of events that are gone for good, both ends inclusive. */
  readonly gaps: { readonly from: number; readonly to: number }[] = [];
  /** As the database states them; {@link Oracle.bounds} says what they may be. */
  closedThrough = -Infinity;
  retiredThrough = -Infinity;
  breakdownProgress: BreakdownProgress = NO_PROGRESS;
  /** Salts by UTC day, as processes were given them. */
  readonly salts = new Map<string, Uint8Array>();
  #facts: readonly Fact[] | null = null;
  #span: { readonly first: number; readonly last: number } | null = null;

  constructor(rules: Rules) {
    this.rules = rules;
  }

  start(partition: number, log: readonly LogRecord[], startWatermark: number): void {
    this.partitions.set(partition, { log, next: 0, startWatermark, lost: new Set(), counted: [], silences: [] });
  }

  /** @param counted what the process counts beside the rows */
  commit(partition: number, next: number, counted: number): void {
    const p = this.partitions.get(partition)!;
    for (let offset = p.next; offset < next; offset++) p.counted[offset] = counted;
    p.next = next;
    this.#facts = this.#span = null;
  }

  silence(partition: number, at: number, watermark: number): void {
    this.partitions.get(partition)!.silences.push({ at, watermark });
    this.#facts = this.#span = null;
  }

  /** The next `count` events of a partition are gone. */
  lose(partition: number, count: number): void {
    const p = this.partitions.get(partition)!;
    const times: number[] = [];
    for (let offset = p.next; offset < p.next + count; offset++) {
      p.lost.add(offset);
      times.push(p.log[offset]!.event.time);
    }
    p.next += count;
    this.gaps.push({ from: Math.min(...times), to: Math.max(...times) });
    this.#facts = this.#span = null;
  }

  /** Another oracle that knows what this one knows now. */
  copy(rules: Partial<Rules> = {}): Oracle {
    const copy = new Oracle({ ...this.rules, ...rules });
    for (const [id, p] of this.partitions) {
      copy.partitions.set(id, { ...p, lost: new Set(p.lost), counted: [...p.counted], silences: [...p.silences] });
    }
    copy.gaps.push(...this.gaps);
    copy.closedThrough = this.closedThrough;
    copy.retiredThrough = this.retiredThrough;
    copy.breakdownProgress = this.breakdownProgress;
    for (const [day, salt] of this.salts) copy.salts.set(day, salt);
    return copy;
  }

  /** Watermark of one partition, by records and silence or by records alone. */
  watermark(partition: number, by: "all" | "records"): number {
    const p = this.partitions.get(partition)!;
    let watermark = -Infinity;
    for (const [offset, { event }] of p.log.slice(0, p.next).entries()) {
      if (!p.lost.has(offset)) watermark = Math.max(watermark, event.time - this.rules.watermarkDelay);
    }
    if (by === "records") return watermark;
    return Math.max(watermark, p.startWatermark, ...p.silences.map((silence) => silence.watermark));
  }

  /** Every committed event that counts; late ones only where they are kept. */
  facts(): readonly Fact[] {
    return this.#facts ??= this.committed().filter(({ late }) => !late || this.rules.latePolicy === "store");
  }

  /** Every committed event, late ones included. */
  committed(): Fact[] {
    const { windowSize, watermarkDelay } = this.rules;
    const facts: Fact[] = [];
    for (const p of this.partitions.values()) {
      let watermark = p.startWatermark;
      for (const [offset, { event }] of p.log.slice(0, p.next).entries()) {
        for (const silence of p.silences) if (silence.at <= offset) watermark = Math.max(watermark, silence.watermark);
        if (p.lost.has(offset)) continue;
        const window = Math.floor(event.time / windowSize) * windowSize;
        facts.push({ ...event, window, late: window + windowSize <= watermark, counted: p.counted[offset] ?? 0 });
        watermark = Math.max(watermark, event.time - watermarkDelay);
      }
    }
    return facts;
  }

  /** Up to where windows may be closed. */
  get closable(): number {
    return Math.min(...[...this.partitions.keys()].map((id) => this.watermark(id, "all")));
  }

  /** Numbers of windows that end at or before it can never change: closed, and confirmed by records of every partition that has any. */
  get finalThrough(): number {
    const read = [...this.partitions].filter(([, p]) => p.next > 0).map(([id]) => this.watermark(id, "records"));
    return Math.min(this.closedThrough, ...(read.length > 0 ? read : [-Infinity]));
  }

  /** End of the last window that starts before `to`: a window belongs to the stretch of time in which it starts. */
  windowsEnd(to: number): number {
    return Math.ceil(to / this.rules.windowSize) * this.rules.windowSize;
  }

  /** Whether all windows that start before `to` are closed. */
  isClosed(to: number): boolean {
    return this.windowsEnd(to) <= this.closedThrough;
  }

  /** Whether nothing before `to` can change any more. */
  isFinal(to: number): boolean {
    return this.windowsEnd(to) <= this.finalThrough;
  }

  /** Start of the first window that holds an event; Infinity before the first event. */
  get firstWindow(): number {
    return this.#windows().first;
  }

  /** End of the newest window that holds an event; -Infinity before the first event. */
  get lastWindowEnd(): number {
    return this.#windows().last + this.rules.windowSize;
  }

  #windows(): { readonly first: number; readonly last: number } {
    return this.#span ??= this.committed().reduce(
      ({ first, last }, { window }) => ({ first: Math.min(first, window), last: Math.max(last, window) }),
      { first: Infinity, last: -Infinity },
    );
  }

  /**
   * What a number over [from, to) must say.
   *
   * @param raw whether it is about a host or referrer, which retention drops, or beside the hour
   */
  worth(from: number, to: number, raw: boolean): Worth {
    const final = this.isFinal(to);
    const before = this.rules.beforeUnknown ?? "yes";
    if (before !== "no" && this.firstWindow !== Infinity && this.windowsEnd(to) <= this.firstWindow) {
      return { unknown: before, final };
    }
    if (this.#isGap(from, to)) return { unknown: "yes", final };
    // Before anything was read the stream has no beginning: zero that may change, or unknown.
    if (this.firstWindow === Infinity) return { unknown: "may", final };
    if (!this.#isKept(from, to, raw)) return { unknown: "yes", final };
    // What lies behind the newest event may be called unknown or nothing yet.
    return { unknown: from >= this.lastWindowEnd ? "may" : "no", final };
  }

  #isGap(from: number, to: number): boolean {
    return this.gaps.some((gap) => gap.from < to && gap.to >= from);
  }

  /** Rows are kept from `retiredThrough` on: only retired time has to be whole hours. */
  #isKept(from: number, to: number, raw: boolean): boolean {
    const retiredTo = Math.min(to, this.retiredThrough);
    return !(from < retiredTo && (raw || from % HOUR !== 0 || retiredTo % HOUR !== 0));
  }

  /** Whether the database can answer for [from, to), whether or not something was read of it. */
  isKnown(from: number, to: number, raw: boolean): boolean {
    return !this.#isGap(from, to) && this.#isKept(from, to, raw);
  }

  /** As {@link worth}, of a local day. */
  dayWorth(day: string, zone: string, raw: boolean): Worth {
    return this.worth(dayStart(day, zone), dayEnd(day, zone), raw);
  }

  /** The events whose windows start in [from, to) and pass the filter. */
  select(from: number, to: number, filter: Filter): Fact[] {
    const { host, referrer, country, region, city, channel, traffic = "all", late = "exclude" } = filter;
    const channelOf = channel === undefined ? null : this.channels();
    return this.facts().filter((fact) =>
      fact.window >= from && fact.window < to && (late === "include" || !fact.late) &&
      (host === undefined || fact.host === host) && (referrer === undefined || fact.referrer === referrer) &&
      (country === undefined || fact.place[0] === country) && (region === undefined || fact.place[1] === region) &&
      (city === undefined || fact.place[2] === city) && (channelOf === null || channelOf(fact) === channel) &&
      (traffic === "all" || fact.bot === (traffic === "bot"))
    );
  }

  /** Which channel an event came through, as far as the hosts that were seen tell. */
  channels(): (fact: Fact) => string {
    const own = this.facts().some(({ host }) => host === OWN_REFERRER.host) ? OWN_REFERRER.referrer : null;
    return ({ referrer }) => referrer === own ? "internal" : CHANNEL_OF.get(referrer) ?? "referral";
  }

  /** The newest time that was read, to the nearest window: what is compared with a range that is not over ends after the same time. */
  get edge(): number {
    const { windowSize } = this.rules;
    const newest = Math.max(...this.committed().map(({ time }) => time));
    return Math.floor((newest + windowSize / 2) / windowSize) * windowSize;
  }

  /** The events of one local day. */
  day(day: string, zone: string, filter: Filter): Fact[] {
    return this.select(dayStart(day, zone), dayEnd(day, zone), filter);
  }

  /** Local days from that of the first event to that of the newest. */
  span(zone: string): { readonly first: string; readonly last: string } | null {
    const first = this.firstWindow;
    if (first === Infinity) return null;
    return { first: localDay(first, zone), last: localDay(this.lastWindowEnd - 1, zone) };
  }
}
