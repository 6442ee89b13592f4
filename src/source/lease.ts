// The right to be a log's one reader. The port and an in-memory stand-in; no I/O.

/** A lease that at most one process holds. Every method rejects where its keeper cannot be asked. */
export interface Lease {
  /** True where the lease is ours now. */
  acquire(): Promise<boolean>;
  /** True where it is still ours; false: somebody else may have it. */
  renew(): Promise<boolean>;
  /** Gives it up; harmless where it is not ours. */
  release(): Promise<void>;
}

/** Leases of one process's memory: two made over the same `holder` exclude each other. */
export class MemoryLease implements Lease {
  readonly #holder: { owner: MemoryLease | null };
  constructor(holder: { owner: MemoryLease | null } = { owner: null }) {
    this.#holder = holder;
  }
  acquire(): Promise<boolean> {
    this.#holder.owner ??= this;
    return this.renew();
  }
  renew(): Promise<boolean> {
    return Promise.resolve(this.#holder.owner === this);
  }
  release(): Promise<void> {
    if (this.#holder.owner === this) this.#holder.owner = null;
    return Promise.resolve();
  }
}
