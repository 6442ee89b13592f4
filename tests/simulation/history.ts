// Runs one plan: model broker, group and database, real engines, faults at their times, then calm until everything is read and closed, then the
// verdict. Deterministic: the plan and its seed decide every step.
import { StreamStopped, Unavailable } from "../../src/shared/errors.ts";
import { RULES_1, RULES_2, rulesJson } from "../../src/event/stream_rules.ts";
import { silentLog } from "../../src/shared/log.ts";
import type { DurationMs, EpochMs } from "../../src/shared/units.ts";
import { Pipeline } from "../../src/pipeline.ts";
import { Audit } from "./audit.ts";
import { ModelServer, ModelStore } from "./model_client.ts";
import { ALL_GUARDS, type Guards, ModelDatabase, type State } from "./model_database.ts";
import { ModelGroup } from "./model_group.ts";
import { ModelTopic } from "./model_log.ts";
import { ModelSource } from "./model_source.ts";
import { differences } from "./oracle.ts";
import { COUNTED_ALL, type Fault, type Plan, START } from "./plan.ts";
import { Random } from "./random.ts";
import { tinyPlaces, TinyReader } from "./tiny_reader.ts";
import { writeBurst } from "./traffic.ts";
import { type SentMove, Witness } from "./witness.ts";
import { Process, World } from "./world.ts";

/** Calm after the last fault in which everything must come to rest, ms; longer by what clocks had jumped. */
const CALM_MS = 150_000;
const BACKUP_EVERY_MS = 2_500;

export interface Outcome {
  /** In words; empty = all is well. */
  readonly violations: readonly string[];
  /** Named error that stopped the stream, if one did. */
  readonly stopped: string | null;
  readonly records: number;
  readonly commits: number;
  readonly closings: number;
  readonly steps: number;
  readonly faults: Readonly<Record<string, number>>;
}

/** One slot for an engine: it is killed and started again many times. */
interface Instance {
  readonly number: number;
  process: Process;
  source: ModelSource;
  store: ModelStore;
  pipeline: Pipeline;
  abort: AbortController;
  running: boolean;
  once: boolean;
  /** The error in which a run with `once` ended. */
  ended?: Error;
}

export class History {
  readonly world: World;
  readonly topic: ModelTopic;
  readonly group: ModelGroup;
  readonly database: ModelDatabase;
  readonly server: ModelServer;
  readonly audit: Audit;
  readonly plan: Plan;
  readonly instances: Instance[] = [];
  readonly sent = new Map<string, readonly SentMove[]>();
  readonly #random: Random;
  readonly #ids: Random;
  readonly #backups: { at: number; state: State }[] = [];
  /** Named errors that what has happened to the log can explain. */
  readonly #expected = new Set<string>();
  readonly #faults: Record<string, number> = {};
  /** The logs by topic id: positions are judged by the life that they belong to. */
  readonly #lives = new Map<string | null, ModelTopic["partitions"]>();
  #records = 0;
  #clockTrouble = 0;
  #calm = false;
  /** Named error that the history ended in. */
  #stopped: string | null = null;
  /** Partitions that take no more records, so that a truncation stays visible. */
  readonly #closedForWriting = new Set<number>();

