// Checks that the database answers, at most once a second. Reads the database.
import type { Clock } from "../../shared/clock.ts";
import { DeadlineError, type ReadDatabase } from "../../shared/sql.ts";
import { databaseProblem } from "./database.ts";

/** Orchestrators wait for an answer one second by default. */
const PROBE_TIMEOUT_MS = 800;
const PROBE_TTL_MS = 1_000;

/** Keeps the result of `load` for `ttlMs`; callers share a running load. Rejections are not kept. */
export function cached<T>(clock: Clock, ttlMs: number, load: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  let held: { readonly value: T; readonly at: number } | undefined;
  return () => {
    if (held && clock.now() - held.at < ttlMs && clock.now() >= held.at) return Promise.resolve(held.value);
    running ??= load().then((value) => {
      held = { value, at: clock.now() };
      return value;
    }).finally(() => running = undefined);
    return running;
  };
}

/** Why the database does not answer, without its address; null if it does. */
export type DatabaseProbe = () => Promise<string | null>;

/** @param embedded the database is part of this process: if it does not answer in time, it is only busy */
export function databaseProbe(database: ReadDatabase, clock: Clock, embedded: boolean): DatabaseProbe {
  return cached(clock, PROBE_TTL_MS, async () => {
    try {
      await database.query((sql) => sql`select 1 from tm.stream limit 1`, PROBE_TIMEOUT_MS);
      return null;
    } catch (error) {
      const problem = databaseProblem(error);
      if (problem === undefined) throw error;
      const busy = problem.code === "overloaded" || error instanceof DeadlineError;
      if (embedded && busy) return null;
      return problem.code === "schema_missing" ? problem.detail : "PostgreSQL does not answer";
    }
  });
}
