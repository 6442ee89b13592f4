// Limits the API's statements to PostgreSQL, and turns database errors into problems for the caller. No I/O.
import { codeOf, DeadlineError, type ReadDatabase } from "../../shared/sql.ts";
import { HttpProblem } from "./problem.ts";

/**
 * Refuses more than `max` statements at once, so that requests do not fill the memory while PostgreSQL hangs.
 */
export function bounded(database: ReadDatabase, max: number): ReadDatabase {
  let running = 0;
  return {
    async query(read, deadlineMs) {
      if (running >= max) throw new HttpProblem("overloaded", `${max} queries are running already`);
      running++;
      try {
        return await database.query(read, deadlineMs);
      } finally {
        running--;
      }
    },
  };
}

/** Calls `onRead` before each statement. */
export function announced(database: ReadDatabase, onRead: () => void): ReadDatabase {
  return {
    query(read, deadlineMs) {
      onRead();
      return database.query(read, deadlineMs);
    },
  };
}

/** Whether the database is only busy: a deadline passed, or the embedded one had no turn for a reader. */
export function isBusy(error: unknown): boolean {
  return error instanceof DeadlineError || ["57014", "TM020"].includes(codeOf(error));
}

/** The problem of a database error, without the server's own message; undefined for another error. */
export function databaseProblem(error: unknown): HttpProblem | undefined {
  const code = error instanceof DeadlineError ? "postgres_deadline" : codeOf(error);
  if (code === "57014") {
    return new HttpProblem("query_timeout", "The query took too long. Ask for a shorter range.", { cause: error });
  }
  if (code === "42P01" || code === "3F000" || code === "42883" || code === "schema_renamed") {
    return new HttpProblem("schema_missing", "The tables are not there yet. Run `tidemark migrate`.", { cause: error });
  }
  // The embedded database's own code; see src/store/embedded/protocol.ts.
  if (code === "TM020") {
    return new HttpProblem("overloaded", "The database serves the stream first and has no turn left. Ask again.", {
      cause: error,
    });
  }
  // 08 connection, 53 resources, 57P server going down or starting, 28 authorization, 42501 rights, 3D000 no such database.
  if (/^(08|53|57P|28|42501|3D000|CONNECT|E[A-Z]+$|postgres_)/.test(code)) {
    return new HttpProblem("database_unavailable", "PostgreSQL does not answer.", { cause: error });
  }
  return undefined;
}
