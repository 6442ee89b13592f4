// Delivers one frozen payload. If the outcome of sending is unknown, the stored rows decide. I/O only through the ports.
import type { Clock } from "../shared/clock.ts";
import type { Log } from "../shared/log.ts";
import { durationMs, type PartitionId } from "../shared/units.ts";
import { judgeOutcome, type Verdict } from "./decision.ts";
import type { CommitPayload, Store, StoredState } from "./port.ts";

const BACKOFF_MS_FIRST = 200;
/** A database that is back is noticed within this time. */
const BACKOFF_MS_MAX = 3_000;

export type Delivery =
  | { readonly kind: "committed"; readonly durationMs: number }
  /** Not stored. `partitions`: those that have moved; empty if a day has another salt. */
  | { readonly kind: "fenced"; readonly partitions: readonly PartitionId[] }
  /** The signal ended the attempt; the payload may be stored or not. */
  | { readonly kind: "abandoned" };

interface CommitterEvents {
  /** The database did not answer, or refused. Called for each try. */
  onTrouble(error: unknown): void;
  /** The outcome of a try is unknown. */
  onUnknown(): void;
  /** The rows were read to learn the outcome. */
  onRead(stored: StoredState): void;
}

/** Delivers payloads one at a time. It waits for an absent database until the signal aborts. */
export class Committer {
  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly events: CommitterEvents,
  ) {}

  /** Sends the identical payload until it is known to be stored or fenced. */
  async deliver(payload: CommitPayload, signal: AbortSignal): Promise<Delivery> {
    const startedAt = this.clock.now();
    let backoff = BACKOFF_MS_FIRST;
    while (!signal.aborted) {
      const outcome = await this.store.commit(payload);
      if (outcome.kind === "committed") return { kind: "committed", durationMs: this.clock.now() - startedAt };
      if (outcome.kind === "salt_differs") {
        this.log.warn("a day has another salt now: visitors that were not committed are counted again");
        return { kind: "fenced", partitions: [] };
      }
      if (outcome.kind === "unknown") {
        this.events.onUnknown();
        this.events.onTrouble(outcome.cause);
      }
      const verdict = await this.#judge(payload, signal);
      switch (verdict?.kind) {
        case undefined:
          return { kind: "abandoned" };
        case "committed":
          return { kind: "committed", durationMs: this.clock.now() - startedAt };
        case "fenced":
          this.log.warn("fenced: another instance has moved the position", { partitions: verdict.partitions });
          return verdict;
        case "unchanged":
          await this.clock.sleep(durationMs(backoff), signal);
          backoff = Math.min(backoff * 2, BACKOFF_MS_MAX);
      }
    }
    return { kind: "abandoned" };
  }

  /** Reads the rows, again after each failure, and judges by them; undefined after an abort. */
  async #judge(payload: CommitPayload, signal: AbortSignal): Promise<Verdict | undefined> {
    let backoff = BACKOFF_MS_FIRST;
    while (!signal.aborted) {
      try {
        const stored = await this.store.read();
        if (stored) this.events.onRead(stored);
        return judgeOutcome(payload, stored?.rows ?? []);
      } catch (error) {
        this.events.onTrouble(error);
        await this.clock.sleep(durationMs(backoff), signal);
        backoff = Math.min(backoff * 2, BACKOFF_MS_MAX);
      }
    }
    return undefined;
  }
}