  constructor(plan: Plan, guards: Guards = ALL_GUARDS) {
    this.plan = plan;
    const random = this.#random = new Random(plan.seed, 2);
    this.#ids = new Random(plan.seed, 3);
    this.world = new World(START, new Random(plan.seed, 4));
    this.topic = new ModelTopic(plan.settings.partitions);
    this.#lives.set(this.topic.topicId, this.topic.partitions);
    this.group = new ModelGroup(this.world, new Random(plan.seed, 5), () => this.topic.partitions.length);
    this.database = new ModelDatabase(guards, () => this.#ids.uuid());
    // Every other stream is one of an older release.
    if (plan.seed % 2 === 1) this.database.madeByRules = rulesJson(RULES_1);
    this.audit = new Audit(this.database, plan.settings.windowSize, () => `+${this.world.now - START} ms:`);
    this.server = new ModelServer(this.world, this.database, this.audit, random);
    this.server.weather.latencyMax = plan.settings.latencyMax;
  }

  /** Plays everything and judges it. */
  async play(): Promise<Outcome> {
    const { plan: { settings, bursts, faults }, world } = this;
    for (const burst of bursts) world.after(burst.at, () => this.#write(burst));
    for (const fault of faults) world.after(fault.at, () => this.#strike(fault));
    for (let i = 0; i < settings.instances; i++) world.after(this.#random.skewed(0, 20_000), () => this.start(i));
    if (faults.some((fault) => fault.kind === "restore")) this.#backUp();
    const failed = () => this.audit.violations.length > 0;
    await world.run(START + settings.horizon, failed);
    if (!failed()) await this.#calmDown(failed);
    if (!failed()) this.#judge();
    for (const instance of this.instances) instance.abort.abort();
    return {
      violations: this.audit.violations,
      stopped: this.#stopped,
      records: this.#records,
      commits: this.audit.commits,
      closings: this.audit.closings,
      steps: world.steps,
      faults: this.#faults,
    };
  }

  /** Starts the engine of a slot (again). */
  start(number: number, once = false, waitMs = 1_000_000): void {
    const known = this.instances[number];
    if (known?.running) return;
    this.world.touched = true;
    const { settings } = this.plan;
    const process = new Process(this.world, `i${number}`, settings.drifts[number] ?? 0);
    process.clockOffset = known?.process.clockOffset ?? 0;
    const { audit, server } = this;
    const rules = { ...settings, windowSize: settings.windowSize as DurationMs };
    const counted = settings.counted[number] ?? COUNTED_ALL;
    const witness = new Witness({
      sent: this.sent,
      rules,
      once,
      splits: settings.maxDeltaKeys < 1_000 || settings.maxDeltaBytes < 1e9 || counted !== 0,
      counted,
      violation: audit.violation,
    });
    const seed = this.#random.int(0, 2 ** 31);
    const source = new ModelSource({
      process,
      random: new Random(seed, 1),
      topic: this.topic,
      group: this.group,
      temper: settings,
      onDelivered: (batch) => witness.delivered(batch, process.clock),
    });
    const store = new ModelStore({ process, server, witness, random: new Random(seed, 2) });
    const ids = this.#ids;
    const pipeline = new Pipeline({
      instance: process.name,
      stream: {
        source: "kafka",
        topic: "model",
        group: "model",
        windowSizeMs: settings.windowSize,
        referrerGranularity: "raw",
        keyBytesMax: 1024,
        offsetsCountRecords: true,
        anchor: START as EpochMs,
        rules: RULES_2,
      },
      rules: {
        windowSize: settings.windowSize as DurationMs,
        watermarkDelay: settings.watermarkDelay as DurationMs,
        maxFutureSkew: settings.maxFutureSkew as DurationMs,
        latePolicy: settings.latePolicy,
        offsetsCountRecords: true,
      },
      idleTimeout: settings.idleTimeout as DurationMs | null,
      limits: {
        intervalMs: settings.intervalMs,
        unwatchedIntervalMs: settings.intervalMs,
        catchUpIntervalMs: 5_000,
        maxDeltaKeys: settings.maxDeltaKeys,
        maxDeltaBytes: settings.maxDeltaBytes,
        // Forgetful readers are between the share at which ids are forgotten and the bound.
        maxDictionaryBytes: 1.2 * 2 ** 30,
      },
      once,
      waitMs,
      shutdownMs: 6_000,
      startOffset: (bounds) => Promise.resolve(bounds.logStart),
    }, {
      source,
      store,
      reader: new TinyReader(settings.forgetful ? 2 ** 30 : 0, counted),
      places: tinyPlaces,
      mask: () => "",
      clock: process.clock,
      log: silentLog,
      newId: () => ids.uuid(),
    });
    const abort = new AbortController();
    const instance: Instance = { number, process, source, store, pipeline, abort, running: true, once };
    this.instances[number] = instance;
    pipeline.run(abort.signal).then(
      () => instance.running = false,
      (error) => {
        instance.running = false;
        if (process.state === "dead" || (error instanceof StreamStopped && once)) return;
        if (error instanceof Unavailable && once && waitMs < 1_000_000) return void (instance.ended = error);
        audit.violation(`instance ${number} ended by ${error?.stack ?? error}`);
      },
    );
  }

  // ---- traffic and faults

  #write(burst: Plan["bursts"][number]): void {
    const partition = this.topic.partitions[burst.partition];
    if (!partition || this.#calm || this.#closedForWriting.has(burst.partition)) return;
    if (!this.topic.available) return void this.world.after(1_000, () => this.#write(burst));
    writeBurst(partition, burst, this.plan.settings, this.world.now);
    this.#records += burst.count;
    const { transaction, seed } = burst;
    if (transaction === "none") return;
    const ends = transaction === "hanging" ? this.#random.int(5_000, 40_000) : this.#random.int(0, 4_000);
    this.world.after(ends, () => partition.end(seed, transaction === "abort" ? "abort" : "commit", this.world.now));
  }

  #strike(fault: Fault): void {
    const { world, topic, server, database } = this;
    const { weather } = server;
    world.touched = true;
    this.#faults[fault.kind] = (this.#faults[fault.kind] ?? 0) + 1;
    const instance = "instance" in fault ? this.instances[fault.instance] : undefined;
    const partition = "partition" in fault ? topic.partitions[fault.partition] : undefined;
    switch (fault.kind) {
      case "kill":
        if (!instance?.running) return;
        instance.process.kill();
        instance.running = false;
        return world.after(fault.down, () => this.#revive(fault.instance));
      case "freeze":
        instance?.process.freeze();
        return world.after(fault.lasts, () => instance?.process.thaw());
      case "terminate":
        instance?.abort.abort();
        return world.after(fault.down, () => this.#revive(fault.instance));
      case "heartbeats_lost":
        if (!instance) return;
        instance.source.heartbeatsLost = true;
        return world.after(fault.lasts, () => instance.source.heartbeatsLost = false);
      case "expel":
        if (instance && instance.source.memberId !== null) this.group.expel(instance.source.memberId);
        return;
      case "rebalance":
        for (let i = 0; i < fault.times; i++) world.after(i * fault.every, () => this.group.rebalance());
        return;
      case "forget_position":
        return instance?.source.forgetPosition();
      case "broker_down":
        topic.available = false;
        return world.after(fault.lasts, () => topic.available = true);
      case "database_flaky":
      case "database_refusing":
      case "database_hanging":
        if (weather.mode !== "up") return;
        weather.mode = fault.kind.slice("database_".length) as typeof weather.mode;
        if (fault.kind === "database_refusing") server.crash();
        return world.after(fault.lasts, () => {
          weather.mode = "up";
          server.release();
        });
      case "database_slow":
        weather.latencyMax = fault.latency;
        return world.after(fault.lasts, () => weather.latencyMax = this.plan.settings.latencyMax);
      case "restore":
        return this.#restore(fault.age);
      case "lose_salt":
        if (database.loseSalt()) {
          server.crash();
          this.audit.rebase();
        }
        return;
      case "clock_jump":
        if (instance) instance.process.clockOffset += fault.by;
        this.#clockTrouble += Math.abs(fault.by);
        return;
      case "database_clock_jump":
        weather.clockOffset += fault.by;
        this.#clockTrouble += Math.abs(fault.by);
        return;
      case "compact": {
        const random = new Random(fault.seed);
        for (let offset = partition?.fetchedTo ?? 0; offset < (partition?.logEnd ?? 0); offset++) {
          if (random.chance(0.5)) partition!.compact(offset);
        }
        return;
      }
      case "retention": {
        if (!partition) return;
        const row = this.database.state.rows.get(partition.id);
        // Usually only what every restore point has passed; sometimes records that are still wanted.
        const safe = Math.min(
          row?.nextOffset ?? 0,
          ...this.#backups.map(({ state }) => state.rows.get(partition.id)?.nextOffset ?? 0),
        );
        partition.logStart = Math.max(
          partition.logStart,
          fault.beyond ? Math.floor((safe + partition.lastStable) / 2) : safe,
        );
        if (fault.beyond) this.#expected.add("data_gap");
        return;
      }
      case "truncate": {
        if (!partition || this.#closedForWriting.has(partition.id)) return;
        if (!fault.below) return partition.truncate(Math.max(partition.fetchedTo, partition.logEnd - 5));
        partition.truncate(Math.floor((partition.logStart + partition.logEnd) / 2));
        this.#closedForWriting.add(partition.id);
        this.#expected.add("position_beyond_end");
        return;
      }
      case "recreate":
        if (topic.life > 1) return;
        topic.recreate(fault.partitions);
        this.#lives.set(topic.topicId, topic.partitions);
        for (const name of ["topic_recreated", "partitions_removed", "position_beyond_end"]) this.#expected.add(name);
        for (let p = 0; p <= this.plan.settings.partitions; p++) this.#closedForWriting.add(p);
        return;
      case "switch_rules":
        return this.switchRules();
      case "add_partition":
        if (topic.life === 1) topic.addPartition();
        return;
    }
  }

  /** What `tidemark rules --switch` does: to the version that does not hold. Waits for a closing or a join that is under way. */
  switchRules(): void {
    const { database, world } = this;
    if (database.streamLock !== null) return world.after(15, () => this.switchRules());
    const { stream } = database.state;
    if (stream === null) return;
    const other = stream.rules === rulesJson(RULES_1) ? RULES_2 : RULES_1;
    database.switchRules(rulesJson(other));
    this.audit.rebase();
  }

  /** Starts a slot again once its last life is over; not when the run is ending. */
  #revive(number: number): void {
    if (this.#calm) return;
    if (this.instances[number]?.running) return this.world.after(1_000, () => this.#revive(number));
    this.start(number);
  }

  #backUp(): void {
    this.#backups.push({ at: this.world.now, state: this.database.backup() });
    if (!this.#calm) this.world.after(BACKUP_EVERY_MS, () => this.#backUp());
  }

  #restore(age: number): void {
    const backup = this.#backups.findLast(({ at }) => at <= this.world.now - age) ?? this.#backups[0];
    if (!backup?.state.stream) return;
    this.server.crash();
    this.database.restore(backup.state);
    this.audit.rebase();
  }

  // ---- the end

  /** Everything is repaired; what is left to do must get done. */
  async #calmDown(failed: () => boolean): Promise<void> {
    this.#calm = true;
    const { world, server, topic, plan: { settings } } = this;
    const { weather } = server;
    weather.mode = settings.ending === "once" && this.#random.chance(0.5) ? "flaky" : "up";
    weather.latencyMax = Math.min(settings.latencyMax, 200);
    weather.clockOffset = 0;
    topic.available = true;
    server.release();
    for (const partition of topic.partitions) {
      for (const transaction of partition.openTransactions) partition.end(transaction, "abort", world.now);
    }
    for (const { process, source, abort } of this.instances.filter((i) => i)) {
      process.clockOffset = 0;
      source.heartbeatsLost = false;
      process.thaw();
      if (settings.ending === "once") abort.abort();
    }
    const limit = CALM_MS + this.#clockTrouble;
    const end = world.now + limit;
    if (settings.ending === "once") {
      await world.run(world.now + 10_000, failed);
      this.start(settings.instances, true);
      if (this.#random.chance(0.5)) {
        world.after(this.#random.int(0, 6_000), () => topic.available = false);
        world.after(this.#random.int(6_000, 15_000), () => topic.available = true);
      }
      world.after(20_000, () => {
        weather.mode = "up";
        server.release();
      });
      await world.run(end, () => failed() || !this.instances[settings.instances]!.running);
      if (!failed() && this.instances[settings.instances]!.running) {
        this.audit.violation(`run --once has not ended within ${limit} ms: ${this.#state()}`);
      }
    } else {
      let next = world.now;
      while (world.now < end && !failed()) {
        if (!this.instances.some((i) => i?.running)) this.start(0);
        next += 1_000;
        await world.run(next, failed);
        if (this.#atRest()) break;
      }
      if (!failed() && !this.#atRest()) this.audit.violation(`not at rest within ${limit} ms: ${this.#state()}`);
    }
    if (failed()) return;
    this.#stopped = this.#stoppedBy();
    for (const { abort } of this.instances.filter((i) => i)) abort.abort();
    await world.run(world.now + 30_000, () => failed() || this.instances.every((i) => !i?.running));
    for (const instance of this.instances.filter((i) => i?.running)) {
      this.audit.violation(`instance ${instance.number} does not end`);
    }
  }

  /** Everything read and committed, and all windows closed that may be; or stopped by a named error. */
  #atRest(): boolean {
    const { state } = this.database;
    if (this.#stoppedBy()) return true;
    if (state.stream?.topicId !== this.topic.topicId || !this.#allCommitted() || this.#ripe().length > 0) return false;
    return state.open.length === 0 || this.plan.settings.idleTimeout === null;
  }

  /** The error that is stored, or, where it could not be stored, the one for which every engine still up waits. */
  #stoppedBy(): string | null {
    const { stream } = this.database.state;
    if (stream?.stopped) return stream.stopped;
    const last = this.instances.filter((i) => i && i.process.state !== "dead" && (i.running || i.once));
    const reasons = last.map(({ pipeline }) => pipeline.snapshot()).map((s) =>
      s.phase === "stopped" ? s.reasonCode : null
    );
    return stream !== null || reasons.length === 0 || reasons.includes(null) ? null : reasons[0]!;
  }

  /** Windows that the watermarks have passed and that are not closed. */
  #ripe(): number[] {
    const { rows, open } = this.database.state;
    const through = Math.min(...[...rows.values()].map((row) => row.watermark));
    return open.map((delta) => delta.windowStart).filter((start) => start + this.plan.settings.windowSize <= through);
  }

  #allCommitted(): boolean {
    const { rows } = this.database.state;
    return this.topic.partitions.every((p) => rows.get(p.id)?.nextOffset === p.logEnd);
  }

  #judge(): void {
    const { audit, database: { state } } = this;
    const stopped = this.#stopped;
    if (stopped !== null && !this.#expected.has(stopped)) {
      audit.violation(`stopped by ${stopped}, which nothing explains`);
    }
    if (stopped === null) {
      if (state.stream && state.stream.topicId !== this.topic.topicId) {
        audit.violation("the topic was recreated, and no instance noticed");
      }
      if (!this.#allCommitted()) audit.violation(`records are left: ${this.#state()}`);
      if (this.#ripe().length > 0) audit.violation(`window ${this.#ripe()[0]} could be closed and is not`);
    }
    for (const difference of this.differences().slice(0, 5)) audit.violation(difference);
  }

  /** What the tables hold at this moment against what the committed part of the log gives. */
  differences(): string[] {
    const { state } = this.database;
    const logs = this.#lives.get(state.stream?.topicId ?? null) ?? [];
    return differences(state, logs, this.sent, { ...this.plan.settings, salts: this.database.saltsMade });
  }

  #state(): string {
    const { rows, open, stream } = this.database.state;
    return JSON.stringify({
      stopped: stream?.stopped,
      rows: [...rows.values()].map((r) => [r.partition, r.nextOffset, r.watermark - START, r.raisedAt - START]),
      logs: this.topic.partitions.map((p) => [p.id, p.logStart, p.logEnd]),
      open: open.map((d) => d.windowStart + this.plan.settings.windowSize - START),
      instances: this.instances.filter((i) => i).map((i) => {
        const s = i.pipeline.snapshot();
        return [
          i.number,
          i.process.state,
          i.running,
          s.phase,
          s.reasonCode,
          s.generation,
          s.partitions.map((p) => [p.partition, p.state, p.position, p.committed]),
        ];
      }),
    });
  }
}

/** Plays one plan. */
export function play(plan: Plan, guards: Guards = ALL_GUARDS): Promise<Outcome> {
  return new History(plan, guards).play();
}
