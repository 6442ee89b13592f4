// THE loop of one engine: poll → parse → locate → count → commit. Everything it touches is a port, so that the simulation runs this very code.
//
//            assigned            rows read, log checked
//   starting ────────▶ loading ────────────────────────▶ running ──▶ stopping
//                        ▲                                 │ │
//                        └──── fenced / rebalance ─────────┘ └──▶ stopped (named error; until an operator resumes)
//
// Commits, the periodic look at the rows and closings run beside the loop; their results are taken by the loop, one at a time.
import type { EventReader } from "./event/types.ts";
import type { PlaceLocator } from "./geo/port.ts";
import { checkLog, commitDue, type CommitLimits, movedPartitions } from "./commit/decision.ts";
import { Closer } from "./commit/closer.ts";
import { Committer, type Delivery } from "./commit/committer.ts";
import { Encoder } from "./commit/encode.ts";
import type { CommitReason, NewPartition, Store, StoredState, StreamSettings } from "./commit/port.ts";
import type { SteadyClock } from "./shared/clock.ts";
import { invariant, messageOf, NamedError, StreamStopped, Unavailable } from "./shared/errors.ts";
import type { Log } from "./shared/log.ts";
import type { PipelineSnapshot } from "./shared/snapshot.ts";
import { type DurationMs, type EpochMs, NEVER, type Offset, type PartitionId } from "./shared/units.ts";
import type { FetchedBatch, LogIdentity, PartitionBounds, Source, SourceEvent } from "./source/port.ts";
import { Counter, type CountingRules } from "./window/counter.ts";
import type { Mask } from "./window/dead_letters.ts";
import { Delta } from "./window/delta.ts";
import { idleAdvance, NO_WAIT } from "./window/idle.ts";
import { Tracker } from "./window/tracker.ts";
import { windowStart } from "./window/tumbling.ts";

/** How often an instance looks at its rows: a restored database or a stop by another instance is noticed within this time. */
const LOOK_MS = 3_000;
/** A commit may rest on a look at the topic's identity that is at most this old. */
const IDENTITY_AGE_MS_MAX = 10_000;
const POLL_MS = 100;
const RETRY_MS = 1_000;
/** Dictionaries are forgotten between two deltas once they hold more than this. */
const DICTIONARY_BYTES_MAX = 96 * 1024 * 1024;

export interface PipelineSettings {
  readonly instance: string;
  readonly stream: Omit<StreamSettings, "topicId">;
  readonly rules: CountingRules;
  readonly idleTimeout: DurationMs | null;
  readonly limits: CommitLimits;
  /** Read to the end offsets of the first look, close what can be closed, then end. */
  readonly once: boolean;
  /** With `once`: how long a server may be absent before the run ends with Unavailable. */
  readonly waitMs: number;
  readonly shutdownMs: number;
  /** Where a first start begins in one partition. */
  readonly startOffset: (bounds: PartitionBounds) => Promise<Offset>;
}

export interface PipelineParts {
  readonly source: Source;
  readonly store: Store;
  readonly reader: EventReader;
  readonly places: PlaceLocator;
  readonly mask: Mask;
  readonly clock: SteadyClock;
  readonly log: Log;
  /** A fresh random 128-bit id as a UUID. */
  readonly newId: () => string;
  /** Called for each closed window, with the time at which its rows became visible. */
  readonly onClosed?: (windowStart: EpochMs, at: EpochMs) => void;
  /** Called for each commit that is known to be in. */
  readonly onCommitted?: (durationMs: number, keys: number) => void;
}

type Phase = PipelineSnapshot["phase"];
/** A moment of the steady clock, ms: every length of time is measured by it, so that a wall clock that is set stops nothing. */
type Steady = number;

/** One engine. `run` may be called once. */
export class Pipeline {
  readonly #settings: PipelineSettings;
  readonly #parts: PipelineParts;
  readonly #counter: Counter;
  readonly #encoder: Encoder;
  readonly #committer: Committer;
  readonly #closer: Closer;
  readonly #startedAt: EpochMs;

