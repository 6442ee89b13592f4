// The caught-up idle advance (docs/concepts.md, "Idle partitions"): how far silence may raise a watermark. Pure.
import { type DurationMs, durationMs, type EpochMs, epochMs } from "../shared/units.ts";
import { windowStart } from "./tumbling.ts";

/** An idle timeout that is over at once. */
export const NO_WAIT = durationMs(-Infinity);

/** What one fetch of a partition showed. */
export interface IdleEvidence {
  /** Clock when that fetch was sent: the lesser of ours and PostgreSQL's. */
  readonly sentAt: EpochMs;
  /** When a record last raised the partition's watermark (persisted). */
  readonly raisedAt: EpochMs;
  /** Whether the fetch showed next offset = log end offset (open transactions included). */
  readonly caughtUp: boolean;
  /** End of the highest window that holds a counted record in the whole stream; `-Infinity` before the first. */
  readonly maxWindowEnd: EpochMs;
  readonly watermark: EpochMs;
}

export interface IdleRule {
  readonly windowSize: DurationMs;
  readonly watermarkDelay: DurationMs;
  /** `null` = off; {@link NO_WAIT} = silence needs no length (`run --once`). */
  readonly idleTimeout: DurationMs | null;
}

/**
 * The watermark after an idle advance, or `null` for no advance. It never passes the end of the highest window that holds a record: so an
 * empty stream, an outage or a clock that jumps cannot make records of later windows late.
 */
export function idleAdvance(evidence: IdleEvidence, rule: IdleRule): EpochMs | null {
  if (rule.idleTimeout === null || !evidence.caughtUp) return null;
  if (evidence.sentAt < evidence.raisedAt + rule.idleTimeout) return null;
  const clockBound = windowStart(evidence.sentAt - rule.watermarkDelay, rule.windowSize);
  const target = Math.min(clockBound, evidence.maxWindowEnd);
  return target > evidence.watermark ? epochMs(target) : null;
}
