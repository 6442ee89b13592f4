// Raises the watermark of an idle partition, by the rule of window/idle.ts. No I/O; changes the given tracker.
import type { DurationMs, EpochMs } from "../shared/units.ts";
import { idleAdvance } from "../window/idle.ts";
import type { Tracker } from "../window/tracker.ts";
import type { EngineState } from "./state.ts";

/** What a fetch showed. */
interface Seen {
  /** When it was sent, by the lesser of our clock and PostgreSQL's. */
  readonly sentAt: EpochMs;
  /** Whether it showed that there is nothing more to read, in open transactions either. */
  readonly caughtUp: boolean;
  /** How long the partition must have been silent; null = silence raises no watermark. */
  readonly idleTimeout: DurationMs | null;
}

/** Raises the tracker's watermark if the rule allows it. The next commit stores the advance. */
export function advanceIfIdle(state: EngineState, tracker: Tracker, { sentAt, caughtUp, idleTimeout }: Seen): void {
  const { windowSize, watermarkDelay } = state.settings.rules;
  const { maxWindowEnd } = state;
  const watermark = idleAdvance(
    { sentAt, raisedAt: tracker.raisedAt, caughtUp, maxWindowEnd, watermark: tracker.watermark },
    { windowSize, watermarkDelay, idleTimeout },
  );
  if (watermark === null) return;
  tracker.watermark = watermark;
  tracker.quietSince ??= tracker.raisedAt;
  tracker.idleAdvances.push({ atOffset: tracker.position, watermark, quietSince: tracker.quietSince });
}
