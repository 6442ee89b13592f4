// A reading database over a plain postgres.js client, for tools and tests that bring their own. Shell: a timer around each query.
import type { Sql } from "postgres";
import { DeadlineExceeded, type ReadDatabase } from "./database.ts";

/** Gives each query of `sql` a deadline. It does not reconnect by itself: after a hanging connection make a new client. */
export function databaseOf(sql: Sql): ReadDatabase {
  return {
    async query<T>(read: (sql: Sql) => Promise<T>, deadlineMs: number): Promise<T> {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const deadline = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new DeadlineExceeded(`no answer within ${deadlineMs} ms`)), deadlineMs);
      });
      try {
        return await Promise.race([read(sql), deadline]);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
