// What one engine knows, and how that changes: assignment, trackers, delta, what the rows said, whether the stream is stopped. Nothing here
// waits; the steps that do (loading.ts, commits.ts, row_watch.ts, halt.ts, once.ts) change it through these methods only. No I/O but the log.
import type { StreamRules } from "../event/stream_rules.ts";
import type { StoredState } from "../store/port.ts";
import { invariant, type StopCode, StreamStopped } from "../shared/errors.ts";
import { refusalOf } from "../shared/refusal.ts";
import { noTotals, type PipelineSnapshot } from "../shared/snapshot.ts";
import { ENGINE_STEPS, type EngineStep, StepBoard } from "../shared/steps.ts";
import { type EpochMs, NEVER, type Offset, type PartitionId } from "../shared/units.ts";
import { Delta } from "../window/delta.ts";
import type { Tracker } from "../window/tracker.ts";
import type { PipelineParts, PipelineSettings, Steady } from "./parts.ts";

/** A partition whose log end is further ahead than this is catching up. In a log of records these are records, in files bytes. */
const CATCHING_UP_OFFSETS = 20_000;
/** A reader that has looked is expected again within this time: pages ask every few seconds. */
const WATCHED_MS = 30_000;
/** Records that may be counted while a commit is in flight, whatever their keys. */
const PENDING_RECORDS_MAX = 4_000_000;

/** Partitions whose rows must be read before they flow. */
export interface Wanted {
  readonly partitions: ReadonlySet<PartitionId>;
  /** Whether what is pending has to be brought to an end first. */
  readonly settle: boolean;
  notBefore: Steady;
}

/** Why the engine does not run. */
interface Reason {
  readonly code: string;
  readonly text: string;
  /** What an operator does about it, where that is known. */
  readonly action?: string | undefined;
  /** Whose answer ends it: the database's, or a batch of the source. */
  readonly by?: "store" | "source" | undefined;
}

/** The state of one engine. */
export class EngineState {
  phase: PipelineSnapshot["phase"] = "starting";
  reason: Reason | null = { code: "joining", text: "waiting for partitions" };
  assignment: { readonly generation: number; readonly partitions: readonly PartitionId[] } | null = null;
  wanted: Wanted | null = null;
  /** Partitions that were lost to another instance, since when: given up until the group confirms that they are ours. */
  readonly contested = new Map<PartitionId, { readonly since: EpochMs; readonly confirmedAt: EpochMs }>();
  readonly trackers = new Map<PartitionId, Tracker>();
  delta: Delta;
  /** Records in the delta. */
  pendingRecords = 0;
  /** Rises with every change of what the rows are expected to hold: a look that spans one proves nothing. */
  expectation = 0;
  /** A commit is on its way. */
  sending: Promise<void> | null = null;
  topicId: string | null = null;
  /** The rules by which the reader reads; null before the rows were read. */
  rules: StreamRules | null = null;
  /** Where this process began to read each partition. */
  readonly begins = new Map<PartitionId, Offset>();
  /** With `once`: where each partition's reading ends. */
  readonly targets = new Map<PartitionId, Offset>();

  stopped: StreamStopped | null = null;
  /** Whether the stream row says so, too. */
  stopRecorded = false;
  /** The rows on which a stop rests: what we expected of them when it was found. */
  stoodAt: readonly Pick<Tracker, "partition" | "expected">[] = [];
  /** Whether the fault may have been found where we stood before another instance moved a partition: until the group confirms it is read on. */
  stoodOnGivenUp = false;

  store: PipelineSnapshot["store"] = { reachable: false, lastError: null, lastSuccessAt: null };
  lastCommit: { readonly at: EpochMs; readonly durationMs: number; readonly keys: number } | null = null;
  fenced = 0;
  unknown = 0;
  /** When a reader last looked at what is committed. */
  #lookedAt: Steady = -Infinity;
  readonly totals = noTotals();
  readonly steps: StepBoard<EngineStep>;
  readonly startedAt: EpochMs;
  /** PostgreSQL's clock as last read, and when that was. */
  #server: { readonly now: EpochMs; readonly at: Steady } | null = null;
  /** End of the highest window that holds a counted record, by the rows as last read. */
  #storedMaxWindowEnd: EpochMs = NEVER;

  constructor(readonly settings: PipelineSettings, readonly parts: PipelineParts) {
    this.delta = new Delta(parts.mask);
    this.startedAt = parts.clock.now();
    this.steps = new StepBoard(ENGINE_STEPS, parts.clock);
  }

  // ---- partitions

  /** Asks for the rows of these partitions; with `settle` they replace all that was wanted or owned before. */
  want(partitions: Iterable<PartitionId>, options: { settle: boolean }): void {
    const known = this.wanted;
    this.wanted = {
      partitions: new Set(options.settle ? partitions : [...known?.partitions ?? [], ...partitions]),
      settle: options.settle || (known?.settle ?? false),
      notBefore: -Infinity,
    };
  }

