// Acquires and renews the lease of a source. Shell over the lease and the clock.
import type { Clock } from "../shared/clock.ts";
import { messageOf, Unavailable } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { durationMs, type EpochMs, NEVER, SECOND } from "../shared/units.ts";
import type { Lease } from "./lease.ts";

/** How often the lease is renewed, or requested while another process has it. */
const LEASE_EVERY = durationMs(2 * SECOND);

/** One source's hold on its log. */
export class LeaseHolder {
  #held = false;
  #lostBecause: string | null = null;
  #confirmedAt: EpochMs = NEVER;
  #askAgainAt = -Infinity;
  #renewing: Promise<void> = Promise.resolve();

  constructor(private readonly parts: { readonly lease: Lease; readonly clock: Clock; readonly log: Log }) {}

  /** Whether the lease was ours at the last answer. */
  get held(): boolean {
    return this.#held;
  }

  /** Our clock when the last successful request was sent. */
  get confirmedAt(): EpochMs {
    return this.#confirmedAt;
  }

  /** Time until the next request for the lease, ms. */
  get askAgainIn(): number {
    return Math.max(0, this.#askAgainAt - this.parts.clock.now());
  }

  /** Begins to renew what is held, until `signal` aborts. */
  start(signal: AbortSignal): void {
    this.#renewing = this.#renew(signal);
  }

  /** Requests the lease. @throws Unavailable if its storage does not answer */
  async acquire(): Promise<boolean> {
    const asked = this.parts.clock.now();
    this.#askAgainAt = asked + LEASE_EVERY;
    try {
      if (!await this.parts.lease.acquire()) return false;
    } catch (error) {
      throw new Unavailable(
        "lease_unavailable",
        `Cannot get the log's lease: ${messageOf(error)}`,
        "Check the database. Tidemark tries again by itself.",
        { cause: error },
      );
    }
    this.#held = true;
    this.#lostBecause = null;
    this.#confirmedAt = asked;
    return true;
  }

  /** Why the lease was lost; null if it was not lost since the last call. */
  takeLoss(): string | null {
    const reason = this.#lostBecause;
    this.#lostBecause = null;
    return reason;
  }

  /** Gives the lease up. Its caller has aborted the signal of `start`. */
  async release(): Promise<void> {
    await this.#renewing;
    if (this.#held) await this.parts.lease.release();
    this.#held = false;
  }

  /** Without an answer `confirmedAt` does not advance; the engine decides what that means. */
  async #renew(signal: AbortSignal): Promise<void> {
    let failing = false;
    while (!signal.aborted) {
      await this.parts.clock.sleep(LEASE_EVERY, signal);
      if (!this.#held || signal.aborted) continue;
      const asked = this.parts.clock.now();
      try {
        if (await this.parts.lease.renew()) {
          this.#confirmedAt = asked;
        } else {
          this.#held = false;
          this.#lostBecause = "another process took the lease on the log";
        }
        failing = false;
      } catch (error) {
        if (!failing) this.parts.log.warn("the lease on the log cannot be renewed", { reason: messageOf(error) });
        failing = true;
      }
    }
  }
}
