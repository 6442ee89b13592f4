// Whether a server and its schema can hold a stream, checked before anything is made or written: one statement, then decisions. Shell.
import { EXIT, NamedError, Unavailable } from "../../shared/errors.ts";
import type { Database } from "./client.ts";
import { STATEMENT_POOLING_ACTION } from "./faults.ts";

const TIMEOUT_MS = 10_000;
/** Oldest server whose features are used: SQL functions with bound bodies, date_bin. */
const SERVER_VERSION_MIN = 140_000;

interface ServerFacts {
  /** `server_version_num`, such as 150004. */
  readonly version: number;
  readonly version_text: string;
  readonly encoding: string;
  readonly user_name: string;
  readonly database_name: string;
  readonly standby: boolean;
  /** default_transaction_read_only of the role, database or server. */
  readonly read_only: boolean;
  /** `null` if the schema does not exist yet. */
  readonly may_create_tables: boolean | null;
  readonly may_create_schema: boolean;
  /** Connections that this user may have in this database; `null` = no limit was found. */
  readonly connections_max: number | null;
  /** `table.column` of other programs that must have a value, which our rows would not give. */
  readonly demanding_columns: readonly string[];
}

interface ServerFault {
  readonly code:
    | "postgres_version"
    | "postgres_encoding"
    | "postgres_read_only"
    | "postgres_rights"
    | "postgres_connections"
    | "foreign_column";
  readonly message: string;
  readonly action: string;
}

interface Demands {
  /** Most connections of this process; 0 behind a pooler, which has limits of its own. */
  readonly connections: number;
  /** Whether tables have to be made. */
  readonly makes: boolean;
}

/** The faults, in the order in which to repair them; empty if the stream can run. */
export function serverFaults(facts: ServerFacts, { connections, makes }: Demands): ServerFault[] {
  const faults: ServerFault[] = [];
  if (facts.version < SERVER_VERSION_MIN) {
    faults.push({
      code: "postgres_version",
      message: `The server is PostgreSQL ${facts.version_text}.`,
      action: "Use PostgreSQL 14 or later.",
    });
  }
  if (facts.encoding !== "UTF8") {
    faults.push({
      code: "postgres_encoding",
      message: `The database ${facts.database_name} has the encoding ${facts.encoding}, which cannot hold every text.`,
      action: `Make one with: create database NAME template template0 encoding 'UTF8'; and name it in POSTGRES_URL.`,
    });
  }
  if (facts.standby || facts.read_only) {
    faults.push({
      code: "postgres_read_only",
      message: facts.standby
        ? "The server is a standby and takes no writes."
        : `default_transaction_read_only is on for ${facts.user_name} in ${facts.database_name}.`,
      action: facts.standby
        ? "Point POSTGRES_URL at the primary, or at all hosts (h1,h2)."
        : `Turn it off: alter role ${facts.user_name} in database ${facts.database_name} set default_transaction_read_only = off.`,
    });
  }
  if (makes && !(facts.may_create_tables ?? facts.may_create_schema)) {
    faults.push({
      code: "postgres_rights",
      message: facts.may_create_tables === null
        ? `${facts.user_name} may not create the schema in ${facts.database_name}.`
        : `${facts.user_name} may not create tables in the schema.`,
      action:
        "Run `tidemark migrate` once as the owner and grant the rights with ddl/roles.sql, or grant CREATE to this user.",
    });
  }
  if (facts.connections_max !== null && facts.connections_max < connections) {
    faults.push({
      code: "postgres_connections",
      message: `${facts.user_name} may have ${facts.connections_max} connections to ${facts.database_name}; ` +
        `this process takes up to ${connections}.`,
      action:
        "Raise max_connections or the CONNECTION LIMIT of the role or database, or set POSTGRES_CONNECTIONS lower (3 at least).",
    });
  }
  if (facts.demanding_columns.length > 0) {
    faults.push({
      code: "foreign_column",
      message: `${
        facts.demanding_columns.join(", ")
      } must have a value (NOT NULL) and has no default: no row could be stored.`,
      action: "Give the column a default, make it a generated one, or let it be null.",
    });
  }
  return faults;
}

