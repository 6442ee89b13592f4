// When the delta is sent, and what its outcome means for the engine. One commit is on its way at a time; its result is taken by the loop.
// I/O only through the ports.
import { commitDue, commitInterval } from "../store/decision.ts";
import { Committer, type Delivery } from "../store/committer.ts";
import { Encoder } from "../store/encode.ts";
import type { CommitPayload, CommitReason } from "../store/port.ts";
import { invariant, messageOf, Unavailable } from "../shared/errors.ts";
import type { StoredTotals } from "../shared/snapshot.ts";
import { NEVER } from "../shared/units.ts";
import { sourceUnavailable, topicRecreated } from "../shared/faults.ts";
import { windowStart } from "../window/tumbling.ts";
import { RETRY_MS, type Steady } from "./parts.ts";
import type { EngineState } from "./state.ts";

/** A commit may rest on a look at the topic's identity that is at most this old. */
const IDENTITY_AGE_MS_MAX = 10_000;
/** Dictionaries are forgotten between two deltas once they hold more than this share of what they may hold: the next delta needs room. */
const DICTIONARY_SHARE = 3 / 4;

/**
 * Proof that the topic was looked at a moment ago and is the one that the stored positions belong to. {@link Commits.send} takes one, so
 * that no path commits without it; each is good for one commit.
 */
class CommitPermit {
  #used = false;

  /** @throws BugError where it was used before */
  use(): void {
    invariant(!this.#used, "a permit is good for one commit");
    this.#used = true;
  }
}

/** Adds what a commit has stored. */
function addStored(stored: StoredTotals, { moves, dead }: CommitPayload): void {
  for (const { counted, late, dead, nulls } of moves) {
    stored.counted += counted;
    stored.late += late;
    stored.dead += dead;
    stored.nulls += nulls;
  }
  for (const { partition, reason, firstOffset: offset, firstLine: line, records } of dead?.ranges ?? []) {
    const known = stored.byReason[reason];
    if (known !== undefined) known.records += records;
    else stored.byReason[reason] = { records, first: { partition, offset, line } };
  }
}

/** The commits of one engine. */
export class Commits {
  readonly #state: EngineState;
  readonly #encoder: Encoder;
  readonly #committer: Committer;
  /** Called when a commit is in; `released`: our lowest watermark has passed a window's end with it. */
  readonly #onIn: (released: boolean) => void;
  #delivered: Delivery | null = null;
  #lastAt: Steady;
  #notBefore: Steady = -Infinity;
  /** Start of the window that our lowest watermark stood in at the last commit. */
  #window: number = NEVER;

