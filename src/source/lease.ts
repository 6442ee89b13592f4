// The right to be the only reader of a log: the port, and an implementation in memory. No I/O.

/** A lease that at most one process holds. Every method rejects if its storage does not answer. */
export interface Lease {
  /** Returns whether the lease is ours now. */
  acquire(): Promise<boolean>;
  /** Returns whether it is still ours; if not, another process may have it. */
  renew(): Promise<boolean>;
  /** Gives it up; does nothing if it is not ours. */
  release(): Promise<void>;
}

/** A lease in this process's memory: two that are made over the same `holder` exclude each other. */
export class MemoryLease implements Lease {
  constructor(private readonly holder: { owner: MemoryLease | null } = { owner: null }) {}
  acquire(): Promise<boolean> {
    this.holder.owner ??= this;
    return this.renew();
  }
  renew(): Promise<boolean> {
    return Promise.resolve(this.holder.owner === this);
  }
  release(): Promise<void> {
    if (this.holder.owner === this) this.holder.owner = null;
    return Promise.resolve();
  }
}
