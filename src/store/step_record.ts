// Writes the states of the steps to `stream_step`, for programs that only read the database. Shell. After a failure the next round tries again.
import type { Clock } from "../shared/clock.ts";
import { ENGINE_STEPS, type EngineStep, type StepName, type Steps, type StepState } from "../shared/steps.ts";
import { durationMs, SECOND } from "../shared/units.ts";
import type { Database } from "./postgres/client.ts";

const EVERY = durationMs(10 * SECOND);
/** An unchanged state is written at this interval, so that `updated_at` and `last_success_at` stay fresh. */
const AGAIN_AFTER_MS = 60 * SECOND;
const TIMEOUT_MS = 5_000;
const BADNESS = { ok: 0, waiting: 1, failing: 2 } as const;

/** The steps of all engines as one: for each step the worst state, and of equal ones the oldest. */
export function worstOf(engines: readonly Steps<EngineStep>[]): Partial<Steps<EngineStep>> {
  const worse = (a: StepState, b: StepState) => BADNESS[b.state] - BADNESS[a.state] || a.since - b.since;
  return Object.fromEntries(
    ENGINE_STEPS.flatMap((name) => {
      const [worst] = engines.map((steps) => steps[name]).sort(worse);
      return worst ? [[name, worst]] : [];
    }),
  );
}

/** Runs until the signal aborts. */
export async function runStepRecord(
  { database, clock, instance, states }: {
    readonly database: Database;
    readonly clock: Clock;
    readonly instance: string;
    readonly states: () => Partial<Steps>;
  },
  signal: AbortSignal,
): Promise<void> {
  let written = "", writtenAt = -Infinity;
  while (!signal.aborted) {
    const steps = states();
    const now = JSON.stringify(
      Object.entries(steps).map(([name, { state, since, problem }]) => [name, state, since, problem]),
    );
    if (now !== written || clock.now() - writtenAt >= AGAIN_AFTER_MS) {
      try {
        await recordSteps(database, instance, steps);
        written = now;
        writtenAt = clock.now();
      } catch {
        // The steps in memory show the failing database; the API and metrics of this process report them.
      }
    }
    await clock.sleep(EVERY, signal);
  }
}

/** Writes the states, one row per step. */
export async function recordSteps(database: Database, instance: string, steps: Partial<Steps>): Promise<void> {
  const rows = (Object.entries(steps) as [StepName, StepState][])
    // A step that this process has not tried says nothing about the stream.
    .filter(([, { state, lastSuccessAt }]) => state !== "ok" || lastSuccessAt !== null)
    .map(([step, { state, since, problem, lastSuccessAt }]) => ({
      step,
      state,
      since: Math.round(since),
      code: problem?.code ?? null,
      sqlstate: problem?.sqlstate ?? null,
      message: problem?.message ?? null,
      last_success_at: lastSuccessAt === null ? null : Math.round(lastSuccessAt),
    }));
  await database.query((sql) =>
    sql`
      insert into tm.stream_step as t (step, state, since, code, sqlstate, message, last_success_at, instance)
      select x.step, x.state, tm.tidemark_time_v1(x.since), x.code, x.sqlstate, x.message,
             case when x.last_success_at is not null then tm.tidemark_time_v1(x.last_success_at) end, ${instance}
      from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
        as x(step text, state text, since bigint, code text, sqlstate text, message text, last_success_at bigint)
      order by 1
      on conflict (step) do update set state = excluded.state, since = excluded.since, code = excluded.code, sqlstate = excluded.sqlstate,
        message = excluded.message, last_success_at = greatest(t.last_success_at, excluded.last_success_at), instance = excluded.instance,
        updated_at = now()`, TIMEOUT_MS);
}
