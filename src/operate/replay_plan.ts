// From where each partition must be read again so that every record of a range of windows is judged by the watermark that it met. Pure.
//
// An anchor is a position whose watermark is known exactly. An event never lies further ahead of its record's time than the future guard
// allows, and raises the watermark to its own or its record's time less the delay: where the watermark was below
// (range start − guard − delay), no record before it can belong to the range.
import { logGone } from "../shared/faults.ts";
import { type DurationMs, type EpochMs, isoOrNull, NEVER, type Offset, type PartitionId } from "../shared/units.ts";
import type { IdleAdvance } from "../store/port.ts";
import type { LogIdentity } from "../source/port.ts";

/** A position with the watermark that records at it met. */
interface Anchor {
  readonly offset: Offset;
  readonly watermark: EpochMs;
}

/** What is stored of one partition that matters for reading it again. */
export interface ReplayPartition {
  readonly partition: PartitionId;
  readonly firstOffset: Offset;
  /** How far it was read: the replay reads exactly as far. */
  readonly nextOffset: Offset;
  readonly watermark: EpochMs;
  /** Where the newest commit left it whose watermark was still below the bound; `null` where none is kept. */
  readonly committed: Anchor | null;
  /** Ascending by offset, then watermark; those of a log that is no more are gone. */
  readonly advances: readonly Omit<IdleAdvance, "quietSince">[];
  /** Accepted gaps: [from, to) was skipped. */
  readonly skips: readonly { readonly from: Offset; readonly to: Offset }[];
  /** An accepted recreation or truncation: positions before it meant another log. */
  readonly rewound: boolean;
}

/** What is read of one partition, and how. */
export interface ReplayTask {
  readonly partition: PartitionId;
  readonly from: Anchor;
  /** Exclusive. */
  readonly to: Offset;
  readonly advances: ReplayPartition["advances"];
  readonly skips: ReplayPartition["skips"];
}

/** Watermarks below this have seen no record of a range that starts at `from`. */
export function anchorBound(
  from: EpochMs,
  rules: { readonly maxFutureSkew: DurationMs; readonly watermarkDelay: DurationMs },
): EpochMs {
  return from - rules.maxFutureSkew - rules.watermarkDelay as EpochMs;
}

/**
 * What to read. Partitions that were not read beyond the bound take no part.
 *
 * @throws NamedError `log_gone` where the log does not hold what is needed (any more)
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

/** The highest position before which nothing of the range can lie. */
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
