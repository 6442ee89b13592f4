// Plans from which offset a replay reads each partition, so that it judges every record of a range of windows by the same watermark as the
// stream did. Pure.
//
// An anchor is a position whose watermark is known exactly. An event is at most MAX_FUTURE_SKEW later than its record, and it raises the
// watermark to its own or its record's time minus the delay. So if the watermark at an anchor is below (start of the range − skew − delay),
// no record before the anchor belongs to the range.
import { logGone } from "../shared/faults.ts";
import {
  type DurationMs,
  type EpochMs,
  epochMs,
  isoOrNull,
  NEVER,
  type Offset,
  type PartitionId,
} from "../shared/units.ts";
import type { IdleAdvance } from "../store/port.ts";
import type { LogIdentity } from "../source/port.ts";

/** A position, and the watermark by which its record was judged. */
interface Anchor {
  readonly offset: Offset;
  readonly watermark: EpochMs;
}

/** The stored state of one partition, for a replay. */
export interface ReplayPartition {
  readonly partition: PartitionId;
  readonly firstOffset: Offset;
  /** Position of the stream; the replay ends there. */
  readonly nextOffset: Offset;
  readonly watermark: EpochMs;
  /** Position after the newest commit with a watermark below the bound, or null. */
  readonly committed: Anchor | null;
  /** Ascending by offset, then watermark; without those of an earlier log. */
  readonly advances: readonly Omit<IdleAdvance, "quietSince">[];
  /** Accepted gaps: the stream skipped [from, to). */
  readonly skips: readonly { readonly from: Offset; readonly to: Offset }[];
  /** Whether a recreation or truncation of the log was accepted: earlier positions belong to another log. */
  readonly rewound: boolean;
}

/** What a replay reads of one partition. */
export interface ReplayTask {
  readonly partition: PartitionId;
  readonly from: Anchor;
  /** Exclusive. */
  readonly to: Offset;
  readonly advances: ReplayPartition["advances"];
  readonly skips: ReplayPartition["skips"];
}

/** At an anchor with a lower watermark, no record of a range that starts at `from` has been read. */
export function anchorBound(
  from: EpochMs,
  rules: { readonly maxFutureSkew: DurationMs; readonly watermarkDelay: DurationMs },
): EpochMs {
  return epochMs(from - rules.maxFutureSkew - rules.watermarkDelay);
}

/**
 * Returns a task for each partition whose watermark has reached the bound.
 *
 * @throws NamedError `log_gone` if the log does not hold all needed records
 */
export function planReplay(
  partitions: readonly ReplayPartition[],
  log: LogIdentity,
  topicId: string | null,
  bound: EpochMs,
): ReplayTask[] {
  if (topicId !== null && log.topicId !== null && topicId !== log.topicId) {
    throw logGone("The log was deleted and created again: what was counted from the old one cannot be read any more.");
  }
  const bounds = new Map(log.partitions.map((entry) => [entry.partition, entry]));
  return partitions.flatMap((stored) => {
    const { partition, nextOffset, advances, skips } = stored;
    if (stored.watermark < bound) return [];
    const anchor = newestAnchor(stored, bound);
    if (anchor === null) {
      throw logGone(`Partition ${partition} was read from another log when the range began, which is no more.`);
    }
    const from = { ...anchor, offset: skips.find((skip) => skip.from === anchor.offset)?.to ?? anchor.offset };
    const held = bounds.get(partition);
    if (from.offset === nextOffset) return [];
    if (held === undefined) throw logGone(`Partition ${partition} is no more.`);
    if (from.offset < held.logStart) {
      throw logGone(
        `Partition ${partition} must be read from offset ${from.offset} (watermark ${
          isoOrNull(from.watermark) ?? "none yet"
        }); its log starts at ${held.logStart}.`,
      );
    }
    if (nextOffset > held.logEnd) {
      throw logGone(`Partition ${partition} was read up to ${nextOffset}; its log ends at ${held.logEnd}.`);
    }
    return [{ partition, from, to: nextOffset, advances, skips }];
  });
}

/** The highest position that has no record of the range before it. */
function newestAnchor({ firstOffset, committed, advances, rewound }: ReplayPartition, bound: EpochMs): Anchor | null {
  const anchors: Anchor[] = rewound ? [] : [{ offset: firstOffset, watermark: NEVER }];
  if (committed !== null && committed.watermark < bound) anchors.push(committed);
  for (const { atOffset, watermark } of advances) if (watermark < bound) anchors.push({ offset: atOffset, watermark });
  return anchors.reduce<Anchor | null>(
    (best, anchor) =>
      best === null || anchor.offset > best.offset ||
        (anchor.offset === best.offset && anchor.watermark > best.watermark)
        ? anchor
        : best,
    null,
  );
}
