// Arithmetic of tumbling windows [start, end) aligned to the Unix epoch in UTC, and the late rule. Pure.
import type { DurationMs, EpochMs } from "../shared/units.ts";
import { DAY } from "../shared/units.ts";

/** Start (inclusive) of the window of length `size` that holds `time`. */
export function windowStart(time: number, size: DurationMs): EpochMs {
  return Math.floor(time / size) * size as EpochMs;
}

/** End (exclusive) of the window of length `size` that holds `time`. */
export function windowEnd(time: number, size: DurationMs): EpochMs {
  return windowStart(time, size) + size as EpochMs;
}

/**
 * Whether a record of a window that ends at `end` is late under `watermark`, the partition's watermark before the record is applied.
 * As in Flink, Kafka Streams and Spark, a window is over once the watermark has reached its end.
 */
export function isLate(end: number, watermark: number): boolean {
  return end <= watermark;
}

/** UTC day of a window start, as `YYYY-MM-DD`. */
export function utcDay(time: number): string {
  return new Date(Math.floor(time / DAY) * DAY).toISOString().slice(0, 10);
}
