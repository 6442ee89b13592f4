// What every reader of PostgreSQL shares: the statement tag, the seam with its deadline, and how an error is recognised. Types and decisions only, no I/O.
import type postgres from "postgres";

/**
 * The tag of one statement. Name our tables and functions `tm.NAME`: `tm.` becomes the schema of the settings, so that no statement depends
 * on a search path, which a connection pooler may drop or share.
 */
export type Sql = postgres.Sql<Record<string, never>>;

/** Runs single statements; the `Database` of `src/store` is one. */
export interface ReadDatabase {
  /**
   * Runs `statement` and rejects after `deadlineMs` whatever the connection does: postgres.js may otherwise wait for ever.
   *
   * @throws DeadlineError after `deadlineMs`; the statement is then cancelled
   */
  query<T>(statement: (sql: Sql) => PromiseLike<T>, deadlineMs: number): Promise<T>;
}

/** The statement did not answer in time; whether it took effect is unknown. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/** The SQLSTATE, client code or our name of an error, or "". */
export function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}
