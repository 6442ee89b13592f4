// When the generator's records arrive: hours, weekdays, growth, good and bad days. No I/O. Record → time and time → count are fast anywhere.
import { DAY, type EpochMs, epochMs } from "../../shared/units.ts";
import { fractionAt, sequenceKey } from "./random.ts";

/** The curve of a day is flat within each of these. */
const SLICES = 96;
/** Sunday first. */
const WEEKDAY_FACTORS = [0.84, 1.07, 1.1, 1.09, 1.06, 1.0, 0.84];
/** Each day adds this share of the first day's traffic, for a year. */
const GROWTH_PER_DAY = 0.004;
const GROWTH_DAYS_MAX = 365;
/** Largest random deviation of a day's traffic, as a share. */
const DAY_NOISE = 0.06;

/** Two peaks and the trough between them, in hours UTC, for visitors mostly in Europe and America. */
const WEEKDAY_CURVE = dayCurve((hour) => 1 + 0.42 * bump(hour, 10) + 0.62 * bump(hour, 19) - 0.5 * bump(hour, 4));
const WEEKEND_CURVE = dayCurve((hour) => 1 + 0.2 * bump(hour, 13) + 0.55 * bump(hour, 20) - 0.45 * bump(hour, 5));

export interface TimelineOptions {
  readonly seed: number;
  readonly shard: number;
  readonly shards: number;
  /** Midnight UTC at which record 0 may arrive. */
  readonly anchor: EpochMs;
  /** Mean events per second over all shards in the first four weeks. */
  readonly rate: number;
}

/** Arrival times of one shard's records; they never decrease with the record's number. */
export class DemoTimeline {
  readonly #jitterKey: number;
  /** Expected records before each day since the anchor; extended on demand. */
  readonly #before: number[] = [0];
  #day = 0;

  constructor(private readonly options: TimelineOptions) {
    this.#jitterKey = sequenceKey(options.seed, options.shard, options.anchor, 1);
  }

  /** When record `n` arrives. */
  timeOf(n: number): EpochMs {
    const target = n + fractionAt(this.#jitterKey, n);
    const day = this.#dayOf(target);
    const share = (target - this.#before[day]!) / (this.#before[day + 1]! - this.#before[day]!);
    const curve = this.#curve(day);
    let low = 0;
    for (let high = SLICES; high - low > 1;) {
      const middle = (low + high) >> 1;
      if (curve[middle]! <= share) low = middle;
      else high = middle;
    }
    const within = (share - curve[low]!) / (curve[low + 1]! - curve[low]!);
    return epochMs(this.options.anchor + day * DAY + Math.floor((low + within) / SLICES * DAY));
  }

  /** Number of records that have arrived by `now`, inclusive. */
  countAt(now: EpochMs): number {
    const { anchor } = this.options;
    if (now < anchor) return 0;
    const day = Math.floor((now - anchor) / DAY);
    this.#extend(day + 1);
    const slices = (now - anchor - day * DAY) / DAY * SLICES;
    const slice = Math.floor(slices);
    const curve = this.#curve(day);
    const share = curve[slice]! + (curve[slice + 1]! - curve[slice]!) * (slices - slice);
    let count = Math.floor(this.#before[day]! + (this.#before[day + 1]! - this.#before[day]!) * share);
    // Rounding may put the estimate off by one; the times decide.
    while (this.timeOf(count) <= now) count++;
    while (count > 0 && this.timeOf(count - 1) > now) count--;
    return count;
  }

  #dayOf(target: number): number {
    const before = this.#before;
    let day = this.#day;
    if (before[day]! > target) {
      let low = 0;
      for (let high = day; high - low > 1;) {
        const middle = (low + high) >> 1;
        if (before[middle]! <= target) low = middle;
        else high = middle;
      }
      day = low;
    }
    this.#extend(day + 1);
    while (before[day + 1]! <= target) this.#extend(++day + 1);
    return this.#day = day;
  }

  #extend(day: number): void {
    const { seed, anchor, rate, shards } = this.options;
    const noiseKey = sequenceKey(seed, 2);
    for (let next = this.#before.length; next <= day; next++) {
      const d = next - 1;
      const noise = 1 + DAY_NOISE * (2 * fractionAt(noiseKey, d) - 1);
      const growth = 1 + GROWTH_PER_DAY * (Math.min(d, GROWTH_DAYS_MAX) - 14);
      const expected = rate * DAY / 1000 / shards * WEEKDAY_FACTORS[weekday(anchor, d)]! * growth * noise;
      this.#before.push(this.#before[d]! + expected);
    }
  }

  #curve(day: number): Float64Array {
    const weekDay = weekday(this.options.anchor, day);
    return weekDay === 0 || weekDay === 6 ? WEEKEND_CURVE : WEEKDAY_CURVE;
  }
}

/** The anchor of a generator that is first started at `now` and shows `historyDays` of past traffic. */
export function demoAnchor(now: EpochMs, historyDays: number): EpochMs {
  return epochMs(Math.floor(now / DAY) * DAY - historyDays * DAY);
}

/** 0 = Sunday; 1970-01-01 was a Thursday. */
function weekday(anchor: EpochMs, day: number): number {
  return (Math.floor(anchor / DAY) + day + 4) % 7;
}

function bump(hour: number, peak: number): number {
  const distance = Math.min(Math.abs(hour - peak), 24 - Math.abs(hour - peak));
  return Math.exp(-(distance * distance) / 14);
}

/** Share of a day's traffic before each slice; the last entry is 1. */
function dayCurve(intensity: (hour: number) => number): Float64Array {
  const curve = new Float64Array(SLICES + 1);
  for (let i = 0; i < SLICES; i++) curve[i + 1] = curve[i]! + intensity((i + 0.5) / SLICES * 24);
  const sum = curve[SLICES]!;
  return curve.map((value) => value / sum);
}
