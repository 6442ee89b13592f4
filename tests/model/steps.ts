// Plays one step of a history with the product's own code, and tells the oracle what the database has taken. Shell.
import { applyResume } from "../../src/operate/resume_store.ts";
import type { Clock } from "../../src/shared/clock.ts";
import { messageOf } from "../../src/shared/errors.ts";
import { silentLog } from "../../src/shared/log.ts";
import { StepBoard, UPKEEP_STEPS } from "../../src/shared/steps.ts";
import { sipKey } from "../../src/breakdown/siphash.ts";
import { DAY, type EpochMs, epochMs, NEVER, type Offset, offset, partitionId } from "../../src/shared/units.ts";
import type { FetchedBatch } from "../../src/source/port.ts";
import { Committer } from "../../src/store/committer.ts";
import { keepUp, retain, rollUp } from "../../src/store/maintenance.ts";
import type { CommitPayload, Salt, Store } from "../../src/store/port.ts";
import { Delta } from "../../src/window/delta.ts";
import { Tracker } from "../../src/window/tracker.ts";
import { utcDay } from "../../src/window/tumbling.ts";
import type { Oracle } from "./oracle.ts";
import type { BreakdownProgress } from "./oracle_breakdown.ts";
import type { Plan, Step } from "./plan.ts";
import { writeEvent } from "./reader.ts";
import type { Process, World } from "./world.ts";
import { RULES_2 } from "../../src/event/stream_rules.ts";

/** What the rows say after a step. */
interface Observed {
  readonly partitions: ReadonlyMap<number, number>;
  readonly commits: ReadonlySet<string>;
  readonly closedThrough: number;
  readonly retiredThrough: number;
  readonly breakdownProgress: BreakdownProgress;
}

/** How long a step takes by the model's clock: longer than the API keeps what it has read about the stream. */
const STEP_MS = 2_000;

/** One history under way. */
export class Play implements Clock {
  readonly plan: Plan;
  readonly world: World;
  readonly oracle: Oracle;
  readonly violations: string[] = [];
  /** The model's clock, epoch ms. */
  time: number;
  /** Steps played and faults that came, by kind. */
  readonly counts: Record<string, number> = {};
  /** Payloads of the present step, whatever became of them. */
  #sent: { readonly payload: CommitPayload; readonly counted: number }[] = [];
  /** Salts by their ids, as the store gave them to a process. */
  readonly #salts = new Map<string, Uint8Array>();
  #learned = 0;
  /** The oracle as it was when the long reader began. */
  readerSaw: Oracle | null = null;

  constructor(plan: Plan, world: World, oracle: Oracle) {
    this.plan = plan;
    this.world = world;
    this.oracle = oracle;
    this.time = plan.settings.start;
  }

  now(): EpochMs {
    return epochMs(this.time);
  }