export async function readServerFacts(database: Database, schema: string): Promise<ServerFacts> {
  const [row] = await database.query(
    (sql) =>
      sql<(Omit<ServerFacts, "demanding_columns"> & { demanding_columns: string })[]>`
      select current_setting('server_version_num')::integer as version, current_setting('server_version') as version_text,
        pg_encoding_to_char(d.encoding)::text as encoding, current_user::text as user_name, d.datname::text as database_name,
        pg_is_in_recovery() as standby,
        -- The value of a new session; ours may have been set otherwise.
        coalesce((select s.setting from (
            select split_part(c, '=', 2) as setting, (g.setrole <> 0)::integer + 2 * (g.setdatabase <> 0)::integer as weight
            from pg_db_role_setting g, unnest(g.setconfig) c
            where c like 'default\_transaction\_read\_only=%' and g.setdatabase in (0, d.oid) and g.setrole in (0, r.oid)
          ) s order by (s.weight = 3) desc, s.weight = 1 desc limit 1),
          (select reset_val from pg_settings where name = 'default_transaction_read_only'))::boolean as read_only,
        (select has_schema_privilege(n.oid, 'create') from pg_namespace n where n.nspname = ${schema}) as may_create_tables,
        has_database_privilege(d.oid, 'create') as may_create_schema,
        least(nullif(r.rolconnlimit, -1), nullif(d.datconnlimit, -1),
          current_setting('max_connections')::integer - case when r.rolsuper then 0
            else current_setting('superuser_reserved_connections')::integer
              + coalesce(current_setting('reserved_connections', true)::integer, 0) end) as connections_max,
        (select coalesce(jsonb_agg(c.relname || '.' || a.attname order by 1), '[]')::text
         from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
         where n.nspname = ${schema} and c.relname in ('aggregated_web_traffic', 'late_web_traffic') and a.attnum > 0 and not a.attisdropped
           and a.attnotnull and not a.atthasdef and a.attidentity = ''
           and a.attname not in ('window_start', 'window_end', 'host', 'referrer', 'country_code', 'region', 'city', 'num_hits', 'bot_hits')
        ) as demanding_columns
      from pg_database d, pg_roles r where d.datname = current_database() and r.rolname = current_user`,
    TIMEOUT_MS,
  );
  return { ...row!, demanding_columns: JSON.parse(row!.demanding_columns) };
}

/**
 * Refuses a server that cannot hold the stream, before anything is made.
 *
 * @throws Unavailable `postgres_read_only`: waiting may help, because a standby may be promoted
 * @throws NamedError with the name of the first fault
 */
export async function checkServer(database: Database, schema: string, demands: Demands): Promise<void> {
  await refuseStatementPooling(database);
  const facts = await readServerFacts(database, schema);
  const [fault] = serverFaults(facts, { ...demands, connections: database.pooled ? 0 : demands.connections });
  if (fault === undefined) return;
  const { code, message, action } = fault;
  if (code === "postgres_read_only") throw new Unavailable("postgres_read_only", message, action);
  throw new NamedError(code, message, EXIT.usage, action);
}

/**
 * A pooler that lends a server for one statement ends the connection when a transaction stays open, with or without an error message. If
 * that happens twice, with a successful statement in between, it is statement pooling.
 *
 * @param database of one connection, so that both statements go the same way
 * @throws NamedError `postgres_statement_pooling`
 */
async function refuseStatementPooling(database: Database): Promise<void> {
  // The first statement shows whether start-up parameters were dropped or refused, which only poolers do.
  await database.query((sql) => sql`select 1`, TIMEOUT_MS);
  if (!database.pooled) return;
  for (let attempt = 1;; attempt++) {
    try {
      await database.query((sql) => sql`begin`, TIMEOUT_MS);
      await database.query((sql) => sql`rollback`, TIMEOUT_MS);
      return;
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      await database.query((sql) => sql`select 1`, TIMEOUT_MS);
      if (attempt === 1) continue;
      throw new NamedError(
        "postgres_statement_pooling",
        "The pooler lends a server for one statement only (statement pooling).",
        EXIT.usage,
        STATEMENT_POOLING_ACTION,
        { cause: error },
      );
    }
  }
}
