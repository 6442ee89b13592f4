// The loop of one engine: poll → parse → locate → count → commit. It does I/O through ports only, so the simulation runs this very code.
//
//            assigned            rows read, log checked
//   starting ────────▶ loading ────────────────────────▶ running ──▶ stopping
//                        ▲                                 │ │
//                        └──── fenced / rebalance ─────────┘ └──▶ stopped (named error; until an operator resumes)
//
// Commits, row checks and closings run beside the loop; the loop takes their results one at a time. engine/state.ts holds what the engine
// knows and each change of it; the other files of engine/ are the steps that wait.
import { Closer } from "./store/closer.ts";
import { Commits } from "./engine/commits.ts";
import { holdStopped, restart } from "./engine/halt.ts";
import { advanceIfIdle } from "./engine/idle.ts";
import { Loading } from "./engine/loading.ts";
import { Once } from "./engine/once.ts";
import { gatherUntil } from "./engine/pace.ts";
import { type PipelineParts, type PipelineSettings, RETRY_MS } from "./engine/parts.ts";
import { RowWatch } from "./engine/row_watch.ts";
import { Salts } from "./engine/salts.ts";
import { snapshotOf } from "./engine/snapshot.ts";
import { EngineState } from "./engine/state.ts";
import { messageOf } from "./shared/errors.ts";
import type { PipelineSnapshot } from "./shared/snapshot.ts";
import { durationMs, type EpochMs, epochMs } from "./shared/units.ts";
import type { FetchedBatch, SourceEvent } from "./source/port.ts";
import { Counter } from "./window/counter.ts";
import type { Tally, Tracker } from "./window/tracker.ts";

/** Poll interval. The result of a commit waits at most this long, and so does a signal if the source does not end the poll itself. */
const POLL_MS = 250;
/**
 * Poll interval while nothing is counted and no commit is under way: longer than a source keeps an unchanged answer to itself, so
 * that an answer ends the poll. A log file is looked at once a poll, so this is for Kafka alone.
 */
const IDLE_POLL_MS = 3_000;
/** Poll interval while a load, a row check or a commit result is pending. */
const SHORT_POLL_MS = durationMs(10);

/** When a batch was taken, by our clock and by PostgreSQL's. All its parts use the same times, so how it is cut does not change the counts. */
interface CountedAt {
  readonly now: EpochMs;
  readonly serverNow: EpochMs;
}

