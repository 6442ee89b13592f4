// Counts a sample of every partition's newest records as the engine would. I/O only through the port.
import type { EventReader } from "../event/types.ts";
import { DEAD_REASONS, type DeadReason } from "../shared/dead_reasons.ts";
import { describeValue } from "../event/value_shape.ts";
import type { PlaceLocator } from "../geo/port.ts";
import { type EpochMs, NEVER, type Offset, offset, type PartitionId } from "../shared/units.ts";
import type { PartitionBounds } from "../source/port.ts";
import { Counter, type CountingRules } from "../window/counter.ts";
import { Delta } from "../window/delta.ts";
import { Tracker } from "../window/tracker.ts";
import type { LogReader } from "./log_reader.ts";

/** Records over all partitions. */
const SAMPLE_RECORDS = 10_000;
const READS_MAX = 50;

/** Results for the sampled records. */
export interface Sample {
  readonly records: number;
  readonly counted: number;
  readonly late: number;
  readonly nulls: number;
  readonly dead: Readonly<Partial<Record<DeadReason, number>>>;
  /** Formats that were recognised in samples of dead letters, each once. */
  readonly recognised: readonly string[];
  /** Hits by the result for the address: a country, or why it is unknown. */
  readonly places: {
    readonly located: number;
    readonly unknown: number;
    readonly private: number;
    readonly invalid: number;
  };
}

interface SampleOptions {
  readonly log: LogReader;
  readonly events: EventReader;
  readonly places: PlaceLocator;
  readonly rules: CountingRules;
  readonly now: EpochMs;
}

/** Counts the last records of each partition. The watermark starts with the sample's first record. */
export async function sampleTopic(bounds: readonly PartitionBounds[], options: SampleOptions): Promise<Sample> {
  const { log, now } = options;
  const counter = new Counter({ ...options.rules, latePolicy: "store" }, options.events);
  const share = Math.max(1, Math.floor(SAMPLE_RECORDS / Math.max(1, bounds.length)));
  const delta = new Delta((bytes, start, end) => describeValue(bytes.subarray(start, end)) ?? "");
  const total = { counted: 0, late: 0, dead: 0, nulls: 0 };
  for (const { partition, logStart, logEnd } of bounds) {
    // Offsets of files are bytes: only at the log's start does a record surely begin.
    const from = options.rules.offsetsCountRecords ? offset(Math.max(logStart, logEnd - share)) : logStart;
    const tracker = freshTracker(partition, from, now);
    for (let i = 0; i < READS_MAX && tracker.position < logEnd; i++) {
      const batches = await log.read(partition, tracker.position);
      if (batches.length === 0) break;
      for (const batch of batches) counter.count(tracker, batch, delta, now, now);
      if (batches.at(-1)!.next === batches[0]!.from || tracker.tally.counted >= share) break;
    }
    const { counted, late, dead, nulls } = tracker.tally;
    total.counted += counted;
    total.late += late;
    total.dead += dead;
    total.nulls += nulls;
  }
  return {
    ...total,
    records: total.counted + total.late + total.dead + total.nulls,
    ...spread(delta, options.places),
  };
}

/** A partition before its first record. */
export function freshTracker(partition: PartitionId, from: Offset, now: EpochMs): Tracker {
  return new Tracker({
    partition,
    commitId: "",
    nextOffset: from,
    firstOffset: from,
    watermark: NEVER,
    recordWatermark: NEVER,
    maxWindowEnd: NEVER,
    raisedAt: NEVER,
    quietSince: null,
    retired: false,
  }, now);
}

function spread(delta: Delta, locator: PlaceLocator): Pick<Sample, "dead" | "recognised" | "places"> {
  const places = { located: 0, unknown: 0, private: 0, invalid: 0 };
  for (const table of [...delta.windows.values(), ...delta.late.values()]) {
    for (let i = 0; i < table.size; i++) {
      const { countryCode } = locator.place(table.place[i]!);
      const kind = countryCode === "unknown" || countryCode === "private" || countryCode === "invalid"
        ? countryCode
        : "located";
      places[kind] += table.keyHits[i]!;
    }
  }
  const dead: Partial<Record<DeadReason, number>> = {};
  for (const reason of DEAD_REASONS) {
    const records = delta.dead.counts.filter((c) => c.reason === reason).reduce((sum, c) => sum + c.records, 0);
    if (records > 0) dead[reason] = records;
  }
  const recognised = [...new Set(delta.dead.samples.map(({ payload }) => payload))].filter((words) => words !== "");
  return { dead, recognised, places };
}
