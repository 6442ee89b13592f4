// What really reached each instance, and what each commit claims of it: evidence that neither the engine nor the database can bend. Pure.
import type { CommitPayload, IdleAdvance } from "../../src/store/port.ts";
import type { SteadyClock } from "../../src/shared/clock.ts";
import type { FetchedBatch } from "../../src/source/port.ts";

/** A stretch of records, and the later of the instance's and the database's clock when they were counted. */
export interface Stretch {
  readonly from: number;
  readonly next: number;
  readonly now: number;
}

export interface SentMove {
  readonly partition: number;
  readonly from: number;
  readonly next: number;
  readonly stretches: readonly Stretch[];
  readonly advances: readonly IdleAdvance[];
  /** What the instance counts beside the rows. */
  readonly counted: number;
}

export interface IdleRules {
  readonly windowSize: number;
  readonly watermarkDelay: number;
  readonly idleTimeout: number | null;
}

interface Delivery extends Stretch {
  readonly logEnd: number;
  readonly sentAt: number;
}

/** Remembers deliveries of one instance and checks its commits against them. */
export class Witness {
  readonly #deliveries = new Map<number, Delivery[]>();
  #server = { now: -Infinity, at: 0 };
  readonly #sent: Map<string, readonly SentMove[]>;
  readonly #rules: IdleRules;
  readonly #once: boolean;
  readonly #splits: boolean;
  readonly #counted: number;
  readonly #violation: (text: string) => void;

  /** @param sent moves by commit id, shared by all instances */
  constructor(parts: {
    sent: Map<string, readonly SentMove[]>;
    rules: IdleRules;
    once: boolean;
    /** Whether a commit may end inside a delivery: deltas are small, or counting may wait for a salt. */
    splits: boolean;
    counted: number;
    violation: (text: string) => void;
  }) {
    this.#sent = parts.sent;
    this.#rules = parts.rules;
    this.#once = parts.once;
    this.#splits = parts.splits;
    this.#counted = parts.counted;
    this.#violation = parts.violation;
  }

  /** The engine has read the database's clock. */
  told(serverNow: number, steady: number): void {
    this.#server = { now: serverNow, at: steady };
  }

  delivered(batch: FetchedBatch, clock: SteadyClock): void {
    const now = Math.max(clock.now(), Math.floor(this.#server.now + clock.steady() - this.#server.at));
    let list = this.#deliveries.get(batch.partition);
    if (!list) this.#deliveries.set(batch.partition, list = []);
    list.push({ from: batch.from, next: batch.next, logEnd: batch.logEnd, sentAt: batch.sentAt, now });
  }

  /** Called at each sending: the first fixes what the payload says, a resend must say the same. */
  sending(payload: CommitPayload): void {
    const known = this.#sent.get(payload.commitId);
    if (known) {
      if (known.some((move, i) => move.next !== payload.moves[i]?.nextOffset)) {
        this.#violation(`payload ${payload.commitId} changed between two sendings`);
      }
      return;
    }
    this.#sent.set(
      payload.commitId,
      payload.moves.map((move) => {
        for (const advance of move.idleAdvances) this.#checkAdvance(move.partition, advance);
        return {
          partition: move.partition,
          from: move.oldNextOffset,
          next: move.nextOffset,
          stretches: this.#stretches(move.partition, move.oldNextOffset, move.nextOffset),
          advances: move.idleAdvances,
          counted: this.#counted,
        };
      }),
    );
  }

  /** The deliveries, latest first, that lead from `next` back to `from`. */
  #stretches(partition: number, from: number, next: number): readonly Stretch[] {
    const stretches: Stretch[] = [];
    const list = this.#deliveries.get(partition) ?? [];
    let at = next;
    for (let i = list.length - 1; i >= 0 && at > from; i--) {
      const delivery = list[i]!;
      if (delivery.from >= at || delivery.next < at) continue;
      if (!this.#splits && (delivery.next !== at || delivery.from < from)) continue;
      const start = Math.max(from, delivery.from);
      stretches.unshift({ from: start, next: at, now: delivery.now });
      at = start;
    }
    if (at !== from) {
      this.#violation(`partition ${partition}: a commit over [${from}, ${next}) without having been given it`);
    }
    return stretches;
  }

  /** Silence may raise a watermark only after a fetch that was sent late enough and showed that there is nothing more. */
  #checkAdvance(partition: number, { atOffset, watermark, quietSince }: IdleAdvance): void {
    const { windowSize, watermarkDelay, idleTimeout } = this.#rules;
    if (idleTimeout === null) return this.#violation(`partition ${partition}: idle advance although it is off`);
    if (watermark % windowSize !== 0) {
      this.#violation(`partition ${partition}: idle advance to ${watermark}, inside a window`);
    }
    if (this.#once) return;
    const proof = (this.#deliveries.get(partition) ?? []).some((d) =>
      d.next === atOffset && d.logEnd === atOffset && d.sentAt >= quietSince + idleTimeout &&
      d.sentAt - watermarkDelay >= watermark
    );
    if (!proof) {
      this.#violation(
        `partition ${partition}: idle advance at ${atOffset} to ${watermark} without a fetch that proves it`,
      );
    }
  }
}