/** One engine. `run` may be called once. */
export class Pipeline {
  readonly #state: EngineState;
  readonly #counter: Counter;
  readonly #commits: Commits;
  readonly #loading: Loading;
  readonly #watch: RowWatch;
  readonly #once: Once;
  readonly #closer: Closer;
  readonly #salts: Salts;
  /** The part of a batch that was not counted, because the delta was full or a salt missing, and the tracker that it continues. */
  #rest: {
    readonly batch: FetchedBatch;
    readonly tracker: Tracker;
    readonly at: CountedAt;
    readonly generation: number | undefined;
  } | null = null;

  constructor(settings: PipelineSettings, parts: PipelineParts) {
    const state = this.#state = new EngineState(settings, parts);
    this.#counter = new Counter(settings.rules, parts.reader, settings.limits, state.visitors);
    this.#salts = new Salts(state);
    this.#closer = new Closer({
      ...parts,
      steps: state.steps,
      onClosed: (window, at) => {
        state.totals.windowsClosed++;
        state.totals.valuesFolded += window.foldedValues;
        parts.onClosed?.(window.windowStart, at);
      },
    });
    this.#commits = new Commits(state, (released) => released && this.#closer.wake());
    this.#loading = new Loading(state, this.#commits);
    this.#watch = new RowWatch(state, () => {
      parts.log.info("the stream was resumed");
      restart(state);
    });
    this.#once = new Once(state, this.#commits);
  }

  /**
   * Runs until the signal aborts, or with `once` until everything is read and closed.
   *
   * @throws StreamStopped with `once`, if the stream cannot go on
   * @throws Unavailable with `once`, if a server stays absent
   * @throws UsageError if the stored stream was made with other settings
   */
  async run(signal: AbortSignal): Promise<void> {
    const state = this.#state, { settings, parts: { source, clock } } = state;
    const closing = new AbortController();
    let closed: Promise<void> = Promise.resolve();
    try {
      source.gatherBy?.(() => this.#gatherUntil());
      await source.open(signal);
      closed = this.#closer.run(closing.signal);
      while (!signal.aborted) {
        this.#commits.takeDelivery();
        this.#watch.take();
        if (state.stopped) {
          await this.#whileStopped(signal);
          continue;
        }
        await this.#loading.loadIfWanted(signal);
        if (!await this.#countRest()) this.#apply(await source.poll(this.#pollMs()));
        await this.#commits.sendIfDue(signal);
        this.#watch.lookIfDue();
        if (settings.once && await this.#once.allIsIn(signal)) {
          closing.abort();
          await closed;
          await this.#closer.drain(signal, settings.waitMs);
          const { stored: _stored, ...totals } = state.totals;
          state.parts.log.info("read to the end", totals);
          break;
        }
      }
    } finally {
      await this.#shutDown(closing, closed);
      state.phase = state.stopped ? "stopped" : "stopping";
      await source.close(Math.max(1_000, settings.shutdownMs - (clock.steady() - this.#commits.lastAt)));
    }
  }

  /** A reader has asked for committed data: for a while, commits follow the shorter interval. */
  look(): void {
    this.#state.look();
  }

  /** Read-only values for health, metrics and pages. */
  snapshot(): PipelineSnapshot {
    return snapshotOf(this.#state);
  }

  #pollMs(): number {
    const state = this.#state;
    if (state.wanted || this.#commits.delivered || this.#watch.seen) return SHORT_POLL_MS;
    const { settings: { once }, parts: { source } } = state;
    const idle = !once && !state.dirty && !state.sending && source.kind === "kafka";
    return idle
      ? IDLE_POLL_MS
      : Math.max(SHORT_POLL_MS, Math.min(POLL_MS, state.dirty ? this.#commits.dueInMs : POLL_MS));
  }

  /** Until when the source may wait for more records. `run --once` and catching up do not wait. */
  #gatherUntil(): EpochMs {
    const state = this.#state, { settings: { once, rules }, parts: { clock } } = state, now = clock.now();
    const tracker = state.lowestTracker;
    if (once || state.wanted || state.stopped || state.catchingUp || tracker === null) return now;
    const { watermark, progressAt } = tracker;
    return gatherUntil({ now, watermark, seenAt: progressAt, commitAt: epochMs(now + this.#commits.dueInMs) }, rules);
  }

  #apply(event: SourceEvent): void {
    const state = this.#state, { log } = state.parts;
    switch (event.kind) {
      case "batch":
        if (event.generation !== state.assignment?.generation) return;
        this.#count(event.batch);
        state.parts.onBatch?.();
        if (state.reason?.by === "source" && !state.wanted) state.running();
        return;
      case "assigned":
        log.info("partitions assigned", { generation: event.generation, partitions: event.partitions });
        state.totals.rebalances++;
        state.assignment = event;
        state.contested.clear();
        state.want(event.partitions, { settle: true });
        return;
      case "lost":
        log.info("membership lost", { reason: event.reason });
        state.assignment = null;
        state.wanted = null;
        state.waiting("source_membership", event.reason);
        return;
      case "unavailable":
        log.warn("source unavailable", { reason: event.reason });
        state.sourceWaiting(event);
        return;
      case "stopped":
        state.stop(event.error);
        return;
      case "timeout":
        return;
    }
  }

  /** Counts one batch. A batch that does not start at the current position was fetched for an older one and is dropped. */
  #count(batch: FetchedBatch, at?: CountedAt): void {
    const state = this.#state, { clock } = state.parts;
    const tracker = state.trackers.get(batch.partition);
    if (!tracker || batch.from !== tracker.position) return;
    const before = { ...tracker.tally };
    const { now, serverNow } = at ??= { now: clock.now(), serverNow: state.serverTime() };
    // The later of two clocks decides what is a future event: a clock that was set back must not turn all records into dead letters.
    const whole = this.#counter.count(tracker, batch, state.delta, epochMs(Math.max(now, serverNow)), serverNow);
    const next = tracker.position;
    if (!whole) {
      const generation = state.assignment?.generation;
      this.#rest = { batch: { ...batch, from: next }, tracker, at, generation };
      if (next > batch.from) state.totals.batchesSplit++;
    }
    state.totals.bytes = this.#counter.bytes;
    this.#addToTotals(before, tracker.tally);
    tracker.logEnd = batch.logEnd;
    tracker.lastStable = batch.lastStable;
    if (next > batch.from || next >= batch.logEnd) tracker.progressAt = clock.now();
    this.#hearSilence(tracker, { ...batch, next }, now, serverNow);
  }

  /**
   * Counts the rest of a batch that was not counted. Returns whether there was one: until it is counted, the loop does not poll.
   * If positions were read again since, the rest is dropped; the source delivers it again.
   */
  async #countRest(): Promise<boolean> {
    const rest = this.#rest, state = this.#state;
    if (rest === null) return false;
    const { batch, tracker, generation } = rest;
    if (generation !== state.assignment?.generation || tracker !== state.trackers.get(batch.partition)) {
      this.#rest = null;
      return false;
    }
    // Still full: the commit that empties the delta was postponed.
    const { wants } = this.#counter;
    if (state.full || (wants !== null && !await this.#salts.fetch(wants))) {
      await state.parts.clock.sleep(SHORT_POLL_MS);
    } else {
      this.#rest = null;
      this.#count(batch, rest.at);
    }
    return true;
  }

  #addToTotals(before: Tally, tally: Tally): void {
    const state = this.#state, { totals } = state;
    const counted = tally.counted - before.counted,
      late = tally.late - before.late,
      dead = tally.dead - before.dead,
      nulls = tally.nulls - before.nulls;
    totals.counted += counted;
    totals.late += late;
    totals.dead += dead;
    totals.nulls += nulls;
    totals.skipped += tally.skipped - before.skipped;
    totals.records += counted + late + dead + nulls;
    state.pendingRecords += counted + late + dead + nulls;
  }

  #hearSilence(tracker: Tracker, batch: FetchedBatch, now: EpochMs, serverNow: EpochMs): void {
    const age = now - batch.sentAt; // below zero if our clock was set back: then we do not know when the fetch was sent
    advanceIfIdle(this.#state, tracker, {
      sentAt: epochMs(Math.min(batch.sentAt, serverNow - age)),
      caughtUp: batch.next === batch.logEnd && age >= 0,
      idleTimeout: this.#state.settings.idleTimeout,
    });
  }

  async #whileStopped(signal: AbortSignal): Promise<void> {
    const state = this.#state;
    if (await holdStopped(state, this.#commits) === "restarted") return;
    if (state.settings.once && (state.stopRecorded || this.#once.waitedTooLong)) throw state.stopped;
    this.#watch.lookIfDue();
    await state.parts.clock.sleep(RETRY_MS, signal);
  }

  /** One last commit within the deadline. What it does not store, the next start reads again. */
  async #shutDown(closing: AbortController, closed: Promise<void>): Promise<void> {
    const state = this.#state, { clock, log } = state.parts;
    if (!state.stopped) state.phase = "stopping";
    const deadline = new AbortController();
    const timer = clock.sleep(durationMs(state.settings.shutdownMs / 2), deadline.signal).then(() => deadline.abort());
    try {
      if (state.sending) await Promise.race([state.sending, timer]);
      this.#commits.takeDelivery();
      const ready = () => !state.sending && !state.stopped && state.dirty && !state.wanted;
      const permit = ready() ? await Promise.race([this.#commits.permit(), timer]) : null;
      if (permit && ready()) {
        this.#commits.send(permit, "shutdown", deadline.signal);
        await Promise.race([state.sending, timer]);
      }
    } catch (error) {
      log.warn("the last commit failed; its records will be read again", { error: messageOf(error) });
    }
    deadline.abort();
    closing.abort();
    await Promise.race([closed, clock.sleep(durationMs(2_000))]);
  }
}
