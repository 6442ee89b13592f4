// Branded units of time and position. No I/O. Code uses milliseconds; seconds occur only in interfaces whose names say so.

declare const unit: unique symbol;
type Branded<T, B extends string> = T & { readonly [unit]: B };

/** Milliseconds since 1970-01-01T00:00:00Z. A watermark that does not exist yet is `-Infinity`. */
export type EpochMs = Branded<number, "EpochMs">;
/** A length of time in milliseconds. */
export type DurationMs = Branded<number, "DurationMs">;
/** A position in one partition's log: the number of the next record to read, exact to 2^53. */
export type Offset = Branded<number, "Offset">;
/** A partition's number within its topic, 0-based. */
export type PartitionId = Branded<number, "PartitionId">;

/** These functions check nothing; loops that run for each record assert the type in place. */
export const epochMs = (value: number): EpochMs => value as EpochMs;
export const durationMs = (value: number): DurationMs => value as DurationMs;
export const offset = (value: number): Offset => value as Offset;
export const partitionId = (value: number): PartitionId => value as PartitionId;

/** The watermark of a partition without a record. */
export const NEVER = epochMs(-Infinity);

export const SECOND = durationMs(1_000);
export const MINUTE = durationMs(60_000);
export const HOUR = durationMs(3_600_000);
export const DAY = durationMs(86_400_000);

/** ISO 8601 in UTC with milliseconds, or `null` for {@link NEVER}. */
export function isoOrNull(time: EpochMs): string | null {
  return Number.isFinite(time) ? new Date(time).toISOString() : null;
}