  sleep(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 1));
  }

  violate(text: string): void {
    this.violations.push(text);
  }

  /** The first start of the stream. */
  async begin(): Promise<void> {
    await this.#join(this.world.process(0), this.plan.partitions);
    for (let p = 0; p < this.plan.partitions; p++) this.oracle.start(p, this.plan.logs[p]!, -Infinity);
  }

  /** Plays one step, then looks at what it did. */
  async step(step: Step): Promise<void> {
    this.#count(step.kind);
    this.#sent = [];
    this.time += STEP_MS;
    const before = this.oracle.closedThrough;
    const { fault } = step;
    // A lost reply is not a fault of the server.
    if (fault !== null && fault.how !== "reply") await this.world.arm(fault);
    let failure: unknown = null;
    try {
      await this.#act(step);
    } catch (error) {
      failure = error;
    }
    const came = fault !== null && fault.how !== "reply" && await this.world.disarm();
    if (came) this.#count(fault.how);
    if (failure !== null && !came) this.violate(`${step.kind} failed by itself: ${messageOf(failure)}`);
    if (came && fault.how === "crash") await this.world.restart(step.process);
    const observed = await this.#observe();
    this.#take(observed);
    if (observed.closedThrough < before) this.violate("closed-through went back");
    if (observed.closedThrough > this.oracle.closable) {
      this.violate(`closed-through is ${iso(observed.closedThrough)}, watermarks allow ${iso(this.oracle.closable)}`);
    }
    if (step.kind === "close" && failure === null && step.windows > 100 && fault === null) this.#demandClosed(observed);
    if (step.kind === "maintain") this.#checkRetired(step.retentionDays, observed);
  }

  async #act(step: Step): Promise<void> {
    const process = this.world.process(step.process);
    const retries = step.fault?.how === "raise" || step.fault?.how === "kill" ? 2 : 1;
    switch (step.kind) {
      case "commit":
        return await this.#commit(process, step);
      case "idle":
        return await this.#commit(process, { ...step, partitions: [], records: 0, silent: step.partition });
      case "close":
        return await twice(retries, async () => {
          for (let n = 0; n < step.windows; n++) if ((await process.store.close()).kind !== "closed") return;
        });
      case "roll_up": {
        let calls = 0;
        return await twice(
          retries,
          () => rollUp(process.database, () => calls++ >= step.calls, this.plan.settings.valuesMax),
        );
      }
      case "maintain":
        return await twice(retries, async () => {
          const steps = new StepBoard(UPKEEP_STEPS, this);
          const options = { database: process.database, clock: this, log: silentLog, steps };
          await keepUp(options);
          await retain({ ...options, retentionDays: step.retentionDays ?? undefined });
        });
      case "restart":
        return await this.world.restart(step.process);
      case "add_partition": {
        const { plan, oracle } = this;
        if (oracle.partitions.has(plan.partitions)) return;
        await twice(retries, () => this.#join(process, plan.partitions + 1));
        return;
      }
      case "gap":
        return await this.#lose(process, step.partition, step.records, retries);
      case "publication":
        return await this.world.togglePublication();
      case "reader":
        return; // history.ts asks it before it ends
      case "together": {
        const outcomes = await Promise.allSettled(step.steps.map((one) => this.#act(one)));
        for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
      }
    }
  }

  async #join(process: Process, partitions: number): Promise<void> {
    const { windowSize, start } = this.plan.settings;
    await process.store.join(
      {
        source: "kafka",
        topic: "web_traffic_topic",
        topicId: null,
        group: "web_traffic_group",
        windowSizeMs: windowSize,
        referrerGranularity: "raw",
        rules: RULES_2,
        keyBytesMax: 1024,
        offsetsCountRecords: true,
        anchor: epochMs(start),
      },
      Array.from({ length: partitions }, (_, p) => ({
        partition: partitionId(p),
        startOffset: offset(0),
        logStart: offset(0),
      })),
    );
  }

  async #commit(
    process: Process,
    step: Step & { readonly partitions: readonly number[]; readonly records: number; readonly silent?: number },
  ): Promise<void> {
    const { trackers, encoder, store } = process;
    if (trackers.size === 0) {
      const stored = await store.read();
      for (const row of stored!.rows) trackers.set(row.partition, new Tracker(row, this.now()));
    }
    const delta = new Delta(() => "", process.counted);
    for (const p of step.partitions) {
      const tracker = trackers.get(p);
      if (tracker && !await this.#countBatch(process, tracker, step.records, delta)) return;
    }
    const silent = step.silent === undefined ? undefined : trackers.get(step.silent);
    if (silent) this.#silence(silent, [...trackers.values()]);
    const payload = encoder.freeze(delta, trackers.values(), crypto.randomUUID(), "interval");
    if (payload.moves.length === 0) return;
    this.#sent.push({ payload, counted: process.counted });
    const dies = new AbortController();
    const committer = new Committer(this.#unreliable(store, step, dies), this, silentLog, {
      onTrouble: () => {},
      onUnknown: () => {},
      onRead: () => {},
    });
    const delivery = await committer.deliver(payload, dies.signal);
    if (delivery.kind !== "committed") process.forget();
  }

  /** Counts the next records of a partition; as the engine, it fetches salts where counting stops for one. Returns whether it could. */
  async #countBatch(process: Process, tracker: Tracker, records: number, delta: Delta): Promise<boolean> {
    const { counter, store, visitors } = process, end = tracker.position + records;
    const count = () => {
      const batch = this.#batch(tracker.partition, tracker.position, end - tracker.position);
      return counter.count(tracker, batch, delta, this.now(), this.now());
    };
    while (!count()) {
      const day = counter.wants!;
      let salt: Salt | undefined;
      try {
        [salt] = await store.salts([utcDay(day * DAY)]);
      } finally {
        // What was counted is dropped, so nothing of it may be taken as sent.
        if (salt === undefined) process.forget();
      }
      if (salt === undefined) return false;
      this.#salts.set(salt.id, salt.salt);
      visitors!.learn(day, { id: salt.id, key: sipKey(salt.salt), number: ++this.#learned });
    }
    return true;
  }

  /** The process' store, as the step's fault has it. */
  #unreliable(store: Store, { fault }: Step, dies: AbortController): Store {
    let lost = fault?.how === "reply";
    return {
      ...store,
      commit: async (payload) => {
        const outcome = await store.commit(payload);
        if (outcome.kind === "unknown" && fault?.how === "crash") dies.abort();
        if (outcome.kind !== "committed" || !lost) return outcome;
        lost = false;
        this.#count("reply");
        return { kind: "unknown", cause: new Error("the reply was lost") };
      },
    };
  }

  #batch(partition: number, from: Offset, records: number): FetchedBatch {
    const log = this.plan.logs[partition]!;
    let next = from as number;
    while (next < from + records && next < log.length && log[next]!.arrival <= this.time) next++;
    const run = log.slice(from, next);
    return {
      partition: partitionId(partition),
      from,
      next: offset(next),
      logStart: offset(0),
      logEnd: offset(log.length),
      lastStable: offset(log.length),
      sentAt: this.now(),
      runs: [{
        walk(first, visit) {
          run.forEach(({ arrival, event }, i) => {
            const bytes = writeEvent(event);
            visit(bytes, 0, bytes.length, first + i, arrival);
          });
        },
      }],
    };
  }

  /** The partition is silent: its watermark rises in whole windows, at most to the end of the highest counted one. */
  #silence(tracker: Tracker, all: readonly Tracker[]): void {
    const { windowSize, watermarkDelay } = this.plan.settings;
    const highest = Math.max(...all.map((other) => other.maxWindowEnd));
    const target = Math.min(Math.floor((this.time - watermarkDelay) / windowSize) * windowSize, highest);
    if (!(target > tracker.watermark)) return;
    tracker.watermark = epochMs(target);
    tracker.quietSince ??= tracker.raisedAt === NEVER ? this.now() : tracker.raisedAt;
    tracker.idleAdvances.push({
      atOffset: tracker.position,
      watermark: tracker.watermark,
      quietSince: tracker.quietSince,
    });
  }

  /** The log loses records before they are read; an operator accepts it. */
  async #lose(process: Process, partition: number, records: number, retries: number): Promise<void> {
    const { oracle } = this;
    const p = oracle.partitions.get(partition);
    if (!p) return;
    const lost = p.log.slice(p.next, p.next + records).filter(({ arrival }) => arrival <= this.time);
    if (lost.length === 0) return;
    await twice(retries, () => process.store.stop("data_gap", "records are gone"));
    const times = lost.map(({ event }) => event.time);
    await twice(retries, async () => {
      const stored = (await process.store.read())!;
      await applyResume(
        process.database,
        "data_gap",
        null,
        stored.rows.map((row) => ({
          partition: row.partition,
          kind: row.partition === partition ? "skip" : "keep",
          row,
          nextOffset: offset(row.nextOffset + (row.partition === partition ? lost.length : 0)),
          retired: false,
          gap: row.partition === partition
            ? {
              reason: "data_gap",
              fromOffset: row.nextOffset,
              toOffset: offset(row.nextOffset + lost.length),
              fromTime: epochMs(Math.min(...times)),
              toTime: epochMs(Math.max(...times)),
            }
            : null,
        })),
      );
    });
    process.forget();
    const after = await this.#observe();
    if (after.partitions.get(partition) === p.next + lost.length) oracle.lose(partition, lost.length);
  }

  async #observe(): Promise<Observed> {
    const [row] = await this.world.sql<
      {
        closed: string;
        retired: string;
        rolled: string;
        forgotten: string;
        windows: number[];
        positions: Record<string, number>;
        commits: string[];
      }[]
    >`
      select extract(epoch from closed_through) * 1000 as closed, extract(epoch from retired_through) * 1000 as retired,
             (select extract(epoch from hours_through) * 1000 from breakdown_progress) as rolled,
             (select extract(epoch from forgotten_through) * 1000 from breakdown_progress) as forgotten,
             (select coalesce(jsonb_agg(extract(epoch from window_start) * 1000), '[]') from web_traffic_window) as windows,
             (select jsonb_object_agg(partition, next_offset) from stream_partition) as positions,
             (select coalesce(jsonb_agg(commit_id), '[]') from commit_history) as commits
      from stream`.then((rows) =>
      rows.map((r) => ({
        ...r,
        positions: parsed(r.positions),
        commits: parsed(r.commits),
        windows: parsed(r.windows),
      }))
    );
    return {
      partitions: new Map(Object.entries(row!.positions).map(([p, next]) => [Number(p), next])),
      commits: new Set(row!.commits),
      closedThrough: Number(row!.closed),
      retiredThrough: Number(row!.retired),
      breakdownProgress: {
        closedWindows: new Set(row!.windows),
        hoursThrough: Number(row!.rolled),
        forgottenThrough: Number(row!.forgotten),
      },
    };
  }

  /** Tells the oracle what was taken. Each payload is in as a whole or not at all. */
  #take({ partitions, commits, closedThrough, retiredThrough, breakdownProgress }: Observed): void {
    const { oracle, plan } = this;
    for (const id of partitions.keys()) {
      if (!oracle.partitions.has(id)) oracle.start(id, plan.logs[id]!, closedThrough);
    }
    for (const { payload, counted } of this.#sent.filter(({ payload: { commitId } }) => commits.has(commitId))) {
      for (const { day, saltId } of payload.visitors) this.#takeSalt(day, saltId);
      for (const move of payload.moves) {
        const p = oracle.partitions.get(move.partition)!;
        if (move.oldNextOffset !== p.next) {
          this.violate(`partition ${move.partition} was committed from ${move.oldNextOffset}, it stood at ${p.next}`);
        }
        oracle.commit(move.partition, move.nextOffset, counted);
        for (const { atOffset, watermark } of move.idleAdvances) oracle.silence(move.partition, atOffset, watermark);
      }
    }
    for (const [id, next] of partitions) {
      const known = oracle.partitions.get(id)!.next;
      if (next !== known) this.violate(`partition ${id} is at ${next}, its commits lead to ${known}`);
    }
    oracle.closedThrough = closedThrough;
    oracle.retiredThrough = retiredThrough;
    oracle.breakdownProgress = breakdownProgress;
  }

  /** A day has one salt, or its visitors would have several hashes. */
  #takeSalt(day: string, saltId: string): void {
    const { salts } = this.oracle, salt = this.#salts.get(saltId)!, before = salts.get(day);
    if (before !== undefined && before.join() !== salt.join()) {
      this.violate(`visitors of ${day} were hashed by two salts`);
    }
    salts.set(day, salt);
  }

  #demandClosed({ closedThrough }: Observed): void {
    const { windowSize } = this.oracle.rules;
    const due = Math.floor(this.oracle.closable / windowSize) * windowSize;
    if (Number.isFinite(due) && closedThrough < due) {
      this.violate(`closing stopped at ${iso(closedThrough)}, windows up to ${iso(due)} are due`);
    }
  }

  #checkRetired(retentionDays: number | null, { retiredThrough }: Observed): void {
    const asked = retentionDays === null ? -Infinity : this.time - retentionDays * 86_400_000;
    if (retiredThrough > asked && retiredThrough > this.#retiredBefore) {
      this.violate(`retired through ${iso(retiredThrough)}, retention asks for ${iso(asked)}`);
    }
    this.#retiredBefore = retiredThrough;
  }

  #retiredBefore = -Infinity;

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}

/** Once more where the first try failed: what failed must be right after a second one. */
async function twice(tries: number, action: () => Promise<unknown>): Promise<void> {
  for (let n = 1;; n++) {
    try {
      await action();
      return;
    } catch (error) {
      if (n >= tries) throw error;
    }
  }
}

const parsed = <T>(json: T): T => typeof json === "string" ? JSON.parse(json) : json;
const iso = (time: number) => Number.isFinite(time) ? new Date(time).toISOString() : String(time);
