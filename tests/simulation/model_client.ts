// The Store port of one instance over the model database, with everything that can happen between a client and its server: failing before,
// failing after (reply lost), executing after the client gave up, slowness, silence, death of the server in the middle.
import type {
  CloseOutcome,
  CommitOutcome,
  CommitPayload,
  NewPartition,
  Salt,
  Store,
  StoredState,
  StreamSettings,
} from "../../src/store/port.ts";
import { type StopCode, Unavailable, UsageError } from "../../src/shared/errors.ts";
import type { EpochMs } from "../../src/shared/units.ts";
import type { Audit } from "./audit.ts";
import { type ModelDatabase, SqlError } from "./model_database.ts";
import type { Random } from "./random.ts";
import type { Witness } from "./witness.ts";
import type { Process, World } from "./world.ts";

const DEADLINE_MS = { read: 2_000, join: 2_000, stop: 2_000, salts: 2_000, commit: 4_000, close: 6_000 } as const;
type Kind = keyof typeof DEADLINE_MS;

/** How the server is at the moment. */
export interface Weather {
  mode: "up" | "flaky" | "refusing" | "hanging";
  latencyMax: number;
  /** Statements that a hanging server has taken in; it executes them when it goes on. */
  held: (() => void)[];
  /** PostgreSQL's clock minus true time, ms. */
  clockOffset: number;
  /** Rises when the server dies: statements under way die with it. */
  life: number;
  readonly counts: { before: number; after: number; zombie: number };
}

/** The server as all instances see it. */
export class ModelServer {
  readonly weather: Weather = {
    mode: "up",
    latencyMax: 20,
    held: [],
    clockOffset: 0,
    life: 1,
    counts: { before: 0, after: 0, zombie: 0 },
  };

  constructor(
    readonly world: World,
    readonly database: ModelDatabase,
    readonly audit: Audit,
    readonly random: Random,
  ) {}

  get now(): EpochMs {
    return Math.floor(this.world.now + this.weather.clockOffset) as EpochMs;
  }

  /** A hanging server goes on. */
  release(): void {
    const { held } = this.weather;
    this.weather.held = [];
    for (const statement of held) this.world.after(this.random.int(0, 200), statement);
  }

  /** All sessions end. */
  crash(): void {
    this.weather.life++;
    this.weather.held = [];
    this.database.streamLock = null;
  }
}

export class ModelStore implements Store {
  readonly #process: Process;
  readonly #server: ModelServer;
  readonly #witness: Witness;
  readonly #random: Random;

  constructor(parts: { process: Process; server: ModelServer; witness: Witness; random: Random }) {
    this.#process = parts.process;
    this.#server = parts.server;
    this.#witness = parts.witness;
    this.#random = parts.random;
  }

