// Until when records may gather at the source: what is urgent is a window that is about to be released, and the next commit. Pure.
import { type DurationMs, type EpochMs, epochMs } from "../shared/units.ts";
import { windowEnd } from "../window/tumbling.ts";

/** Answers are quick from this long before the moment at which a window can be released: clocks differ by some milliseconds. */
const EARLY_MS = 200;
/** And until this long after it, where it was not released then: what is awaited may not come at all. */
const LATE_MS = 3_000;

/** What is known of the partition that holds the next window open. */
interface Pace {
  /** Our clock. */
  readonly now: EpochMs;
  /** The lowest watermark of our partitions; not finite before all have one. */
  readonly watermark: number;
  /** When that watermark was last looked at with new records, by our clock. */
  readonly seenAt: EpochMs;
  /** When the next commit is due, by our clock. */
  readonly commitAt: EpochMs;
}

/**
 * Until when records may gather; `now` = not at all. A window is released by an event that is `watermarkDelay` beyond its end, which comes
 * no sooner than its own time, and where event times run ahead of our clock, no sooner than they have run so far.
 */
export function gatherUntil(pace: Pace, rules: { windowSize: DurationMs; watermarkDelay: DurationMs }): EpochMs {
  const { now, watermark, seenAt, commitAt } = pace;
  if (!Number.isFinite(watermark)) return now;
  const end = windowEnd(watermark, rules.windowSize);
  let until: number = commitAt;
  for (const release of [end + rules.watermarkDelay, seenAt + (end - watermark)]) {
    if (now >= release + LATE_MS) continue;
    if (now >= release - EARLY_MS) return now;
    until = Math.min(until, release - EARLY_MS);
  }
  return epochMs(until);
}