  /** Drops memory: everything in it rests on rows that somebody else has moved. The partitions that moved are left until confirmed. */
  giveUp(moved: readonly PartitionId[]): void {
    this.fenced++;
    this.expectation++;
    this.forget();
    const owned = this.assignment?.partitions ?? [];
    const { clock, source } = this.parts;
    const then = { since: clock.now(), confirmedAt: source.confirmedAt() };
    for (const partition of moved) if (owned.includes(partition)) this.contested.set(partition, then);
    if (!this.assignment) return;
    // Everything owned is read again, also what was wanted before; what was moved waits for the group.
    this.wanted = {
      partitions: new Set(owned.filter((p) => !this.contested.has(p))),
      settle: false,
      notBefore: -Infinity,
    };
  }

  /** Takes partitions back that another instance had moved, once the group has confirmed after that that they are ours. */
  reclaimContested(): void {
    if (this.contested.size === 0) return;
    const confirmedAt = this.parts.source.confirmedAt();
    // A confirmation from before the one that was known then: our clock was set back meanwhile.
    const confirmed = [...this.contested].filter(([, then]) =>
      confirmedAt > then.since || confirmedAt < then.confirmedAt
    ).map(([partition]) => partition);
    for (const partition of confirmed) this.contested.delete(partition);
    if (confirmed.length > 0) this.want(confirmed, { settle: false });
  }

  // ---- what is counted and not committed

  /** Drops positions and counts that were not committed. */
  forget(): void {
    this.trackers.clear();
    this.resetDelta();
  }

  resetDelta(): void {
    this.delta = new Delta(this.parts.mask);
    this.pendingRecords = 0;
  }

  /** Whether a commit would change a row. */
  get dirty(): boolean {
    for (const tracker of this.trackers.values()) if (tracker.dirty) return true;
    return false;
  }

  /** Whether nothing more may be counted into the delta. */
  get full(): boolean {
    return this.delta.reached(this.settings.limits, this.parts.reader.memoryBytes);
  }

  /** Whether counting has to wait for the commit in flight. */
  get mustWait(): boolean {
    return this.full || this.pendingRecords >= PENDING_RECORDS_MAX;
  }

  /** A reader looks at what is committed: for a while commits come at the shorter interval. */
  look(): void {
    this.#lookedAt = this.parts.clock.steady();
  }

  /** Whether a reader looked a moment ago. */
  get watched(): boolean {
    return this.parts.clock.steady() - this.#lookedAt < WATCHED_MS;
  }

  /** The one meaning of catching up: the end of a partition's log, as last fetched, is far ahead of its position. */
  get catchingUp(): boolean {
    for (const tracker of this.trackers.values()) {
      if (tracker.logEnd !== null && tracker.logEnd - tracker.position > CATCHING_UP_OFFSETS) return true;
    }
    return false;
  }

  /** The partition with the lowest watermark, of several the first; null without any. */
  get lowestTracker(): Tracker | null {
    let lowest: Tracker | null = null;
    for (const tracker of this.trackers.values()) {
      if (lowest === null || tracker.watermark < lowest.watermark) lowest = tracker;
    }
    return lowest;
  }

  /** The lowest watermark of our partitions; Infinity without any. */
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

  /** The database did not answer, or it answered and refused: by its name. */
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

  /** PostgreSQL's clock now: read every few seconds, carried on by a clock that cannot be set. */
  serverTime(): EpochMs {
    invariant(this.#server !== null, "positions were read before records");
    return Math.floor(this.#server.now + this.parts.clock.steady() - this.#server.at) as EpochMs;
  }

  // ---- phases

  waiting(code: string, text: string, more: Pick<Reason, "action" | "by"> = {}): void {
    if (this.phase === "stopped") return;
    if (this.phase !== "starting") this.phase = "waiting";
    this.reason = { code, text, ...more };
  }

  /** The source's server is away or refuses: over as soon as a batch comes. */
  sourceWaiting({ code, reason, action }: { code?: string; reason: string; action?: string }): void {
    this.waiting(code ?? "source_unavailable", reason, { action, by: "source" });
  }

  running(): void {
    this.phase = "running";
    this.reason = null;
  }

  /** Goes on where the database was what we waited for and nothing else is missing. */
  databaseIsBack(): void {
    if (this.reason?.by === "store" && !this.wanted && !this.sending) this.running();
  }

  /** A named error was found: nothing is counted until an operator resumes the stream. */
  stop(error: StreamStopped): void {
    this.parts.log.error(error.message, { code: error.code, action: error.action });
    this.#enterStopped(error, false);
  }

  /** A stop that was looked into: another name may be the right one. */
  nameStop(error: StreamStopped): void {
    this.stopped = error;
    this.reason = { code: error.code, text: error.message };
  }

  /** The stream row says that the stream is stopped. */
  stoppedByStore(stopped: { code: string; message: string }): void {
    const error = new StreamStopped(
      // A newer release may have stored a name that this one does not know: it is shown as it is.
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
