// What one engine is given (settings, ports and callbacks), and types of what it knows. Types only.
import type { CommitLimits } from "../store/decision.ts";
import type { Store, StreamSettings } from "../store/port.ts";
import type { EventReader } from "../event/types.ts";
import type { PlaceLocator } from "../geo/port.ts";
import type { SteadyClock } from "../shared/clock.ts";
import type { Log } from "../shared/log.ts";
import { type DurationMs, durationMs, type EpochMs, type Offset, type PartitionId } from "../shared/units.ts";
import type { PartitionBounds, RenewableSource } from "../source/port.ts";
import type { CountingRules } from "../window/counter.ts";
import type { Mask } from "../window/dead_letters.ts";

export interface PipelineSettings {
  readonly instance: string;
  readonly stream: Omit<StreamSettings, "topicId">;
  readonly rules: CountingRules;
  readonly idleTimeout: DurationMs | null;
  readonly limits: CommitLimits;
  /** Read to the end offsets of the first look, close what can be closed, then end. */
  readonly once: boolean;
  /** With `once`: how long a server may be absent before the run ends with Unavailable. */
  readonly waitMs: number;
  readonly shutdownMs: number;
  /** Where a first start begins in one partition. */
  readonly startOffset: (bounds: PartitionBounds) => Promise<Offset>;
}

export interface PipelineParts {
  readonly source: RenewableSource;
  readonly store: Store;
  readonly reader: EventReader;
  readonly places: PlaceLocator;
  readonly mask: Mask;
  readonly clock: SteadyClock;
  readonly log: Log;
  /** A fresh random 128-bit id as a UUID. */
  readonly newId: () => string;
  /** Called for each closed window, with the time at which its rows became visible. */
  readonly onClosed?: (windowStart: EpochMs, at: EpochMs) => void;
  /** Called for each batch that was counted. */
  readonly onBatch?: () => void;
  /** Called for each stored commit. */
  readonly onCommitted?: (durationMs: number, keys: number) => void;
}

/** A time of the steady clock, ms. All durations are measured with it, because the wall clock may be set. */
export type Steady = number;

/** Partitions whose rows must be read before their records are. */
export interface Wanted {
  readonly partitions: ReadonlySet<PartitionId>;
  /** Whether pending counts must be committed first. */
  readonly settle: boolean;
  notBefore: Steady;
}

/** Why the engine does not run. */
export interface Reason {
  readonly code: string;
  readonly text: string;
  /** What an operator can do about it. */
  readonly action?: string | undefined;
  /** What ends the wait: an answer of the database, or a batch of the source. */
  readonly by?: "store" | "source" | undefined;
}

/** Pause before a step that failed is tried again, ms. */
export const RETRY_MS = durationMs(1_000);
