// Arithmetic of tumbling windows [start, end) aligned to the Unix epoch in UTC, and the late rule. Pure.
import { DAY, type DurationMs, type EpochMs, epochMs } from "../shared/units.ts";

/** Start (inclusive) of the window of length `size` that holds `time`. */
export function windowStart(time: number, size: DurationMs): EpochMs {
  return epochMs(Math.floor(time / size) * size);
}

/** End (exclusive) of the window of length `size` that holds `time`. */
export function windowEnd(time: number, size: DurationMs): EpochMs {
  return epochMs(windowStart(time, size) + size);
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
