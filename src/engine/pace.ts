// When a window is about to be released, and until when the source may therefore wait for more records. Pure.
import { type DurationMs, type EpochMs, epochMs } from "../shared/units.ts";
import { windowEnd } from "../window/tumbling.ts";

/** The source answers at once from this long before a window can close, because clocks differ by some milliseconds. */
const EARLY_MS = 200;
/** It does so until this long after that moment: the record that closes the window may never come. */
const LATE_MS = 3_000;

/** Time before and after the moment at which a window should be released, in which a regular commit waits for the one that releases it. */
const NEAR_MS = 500;

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

interface Rules {
  readonly windowSize: DurationMs;
  readonly watermarkDelay: DurationMs;
}

/**
 * The moments at which the next window may be released, by our clock. An event that is `watermarkDelay` beyond the window's end releases it.
 * It comes at its own time, or, if event times advance differently from our clock, when as much time has passed as the watermark still lacks.
 */
function releases({ watermark, seenAt }: Pick<Pace, "watermark" | "seenAt">, rules: Rules): readonly number[] {
  const end = windowEnd(watermark, rules.windowSize);
  return [end + rules.watermarkDelay, seenAt + (end - watermark)];
}

/**
 * Whether a window is about to be released. A regular commit then waits, because the commit that releases the window would have to wait for
 * it: only one commit is under way at a time.
 */
export function releaseIsNear(pace: Omit<Pace, "commitAt">, rules: Rules): boolean {
  return Number.isFinite(pace.watermark) && releases(pace, rules).some((at) => Math.abs(pace.now - at) < NEAR_MS);
}

/** Until when records may gather; `now` = not at all. */
export function gatherUntil(pace: Pace, rules: Rules): EpochMs {
  const { now, watermark, commitAt } = pace;
  if (!Number.isFinite(watermark)) return now;
  let until: number = commitAt;
  for (const release of releases(pace, rules)) {
    if (now >= release + LATE_MS) continue;
    if (now >= release - EARLY_MS) return now;
    until = Math.min(until, release - EARLY_MS);
  }
  return epochMs(until);
}
