// How long a broker may hold a fetch, and for how many bytes: few, full answers while nothing is urgent, otherwise quick ones. No I/O.
import { type EpochMs, NEVER, type Offset, type PartitionId } from "../../shared/units.ts";

/** Parameters of a fetch. */
export interface FetchTerms {
  readonly minBytes: number;
  readonly maxWaitMs: number;
}

/** Longest time that records gather at a broker, ms. Leaving and joining the group wait for the fetch in flight. */
export const GATHER_MS_MAX = 1_000;
/** For less time than this, records do not gather. */
const GATHER_MS_MIN = 50;
/** Most bytes to gather over all partitions of a broker: as many as the queue takes before it delays the next fetch. */
const GATHER_BYTES_MAX = 4 * 1024 * 1024;
/** The busiest partition gathers up to this share of its limit per fetch, so that its records are not cut off. */
const FULL_SHARE = 3 / 4;

/** What the last fetch brought of a partition. */
interface Brought {
  readonly bytes: number;
  /** Whether the log held more. */
  readonly behind: boolean;
}

/** The terms of the next fetch, from what the engine allows and what the last fetches brought. */
export class FetchPatience {
  #until = (): EpochMs => NEVER;
  readonly #brought = new Map<PartitionId, Brought>();

  /** @param quickWaitMs how long the broker holds an empty fetch while records may not gather */
  constructor(private readonly bytesPerPartition: number, private readonly quickWaitMs: number) {}

  /** Records may gather until the time that this returns, by the clock of `terms`. */
  gatherBy(until: () => EpochMs): void {
    this.#until = until;
  }

  /** What a fetch brought of one partition: `next` is the position after it, `lastStable` where readable records ended. */
  saw(partition: PartitionId, brought: { bytes: number; next: Offset; lastStable: Offset }): void {
    this.#brought.set(partition, { bytes: brought.bytes, behind: brought.next < brought.lastStable });
  }

  /**
   * The terms of a fetch of these partitions. If one of them was not read to its end, the fetch is quick. Otherwise the number of bytes
   * assumes the same distribution as in the last fetches: then the busiest partition brings three quarters of its limit.
   */
  terms(partitions: readonly PartitionId[], now: EpochMs): FetchTerms {
    const wait = Math.min(GATHER_MS_MAX, this.#until() - now);
    const last = partitions.map((partition) => this.#brought.get(partition));
    if (!(wait >= GATHER_MS_MIN) || last.some((brought) => brought === undefined || brought.behind)) {
      return { minBytes: 1, maxWaitMs: this.quickWaitMs };
    }
    const bytes = last.map((brought) => brought!.bytes), sum = bytes.reduce((a, b) => a + b, 0);
    const spread = sum === 0 ? 1 : sum / Math.max(...bytes);
    const minBytes = Math.min(GATHER_BYTES_MAX, Math.floor(FULL_SHARE * this.bytesPerPartition * spread));
    return { minBytes: Math.max(1, minBytes), maxWaitMs: Math.floor(wait) };
  }
}
