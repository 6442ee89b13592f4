// Gets and keeps a source's lease while its owner works or waits. Shell over the lease and the clock.
import type { Clock } from "../shared/clock.ts";
import { messageOf, Unavailable } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { durationMs, type EpochMs, NEVER, SECOND } from "../shared/units.ts";
import type { Lease } from "./lease.ts";

/** How often the lease is renewed, and asked for while somebody else has it. */
const LEASE_EVERY = durationMs(2 * SECOND);

/** One source's hold on its log. */
export class LeaseHolder {
  readonly #lease: Lease;
  readonly #clock: Clock;
  readonly #log: Log;
  #held = false;
  #lostBecause: string | null = null;
  #confirmedAt: EpochMs = NEVER;
  #askAgainAt = -Infinity;
  #renewing: Promise<void> = Promise.resolve();

  constructor(options: { readonly lease: Lease; readonly clock: Clock; readonly log: Log }) {
    this.#lease = options.lease;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Whether the lease was ours when it was last asked about. */
  get held(): boolean {
    return this.#held;
  }

  /** Our clock when the last question was sent that was answered with yes. */
  get confirmedAt(): EpochMs {
    return this.#confirmedAt;
  }

  /** How long to wait before it makes sense to ask again, in ms. */
  get askAgainIn(): number {
    return Math.max(0, this.#askAgainAt - this.#clock.now());
  }

  /** Begins to renew what is held, until `signal` aborts. */
  start(signal: AbortSignal): void {
    this.#renewing = this.#renew(signal);
  }

  /** Asks for the lease. @throws {Unavailable} where its keeper does not answer */
  async acquire(): Promise<boolean> {
    const asked = this.#clock.now();
    this.#askAgainAt = asked + LEASE_EVERY;
    try {
      if (!await this.#lease.acquire()) return false;
    } catch (error) {
      throw new Unavailable(
        "lease_unavailable",
        `Cannot ask for the log's lease: ${messageOf(error)}`,
        "Look at the database; this goes on by itself.",
        { cause: error },
      );
    }
    this.#held = true;
    this.#lostBecause = null;
    this.#confirmedAt = asked;
    return true;
  }

  /** Why the lease went, once; null while it is held or was not. */
  takeLoss(): string | null {
    const reason = this.#lostBecause;
    this.#lostBecause = null;
    return reason;
  }

  /** Stops renewing (its signal has been aborted) and gives the lease up. */
  async release(): Promise<void> {
    await this.#renewing;
    if (this.#held) await this.#lease.release();
    this.#held = false;
  }

  /** An answer that does not come leaves `confirmedAt` to grow old: the engine decides what that means. */
  async #renew(signal: AbortSignal): Promise<void> {
    let failing = false;
    while (!signal.aborted) {
      await this.#clock.sleep(LEASE_EVERY, signal);
      if (!this.#held || signal.aborted) continue;
      const asked = this.#clock.now();
      try {
        if (await this.#lease.renew()) {
          this.#confirmedAt = asked;
        } else {
          this.#held = false;
          this.#lostBecause = "the lease on the log went to another process";
        }
        failing = false;
      } catch (error) {
        if (!failing) this.#log.warn("the lease on the log cannot be renewed", { reason: messageOf(error) });
        failing = true;
      }
    }
  }
}
