// Shared by all readers of PostgreSQL: the statement tag, the port with its deadline, the code of an error. No I/O.
import type postgres from "postgres";

/**
 * The tag of one statement. Write our tables and functions as `tm.NAME`: `tm.` is replaced by the schema of the settings, so that no
 * statement depends on a search path, which a connection pooler may drop or share.
 */
export type Sql = postgres.Sql<Record<string, never>>;

/** Runs single statements; implemented by `Database` in `src/store`. */
export interface ReadDatabase {
  /**
   * Runs `statement`; rejects after `deadlineMs` in any case, because postgres.js may wait without end.
   *
   * @throws DeadlineError after `deadlineMs`; the statement is then cancelled
   */
  query<T>(statement: (sql: Sql) => PromiseLike<T>, deadlineMs: number): Promise<T>;
}

/** The statement did not answer in time. It may have taken effect. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/** The `code` of an error: an SQLSTATE, a code of the client, or our name; "" without one. */
export function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}
