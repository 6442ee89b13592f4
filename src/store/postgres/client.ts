// A connection pool over postgres.js. Every statement has a deadline here, and a client whose connection died is thrown away, because its
// later queries can hang without end. Shell: sockets.
//
// Nothing relies on the state of a session, so any pooler may be used: statements name their schema, functions carry their search path, no
// statement is prepared by name, and the parameters of a direct connection are only a second guard.
import { postgresUnavailable } from "../../shared/faults.ts";
import type { PostgresHost } from "../../shared/config/postgres_url.ts";
import { EXIT, messageOf, NamedError, Unavailable } from "../../shared/errors.ts";
import { DeadlineError, type ReadDatabase, type Sql } from "../../shared/sql.ts";
import { connect, CONNECT_TIMEOUT_MS, type DatabaseOptions, type Pool, serversOf } from "./connect.ts";
import { cancelSession, type SessionKey } from "./dial.ts";
import { connectionFault, isConnectionError, placeOf, refusesParameters } from "./faults.ts";
import { Qualifier } from "./qualify.ts";
import { unstampedSql } from "./stamp.ts";

/** Limit for connecting and the first statement. The embedded database may be busy with a closing. */
const LOOK_MS = 10_000, EMBEDDED_LOOK_MS = 60_000;
/** A cancelled statement that has not ended after this time is on a connection that is dead. */
const CANCELLED_MS = 2_000;

/** A statement of the driver. */
interface Cancellable {
  /** Its session; null until it was sent. */
  readonly state?: SessionKey | null;
  readonly active?: boolean;
  cancel(): unknown;
}

interface Opening {
  readonly standby: boolean;
  readonly read_only: boolean;
  readonly unstamped: number;
  readonly statement_timeout: string;
}

/** A pool for single statements. A connection that dies inside `begin` or `reserve` of the driver would end the process. */
export class Database implements ReadDatabase {
  readonly #servers: readonly PostgresHost[];
  readonly #qualifier: Qualifier;
  #pool: Pool | null = null;
  #opening: Promise<Pool> | null = null;
  /** Index of the server that answered last. */
  #at = 0;
  /** Whether a pooler refused or dropped the start-up parameters of a direct connection. */
  #pooled = false;
  #closed = false;
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(private readonly options: DatabaseOptions) {
    this.#free = options.max;
    this.#servers = serversOf(options.address);
    this.#qualifier = new Qualifier(options.schema);
  }

  /** Whether we know of a pooler before the server; false before the first statement. */
  get pooled(): boolean {
    return this.#pooled;
  }