  #phase: Phase = "starting";
  #reason: { code: string; text: string } | null = { code: "joining", text: "waiting for partitions" };
  #assignment: { readonly generation: number; readonly partitions: readonly PartitionId[] } | null = null;
  /** Partitions whose rows must be read before they flow. */
  #wanted: { partitions: Set<PartitionId>; settle: boolean; notBefore: Steady } | null = null;
  /** Partitions that were lost to another instance, since when: given up until the group confirms that they are ours. */
  readonly #contested = new Map<PartitionId, { readonly since: EpochMs; readonly confirmedAt: EpochMs }>();
  readonly #trackers = new Map<PartitionId, Tracker>();
  #delta: Delta;
  #sending: Promise<void> | null = null;
  #delivered: Delivery | null = null;
  #looking: Promise<void> | null = null;
  #looked: StoredState | null = null;
  #lookedAt: Steady = -Infinity;
  /** Rises with every change of what the rows are expected to hold: a look that spans one proves nothing. */
  #expectation = 0;
  /** PostgreSQL's clock as last read, and when that was. */
  #server: { readonly now: EpochMs; readonly at: Steady } | null = null;
  #streamMaxWindowEnd: EpochMs = NEVER;
  #lastCommitAt: Steady;
  #commitNotBefore: Steady = -Infinity;
  /** `once`: when nothing was last missing. */
  #ranAt: Steady;
  #committedWindow = NEVER as number;
  #topicId: string | null = null;
  #stopped: StreamStopped | null = null;
  #stopRecorded = false;
  /** The rows on which a stop rests: what we expected of them when it was found. */
  #stoodAt: readonly Pick<Tracker, "partition" | "expected">[] = [];
  /** `once`: where each partition's reading ends. */
  readonly #targets = new Map<PartitionId, Offset>();
  #store: { reachable: boolean; lastError: string | null; lastSuccessAt: EpochMs | null } = {
    reachable: false,
    lastError: null,
    lastSuccessAt: null,
  };
  #lastCommit: { at: EpochMs; durationMs: number; keys: number } | null = null;
  #pendingRecords = 0;
  #fenced = 0;
  #unknown = 0;
  readonly #totals = {
    records: 0,
    bytes: 0,
    counted: 0,
    late: 0,
    dead: 0,
    nulls: 0,
    skipped: 0,
    rebalances: 0,
    commits: 0,
    windowsClosed: 0,
  };

  constructor(settings: PipelineSettings, parts: PipelineParts) {
    this.#settings = settings;
    this.#parts = parts;
    const { reader, places, store, clock, log } = parts;
    this.#counter = new Counter(settings.rules, reader);
    this.#encoder = new Encoder({
      hosts: reader.hosts,
      referrers: reader.referrers,
      place: (id) => places.place(id),
      placeCount: () => places.size,
    });
    this.#committer = new Committer(store, clock, log, {
      onTrouble: (message) => this.#storeFailed(message),
      onUnknown: () => this.#unknown++,
      onRead: (stored) => this.#storeAnswered(stored),
    });
    this.#closer = new Closer(store, clock, log, (window, at) => {
      this.#totals.windowsClosed++;
      parts.onClosed?.(window.windowStart, at);
    });
    this.#delta = new Delta(parts.mask);
    this.#startedAt = clock.now();
    this.#lastCommitAt = this.#ranAt = clock.steady();
  }

  /**
   * Runs until the signal aborts, or with `once` until everything is read and closed.
   *
   * @throws StreamStopped with `once`, where the stream cannot go on
   * @throws Unavailable with `once`, where a server stays absent
   * @throws UsageError where the stored stream was made with other settings
   */
  async run(signal: AbortSignal): Promise<void> {
    const { source, clock } = this.#parts;
    const closing = new AbortController();
    let closed: Promise<void> = Promise.resolve();
    try {
      await source.open(signal);
      closed = this.#closer.run(closing.signal);
      while (!signal.aborted) {
        this.#takeDelivery();
        this.#takeLook();
        if (this.#stopped) {
          await this.#whileStopped(signal);
          continue;
        }
        await this.#loadIfWanted(signal);
        this.#applyEvent(await source.poll(this.#pollMs()));
        await this.#commitIfDue(signal);
        this.#lookIfDue();
        if (this.#settings.once && await this.#finishedOnce(signal, closing, () => closed)) break;
      }
    } finally {
      await this.#shutDown(closing, closed);
      this.#phase = this.#stopped ? "stopped" : "stopping";
      await source.close(Math.max(1_000, this.#settings.shutdownMs - (clock.steady() - this.#lastCommitAt)));
    }
  }

  // ---- events of the source

  #applyEvent(event: SourceEvent): void {
    const { log } = this.#parts;
    switch (event.kind) {
      case "batch":
        if (event.generation !== this.#assignment?.generation) return;
        this.#count(event.batch);
        if (this.#reason?.code === "source_unavailable" && !this.#wanted) this.#runningAgain();
        return;
      case "assigned":
        log.info("partitions assigned", { generation: event.generation, partitions: event.partitions });
        this.#totals.rebalances++;
        this.#assignment = event;
        this.#contested.clear();
        this.#want(event.partitions, { settle: true });
        return;
      case "lost":
        log.info("membership lost", { reason: event.reason });
        this.#assignment = null;
        this.#wanted = null;
        this.#waiting("source_membership", event.reason);
        return;
      case "unavailable":
        log.warn("source unavailable", { reason: event.reason });
        this.#waiting("source_unavailable", event.reason);
        return;
      case "stopped":
        this.#stop(event.error);
        return;
      case "timeout":
        return;
    }
  }

  /** Counts one batch, unless it does not continue where this instance stands: then it is a leftover of an older position. */
  #count(batch: FetchedBatch): void {
    const tracker = this.#trackers.get(batch.partition);
    if (!tracker || batch.from !== tracker.position || this.#wanted?.partitions.has(batch.partition)) return;
    const { clock } = this.#parts;
    const now = clock.now();
    const before = { ...tracker.tally };
    const serverNow = this.#serverTime();
    // Of two clocks the later one says what is the future: one that was set back must not turn everybody's records into dead letters.
    this.#counter.count(tracker, batch, this.#delta, Math.max(now, serverNow) as EpochMs, serverNow);
    const { tally } = tracker, totals = this.#totals;
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
    this.#pendingRecords += counted + late + dead + nulls;
    tracker.logEnd = batch.logEnd;
    tracker.lastStable = batch.lastStable;
    if (batch.next > batch.from || batch.next >= batch.logEnd) tracker.progressAt = now;
    const age = now - batch.sentAt; // below zero only where our clock was set back meanwhile: then nobody knows when it was sent
    this.#advanceIfIdle(tracker, {
      sentAt: Math.min(batch.sentAt, serverNow - age) as EpochMs,
      caughtUp: batch.next === batch.logEnd && age >= 0,
      idleTimeout: this.#settings.idleTimeout,
    });
  }

  #advanceIfIdle(tracker: Tracker, seen: { sentAt: EpochMs; caughtUp: boolean; idleTimeout: DurationMs | null }): void {
    const { rules } = this.#settings;
    let maxWindowEnd = this.#streamMaxWindowEnd;
    for (const other of this.#trackers.values()) {
      if (other.maxWindowEnd > maxWindowEnd) maxWindowEnd = other.maxWindowEnd;
    }
    const watermark = idleAdvance(
      {
        sentAt: seen.sentAt,
        raisedAt: tracker.raisedAt,
        caughtUp: seen.caughtUp,
        maxWindowEnd,
        watermark: tracker.watermark,
      },
      { windowSize: rules.windowSize, watermarkDelay: rules.watermarkDelay, idleTimeout: seen.idleTimeout },
    );
    if (watermark === null) return;
    tracker.watermark = watermark;
    tracker.quietSince ??= tracker.raisedAt;
    tracker.idleAdvances.push({ atOffset: tracker.position, watermark, quietSince: tracker.quietSince });
  }

  // ---- positions

  #want(partitions: Iterable<PartitionId>, options: { settle: boolean }): void {
    const known = this.#wanted;
    this.#wanted = {
      partitions: new Set(options.settle ? partitions : [...known?.partitions ?? [], ...partitions]),
      settle: options.settle || (known?.settle ?? false),
      notBefore: -Infinity,
    };
  }

  /**
   * Brings wanted partitions to flow: 1. settle what is pending (the compare makes that safe also for partitions that are no longer ours),
   * 2. see what the log holds, 3. make sure that every partition has a row, 4. read the rows, 5. check them against the log, 6. seek.
   */
  async #loadIfWanted(signal: AbortSignal): Promise<void> {
    const { source, store, clock, log } = this.#parts;
    this.#reclaimContested();
    const wanted = this.#wanted, assignment = this.#assignment;
    if (!wanted || !assignment || clock.steady() < wanted.notBefore) return;
    try {
      if (wanted.settle) { // 1
        await this.#settle("rebalance", signal);
        if (signal.aborted || this.#stopped) return;
        if (this.#wanted !== wanted) return; // fenced meanwhile: everything is wanted anew
        this.#trackers.clear();
        this.#resetDelta();
      }
      const identity = await source.identify(); // 2
      const partitions = await this.#newPartitions(identity);
      const settings: StreamSettings = { ...this.#settings.stream, topicId: identity.topicId };
      await store.join(settings, partitions); // 3
      const stored = await store.read(); // 4
      invariant(stored !== null, "the stream row exists after joining");
      this.#storeAnswered(stored);
      if (stored.stopped) return this.#stoppedByStore(stored.stopped);
      await this.#checkLog(settings, stored, identity); // 5
      this.#topicId = stored.topicId;
      const now = clock.now();
      const rows = new Map(stored.rows.map((row) => [row.partition, row]));
      const missing = [...wanted.partitions].filter((partition) => !rows.has(partition));
      if (missing.length > 0) {
        // The metadata that we were shown lags behind the group's, or the database was restored a moment ago: left out, they would never be read.
        throw new Unavailable(
          "source_unavailable",
          `the topic's metadata do not show partition ${missing.join()} yet`,
          "",
        );
      }
      const positions = new Map<PartitionId, Offset>();
      for (const partition of wanted.partitions) {
        const row = rows.get(partition)!;
        if (row.retired) continue;
        const tracker = new Tracker(row, now);
        const bounds = identity.partitions.find((p) => p.partition === partition);
        if (bounds) {
          tracker.logEnd = bounds.logEnd;
          if (!this.#targets.has(partition)) this.#targets.set(partition, bounds.logEnd);
        }
        this.#trackers.set(partition, tracker);
        positions.set(partition, row.nextOffset);
      }
      this.#expectation++;
      this.#wanted = null;
      this.#phase = "running";
      this.#reason = null;
      if (this.#settings.once && identity.partitions.length > assignment.partitions.length) {
        log.info("the group has other members: this run covers its own share", { partitions: assignment.partitions });
      }
      source.resume(assignment.generation, positions); // 6
    } catch (error) {
      if (error instanceof StreamStopped) return this.#stop(error);
      if (error instanceof NamedError && !(error instanceof Unavailable)) throw error;
      this.#waiting(error instanceof Unavailable ? error.code : "postgres_unavailable", messageOf(error));
      log.warn("cannot load positions yet", { error: messageOf(error) });
      wanted.notBefore = clock.steady() + RETRY_MS;
    }
  }

  /**
   * Between our look at the log and the reading of the rows the log may have grown, and its owner committed beyond the end that we saw: what
   * looks like a fault is one only by ends and partitions seen after the rows, and by starts seen before them.
   */
  async #checkLog(settings: StreamSettings, stored: StoredState, before: LogIdentity): Promise<void> {
    try {
      checkLog(settings, stored, before);
    } catch (error) {
      if (!(error instanceof StreamStopped)) throw error;
      const after = await this.#parts.source.identify();
      const starts = new Map(before.partitions.map((bounds) => [bounds.partition, bounds.logStart]));
      checkLog(settings, stored, {
        topicId: after.topicId,
        partitions: after.partitions.map((bounds) => ({
          ...bounds,
          logStart: starts.get(bounds.partition) ?? bounds.logStart,
        })),
      });
    }
  }

  async #newPartitions(identity: LogIdentity): Promise<NewPartition[]> {
    return await Promise.all(identity.partitions.map(async (bounds) => ({
      partition: bounds.partition,
      startOffset: this.#targets.size === 0 ? await this.#settings.startOffset(bounds) : bounds.logStart,
      logStart: bounds.logStart,
    })));
  }

  /** Takes partitions back that another instance had moved, once the group has confirmed after that that they are ours. */
  #reclaimContested(): void {
    if (this.#contested.size === 0) return;
    const confirmedAt = this.#parts.source.confirmedAt();
    // A confirmation from before the one that was known then: our clock was set back meanwhile.
    const confirmed = [...this.#contested].filter(([, then]) =>
      confirmedAt > then.since || confirmedAt < then.confirmedAt
    )
      .map(([partition]) => partition);
    for (const partition of confirmed) this.#contested.delete(partition);
    if (confirmed.length > 0) this.#want(confirmed, { settle: false });
  }

  // ---- commits

  async #commitIfDue(signal: AbortSignal): Promise<void> {
    this.#takeDelivery();
    const { clock } = this.#parts;
    const now = clock.steady();
    const keys = this.#delta.keys;
    const dirty = this.#dirty();
    let due: CommitReason | null = commitDue({
      dirty,
      keys,
      sinceLastCommitMs: now - this.#lastCommitAt,
      // The first commit is never put off: a process that dies again and again within the longer interval would get nowhere.
      catchingUp: this.#totals.commits > 0 && this.#catchingUp(),
    }, this.#settings.limits);
    if (!due && dirty && this.#passedWindow()) due = "interval";
    if (!due || now < this.#commitNotBefore) return;
    if (this.#sending) {
      // The next delta grows while one is in flight, up to its limit.
      if (keys < this.#settings.limits.maxDeltaKeys && this.#pendingRecords < 4_000_000) return;
      await this.#sending;
      this.#takeDelivery();
      if (!this.#dirty()) return;
    }
    if (!await this.#identityIsFresh()) return;
    this.#takeDelivery();
    if (this.#dirty()) this.#send(due, signal);
  }

  /** Whether our lowest watermark has passed a window's end since the last commit: then rows wait to become visible. */
  #passedWindow(): boolean {
    let lowest = Infinity;
    for (const tracker of this.#trackers.values()) if (tracker.watermark < lowest) lowest = tracker.watermark;
    return Number.isFinite(lowest) && !this.#catchingUp() &&
      windowStart(lowest, this.#settings.rules.windowSize) > this.#committedWindow;
  }

  #dirty(): boolean {
    for (const tracker of this.#trackers.values()) if (tracker.dirty) return true;
    return false;
  }

  #catchingUp(): boolean {
    for (const tracker of this.#trackers.values()) {
      if (tracker.logEnd !== null && tracker.logEnd - tracker.position > 20_000) return true;
    }
    return false;
  }

  /** Freezes the delta and sends it; the result is taken by the loop. */
  #send(reason: CommitReason, signal: AbortSignal): void {
    invariant(this.#sending === null && this.#delivered === null, "one commit at a time");
    const { newId, clock, reader } = this.#parts;
    const payload = this.#encoder.freeze(this.#delta, this.#trackers.values(), newId(), reason);
    this.#expectation++;
    this.#resetDelta();
    if (reader.memoryBytes > DICTIONARY_BYTES_MAX) reader.reset();
    let lowest = Infinity;
    for (const tracker of this.#trackers.values()) if (tracker.watermark < lowest) lowest = tracker.watermark;
    if (Number.isFinite(lowest)) this.#committedWindow = windowStart(lowest, this.#settings.rules.windowSize);
    this.#lastCommitAt = clock.steady();
    this.#sending = this.#committer.deliver(payload, signal).then((delivery) => {
      this.#sending = null;
      this.#delivered = delivery;
      if (delivery.kind !== "committed") return;
      this.#storeReached();
      this.#totals.commits++;
      this.#lastCommit = { at: clock.now(), durationMs: delivery.durationMs, keys: payload.keys };
      const positions = new Map(payload.moves.map((move) => [move.partition, move.nextOffset]));
      for (const [partition, next] of positions) {
        const tracker = this.#trackers.get(partition);
        if (tracker) tracker.committed = next;
      }
      this.#parts.onCommitted?.(delivery.durationMs, payload.keys);
      this.#closer.wake();
      void this.#parts.source.publish(positions);
    });
  }

  /** Takes the result of the last commit, if there is one. */
  #takeDelivery(): void {
    const delivery = this.#delivered;
    if (!delivery) return;
    this.#delivered = null;
    if (delivery.kind === "committed") {
      if (this.#phase === "waiting" && this.#reason?.code === "postgres_unavailable" && !this.#wanted) {
        this.#runningAgain();
      }
      return;
    }
    if (delivery.kind === "fenced") this.#giveUp(delivery.partitions);
  }

  /** Drops memory: everything in it rests on rows that somebody else has moved. The partitions that moved are left until confirmed. */
  #giveUp(moved: readonly PartitionId[]): void {
    this.#fenced++;
    this.#expectation++;
    this.#trackers.clear();
    this.#resetDelta();
    const owned = this.#assignment?.partitions ?? [];
    const { clock, source } = this.#parts;
    const then = { since: clock.now(), confirmedAt: source.confirmedAt() };
    for (const partition of moved) if (owned.includes(partition)) this.#contested.set(partition, then);
    if (!this.#assignment) return;
    // Everything owned is read again, also what was wanted before; what was moved waits for the group.
    this.#wanted = {
      partitions: new Set(owned.filter((p) => !this.#contested.has(p))),
      settle: false,
      notBefore: -Infinity,
    };
  }

  /** Brings what is pending to an end: committed or fenced. */
  async #settle(reason: CommitReason, signal: AbortSignal): Promise<void> {
    await this.#sending;
    this.#takeDelivery();
    if (signal.aborted || !this.#dirty()) return;
    if (!await this.#identityIsFresh()) {
      throw new Unavailable("source_unavailable", "the topic's identity cannot be checked", "");
    }
    if (this.#stopped) return;
    this.#send(reason, signal);
    await this.#sending;
    this.#takeDelivery();
  }

  /** A topic that was deleted and created again must not be committed against the old positions. */
  async #identityIsFresh(): Promise<boolean> {
    const { source, clock } = this.#parts;
    const age = clock.now() - source.identityCheckedAt();
    if (age >= 0 && age <= IDENTITY_AGE_MS_MAX) return true;
    try {
      const identity = await source.identify();
      if (identity.topicId !== null && this.#topicId !== null && identity.topicId !== this.#topicId) {
        this.#stop(
          new StreamStopped(
            "topic_recreated",
            `${this.#settings.stream.topic} was deleted and created again: its id is ${identity.topicId}, was ${this.#topicId}.`,
            "Check what happened to the topic. `tidemark resume --accept-gap` starts at the beginning of the new one and records the gap.",
          ),
        );
        return false;
      }
      return true;
    } catch (error) {
      this.#waiting("source_unavailable", messageOf(error));
      this.#commitNotBefore = clock.steady() + RETRY_MS;
      return false;
    }
  }

  // ---- the periodic look at the rows

  #lookIfDue(): void {
    const { clock, store } = this.#parts;
    if (this.#looking || this.#looked || clock.steady() - this.#lookedAt < LOOK_MS) return;
    const expectation = this.#expectation;
    this.#lookedAt = clock.steady();
    this.#looking = store.read().then((stored) => {
      if (!stored) return;
      this.#storeAnswered(stored);
      if (expectation === this.#expectation && !this.#sending) this.#looked = stored;
      else if (stored.stopped) this.#looked = { ...stored, rows: [] };
    }).catch((error) => this.#storeFailed(messageOf(error))).finally(() => this.#looking = null);
  }

  #takeLook(): void {
    const stored = this.#looked;
    if (!stored) return;
    this.#looked = null;
    if (stored.stopped) {
      if (!this.#stopped) this.#stoppedByStore(stored.stopped);
      return;
    }
    if (this.#stopped) {
      if (this.#stopRecorded) this.#restart();
      return;
    }
    if (this.#sending || this.#delivered || this.#wanted) return;
    const moved = movedPartitions(this.#trackers.values(), stored.rows);
    if (moved.length === 0) return;
    this.#parts.log.warn("stored rows have moved without us", { partitions: moved });
    this.#giveUp(moved);
  }

  #storeAnswered(stored: StoredState): void {
    this.#server = { now: stored.serverNow, at: this.#parts.clock.steady() };
    this.#storeReached();
    this.#streamMaxWindowEnd = stored.rows.reduce((max, row) => row.maxWindowEnd > max ? row.maxWindowEnd : max, NEVER);
    if (this.#reason?.code === "postgres_unavailable" && !this.#wanted && !this.#sending && this.#trackers.size > 0) {
      this.#runningAgain();
    }
  }

  /** PostgreSQL's clock now: read every few seconds, carried on by a clock that cannot be set. */
  #serverTime(): EpochMs {
    invariant(this.#server !== null, "positions were read before records");
    return Math.floor(this.#server.now + this.#parts.clock.steady() - this.#server.at) as EpochMs;
  }

  // ---- stopping by a named error

  #stop(error: StreamStopped): void {
    this.#parts.log.error(error.message, { code: error.code, action: error.action });
    this.#enterStopped(error, false);
  }

  #stoppedByStore(stopped: { code: string; message: string }): void {
    const error = new StreamStopped(
      stopped.code as StreamStopped["code"] & never,
      stopped.message,
      "See `tidemark doctor`; `tidemark resume` goes on.",
    );
    this.#parts.log.error("the stream is stopped", { code: stopped.code, reason: stopped.message });
    this.#enterStopped(error, true);
  }

  #enterStopped(error: StreamStopped, recorded: boolean): void {
    this.#stopped = error;
    this.#stopRecorded = recorded;
    this.#phase = "stopped";
    this.#reason = { code: error.code, text: error.message };
    this.#expectation++;
    this.#stoodAt = [...this.#trackers.values()];
    this.#trackers.clear();
    this.#contested.clear();
    this.#resetDelta();
    this.#wanted = null;
  }

  /** Not polling is back-pressure: the source holds still and keeps its membership. */
  async #whileStopped(signal: AbortSignal): Promise<void> {
    const { source, store, clock, log } = this.#parts;
    invariant(this.#stopped !== null, "called while stopped");
    await this.#sending;
    this.#delivered = null;
    if (!this.#stopRecorded) {
      try {
        const stored = await store.read();
        if (source.renew && movedPartitions(this.#stoodAt, stored?.rows ?? []).length > 0) {
          // An instance that slept past the log's retention must not stop those that have read on meanwhile.
          log.warn("a fault was seen from positions that another instance has moved: reading them again");
          return this.#restart();
        }
        await store.stop(this.#stopped.code as Parameters<Store["stop"]>[0], this.#stopped.message);
        this.#stopRecorded = true;
      } catch (error) {
        this.#storeFailed(messageOf(error));
      }
    }
    if (this.#settings.once && (this.#stopRecorded || clock.steady() - this.#ranAt > this.#settings.waitMs)) {
      throw this.#stopped;
    }
    this.#lookIfDue();
    await clock.sleep(RETRY_MS as DurationMs, signal);
  }

  /** The operator has resumed the stream. */
  #restart(): void {
    this.#parts.log.info("the stream was resumed");
    this.#stopped = null;
    this.#phase = "waiting";
    this.#waiting("joining", "reading positions again");
    if (this.#parts.source.renew) {
      // What stopped the stream is no longer true, but the source may have stopped by it, or may be about to report it.
      this.#assignment = null;
      return this.#parts.source.renew();
    }
    if (this.#assignment) this.#want(this.#assignment.partitions, { settle: true });
  }

  // ---- the end

  /** With `once`: true when everything up to the end offsets is read, committed and closed. */
  async #finishedOnce(signal: AbortSignal, closing: AbortController, closed: () => Promise<void>): Promise<boolean> {
    const { clock, log } = this.#parts;
    if (this.#phase === "running") this.#ranAt = clock.steady();
    else if (clock.steady() - this.#ranAt > this.#settings.waitMs) {
      throw new Unavailable(
        this.#reason?.code ?? "unavailable",
        `Nothing could be read for ${Math.round(this.#settings.waitMs / 1000)} s: ${this.#reason?.text ?? "unknown"}`,
        "Start the server or check its address, then run again; `--wait` sets how long to try.",
      );
    }
    if (this.#wanted || this.#contested.size > 0 || !this.#assignment || this.#stopped) return false;
    for (const partition of this.#assignment.partitions) {
      const tracker = this.#trackers.get(partition);
      if (!tracker || tracker.position < (this.#targets.get(partition) ?? Infinity)) return false;
    }
    if (!await this.#settledAtEnd(signal)) return false;
    const now = clock.now();
    for (const tracker of this.#trackers.values()) {
      this.#advanceIfIdle(tracker, {
        sentAt: Math.min(now, this.#serverTime()) as EpochMs,
        caughtUp: tracker.logEnd === null || tracker.position >= tracker.logEnd,
        idleTimeout: this.#settings.idleTimeout === null ? null : NO_WAIT,
      });
    }
    if (!await this.#settledAtEnd(signal)) return false;
    closing.abort();
    await closed();
    await this.#closer.drain(signal, this.#settings.waitMs);
    log.info("read to the end", { ...this.#totals });
    return true;
  }

  /** Whether everything that was counted is in; where something is missing, the loop comes again. */
  async #settledAtEnd(signal: AbortSignal): Promise<boolean> {
    try {
      await this.#settle("end", signal);
    } catch (error) {
      if (error instanceof Unavailable) return false;
      throw error;
    }
    return !this.#wanted && !this.#stopped && !signal.aborted;
  }

  /** One last commit within the deadline; what does not make it is read again by the next start. */
  async #shutDown(closing: AbortController, closed: Promise<void>): Promise<void> {
    const { clock, log } = this.#parts;
    if (!this.#stopped) this.#phase = "stopping";
    const deadline = new AbortController();
    const timer = clock.sleep(this.#settings.shutdownMs / 2 as DurationMs, deadline.signal).then(() =>
      deadline.abort()
    );
    try {
      if (this.#sending) await Promise.race([this.#sending, timer]);
      this.#takeDelivery();
      if (!this.#sending && !this.#stopped && this.#dirty() && !this.#wanted) {
        this.#send("shutdown", deadline.signal);
        await Promise.race([this.#sending, timer]);
      }
    } catch (error) {
      log.warn("the last commit failed; its records will be read again", { error: messageOf(error) });
    }
    deadline.abort();
    closing.abort();
    await Promise.race([closed, clock.sleep(2_000 as DurationMs)]);
  }

  // ---- small things

  #pollMs(): number {
    return this.#wanted || this.#delivered || this.#looked ? 10 : POLL_MS;
  }

  #resetDelta(): void {
    this.#delta = new Delta(this.#parts.mask);
    this.#pendingRecords = 0;
  }

  #waiting(code: string, text: string): void {
    if (this.#phase === "stopped") return;
    if (this.#phase !== "starting") this.#phase = "waiting";
    this.#reason = { code, text };
  }

  #runningAgain(): void {
    this.#phase = "running";
    this.#reason = null;
  }

  #storeReached(): void {
    this.#store = { reachable: true, lastError: null, lastSuccessAt: this.#parts.clock.now() };
  }

  #storeFailed(message: string): void {
    if (this.#store.lastError !== message) {
      this.#parts.log.warn("database unavailable, trying again", { error: message });
    }
    this.#store = { ...this.#store, reachable: false, lastError: message };
    this.#waiting("postgres_unavailable", message);
  }

  /** Read-only values for health, metrics and pages. */
  snapshot(): PipelineSnapshot {
    const { source, clock } = this.#parts;
    const contested = [...this.#contested.keys()];
    return {
      instance: this.#settings.instance,
      source: source.kind,
      topic: this.#settings.stream.topic,
      startedAt: this.#startedAt,
      now: clock.now(),
      phase: this.#phase,
      reason: this.#reason?.text ?? null,
      reasonCode: this.#reason?.code ?? null,
      generation: this.#assignment?.generation ?? 0,
      partitions: [...this.#trackers.values()].sort((a, b) => a.partition - b.partition).map((tracker) => ({
        partition: tracker.partition,
        position: tracker.position,
        committed: tracker.committed,
        logEnd: tracker.logEnd,
        lastStable: tracker.lastStable,
        watermark: tracker.watermark,
        lastEventTime: tracker.lastEventTime,
        progressAt: tracker.progressAt,
        quietSince: tracker.quietSince,
        state: contested.includes(tracker.partition)
          ? "contested"
          : this.#wanted?.partitions.has(tracker.partition)
          ? "loading"
          : "flowing",
      })),
      store: this.#store,
      commit: {
        lastAt: this.#lastCommit?.at ?? null,
        lastDurationMs: this.#lastCommit?.durationMs ?? null,
        lastKeys: this.#lastCommit?.keys ?? null,
        pendingRecords: this.#pendingRecords,
        pendingKeys: this.#delta.keys,
        inFlight: this.#sending !== null,
        fenced: this.#fenced,
        unknownOutcomes: this.#unknown,
      },
      totals: { ...this.#totals },
    };
  }
}
