// A fault run's surroundings: a topic on a broker, a database, proxies in front of both, Tidemark processes, and the judgement at the end. Shell.
import postgres from "postgres";
import type { TestBroker } from "../support/kafka_broker.ts";
import { createTopic } from "../support/kafka_topics.ts";
import { startProxy, type TcpProxy } from "../support/tcp_proxy.ts";
import { compareWithOracle, type Comparison, type JudgeOptions } from "./compare.ts";
import { countryLookup } from "./countries.ts";
import type { LoadPlan } from "./generator.ts";
import { Instance } from "./instance.ts";
import { pause, readTopic, sendLoad, type SendOptions, topicBounds } from "./load.ts";
import type { OracleRules, RulesVersion } from "./oracle.ts";
import { FIXED_SALTS } from "./visitors.ts";

/** What a world is made of. */
export interface WorldOptions {
  readonly broker: TestBroker;
  /** URL of an empty database. */
  readonly database: string;
  readonly topic?: string;
  readonly partitions?: number;
  /** Version of the event rules that the stream must obey; 2 if left out. */
  readonly rulesVersion?: RulesVersion;
  readonly replicas?: number;
  readonly topicConfig?: Readonly<Record<string, string>>;
  /** Records that the oracle must not see although its reader does. */
  readonly leaveOut?: (value: Uint8Array) => boolean;
  /** Tidemark settings over the harness's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** `false` leaves the salts of visitors random, and the database without the harness's triggers: it cannot be judged. */
  readonly fixSalts?: boolean;
}

/** Time limits of a judgement. */
const CATCH_UP_MS_MAX = 240_000;
/** What is sent beyond a plan: records a second, and the length of a part. */
const MORE_RATE_MAX = 4_000;
const MORE_SPAN_MS = 500;

/** One stream under test. `await using` ends every process and proxy. */
export class World implements AsyncDisposable {
  readonly instances: Instance[] = [];
  readonly startedAt = performance.now();
  readonly topic: string;
  readonly database: string;
  readonly sql: postgres.Sql;
  readonly #ending = new AbortController();
  readonly #sending: Promise<number>[] = [];

  private constructor(
    readonly options: WorldOptions,
    readonly folder: string,
    readonly postgresProxy: TcpProxy,
    readonly rules: OracleRules,
  ) {
    this.topic = options.topic ?? `traffic-${crypto.randomUUID().slice(0, 8)}`;
    this.database = options.database;
    this.sql = postgres(options.database, { max: 2, onnotice: () => {}, connection: { application_name: "harness" } });
  }

  static async create(options: WorldOptions): Promise<World> {
    const url = new URL(options.database);
    const world = new World(
      options,
      await Deno.makeTempDir({ prefix: "tidemark-faults-" }),
      startProxy(`${url.hostname}:${url.port || 5432}`),
      {
        windowMs: 300_000,
        delayMs: 60_000,
        skewMs: 300_000,
        country: await countryLookup(),
        ...options.rulesVersion && { version: options.rulesVersion },
      },
    );
    if (options.fixSalts !== false) await world.sql.unsafe(FIXED_SALTS).simple();
    await createTopic(options.broker, world.topic, {
      partitions: options.partitions ?? 4,
      ...(options.replicas !== undefined && { replicas: options.replicas }),
      config: { "max.message.bytes": "4194304", ...options.topicConfig },
    });
    return world;
  }

  /** An instance with a data folder of its own (or the one given), not started; `root` = checkout whose program it is. */
  instance(name: string, env: Readonly<Record<string, string>> = {}, root?: URL): Instance {
    const instance = new Instance(name, {
      KAFKA_URL: this.options.broker.url,
      KAFKA_TOPIC: this.topic,
      KAFKA_GROUP: `group-${this.topic}`,
      POSTGRES_URL: this.database,
      DATA_DIR: `${this.folder}/${name}`,
      INSTANCE_ID: name,
      HTTP_PORT: "0",
      IDLE_TIMEOUT: "10s",
      LOG_FORMAT: "json",
      ...this.options.env,
      ...env,
    }, root);
    this.instances.push(instance);
    return instance;
  }

  /** `POSTGRES_URL` that leads through our proxy. */
  get proxiedDatabase(): string {
    const url = new URL(this.database);
    url.port = String(this.postgresProxy.port);
    url.hostname = "127.0.0.1";
    return url.href;
  }

