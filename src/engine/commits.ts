// When the delta is sent, and what its outcome means for the engine. One commit is in flight at a time; the loop takes its result.
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
import { releaseIsNear } from "./pace.ts";
import { RETRY_MS, type Steady } from "./parts.ts";
import type { EngineState } from "./state.ts";

/** A commit needs a check of the topic's identity that is at most this old. */
const IDENTITY_AGE_MS_MAX = 10_000;
/** Longest time that a regular commit waits for one that releases a window. */
const RELEASE_WAIT_MS = 1_000;
/** Dictionaries that use more than this share of their limit are emptied after a delta, so that the next delta has room. */
const DICTIONARY_SHARE = 3 / 4;

/**
 * Proof of a recent check that the topic is the one the stored positions belong to. {@link Commits.send} requires one, so no path commits
 * without that check. Each is valid for one commit.
 */
class CommitPermit {
  #used = false;

  /** @throws BugError if it was used before */
  use(): void {
    invariant(!this.#used, "a permit is good for one commit");
    this.#used = true;
  }
}

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
  readonly #encoder: Encoder;
  readonly #committer: Committer;
  #delivered: Delivery | null = null;
  #lastAt: Steady;
  #notBefore: Steady = -Infinity;
  /** Start of the window that held our lowest watermark at the last commit. */
  #window: number = NEVER;

  /** @param onIn called for each stored commit; `released`: with it our lowest watermark has passed the end of a window */
  constructor(private readonly state: EngineState, private readonly onIn: (released: boolean) => void) {
    const { reader, places, store, clock, log } = state.parts;
    this.#lastAt = clock.steady();
    this.#encoder = new Encoder({
      hosts: reader.hosts,
      referrers: reader.referrers,
      breakdown: reader.breakdown,
      valuesMax: state.settings.limits.chunkValuesMax,
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

  /** Time until the next commit is due, ms. If that is less than a quarter of the interval: until the commit after it. */
  get dueInMs(): number {
    const { settings: { limits }, parts: { clock } } = this.state;
    const interval = commitInterval(this.#pressure, limits), left = this.#lastAt + interval - clock.steady();
    return left > interval / 4 ? left : Math.max(left, 0) + interval;
  }

  /** The first commit uses the short interval: a process that keeps dying within a longer interval would never commit. */
  get #pressure(): { catchingUp: boolean; watched: boolean } {
    const state = this.state, first = state.totals.commits === 0;
    return { catchingUp: !first && state.catchingUp, watched: first || state.watched };
  }

  /** Whether the outcome of a commit waits for the loop. */
  get delivered(): boolean {
    return this.#delivered !== null;
  }

  /** Forgets that outcome: memory was dropped already. */
  dropDelivery(): void {
    this.#delivered = null;
  }

  /** Takes the outcome of the last commit, if there is one. */
  takeDelivery(): void {
    const delivery = this.#delivered;
    if (!delivery) return;
    this.#delivered = null;
    const state = this.state;
    switch (delivery.kind) {
      case "committed":
        if (state.phase === "waiting") state.databaseIsBack();
        return;
      case "fenced":
        return state.giveUp(delivery.partitions);
      case "abandoned":
        // What was counted since assumes that the abandoned payload was stored. Drop it, or a watermark could be committed without its records.
        state.expectation++;
        return state.forget();
    }
  }

  /** Sends the delta if a commit is due. */
  async sendIfDue(signal: AbortSignal): Promise<void> {
    this.takeDelivery();
    const state = this.state, { clock } = state.parts, { limits } = state.settings;
    const now = clock.steady();
    const dirty = state.dirty;
    let due: CommitReason | null = commitDue({
      dirty,
      full: state.full,
      sinceLastCommitMs: now - this.#lastAt,
      ...this.#pressure,
    }, limits);
    if (!due && dirty && !state.catchingUp && this.#passedWindow()) due = "interval";
    if (due === "interval" && this.#waitsForRelease(now)) return;
    if (!due || now < this.#notBefore || signal.aborted) return; // the last commit has a deadline of its own
    if (state.sending) {
      // The next delta may grow up to its bounds while a commit is in flight.
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

  /** Commits pending counts and waits for the outcome. @throws Unavailable if the topic's identity cannot be checked */
  async settle(reason: CommitReason, signal: AbortSignal): Promise<void> {
    const state = this.state;
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
    const state = this.state;
    invariant(state.sending === null && this.#delivered === null, "one commit at a time");
    const { newId, clock, reader, source, onCommitted } = state.parts;
    const payload = this.#encoder.freeze(state.delta, state.trackers.values(), newId(), reason);
    state.expectation++;
    state.resetDelta();
    if (reader.memoryBytes > DICTIONARY_SHARE * state.settings.limits.maxDictionaryBytes) {
      reader.reset();
      state.visitors?.forgetHosts();
    }
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
      this.onIn(released);
      void source.publish(positions);
    });
  }

  /** Whether a regular commit lets the one go first that will release a window. It waits for a second at most. */
  #waitsForRelease(now: Steady): boolean {
    const state = this.state, { settings: { limits, rules }, parts: { clock } } = state, tracker = state.lowestTracker;
    const overdue = now - this.#lastAt - commitInterval(this.#pressure, limits);
    if (tracker === null || state.catchingUp || this.#passedWindow() || overdue > RELEASE_WAIT_MS) return false;
    const { watermark, progressAt } = tracker;
    return releaseIsNear({ now: clock.now(), watermark, seenAt: progressAt }, rules);
  }

  /** Whether our lowest watermark has passed a window's end since the last commit: that window's rows then wait for this commit. */
  #passedWindow(): boolean {
    const state = this.state, lowest = state.lowestWatermark;
    return Number.isFinite(lowest) &&
      windowStart(lowest, state.settings.rules.windowSize) > this.#window;
  }

  /**
   * The right to commit. `null` if the topic's identity cannot be checked now, or if it changed (then the engine stops): counts of a topic
   * that was deleted and created again must not be committed against the old positions.
   */
  async permit(): Promise<CommitPermit | null> {
    const state = this.state, { source, clock } = state.parts;
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
