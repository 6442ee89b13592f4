// Gives errors of the database a name and an action, by SQLSTATE. No I/O.
import { EXIT, messageOf, NamedError } from "./errors.ts";
import { codeOf } from "./sql.ts";

/** A named error in the form in which it is shown. */
export interface Refusal {
  /** Stable name with an entry in docs/runbook.md. */
  readonly code: string;
  readonly sqlstate: string | null;
  readonly message: string;
  readonly action: string;
}

interface Meaning {
  /** First characters of SQLSTATEs; the first match counts. */
  readonly states: readonly string[];
  readonly code: string;
  readonly says: string;
  readonly action: string;
}

const MEANINGS: readonly Meaning[] = [
  {
    states: ["53100", "53200", "53400", "54", "58030"],
    code: "database_full",
    says: "the database has no disk space or memory left",
    action: "Free or add disk space on the database server. Nothing was lost; Tidemark goes on by itself.",
  },
  {
    states: ["25006"],
    code: "database_read_only",
    says: "the database takes no writes",
    action: "Point POSTGRES_URL at the primary, or end its read-only mode.",
  },
  {
    states: ["23", "428C9", "42804", "42P16", "42P17", "2BP01", "P0001", "0A000", "22"],
    code: "table_changed",
    says: "a column, constraint, trigger or object that was added to our tables does not allow it",
    action:
      "Give an added column a default or drop it; remove the constraint, trigger or dependent object that the message names.",
  },
  {
    states: ["42501"],
    code: "postgres_rights",
    says: "the database user may not do it",
    action: "Grant the right again: run ddl/roles.sql, or connect as the owner of the schema.",
  },
  {
    states: ["42"],
    code: "schema_missing",
    says: "a table, column or function that this program needs does not exist",
    action: "Run `tidemark migrate`; undo changes that were made to the schema by hand.",
  },
  {
    states: ["55000"],
    code: "database_state",
    says: "the state of an object does not allow it (such as a published table without a replica identity)",
    action: "Do what the message says; if it names a replica identity: `alter table … replica identity full`.",
  },
  {
    states: ["55P03", "55006", "57014", "40"],
    code: "database_locked",
    says: "another session held a lock for too long, or the statement took too long",
    action: "Check pg_stat_activity for long transactions. Tidemark tries again by itself.",
  },
  {
    states: ["TM004"],
    code: "sums_differ",
    says: "the rows would not add up to the counts, so nothing was written",
    action:
      "Open deltas were changed by hand or are damaged. `tidemark doctor` and `GET /v1/ledger?deep=true` name the window.",
  },
  {
    states: [""],
    code: "database_refused",
    says: "for a reason that this program does not know",
    action: "Look up the SQLSTATE in PostgreSQL's manual. Tidemark tries again by itself.",
  },
];

/** Classes of the SQL standard, of PostgreSQL, and TM (ours). It does not match codes of sockets and files such as EPERM. */
const SQLSTATE = /^(?:[0-9][0-9A-Z]|F0|HV|P0|XX|TM)[0-9A-Z]{3}$/;

/** The SQLSTATE of an error or of its cause; `null` without one. */
export function sqlstateOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  const given = codeOf(error);
  return SQLSTATE.test(given) ? given : sqlstateOf(error.cause);
}

/** Names any error. A NamedError keeps its name; another error without SQLSTATE is `unexpected`. */
export function refusalOf(error: unknown): Refusal {
  const sqlstate = sqlstateOf(error);
  if (error instanceof NamedError) return { code: error.code, sqlstate, message: error.message, action: error.action };
  if (sqlstate === null) {
    const action = "Tidemark tries again by itself. Read the program's log, and report the error if it stays.";
    return { code: "unexpected", sqlstate, message: messageOf(error), action };
  }
  const { code, says, action } = MEANINGS.find(({ states }) => states.some((state) => sqlstate.startsWith(state)))!;
  return { code, sqlstate, message: `PostgreSQL refused (${sqlstate}), ${says}: ${messageOf(error)}`, action };
}

/** The refusal that another process has stored by these values. */
export function refusalNamed(code: string, sqlstate: string | null, message: string): Refusal {
  const action = MEANINGS.find((meaning) => meaning.code === code)?.action ?? `See ${code} in docs/runbook.md.`;
  return { code, sqlstate, message, action };
}

/** A database error as a NamedError; other errors unchanged. */
export function namedRefusal(error: unknown): unknown {
  if (error instanceof NamedError || sqlstateOf(error) === null) return error;
  const { code, message, action } = refusalOf(error);
  return new NamedError(code, message, EXIT.unavailable, action, { cause: error });
}