  /** Sends load; what is still being sent when the world ends is given up. */
  send(plan: LoadPlan, options: SendOptions = {}): Promise<number> {
    const signal = AbortSignal.any([this.#ending.signal, ...(options.signal ? [options.signal] : [])]);
    const sending = sendLoad(this.options.broker, this.topic, plan, { ...options, signal });
    this.#sending.push(sending);
    return sending;
  }

  /** Sends the plan, then goes on in real time until `enough` holds, so that load never ends before what a run is about. */
  async sendUntil(plan: LoadPlan, options: SendOptions, enough: () => boolean): Promise<void> {
    await this.send(plan, options);
    const rate = Math.min(options.rate ?? Infinity, MORE_RATE_MAX);
    for (let part = 0; !enough() && !this.#ending.signal.aborted; part++) {
      const startMs = plan.startMs + plan.spanMs + part * MORE_SPAN_MS, events = rate * MORE_SPAN_MS / 1_000;
      await this.send({ ...plan, seed: plan.seed + part + 1, events, startMs, spanMs: MORE_SPAN_MS }, {
        ...options,
        rate,
      });
    }
  }

  /** Records that a reader finds in the topic now. */
  async recordCount(): Promise<number> {
    let records = 0;
    await readTopic(this.options.broker, this.topic, () => records++);
    return records;
  }

  /** Total of the positions in the database: how far the stream is. */
  async position(): Promise<number> {
    try {
      const [row] = await this
        .sql`select coalesce(sum(next_offset), 0)::text as position from stream_partition where not retired`;
      return Number(row?.position ?? 0);
    } catch (error) {
      if (isNoTable(error)) return 0;
      throw error;
    }
  }

  /** Stored position of each partition. */
  async positions(): Promise<Map<number, number>> {
    const rows = await this.sql`select partition, next_offset::text from stream_partition where not retired`;
    return new Map(rows.map((row): [number, number] => [row.partition, Number(row.next_offset)]));
  }

  /** Waits until every position has reached its log end. @throws Error with the logs' tail if that takes too long */
  async caughtUp(timeoutMs = CATCH_UP_MS_MAX): Promise<void> {
    const bounds = await topicBounds(this.options.broker, this.topic);
    const total = bounds.reduce((sum, { high }) => sum + high, 0);
    for (const deadline = performance.now() + timeoutMs; await this.position() < total;) {
      const dead = this.instances.filter((instance) => instance.died).map(({ name }) => name);
      if (dead.length > 0) throw new Error(`${dead} ended by itself. Log:\n${this.logTail(40)}`);
      if (performance.now() > deadline) {
        throw new Error(`The stream is at ${await this.position()} of ${total}. Log:\n${this.logTail()}`);
      }
      await pause(200);
    }
  }

  /** Stops what runs, reads the rest with `run --once`, and compares everything with the oracle. */
  async judge(options: JudgeOptions = {}): Promise<Comparison> {
    for (const instance of this.instances) if (instance.running) await instance.stop();
    const finisher = this.instance("finisher");
    finisher.start(["run", "--once"]);
    const exit = await finisher.ended();
    if (exit.code !== 0) throw new Error(`run --once ended with ${exit.code}:\n${exit.stderr.slice(-4000)}`);
    return await this.compare(options);
  }

  /** Compares what the database holds now with the oracle over the topic's records. */
  async compare(options: JudgeOptions = {}): Promise<Comparison> {
    const { broker, leaveOut } = this.options;
    return await compareWithOracle(
      this.database,
      this.rules,
      (oracle, spill) =>
        readTopic(broker, this.topic, (record) => {
          if (record.value === null || !leaveOut?.(record.value)) oracle.apply(record);
        }, spill),
      options,
    );
  }

  /** The last lines of every instance. */
  logTail(lines = 15): string {
    return this.instances.map((i) => `--- ${i.name}\n${i.lines().slice(-lines).join("\n")}`).join("\n");
  }

  /** Times that an instance was fenced, counted in the logs. */
  get fenced(): number {
    return this.instances.reduce(
      (n, i) => n + i.lines().filter((line) => /"fenced:|has moved the stored rows/.test(line)).length,
      0,
    );
  }

  get kills(): number {
    return this.instances.reduce((n, i) => n + i.kills, 0);
  }

  get seconds(): number {
    return Math.round((performance.now() - this.startedAt) / 1000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await Promise.allSettled(this.#sending);
    for (const instance of this.instances) {
      if (!instance.running) continue;
      instance.signal("SIGCONT");
      await instance.kill();
    }
    await this.sql.end({ timeout: 2 });
    await this.postgresProxy.stop();
    await Deno.remove(this.folder, { recursive: true });
    for (const { name, log } of this.instances) {
      const line = log.find(holdsClientAddress);
      if (line !== undefined) throw new Error(`The log of ${name} holds a client's address: ${line}`);
    }
  }
}

/** Servers are on loopback or in a network of hosts: any other address can only be a client's, out of the load. */
const CLIENT_ADDRESS = /(?<![\d.])(?!127\.|198\.1[89]\.|0\.0\.0\.0)\d{1,3}(?:\.\d{1,3}){3}(?![\d.])/;

/** Whether a line of the log tells a client's IPv4 address. */
export const holdsClientAddress = (line: string): boolean => CLIENT_ADDRESS.test(line);

const isNoTable = (error: unknown) => error instanceof postgres.PostgresError && error.code === "42P01";
