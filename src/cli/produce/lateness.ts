// Counts the sent records that will be late for a stream with the default settings. Pure.
import { windowStart } from "../../window/tumbling.ts";
import { type DurationMs, epochMs } from "../../shared/units.ts";

/** Counts by the rule of a partition's watermark, as if all records went to one partition. */
export class Lateness {
  /** Records with a time. */
  timed = 0;
  /** Of them, those whose window has ended when they come. */
  late = 0;
  #newest = -Infinity;

  constructor(private readonly windowSize: DurationMs, private readonly watermarkDelay: DurationMs) {}

  /** @param time epoch ms */
  add(time: number): void {
    this.timed++;
    const end = windowStart(epochMs(time), this.windowSize) + this.windowSize;
    if (end <= this.#newest - this.watermarkDelay) this.late++;
    if (time > this.#newest) this.#newest = time;
  }

  /** 0 to 1. */
  get share(): number {
    return this.timed === 0 ? 0 : this.late / this.timed;
  }
}
