// The text of a progress line: share, speed, time left. Pure.
import { countText } from "../shared/quantities.ts";

interface Progress {
  /** In the unit of `total`. */
  readonly done: number;
  /** Null if it is not known. */
  readonly total: number | null;
  /** Records so far. */
  readonly records: number;
  readonly elapsedMs: number;
}

/** Before this time no speed is shown. */
const SETTLED_MS = 500;
/** Below this share the time left is not shown. */
const SHARE_MIN = 0.01;

/** `34 %, 1,234,567 lines, 152,000/s, about 2 min left`. */
export function progressText({ done, total, records, elapsedMs }: Progress, what: string): string {
  const share = total === null || total <= 0 ? null : Math.min(1, done / total);
  const parts = [
    ...(share === null ? [] : [`${Math.floor(share * 100)} %`]),
    `${countText(records)} ${what}`,
    ...(elapsedMs < SETTLED_MS ? [] : [rateText(records, elapsedMs)]),
  ];
  if (share !== null && share >= SHARE_MIN && share < 1 && elapsedMs >= SETTLED_MS) {
    parts.push(`about ${timeLeftText(elapsedMs * (1 - share) / share)} left`);
  }
  return parts.join(", ");
}

export const rateText = (records: number, elapsedMs: number): string =>
  `${countText(Math.round(records / elapsedMs * 1000))}/s`;

/** `45 s`, `12 min`, `3 h 20 min`. */
export function timeLeftText(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
