// Which partitions this member holds, from where each is read, and which fetched batch may still be delivered. Pure: no clock, no client;
// the Kafka source and the deterministic simulation drive the same object.
//
//            assign            resume(position)           accept(from, next)
//   (none) ─────────▶ paused ────────────────▶ flowing ──────────────────────▶ flowing at next
//      ▲                 ▲                        │
//      └── lose, halt ───┴──── assign ────────────┘
//
// A batch is deliverable if it was *asked for* under the ticket that its partition still has. A ticket is new after every assign and
// resume, so whatever was in flight then, or waits in a queue, is dropped, even where its offsets would fit by chance.
import type { Offset, PartitionId } from "../shared/units.ts";

/** Names one stretch of uninterrupted reading of one partition. Never reused. */
export type Ticket = number;

/** What to do with a fetched batch: hand it on, drop it, or drop it and put the client back to `position`. */
type Acceptance =
  | { readonly kind: "accepted" }
  | { readonly kind: "stale" }
  | { readonly kind: "misplaced"; readonly position: Offset };

interface Flow {
  ticket: Ticket;
  /** Position of the next batch to be accepted; `null` while paused. */
  position: Offset | null;
}

/** The member's own view of its assignment. Generations are counted here, not taken from the broker: ours also end by loss and shutdown. */
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

  /** Whether the group counts us in, as far as we know. */
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

  /** Membership is gone. Returns the generation that ended, or `null` where there was none to lose. */
  lose(): number | null {
    if (!this.#member) return null;
    const ended = this.#generation;
    this.#clear();
    return ended;
  }

  /** Nothing is delivered any more, whatever is assigned or resumed later. */
  halt(): void {
    this.#halted = true;
    this.#clear();
  }

  /**
   * Lets partitions flow from the given positions. Returns those that are ours, to be sought and resumed at the client; none when
   * `generation` is not the current one.
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

  /** The ticket under which a fetch of this partition is sent now; `null` where what it brings will not be wanted. */
  ticket(partition: PartitionId): Ticket | null {
    const flow = this.#flows.get(partition);
    return flow === undefined || flow.position === null ? null : flow.ticket;
  }

  /** Takes a fetched range [from, next) into the chain of positions, if it is the one expected. */
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
