// A real PostgreSQL with one database for each history, the processes that write to it, and faults at chosen statements. Shell.
import postgres, { type Sql } from "postgres";
import { Database } from "../../src/store/postgres/client.ts";
import { createPostgresStore } from "../../src/store/postgres/store.ts";
import type { Store } from "../../src/store/port.ts";
import { Encoder } from "../../src/store/encode.ts";
import { OPEN_VALUES_FACTOR } from "../../src/breakdown/dimensions.ts";
import { Counter } from "../../src/window/counter.ts";
import { NO_BOUNDS } from "../../src/window/delta.ts";
import type { Tracker } from "../../src/window/tracker.ts";
import { Visitors } from "../../src/window/visitors.ts";
import { type DurationMs, durationMs } from "../../src/shared/units.ts";
import { migrated } from "../http/stream_fixture.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { BITS } from "./oracle_breakdown.ts";
import type { Fault, Settings } from "./plan.ts";
import { modelPlaces, ModelReader } from "./reader.ts";

/**
 * Counts the statements that write, over all connections, and lets the armed one fail. A sequence, since what it counts is not rolled back.
 * The triggers are on every table that the migrations make, whatever those are.
 */
const FAULTS = `
create schema model;
create sequence model.statement;
create unlogged table model.fault (statement bigint not null, how text not null);
create function model.fail() returns void language plpgsql as $$
declare
  n bigint := nextval('model.statement');
  armed text;
begin
  select how into armed from model.fault where statement = n;
  if armed = 'kill' then
    perform pg_terminate_backend(pg_backend_pid());
    perform pg_sleep(10);
  elsif armed in ('raise', 'crash') then
    raise exception 'fault of the model' using errcode = '53100';
  end if;
end $$;
create function model.before_write() returns trigger language plpgsql as $$ begin perform model.fail(); return null; end $$;
create function model.before_ddl() returns event_trigger language plpgsql as $$ begin perform model.fail(); end $$;
do $$ declare t text; begin
  for t in select c.oid::regclass::text from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') loop
    execute format('create trigger model_fault before insert or update or delete on %s for each statement execute function model.before_write()', t);
  end loop;
end $$;
create event trigger model_ddl on ddl_command_start execute function model.before_ddl();
`;

/** One server for many histories. */
export class Server implements AsyncDisposable {
  readonly #server: TestPostgres;
  readonly #admin: Sql;
  readonly #template: string;
  #made = 0;

  private constructor(server: TestPostgres, admin: Sql, template: string) {
    this.#server = server;
    this.#admin = admin;
    this.#template = template;
  }

  static async start(): Promise<Server> {
    // Compiling a plan costs more than the few rows of a history.
    const server = await startPostgres({ settings: { jit: "off" } });
    const sql = await migrated(server.url);
    await sql.unsafe(FAULTS).simple();
    await sql.end();
    const admin = new URL(server.url);
    const template = admin.pathname.slice(1);
    admin.pathname = "/postgres";
    return new Server(server, postgres(admin.href, { max: 1, onnotice: () => {} }), template);
  }