  async join(settings: StreamSettings, partitions: readonly NewPartition[]): Promise<void> {
    const { database, audit } = this.#server;
    try {
      await this.#call<void>("join", (done) => {
        const attempt = () => {
          if (database.streamLock !== null) return this.#server.world.after(15, attempt);
          database.join(settings, partitions, this.#server.now);
          audit.joined();
          done();
        };
        attempt();
      });
    } catch (error) {
      if (error instanceof SqlError && error.code === "TM003") throw new UsageError([error.message]);
      throw error;
    }
  }

  async read(): Promise<StoredState | null> {
    const stored = await this.#call<StoredState | null>("read", (done) => {
      const { state } = this.#server.database;
      if (!state.stream) return done(null);
      const { topicId, closedThrough, stopped, rules } = state.stream;
      done(
        {
          topicId,
          rules,
          anchor: state.stream.settings.anchor,
          closedThrough,
          stopped: stopped === null ? null : { code: stopped, message: stopped },
          rows: [...state.rows.values()].sort((a, b) => a.partition - b.partition).map((row) => ({ ...row })),
          serverNow: this.#server.now,
        } as unknown as StoredState,
      );
    });
    if (stored) this.#witness.told(stored.serverNow, this.#process.clock.steady());
    return stored;
  }

  async commit(payload: CommitPayload): Promise<CommitOutcome> {
    this.#witness.sending(payload);
    const { database, audit } = this.#server;
    try {
      await this.#call<void>("commit", (done) => {
        try {
          database.commit(payload);
        } catch (error) {
          if (error instanceof SqlError && error.code === "chunk") audit.violation(error.message);
          throw error;
        }
        audit.committed(payload);
        done();
      });
      return { kind: "committed" };
    } catch (error) {
      if (error instanceof SqlError && error.code === "TM001") return { kind: "fenced" };
      if (error instanceof SqlError && error.code === "TM008") return { kind: "salt_differs" };
      return { kind: "unknown", cause: error as Error };
    }
  }

  salts(days: readonly string[]): Promise<readonly Salt[]> {
    return this.#call("salts", (done) => done(this.#server.database.salts(days)));
  }

  close(): Promise<CloseOutcome> {
    const { database, audit, world, random } = this.#server;
    return this.#call("close", (done, fail) => {
      const { guards } = database;
      const early = guards.watermarksAfterLock ? null : database.closeBegin();
      const begin = () => {
        if (guards.lockOnClose && database.streamLock !== null) return done({ kind: "busy" });
        const lock = Symbol();
        database.streamLock = lock;
        const step = early ?? database.closeBegin();
        const release = () => {
          if (database.streamLock === lock) database.streamLock = null;
        };
        if (step.window === null) {
          release();
          return done({ kind: "nothing" });
        }
        const { life } = this.#server.weather;
        world.after(random.skewed(1, 400), () => {
          // A server that died has rolled the transaction back.
          if (life !== this.#server.weather.life) return;
          release();
          try {
            const { hits, rows } = database.closeEnd(step);
            audit.closed(step.window!);
            done({
              kind: "closed",
              windowStart: step.window as EpochMs,
              rows,
              hits,
              foldedKeys: 0,
              foldedValues: 0,
              chunks: step.deltas.length,
            });
          } catch (error) {
            if (!(error instanceof SqlError)) throw error;
            audit.violation(`closing: ${error.message}`);
            fail(error);
          }
        });
      };
      if (early) world.after(random.int(0, 300), begin);
      else begin();
    });
  }

  async stop(code: StopCode): Promise<void> {
    await this.#call<void>("stop", (done) => {
      this.#server.database.stop(code);
      done();
    });
  }

  /** One statement: to the server, executed there, and the answer back, unless something happens on the way. */
  #call<T>(kind: Kind, execute: (done: (value: T) => void, fail: (error: Error) => void) => void): Promise<T> {
    const process = this.#process, random = this.#random, { weather, world } = this.#server;
    const { promise, resolve, reject } = process.waiter<T>();
    let settled = false;
    const reply = (how: () => void) =>
      process.reach(this.#latency(), () => {
        if (settled) return;
        settled = true;
        how();
      });
    const gone = () => reject(new Unavailable("postgres_unavailable", "the model server is away", "wait"));
    process.reach(DEADLINE_MS[kind], () => {
      if (settled) return;
      settled = true;
      reject(new Error(`no answer within ${DEADLINE_MS[kind]} ms`));
    });
    const { life } = weather;
    const run = (answered: boolean) => {
      if (weather.life !== life) return;
      try {
        execute(
          (value) => answered && reply(() => resolve(() => value)),
          (error) => answered && reply(() => reject(error)),
        );
      } catch (error) {
        if (!(error instanceof SqlError)) throw error;
        if (answered) reply(() => reject(error));
      }
    };
    world.after(this.#latency(), () => {
      switch (weather.mode) {
        case "up":
          return run(true);
        case "refusing":
          return reply(gone);
        case "hanging":
          return void weather.held.push(() => run(true));
        case "flaky": {
          const luck = random.real();
          if (luck < 0.15) {
            weather.counts.before++;
            return reply(gone);
          }
          if (luck < 0.3) {
            weather.counts.after++;
            run(false);
            if (random.chance(0.7)) reply(gone);
            return;
          }
          if (luck < 0.42) {
            weather.counts.zombie++;
            reply(gone);
            return world.after(random.skewed(10, 12_000), () => run(false));
          }
          return run(true);
        }
      }
    });
    return promise;
  }

  #latency(): number {
    return this.#random.skewed(1, this.#server.weather.latencyMax);
  }
}
