// How long a broker may hold a fetch, and for how many bytes: few, full answers while nothing is urgent, quick ones otherwise. Pure.
import { type EpochMs, NEVER, type Offset, type PartitionId } from "../../shared/units.ts";

/** What a fetch asks of its broker. */
export interface FetchTerms {
  readonly minBytes: number;
  readonly maxWaitMs: number;
}

/** Longest time that records gather at a broker, ms. Leaving the group and joining it again wait for the fetch on its way. */
export const GATHER_MS_MAX = 1_000;
/** Shorter than this is not worth gathering for. */
const GATHER_MS_MIN = 50;
/** Most bytes to gather over all partitions of a broker: what the queue takes before it holds the next fetch back. */
const GATHER_BYTES_MAX = 4 * 1024 * 1024;
/** Share of a partition's bytes in one fetch up to which the busiest partition gathers, so that none is cut off. */
const FULL_SHARE = 3 / 4;

/** What the last fetch brought of a partition. */
interface Brought {
  readonly bytes: number;
  /** Whether more was there than was brought. */
  readonly behind: boolean;
}

/** The terms of the next fetch, from what the engine allows and what the last fetches brought. */
export class FetchPatience {
  #until = (): EpochMs => NEVER;
  readonly #brought = new Map<PartitionId, Brought>();

  /** @param quickWaitMs how long a fetch that finds nothing is held where an answer is wanted at once */
  constructor(private readonly bytesPerPartition: number, private readonly quickWaitMs: number) {}

  /** Records may gather until the time that this returns, by the clock whose time `terms` is given. */
  gatherBy(until: () => EpochMs): void {
    this.#until = until;
  }

  /** What a fetch brought of one partition: `next` is the position after it, `lastStable` where readable records ended. */
  saw(partition: PartitionId, brought: { bytes: number; next: Offset; lastStable: Offset }): void {
    this.#brought.set(partition, { bytes: brought.bytes, behind: brought.next < brought.lastStable });
  }

  /**
   * The terms of a fetch of these partitions. One that was not read to its end makes the fetch a quick one. Otherwise the bytes to wait for
   * follow the last fetches: spread as in those, the busiest partition would bring three quarters of what it may.
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