  /** A fresh database with our schema. */
  async world(settings: Settings): Promise<World> {
    const name = `${this.#template}_${++this.#made}`;
    await this.#admin.unsafe(`create database ${name} template ${this.#template}`);
    const url = new URL(this.#server.url);
    url.pathname = `/${name}`;
    return new World(url.href, settings, async () => {
      await this.#admin.unsafe(`drop database ${name} with (force)`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#admin.end({ timeout: 1 });
    await this.#server.stop();
  }
}

/** One operating-system process, as far as the database can tell. */
export class Process {
  readonly name: string;
  readonly store: Store;
  /** For closing, rolling up and maintenance. */
  readonly database: Database;
  readonly #commits: Database;
  readonly reader: ModelReader;
  readonly encoder: Encoder;
  readonly counter: Counter;
  /** What it believes about the partitions; empty = it will read the rows. */
  readonly trackers = new Map<number, Tracker>();
  /** What it counts beside the rows. */
  readonly counted: number;
  /** `null` where it does not count visitors. */
  readonly visitors: Visitors | null;

  /** @param counted what it counts beside the rows, as bits */
  constructor(name: string, url: string, settings: Settings, counted: number) {
    this.name = name;
    this.counted = counted;
    this.reader = new ModelReader(counted);
    this.visitors = (counted & BITS.visitors) === 0 ? null : new Visitors();
    this.database = connect(url, name, 1);
    this.#commits = connect(url, name, 1);
    this.store = createPostgresStore({
      commits: this.#commits,
      database: this.database,
      instance: name,
      maxKeysPerWindow: 1_000_000,
      breakdownValuesMax: settings.valuesMax,
      commitTimeoutMs: 20_000,
    });
    this.encoder = new Encoder({
      hosts: this.reader.hosts,
      referrers: this.reader.referrers,
      place: (id) => modelPlaces.place(id),
      placeCount: () => modelPlaces.size,
      breakdown: this.reader.breakdown,
      valuesMax: OPEN_VALUES_FACTOR * settings.valuesMax,
    });
    this.counter = new Counter(
      {
        windowSize: settings.windowSize as DurationMs,
        watermarkDelay: settings.watermarkDelay as DurationMs,
        maxFutureSkew: durationMs(300_000),
        latePolicy: settings.latePolicy,
        offsetsCountRecords: true,
      },
      this.reader,
      NO_BOUNDS,
      this.visitors,
    );
  }

  /** Drops what it believes to be stored. */
  forget(): void {
    this.trackers.clear();
    this.visitors?.forget();
  }

  async close(): Promise<void> {
    await Promise.all([this.database.close(), this.#commits.close()]);
  }
}

function connect(url: string, applicationName: string, max: number, readOnly = false): Database {
  return new Database({
    address: { kind: "url", url },
    schema: "public",
    applicationName,
    max,
    statementTimeoutMs: 20_000,
    readOnly,
  });
}

/** A reader in one transaction that goes on over many steps. */
export interface LongReader {
  readonly sql: Sql;
  end(): Promise<void>;
}

export class World implements AsyncDisposable {
  /** As an operator with psql has it: observes, arms faults, publishes. */
  readonly sql: Sql;
  /** As the API has it. */
  readonly api: Database;
  readonly #url: string;
  readonly #settings: Settings;
  readonly #drop: () => Promise<void>;
  readonly #processes: Process[] = [];
  #restarts = 0;
  #reader: LongReader | null = null;
  #published = false;

  constructor(url: string, settings: Settings, drop: () => Promise<void>) {
    this.#url = url;
    this.#settings = settings;
    this.#drop = drop;
    this.sql = postgres(url, { max: 1, onnotice: () => {}, fetch_types: false, connection: { TimeZone: "UTC" } });
    this.api = connect(url, "api", 1, true);
  }

  process(n: number): Process {
    const { counted } = this.#settings;
    return this.#processes[n] ??= new Process(
      `process-${n}-${++this.#restarts}`,
      this.#url,
      this.#settings,
      counted[this.#restarts % counted.length]!,
    );
  }

  /** The process dies, and another takes its place when it is next asked for. */
  async restart(n: number): Promise<void> {
    const old = this.#processes[n];
    delete this.#processes[n];
    await old?.close();
  }

  /** Begins to count statements; the armed one will fail. */
  async arm({ statement, how }: Fault): Promise<void> {
    await this.sql`select setval('model.statement', 1, false)`;
    await this.sql`insert into model.fault values (${statement}, ${how})`;
  }

  /** Ends a fault; whether it has come. */
  async disarm(): Promise<boolean> {
    const gone = await this.sql<
      { came: boolean }[]
    >`delete from model.fault returning statement <= (select last_value from model.statement) as came`;
    return gone[0]?.came ?? false;
  }

  get reader(): LongReader | null {
    return this.#reader;
  }

  /** Begins a transaction that keeps its snapshot, and its locks on what it has read, until it ends. */
  async openReader(): Promise<void> {
    const sql = postgres(this.#url, {
      max: 1,
      onnotice: () => {},
      fetch_types: false,
      connection: { TimeZone: "UTC" },
    });
    await sql.unsafe("begin isolation level repeatable read read only");
    await sql`select count(*) from aggregated_web_traffic`;
    this.#reader = {
      sql,
      end: async () => {
        this.#reader = null;
        await sql.end({ timeout: 1 });
      },
    };
  }

  /** Publishes every table of the database, or no longer. */
  async togglePublication(): Promise<void> {
    await this.sql.unsafe(this.#published ? "drop publication model" : "create publication model for all tables");
    this.#published = !this.#published;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader?.end();
    await Promise.all(this.#processes.map((process) => process?.close()));
    await this.api.close();
    await this.sql.end({ timeout: 1 });
    await this.#drop();
  }
}
