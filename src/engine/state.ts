// What one engine knows, and how that changes: assignment, trackers, delta, the stored state as last read, the stop. Nothing here waits;
// the steps that wait (loading.ts, commits.ts, row_watch.ts, halt.ts, once.ts) use it. No I/O but the log.
import { DIMENSION_BITS } from "../breakdown/dimensions.ts";
import type { StreamRules } from "../event/stream_rules.ts";
import type { StoredState } from "../store/port.ts";
import { invariant, type StopCode, StreamStopped } from "../shared/errors.ts";
import { refusalOf } from "../shared/refusal.ts";
import { noTotals, type PipelineSnapshot } from "../shared/snapshot.ts";
import { ENGINE_STEPS, type EngineStep, StepBoard } from "../shared/steps.ts";
import { type EpochMs, epochMs, NEVER, type Offset, type PartitionId } from "../shared/units.ts";
import { Delta } from "../window/delta.ts";
import type { Tracker } from "../window/tracker.ts";
import { Visitors } from "../window/visitors.ts";
import type { PipelineParts, PipelineSettings, Reason, Steady, Wanted } from "./parts.ts";

/** A partition is catching up while its log end is further ahead than this: records in Kafka, bytes in files. */
const CATCHING_UP_OFFSETS = 20_000;
/** How long after a request the stream counts as watched. Pages ask every few seconds. */
const WATCHED_MS = 30_000;
/** Records that may be counted while a commit is in flight. */
const PENDING_RECORDS_MAX = 4_000_000;

/** The state of one engine. */
export class EngineState {
  phase: PipelineSnapshot["phase"] = "starting";
  reason: Reason | null = { code: "joining", text: "waiting for partitions" };
  assignment: { readonly generation: number; readonly partitions: readonly PartitionId[] } | null = null;
  wanted: Wanted | null = null;
  /** Partitions that another instance has moved. We leave them alone until the group confirms that they are ours. */
  readonly contested = new Map<PartitionId, { readonly since: EpochMs; readonly confirmedAt: EpochMs }>();
  readonly trackers = new Map<PartitionId, Tracker>();
  delta: Delta;
  /** `null` where visitors are not counted. */
  readonly visitors: Visitors | null;
  /** Records in the delta. */
  pendingRecords = 0;
  /** Version of the rows we expect. Ignore a row check that began under an older version. */
  expectation = 0;
  /** The commit in flight. */
  sending: Promise<void> | null = null;
  topicId: string | null = null;
  /** The rules that the reader applies; null before the rows were read. */
  rules: StreamRules | null = null;
  /** Where this process began to read each partition. */
  readonly begins = new Map<PartitionId, Offset>();
  /** With `once`: where each partition's reading ends. */
  readonly targets = new Map<PartitionId, Offset>();

  stopped: StreamStopped | null = null;
  /** Whether the stop is stored in the stream row. */
  stopRecorded = false;
  /** The rows that we expected when the fault was found. */
  stoodAt: readonly Pick<Tracker, "partition" | "expected">[] = [];
  /** Whether a partition was contested when the fault was found: then the fault may come from positions that are not ours any more. */
  stoodOnGivenUp = false;

  store: PipelineSnapshot["store"] = { reachable: false, lastError: null, lastSuccessAt: null };
  lastCommit: { readonly at: EpochMs; readonly durationMs: number; readonly keys: number } | null = null;
  fenced = 0;
  unknown = 0;
  #lookedAt: Steady = -Infinity;
  readonly totals = noTotals();
  readonly steps: StepBoard<EngineStep>;
  readonly startedAt: EpochMs;
  /** PostgreSQL's clock as last read, and when it was read. */
  #server: { readonly now: EpochMs; readonly at: Steady } | null = null;
  /** End of the highest window that holds a counted record, by the rows as last read. */
  #storedMaxWindowEnd: EpochMs = NEVER;

