// Which partitions this member holds, the position of each, and which fetched batches may still be delivered. No I/O. The Kafka source and
// the simulation use the same class.
//
//            assign            resume(position)           accept(from, next)
//   (none) ─────────▶ paused ────────────────▶ flowing ──────────────────────▶ flowing at next
//      ▲                 ▲                        │
//      └── lose, halt ───┴──── assign ────────────┘
//
// A batch is deliverable if it was *requested* under the ticket that its partition still has. Each assign and resume gives a new ticket, so
// a batch that was in flight or in a queue then is dropped, even if its offsets fit by chance.
import type { Offset, PartitionId } from "../shared/units.ts";

/** Identifies one period of uninterrupted reading of one partition. Never reused. */
export type Ticket = number;

/** What to do with a fetched batch: deliver it, drop it, or drop it and set the client back to `position`. */
type Acceptance =
  | { readonly kind: "accepted" }
  | { readonly kind: "stale" }
  | { readonly kind: "misplaced"; readonly position: Offset };

interface Flow {
  ticket: Ticket;
  /** Position of the next batch to be accepted; `null` while paused. */
  position: Offset | null;
}

/** The member's view of its assignment. It counts its own generations: unlike the broker's, they also end by loss and shutdown. */
export class Assignment {
  #generation = 0;
  #member = false;
  #halted = false;
  #tickets = 0;
  readonly #flows = new Map<PartitionId, Flow>();

  /** Number of the current generation; grows with every assign and loss. */
  get generation(): number {
    return this.#generation;
  }

  /** Whether we are a member of the group, as far as we know. */
  get member(): boolean {
    return this.#member;
  }

  /** The partitions held, paused or flowing. */
  get partitions(): readonly PartitionId[] {
    return [...this.#flows.keys()];
  }

  /** The group gave us exactly these partitions. All are paused. Returns the new generation. */
  assign(partitions: readonly PartitionId[]): number {
    this.#clear();
    this.#member = true;
    for (const partition of partitions) this.#flows.set(partition, { ticket: ++this.#tickets, position: null });
    return this.#generation;
  }

  /** Membership is gone. Returns the generation that ended, or `null` if we were not a member. */
  lose(): number | null {
    if (!this.#member) return null;
    const ended = this.#generation;
    this.#clear();
    return ended;
  }

  /** Ends all delivery for good, whatever is assigned or resumed later. */
  halt(): void {
    this.#halted = true;
    this.#clear();
  }

  /**
   * Starts partitions from the given positions. Returns those that are ours; the caller seeks and resumes them at the client. Returns none
   * if `generation` is not the current one.
   */
  resume(generation: number, positions: ReadonlyMap<PartitionId, Offset>): ReadonlyMap<PartitionId, Offset> {
    const resumed = new Map<PartitionId, Offset>();
    if (generation !== this.#generation || this.#halted) return resumed;
    for (const [partition, position] of positions) {
      if (!this.#flows.has(partition)) continue;
      this.#flows.set(partition, { ticket: ++this.#tickets, position });
      resumed.set(partition, position);
    }
    return resumed;
  }

  /** The ticket for a fetch of this partition that is sent now; `null` if its result would not be wanted. */
  ticket(partition: PartitionId): Ticket | null {
    const flow = this.#flows.get(partition);
    return flow === undefined || flow.position === null ? null : flow.ticket;
  }

  /** Moves the position over the fetched range [from, next), if the range begins at the position. */
  accept(partition: PartitionId, ticket: Ticket | null, from: Offset, next: Offset): Acceptance {
    const flow = this.#flows.get(partition);
    if (flow === undefined || flow.position === null || flow.ticket !== ticket) return { kind: "stale" };
    if (flow.position !== from) return { kind: "misplaced", position: flow.position };
    flow.position = next;
    return { kind: "accepted" };
  }

  /** Whether a batch that was accepted under `ticket` may still be delivered. */
  deliverable(partition: PartitionId, ticket: Ticket): boolean {
    return this.#flows.get(partition)?.ticket === ticket;
  }

  #clear(): void {
    this.#generation++;
    this.#member = false;
    this.#flows.clear();
  }
}
