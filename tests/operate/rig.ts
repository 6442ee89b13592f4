// A broker, a database and the command line for tests of operators' tools: events in, commands run, rows and books out.
import { assert, assertEquals } from "@std/assert";
import postgres, { type Sql } from "postgres";
import { Database } from "../../src/store/postgres/client.ts";
import { imbalances } from "../../src/http/api/stream/ledger_balance.ts";
import { readLedger } from "../../src/http/api/stream/ledger_query.ts";
import { startBroker, type TestBroker } from "../support/kafka_broker.ts";
import { createTopic, produce, withAdmin } from "../support/kafka_topics.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { type Child, type Exit, tidemark } from "../support/process.ts";

/** A UTC midnight: windows of the tests lie on this day, long ago enough that no clock matters. */
export const DAY = Date.parse("2026-01-31T00:00:00Z");
export const MINUTE = 60_000;

/** One event as a producer sends it, `at` milliseconds after {@link DAY}. */
export function event(at: number, over: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    url: "/a?secret=1",
    referrer: "https://ref.example/",
    user_agent: "Mozilla/5.0",
    host: "shop.example",
    ip: "203.0.113.7",
    headers: "",
    event_time: new Date(DAY + at).toISOString(),
    ...over,
  });
}

/** Broker and database of one test file. */
export class Rig implements AsyncDisposable {
  private constructor(readonly broker: TestBroker, readonly postgres: TestPostgres, readonly folder: string) {}

  static async start(): Promise<Rig> {
    const [broker, server] = await Promise.all([startBroker(), startPostgres()]);
    return new Rig(broker, server, await Deno.makeTempDir({ prefix: "tidemark-operate-" }));
  }

  /** A stream of its own: topic, schema and data folder of one name. */
  async stream(name: string, partitions = 1, config: Readonly<Record<string, string>> = {}): Promise<StreamRig> {
    for (let tries = 5;; tries--) {
      try {
        await createTopic(this.broker, name, { partitions, config });
        return new StreamRig(this, name);
      } catch (error) {
        // A topic that is just being deleted is neither there nor gone.
        if (tries === 0 || !(error instanceof Error && error.message.includes("does not host"))) throw error;
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
    }
  }

  async [Symbol.asyncDispose]() {
    await Promise.all([this.broker.stop(), this.postgres.stop()]);
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** One stream of a {@link Rig}. */
export class StreamRig implements AsyncDisposable {
  readonly sql: Sql;
  readonly env: Readonly<Record<string, string>>;

  constructor(readonly rig: Rig, readonly name: string) {
    this.sql = postgres(rig.postgres.url, {
      max: 1,
      onnotice: () => {},
      connection: { search_path: name, TimeZone: "UTC" },
    });
    this.env = {
      KAFKA_URL: rig.broker.url,
      KAFKA_TOPIC: name,
      KAFKA_GROUP: name,
      POSTGRES_URL: rig.postgres.url,
      POSTGRES_SCHEMA: name,
      DATA_DIR: `${rig.folder}/${name}`,
      HTTP_PORT: "0",
      LOG_FORMAT: "text",
      INSTANCE_ID: name,
    };
  }

  /** Runs a command to its end. */
  async command(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Exit> {
    await using child = this.start(args, env);
    return await child.exit();
  }

  start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Child {
    return tidemark(args, { env: { ...this.env, ...env } });
  }

  /** `run --once`; @throws AssertionError where it does not end with `code` */
  async runOnce(code = 0): Promise<Exit> {
    const exit = await this.command(["run", "--once"]);
    assertEquals(exit.code, code, exit.stderr);
    return exit;
  }

  produce(partition: number, values: readonly (string | null)[]): Promise<void> {
    return produce(this.rig.broker, this.name, values.map((value) => ({ partition, value })));
  }

  /** Deletes records below `offset` as retention would. */
  async deleteRecords(partition: number, offset: number): Promise<void> {
    await withAdmin(this.rig.broker, async (admin) => {
      await admin.fetchTopicOffsets(this.name); // kafkajs needs it before the next call
      await admin.deleteTopicRecords({ topic: this.name, partitions: [{ partition, offset: String(offset) }] });
    });
  }

  /** Every equation of the ledger that does not hold. */
  async imbalances(): Promise<readonly string[]> {
    await using database = Object.assign(
      new Database({
        address: { kind: "url", url: this.rig.postgres.url },
        schema: this.name,
        applicationName: "test",
        max: 1,
        statementTimeoutMs: 10_000,
      }),
      {
        async [Symbol.asyncDispose]() {
          await (this as unknown as Database).close();
        },
      },
    );
    const sums = await readLedger(database, { from: DAY - 40 * 86_400_000, to: DAY + 40 * 86_400_000 }, 10_000);
    assert(sums !== null);
    return imbalances(sums).map((entry) => entry.message);
  }

  async [Symbol.asyncDispose]() {
    await this.sql.end({ timeout: 1 });
  }
}
