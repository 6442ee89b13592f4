// THE loop of one engine: poll → parse → locate → count → commit. Everything it touches is a port, so that the simulation runs this very code.
//
//            assigned            rows read, log checked
//   starting ────────▶ loading ────────────────────────▶ running ──▶ stopping
//                        ▲                                 │ │
//                        └──── fenced / rebalance ─────────┘ └──▶ stopped (named error; until an operator resumes)
//
// Commits, the periodic look at the rows and closings run beside the loop; their results are taken by the loop, one at a time. What the
// engine knows, and every change of it, is engine/state.ts; the steps that wait are the other files of engine/.
import { Closer } from "./store/closer.ts";
import { Commits } from "./engine/commits.ts";
import { holdStopped, restart } from "./engine/halt.ts";
import { advanceIfIdle } from "./engine/idle.ts";
import { Loading } from "./engine/loading.ts";
import { Once } from "./engine/once.ts";
import { gatherUntil } from "./engine/pace.ts";
import { type PipelineParts, type PipelineSettings, RETRY_MS } from "./engine/parts.ts";
import { RowWatch } from "./engine/row_watch.ts";
import { snapshotOf } from "./engine/snapshot.ts";
import { EngineState } from "./engine/state.ts";
import { messageOf } from "./shared/errors.ts";
import type { PipelineSnapshot } from "./shared/snapshot.ts";
import { type DurationMs, type EpochMs, epochMs } from "./shared/units.ts";
import type { FetchedBatch, SourceEvent } from "./source/port.ts";
import { Counter } from "./window/counter.ts";
import type { Tally, Tracker } from "./window/tracker.ts";

export type { PipelineParts, PipelineSettings } from "./engine/parts.ts";

/** Also the longest time until a signal, or the outcome of a commit, is taken. */
const POLL_MS = 250;
/** Until something is taken that is there already, or that a server was asked for. */
const SHORT_POLL_MS = 10;

/** When a batch was taken, by our clock and by PostgreSQL's. The same for all its parts: how it is cut must not change what is counted. */
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
  /** What is left of a batch of which a part has filled the delta, and the tracker that it continues. */
  #rest: {
    readonly batch: FetchedBatch;
    readonly tracker: Tracker;
    readonly at: CountedAt;
    readonly generation: number | undefined;
  } | null = null;

  constructor(settings: PipelineSettings, parts: PipelineParts) {
    const state = this.#state = new EngineState(settings, parts);
    this.#counter = new Counter(settings.rules, parts.reader, settings.limits);
    this.#closer = new Closer({
      ...parts,
      steps: state.steps,
      onClosed: (window, at) => {
        state.totals.windowsClosed++;
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
   * @throws StreamStopped with `once`, where the stream cannot go on
   * @throws Unavailable with `once`, where a server stays absent
   * @throws UsageError where the stored stream was made with other settings
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

  /** A reader looks at what is committed: commits come at the shorter interval for a while. */
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
    return state.dirty ? Math.max(SHORT_POLL_MS, Math.min(POLL_MS, this.#commits.dueInMs)) : POLL_MS;
  }

  /** Until when the source may let records gather. Reading to an end and catching up take what is there. */
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

  /** Counts one batch, unless it does not continue at this instance's position: then it is a leftover of an older position. */
  #count(batch: FetchedBatch, at?: CountedAt): void {
    const state = this.#state, { clock } = state.parts;
    const tracker = state.trackers.get(batch.partition);
    if (!tracker || batch.from !== tracker.position) return;
    const before = { ...tracker.tally };
    const { now, serverNow } = at ??= { now: clock.now(), serverNow: state.serverTime() };
    // Of two clocks the later one says what is the future: one that was set back must not turn everybody's records into dead letters.
    const whole = this.#counter.count(tracker, batch, state.delta, Math.max(now, serverNow) as EpochMs, serverNow);
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
   * Counts on in the batch that did not fit into the delta, and returns whether there was one: until it is counted nothing else is polled.
   * Where positions were read again meanwhile it is dropped, and comes again from the source.
   */
  async #countRest(): Promise<boolean> {
    const rest = this.#rest, state = this.#state;
    if (rest === null) return false;
    const { batch, tracker, generation } = rest;
    if (generation !== state.assignment?.generation || tracker !== state.trackers.get(batch.partition)) {
      this.#rest = null;
      return false;
    }
    // Without room yet: the commit that makes it has been put off.
    if (state.full) await state.parts.clock.sleep(SHORT_POLL_MS as DurationMs);
    else {
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
    const age = now - batch.sentAt; // below zero only where our clock was set back meanwhile: then it is not known when it was sent
    advanceIfIdle(this.#state, tracker, {
      sentAt: Math.min(batch.sentAt, serverNow - age) as EpochMs,
      caughtUp: batch.next === batch.logEnd && age >= 0,
      idleTimeout: this.#state.settings.idleTimeout,
    });
  }

  async #whileStopped(signal: AbortSignal): Promise<void> {
    const state = this.#state;
    if (await holdStopped(state, this.#commits) === "restarted") return;
    if (state.settings.once && (state.stopRecorded || this.#once.waitedTooLong)) throw state.stopped;
    this.#watch.lookIfDue();
    await state.parts.clock.sleep(RETRY_MS as DurationMs, signal);
  }

  /** One last commit within the deadline; what does not make it is read again by the next start. */
  async #shutDown(closing: AbortController, closed: Promise<void>): Promise<void> {
    const state = this.#state, { clock, log } = state.parts;
    if (!state.stopped) state.phase = "stopping";
    const deadline = new AbortController();
    const timer = clock.sleep(state.settings.shutdownMs / 2 as DurationMs, deadline.signal).then(() =>
      deadline.abort()
    );
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
    await Promise.race([closed, clock.sleep(2_000 as DurationMs)]);
  }
}
