// A consumer group: members, heartbeats, sessions that run out, rebalances with and without notice. It knows nothing of positions. Pure but
// for the world's time; members hear of it through callbacks.
import type { PartitionId } from "../../src/shared/units.ts";
import type { Random } from "./random.ts";
import type { World } from "./world.ts";

export const SESSION_MS = 6_000;

export interface MemberCallbacks {
  /** The coordinator's answer to a join: these are yours in `generation`. Called some time after the rebalance. */
  assigned(generation: number, partitions: readonly PartitionId[]): void;
}

interface Member {
  readonly id: number;
  readonly callbacks: MemberCallbacks;
  lastHeartbeat: number;
  /** Generation that the member was told. */
  told: number;
}

export type HeartbeatAnswer = "ok" | "rebalancing" | "unknown_member";

export class ModelGroup {
  generation = 0;
  /** Latest answer of the broker's metadata: a group learns of new partitions some time after they are made. */
  readonly #partitionCount: () => number;
  readonly #members = new Map<number, Member>();
  readonly #world: World;
  readonly #random: Random;
  #ids = 0;
  #shares = new Map<number, readonly PartitionId[]>();
  #assignedCount = 0;
  rebalances = 0;
  /** Longest time from a rebalance until a member hears of it. */
  joinDelayMax = 1_500;

  constructor(world: World, random: Random, partitionCount: () => number) {
    this.#world = world;
    this.#random = random;
    this.#partitionCount = partitionCount;
    this.#watch();
  }

  join(callbacks: MemberCallbacks): number {
    const id = ++this.#ids;
    this.#members.set(id, { id, callbacks, lastHeartbeat: this.#world.now, told: 0 });
    this.rebalance();
    return id;
  }

  leave(id: number): void {
    if (this.#members.delete(id)) this.rebalance();
  }

  /** Removes a member without telling it: it goes on until a heartbeat fails. */
  expel(id: number): void {
    this.leave(id);
  }

  heartbeat(id: number, generation: number): HeartbeatAnswer {
    const member = this.#members.get(id);
    if (!member) return "unknown_member";
    member.lastHeartbeat = this.#world.now;
    return generation === this.generation ? "ok" : "rebalancing";
  }

  get members(): readonly number[] {
    return [...this.#members.keys()];
  }

  /** New generation: partitions are dealt anew, and each member hears of it at its own time. */
  rebalance(): void {
    this.rebalances++;
    const generation = ++this.generation;
    const members = [...this.#members.values()];
    const shares = new Map<number, PartitionId[]>(members.map((member) => [member.id, []]));
    this.#assignedCount = this.#partitionCount();
    if (members.length > 0) {
      const turn = this.#random.int(0, members.length - 1);
      for (let p = 0; p < this.#assignedCount; p++) {
        shares.get(members[(p + turn) % members.length]!.id)!.push(p as PartitionId);
      }
    }
    this.#shares = shares;
    for (const member of members) {
      this.#world.after(this.#random.skewed(10, this.joinDelayMax), () => {
        if (generation !== this.generation || this.#members.get(member.id) !== member) return;
        member.told = generation;
        member.callbacks.assigned(generation, this.#shares.get(member.id) ?? []);
      });
    }
  }

  /** Once a second: sessions that ran out, partitions that were added. */
  #watch(): void {
    const { now } = this.#world;
    const silent = [...this.#members.values()].filter((member) => now - member.lastHeartbeat > SESSION_MS);
    for (const { id } of silent) this.#members.delete(id);
    if (silent.length > 0 || (this.#members.size > 0 && this.#partitionCount() !== this.#assignedCount)) {
      this.rebalance();
    }
    this.#world.after(1_000, () => this.#watch());
  }
}
