// Until when the source may wait for more records. It must answer at once when a window is about to close, and for the next commit. Pure.
import { type DurationMs, type EpochMs, epochMs } from "../shared/units.ts";
import { windowEnd } from "../window/tumbling.ts";

/** The source answers at once from this long before a window can close, because clocks differ by some milliseconds. */
const EARLY_MS = 200;
/** It does so until this long after that moment: the record that closes the window may never come. */
const LATE_MS = 3_000;

/** The partition that holds the next window open. */
interface Pace {
  /** Our clock. */
  readonly now: EpochMs;
  /** The lowest watermark of our partitions; not finite before all have one. */
  readonly watermark: number;
  /** When that partition last made progress, by our clock. */
  readonly seenAt: EpochMs;
  /** When the next commit is due, by our clock. */
  readonly commitAt: EpochMs;
}

/**
 * Until when records may gather; `now` = not at all. An event that is `watermarkDelay` beyond a window's end closes the window. It comes at
 * its own time, or, if event times advance differently from our clock, when as much time has passed as the watermark still lacks.
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