  /**
   * Runs one statement.
   *
   * @throws DeadlineError after `deadlineMs`; the statement is cancelled
   * @throws Unavailable if the server cannot be reached or the connection died
   * @throws NamedError if the server refuses us, or the schema's functions use another schema
   * @throws postgres.PostgresError if the server refused the statement
   */
  async query<T>(statement: (sql: Sql) => PromiseLike<T>, deadlineMs: number): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await this.#run(statement, deadlineMs);
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }

  async #run<T>(statement: (sql: Sql) => PromiseLike<T>, deadlineMs: number): Promise<T> {
    if (this.#closed) throw postgresUnavailable("the database client is closed");
    const { deadline, clear } = deadlineAfter(deadlineMs);
    const asked: Cancellable[] = [];
    let pool: Pool | undefined, answer: Promise<T> | undefined;
    try {
      pool = this.#pool ?? await Promise.race([this.#open(), deadline]);
      pool.running++;
      const made = statement(this.#qualifier.tag(pool.sql, (query) => asked.push(query)));
      answer = Promise.resolve(made);
      answer.catch(() => {}); // after the deadline, no caller waits for it
      try {
        return await Promise.race([answer, deadline]);
      } catch (error) {
        // Takes a statement that was not sent yet out of the driver's queue. One that was sent must stay there: otherwise the driver takes
        // its answer for the answer of the next statement.
        const { state, cancel } = made as Partial<Cancellable>;
        if (error instanceof DeadlineError && state === null) cancel?.call(made);
        throw error;
      }
    } catch (error) {
      const late = error instanceof DeadlineError;
      if (pool !== undefined && isConnectionError(error) && !(late && this.options.boundedServer)) {
        if (late) cancel(pool, asked);
        // One that is slow must not end those beside it, unless its connection turns out to be dead.
        if (late && pool.running > 1 && answer !== undefined) void this.#discardUnlessEnded(pool, answer);
        else this.#discard(pool);
      }
      throw connectionFault(error, pool?.server ?? this.#servers[this.#at]!);
    } finally {
      if (pool !== undefined) pool.running--;
      clear();
    }
  }

  async #discardUnlessEnded(pool: Pool, answer: Promise<unknown>): Promise<void> {
    const { deadline, clear } = deadlineAfter(CANCELLED_MS);
    const ended = answer.then(() => true, (error) => !isConnectionError(error));
    if (!await Promise.race([ended, deadline.catch(() => false)])) this.#discard(pool);
    clear();
  }

  /** Ends the pool, waiting at most `deadlineMs` for running statements. Never rejects. */
  async close(deadlineMs = 2_000): Promise<void> {
    this.#closed = true;
    const pool = this.#pool;
    this.#pool = null;
    if (pool === null) return;
    await pool.sql.end({ timeout: deadlineMs / 1000 }).catch(() => {});
    pool.discarded = true;
  }

  #discard(pool: Pool): void {
    if (this.#pool === pool) this.#pool = null;
    pool.discarded = true;
    pool.sql.end({ timeout: 0 }).catch(() => {});
  }

  /** One opening at a time. It outlives the statement that began it, so a slow first host does not keep us from the next one. */
  #open(): Promise<Pool> {
    return this.#opening ??= this.#openFirst().then((pool) => {
      if (this.#closed) this.#discard(pool);
      else this.#pool = pool;
      return pool;
    }).finally(() => this.#opening = null);
  }

  /** The first server, from the last good one on, that answers. Of several hosts it must take writes. */
  async #openFirst(): Promise<Pool> {
    const several = this.#servers.length > 1;
    const troubles: string[] = [];
    let last: unknown;
    for (let tried = 0; tried < this.#servers.length; tried++) {
      const at = (this.#at + tried) % this.#servers.length;
      const server = this.#servers[at]!;
      try {
        const pool = await this.#openAt(server, several ? "primary" : "any");
        this.#at = at;
        return pool;
      } catch (error) {
        last = connectionFault(error, server);
        if (!several) throw last;
        if (!(last instanceof Unavailable) && !(last instanceof DeadlineError)) throw last;
        troubles.push(`${placeOf(server)}: ${messageOf(last)}`);
      }
    }
    throw postgresUnavailable(
      `none of ${this.#servers.length} hosts is a primary that answers (${troubles.join("; ")})`,
      { cause: last },
    );
  }

  async #openAt(server: PostgresHost, target: "any" | "primary"): Promise<Pool> {
    const parameters = !this.#pooled;
    const pool = connect(this.options, server, { several: this.#servers.length > 1, parameters });
    try {
      const found = await this.#look(pool);
      if (parameters && found.statement_timeout === "") this.#pooled = true;
      if (target === "primary" && (found.standby || found.read_only)) {
        throw new Unavailable(
          "postgres_read_only",
          found.standby ? "is a standby" : "takes no writes (default_transaction_read_only)",
          "Point POSTGRES_URL at the primary.",
        );
      }
      if (found.unstamped > 0 && !this.options.unstamped) throw unstamped(this.options.schema, found.unstamped);
      return pool;
    } catch (error) {
      this.#discard(pool);
      if (!parameters || !refusesParameters(error)) throw error;
      this.#pooled = true;
      return await this.#openAt(server, target);
    }
  }

  /** The first statement on a new pool. */
  async #look({ sql }: Pool): Promise<Opening> {
    const { schema, address, statementTimeoutMs } = this.options;
    const { deadline, clear } = deadlineAfter(address.kind === "url" ? EMBEDDED_LOOK_MS : LOOK_MS);
    const answer = sql.unsafe<Opening[]>(
      `select pg_is_in_recovery() as standby, ${
        this.options.readOnly ? "false" : "current_setting('transaction_read_only')::boolean"
      } as read_only, (${unstampedSql(schema)})::integer as unstamped,
       case when current_setting('statement_timeout')::interval = interval '${statementTimeoutMs} ms' then 'ours' else '' end as statement_timeout`,
    );
    try {
      answer.catch(() => {});
      const [row] = await Promise.race([answer, deadline]);
      return row!;
    } finally {
      clear();
    }
  }
}

/** Asks the server to cancel what is still running. Does not wait for the result. */
function cancel({ server, tls }: Pool, asked: readonly Cancellable[]): void {
  for (const { active, state } of asked) {
    if (active && state) void cancelSession(server, tls, state, CONNECT_TIMEOUT_MS);
  }
}

const unstamped = (schema: string, count: number) =>
  new NamedError(
    "schema_renamed",
    `${count} functions of schema ${schema} use another schema: the schema was renamed or copied, or comes from a release whose functions carried no search path.`,
    EXIT.usage,
    "Run `tidemark migrate` as the owner of the schema. Until then nothing is read or written through them.",
  );

/** `deadline` rejects after `ms`, unless `clear` was called. */
function deadlineAfter(ms: number): { readonly deadline: Promise<never>; readonly clear: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DeadlineError(`PostgreSQL did not answer within ${ms} ms`)), ms);
  });
  deadline.catch(() => {});
  return { deadline, clear: () => clearTimeout(timer) };
}