  constructor(readonly settings: PipelineSettings, readonly parts: PipelineParts) {
    this.delta = new Delta(parts.mask, parts.reader.breakdown?.counted);
    this.visitors = ((parts.reader.breakdown?.counted ?? 0) & DIMENSION_BITS.visitors) === 0 ? null : new Visitors();
    this.startedAt = parts.clock.now();
    this.steps = new StepBoard(ENGINE_STEPS, parts.clock);
  }

  // ---- partitions

  /** Asks for the rows of these partitions. With `settle` they replace all partitions that were wanted or owned before. */
  want(partitions: Iterable<PartitionId>, options: { settle: boolean }): void {
    const known = this.wanted;
    this.wanted = {
      partitions: new Set(options.settle ? partitions : [...known?.partitions ?? [], ...partitions]),
      settle: options.settle || (known?.settle ?? false),
      notBefore: -Infinity,
    };
  }

  /** Drops all counts and positions, because another instance has moved the rows they build on. The moved partitions wait for the group. */
  giveUp(moved: readonly PartitionId[]): void {
    this.fenced++;
    this.expectation++;
    this.forget();
    const owned = this.assignment?.partitions ?? [];
    const { clock, source } = this.parts;
    const then = { since: clock.now(), confirmedAt: source.confirmedAt() };
    for (const partition of moved) if (owned.includes(partition)) this.contested.set(partition, then);
    if (!this.assignment) return;
    // Read all other owned partitions again, also those that were wanted before.
    this.wanted = {
      partitions: new Set(owned.filter((p) => !this.contested.has(p))),
      settle: false,
      notBefore: -Infinity,
    };
  }

  /** Takes back partitions that another instance had moved, once the group has confirmed that they are ours. */
  reclaimContested(): void {
    if (this.contested.size === 0) return;
    const confirmedAt = this.parts.source.confirmedAt();
    // A confirmation time below the one known then: our clock was set back since.
    const confirmed = [...this.contested].filter(([, then]) =>
      confirmedAt > then.since || confirmedAt < then.confirmedAt
    ).map(([partition]) => partition);
    for (const partition of confirmed) this.contested.delete(partition);
    if (confirmed.length > 0) this.want(confirmed, { settle: false });
  }

  // ---- what is counted and not committed

  /** Drops uncommitted positions and counts, and what was believed to be stored of visitors. */
  forget(): void {
    this.trackers.clear();
    this.resetDelta();
    this.visitors?.forget();
  }

  resetDelta(): void {
    this.delta = new Delta(this.parts.mask, this.parts.reader.breakdown?.counted);
    this.pendingRecords = 0;
  }

  /** Whether a commit would change a row. */
  get dirty(): boolean {
    for (const tracker of this.trackers.values()) if (tracker.dirty) return true;
    return false;
  }

  /** Whether the delta has reached a bound. */
  get full(): boolean {
    return this.delta.reached(this.settings.limits, this.parts.reader.memoryBytes);
  }

  /** Whether counting has to wait for the commit in flight. */
  get mustWait(): boolean {
    return this.full || this.pendingRecords >= PENDING_RECORDS_MAX;
  }

  look(): void {
    this.#lookedAt = this.parts.clock.steady();
  }

  /** Whether a reader has asked for committed data within the last {@link WATCHED_MS}. */
  get watched(): boolean {
    return this.parts.clock.steady() - this.#lookedAt < WATCHED_MS;
  }

  /** Whether the end of a partition's log, as last fetched, is far ahead of its position. */
  get catchingUp(): boolean {
    for (const tracker of this.trackers.values()) {
      if (tracker.logEnd !== null && tracker.logEnd - tracker.position > CATCHING_UP_OFFSETS) return true;
    }
    return false;
  }

  /** The first partition with the lowest watermark; null without partitions. */
  get lowestTracker(): Tracker | null {
    let lowest: Tracker | null = null;
    for (const tracker of this.trackers.values()) {
      if (lowest === null || tracker.watermark < lowest.watermark) lowest = tracker;
    }
    return lowest;
  }

  /** The lowest watermark of our partitions; Infinity without partitions. */
  get lowestWatermark(): number {
    return this.lowestTracker?.watermark ?? Infinity;
  }