  constructor(state: EngineState, onIn: (released: boolean) => void) {
    const { reader, places, store, clock, log } = state.parts;
    this.#state = state;
    this.#onIn = onIn;
    this.#lastAt = clock.steady();
    this.#encoder = new Encoder({
      hosts: reader.hosts,
      referrers: reader.referrers,
      place: (id) => places.place(id),
      placeCount: () => places.size,
    });
    this.#committer = new Committer(store, clock, log, {
      onTrouble: (error) => {
        state.storeFailed(error);
        state.steps.failed("commit", error);
      },
      onUnknown: () => state.unknown++,
      onRead: (stored) => state.storeAnswered(stored),
    });
  }

  /** When the last commit was sent. */
  get lastAt(): Steady {
    return this.#lastAt;
  }

  /** Until the next commit is due, ms; where that is almost now, until the one after it. */
  get dueInMs(): number {
    const { settings: { limits }, parts: { clock } } = this.#state;
    const interval = commitInterval(this.#pressure, limits), left = this.#lastAt + interval - clock.steady();
    return left > interval / 4 ? left : Math.max(left, 0) + interval;
  }

  /** The first commit is never put off: a process that dies again and again within a longer interval would get nowhere. */
  get #pressure(): { catchingUp: boolean; watched: boolean } {
    const state = this.#state, first = state.totals.commits === 0;
    return { catchingUp: !first && state.catchingUp, watched: first || state.watched };
  }

  /** Whether a commit has an outcome that the loop has not taken. */
  get delivered(): boolean {
    return this.#delivered !== null;
  }

  /** Forgets the outcome that was not taken: memory was dropped already. */
  dropDelivery(): void {
    this.#delivered = null;
  }

  /** Takes the outcome of the last commit, if there is one. */
  takeDelivery(): void {
    const delivery = this.#delivered;
    if (!delivery) return;
    this.#delivered = null;
    const state = this.#state;
    switch (delivery.kind) {
      case "committed":
        if (state.phase === "waiting") state.databaseIsBack();
        return;
      case "fenced":
        return state.giveUp(delivery.partitions);
      case "abandoned":
        // What was counted since rests on a payload that may not be in: a last commit of it could raise a watermark by records that never were.
        state.expectation++;
        return state.forget();
    }
  }

  /** Sends the delta where its time has come. */
  async sendIfDue(signal: AbortSignal): Promise<void> {
    this.takeDelivery();
    const state = this.#state, { clock } = state.parts, { limits } = state.settings;
    const now = clock.steady();
    const dirty = state.dirty;
    let due: CommitReason | null = commitDue({
      dirty,
      full: state.full,
      sinceLastCommitMs: now - this.#lastAt,
      ...this.#pressure,
    }, limits);
    if (!due && dirty && !state.catchingUp && this.#passedWindow()) due = "interval";
    if (!due || now < this.#notBefore || signal.aborted) return; // the last commit has a deadline of its own
    if (state.sending) {
      // The next delta grows while one is in flight, up to its bounds.
      if (!state.mustWait) return;
      await state.sending;
      this.takeDelivery();
      if (!state.dirty) return;
    }
    const permit = await this.permit();
    if (permit === null) return;
    this.takeDelivery();
    if (state.dirty) this.send(permit, due, signal);
  }

  /** Brings what is pending to an end: committed or fenced. @throws Unavailable where the topic cannot be looked at */
  async settle(reason: CommitReason, signal: AbortSignal): Promise<void> {
    const state = this.#state;
    await state.sending;
    this.takeDelivery();
    if (signal.aborted || !state.dirty) return;
    const permit = await this.permit();
    if (permit === null) {
      throw sourceUnavailable("the topic's identity cannot be checked");
    }
    this.send(permit, reason, signal);
    await state.sending;
    this.takeDelivery();
  }

  /** Freezes the delta and sends it. */
  send(permit: CommitPermit, reason: CommitReason, signal: AbortSignal): void {
    permit.use();
    const state = this.#state;
    invariant(state.sending === null && this.#delivered === null, "one commit at a time");
    const { newId, clock, reader, source, onCommitted } = state.parts;
    const payload = this.#encoder.freeze(state.delta, state.trackers.values(), newId(), reason);
    state.expectation++;
    state.resetDelta();
    if (reader.memoryBytes > DICTIONARY_SHARE * state.settings.limits.maxDictionaryBytes) reader.reset();
    const released = this.#passedWindow(), lowest = state.lowestWatermark;
    if (Number.isFinite(lowest)) this.#window = windowStart(lowest, state.settings.rules.windowSize);
    this.#lastAt = clock.steady();
    state.sending = this.#committer.deliver(payload, signal).then((delivery) => {
      state.sending = null;
      this.#delivered = delivery;
      if (delivery.kind !== "committed") return;
      state.storeReached();
      state.steps.succeeded("commit");
      state.totals.commits++;
      addStored(state.totals.stored, payload);
      state.lastCommit = { at: clock.now(), durationMs: delivery.durationMs, keys: payload.keys };
      const positions = new Map(payload.moves.map((move) => [move.partition, move.nextOffset]));
      for (const [partition, next] of positions) {
        const tracker = state.trackers.get(partition);
        if (tracker) tracker.committed = next;
      }
      onCommitted?.(delivery.durationMs, payload.keys);
      this.#onIn(released);
      void source.publish(positions);
    });
  }

  /** Whether our lowest watermark has passed a window's end since the last commit: then rows wait to become visible. */
  #passedWindow(): boolean {
    const state = this.#state, lowest = state.lowestWatermark;
    return Number.isFinite(lowest) &&
      windowStart(lowest, state.settings.rules.windowSize) > this.#window;
  }

  /**
   * The right to commit, or `null` where the topic cannot be looked at now, or is another one (then the engine is stopped): a topic that was
   * deleted and created again must not be committed against the old positions.
   */
  async permit(): Promise<CommitPermit | null> {
    const state = this.#state, { source, clock } = state.parts;
    const age = clock.now() - source.identityCheckedAt();
    if (age >= 0 && age <= IDENTITY_AGE_MS_MAX) return new CommitPermit();
    try {
      const identity = await source.identify();
      if (identity.topicId !== null && state.topicId !== null && identity.topicId !== state.topicId) {
        state.stop(topicRecreated(state.settings.stream.topic, state.topicId, identity.topicId));
        return null;
      }
      return new CommitPermit();
    } catch (error) {
      const { code, action } = error instanceof Unavailable ? error : { code: "source_unavailable", action: "" };
      state.sourceWaiting({ code, reason: messageOf(error), action });
      this.#notBefore = clock.steady() + RETRY_MS;
      return null;
    }
  }
}
