// A source that can begin again after an operator has resumed the stream. A source that stopped by a named error stays stopped, and another
// one may still have that error in its queue; so the source is replaced. No I/O of its own.
import type { EpochMs, Offset, PartitionId } from "../shared/units.ts";
import type { LogIdentity, RenewableSource, Source, SourceEvent } from "./port.ts";

/** How long a replaced source may take to leave its group, so that its successor does not wait for a broker that is gone. */
const CLOSE_MS_MAX = 3_000;

/**
 * Wraps `first`; `renew` closes the current source and goes on with one from `create`.
 *
 * @param create makes another source of the same log; its rejection becomes the rejection of `poll`
 */
export function renewable(first: Source, create: () => Promise<Source>): RenewableSource {
  return new Renewable(first, create);
}

class Renewable implements RenewableSource {
  readonly kind: Source["kind"];
  #inner: Source;
  #signal: AbortSignal | null = null;
  #until: (() => EpochMs) | null = null;
  #renewing = false;
  /** Last generation of the source before: each inner source counts from 0. */
  #base = 0;
  #latest = 0;

  constructor(first: Source, private readonly create: () => Promise<Source>) {
    this.#inner = first;
    this.kind = first.kind;
  }

  open(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    return this.#inner.open(signal);
  }

  renew(): void {
    this.#renewing = true;
  }

  async poll(maxWaitMs: number): Promise<SourceEvent> {
    if (this.#renewing) await this.#replace();
    const event = await this.#inner.poll(maxWaitMs);
    if (!("generation" in event)) return event;
    this.#latest = event.generation + this.#base;
    return { ...event, generation: this.#latest };
  }

  gatherBy(until: () => EpochMs): void {
    this.#until = until;
    this.#inner.gatherBy?.(until);
  }

  resume(generation: number, positions: ReadonlyMap<PartitionId, Offset>): void {
    if (!this.#renewing) this.#inner.resume(generation - this.#base, positions);
  }

  identify(): Promise<LogIdentity> {
    return this.#inner.identify();
  }

  confirmedAt(): EpochMs {
    return this.#inner.confirmedAt();
  }

  identityCheckedAt(): EpochMs {
    return this.#inner.identityCheckedAt();
  }

  publish(positions: ReadonlyMap<PartitionId, Offset>): Promise<void> {
    return this.#inner.publish(positions);
  }

  progress(): { readonly done: number; readonly total: number } | null {
    return this.#inner.progress?.() ?? null;
  }

  close(deadlineMs: number): Promise<void> {
    return this.#inner.close(deadlineMs);
  }

  async #replace(): Promise<void> {
    await this.#inner.close(CLOSE_MS_MAX);
    this.#inner = await this.create();
    this.#base = this.#latest;
    this.#renewing = false;
    if (this.#until) this.#inner.gatherBy?.(this.#until);
    if (this.#signal) await this.#inner.open(this.#signal);
  }
}