  /** End of the highest window that holds a counted record in the whole stream, as far as we know. */
  get maxWindowEnd(): EpochMs {
    let maxWindowEnd = this.#storedMaxWindowEnd;
    for (const tracker of this.trackers.values()) {
      if (tracker.maxWindowEnd > maxWindowEnd) maxWindowEnd = tracker.maxWindowEnd;
    }
    return maxWindowEnd;
  }

  // ---- the database

  /** The rows were read. */
  storeAnswered(stored: StoredState): void {
    this.#server = { now: stored.serverNow, at: this.parts.clock.steady() };
    this.storeReached();
    this.#storedMaxWindowEnd = stored.rows.reduce((max, row) => row.maxWindowEnd > max ? row.maxWindowEnd : max, NEVER);
    if (this.trackers.size > 0) this.databaseIsBack();
  }

  storeReached(): void {
    this.store = { reachable: true, lastError: null, lastSuccessAt: this.parts.clock.now() };
  }

  /** The database did not answer, or it refused. */
  storeFailed(error: unknown): void {
    const { code, sqlstate, message, action } = refusalOf(error);
    const refused = sqlstate !== null;
    if (this.store.lastError !== message) {
      const words = refused ? "the database refused, trying again" : "database unavailable, trying again";
      this.parts.log.warn(words, { ...(refused && { code }), error: message });
    }
    this.store = { ...this.store, reachable: refused, lastError: message };
    this.waiting(code === "unexpected" ? "postgres_unavailable" : code, message, {
      by: "store",
      action: refused ? action : undefined,
    });
  }

  /** PostgreSQL's clock: read every few seconds; in between, the steady clock adds the time that passed. */
  serverTime(): EpochMs {
    invariant(this.#server !== null, "positions were read before records");
    return epochMs(Math.floor(this.#server.now + this.parts.clock.steady() - this.#server.at));
  }

  // ---- phases

  waiting(code: string, text: string, more: Pick<Reason, "action" | "by"> = {}): void {
    if (this.phase === "stopped") return;
    if (this.phase !== "starting") this.phase = "waiting";
    this.reason = { code, text, ...more };
  }

  /** The source's server does not answer or refuses. The next batch ends this wait. */
  sourceWaiting({ code, reason, action }: { code?: string; reason: string; action?: string }): void {
    this.waiting(code ?? "source_unavailable", reason, { action, by: "source" });
  }

  running(): void {
    this.phase = "running";
    this.reason = null;
  }

  /** Runs again if the engine waited for the database only. */
  databaseIsBack(): void {
    if (this.reason?.by === "store" && !this.wanted && !this.sending) this.running();
  }

  /** Stops by a named error: the engine counts nothing until an operator resumes the stream. */
  stop(error: StreamStopped): void {
    this.parts.log.error(error.message, { code: error.code, action: error.action });
    this.#enterStopped(error, false);
  }

  /** Replaces the error of a stop: a check of the stored positions may give it another name. */
  nameStop(error: StreamStopped): void {
    this.stopped = error;
    this.reason = { code: error.code, text: error.message };
  }

  /** Takes over a stop that the stream row holds. */
  stoppedByStore(stopped: { code: string; message: string }): void {
    const error = new StreamStopped(
      // A newer release may have stored a name that this one does not know. It is shown unchanged.
      stopped.code as StopCode,
      stopped.message,
      "See `tidemark doctor`; `tidemark resume` goes on.",
    );
    this.parts.log.error("the stream is stopped", { code: stopped.code, reason: stopped.message });
    this.#enterStopped(error, true);
  }

  #enterStopped(error: StreamStopped, recorded: boolean): void {
    this.stopped = error;
    this.stopRecorded = recorded;
    this.phase = "stopped";
    this.reason = { code: error.code, text: error.message };
    this.expectation++;
    this.stoodAt = [...this.trackers.values()];
    this.stoodOnGivenUp = this.contested.size > 0;
    this.forget();
    this.contested.clear();
    this.wanted = null;
  }
}
