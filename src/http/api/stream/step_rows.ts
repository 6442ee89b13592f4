// What the processes that run the stream have written of their steps. Reads the database.
import type { ReadDatabase } from "../../../shared/sql.ts";
import type { StepName, StepState } from "../../../shared/steps.ts";
import type { EpochMs } from "../../../shared/units.ts";
import { refusalNamed } from "../../../shared/refusal.ts";
import type { RecordedStep } from "../readiness.ts";
import { ms } from "../../server/sql_time.ts";
import { messageOf } from "../../../shared/errors.ts";
import type { AppDeps } from "../../server/deps.ts";

/** A running process writes at least once a minute: what is older than this is of one that has ended. */
const FRESH_SECONDS = 180;

interface StepRow {
  readonly step: StepName;
  readonly state: StepState["state"];
  readonly since: EpochMs;
  readonly code: string | null;
  readonly sqlstate: string | null;
  readonly message: string | null;
  readonly last_success_at: EpochMs | null;
  readonly instance: string;
  readonly updated_at: EpochMs;
}

/** The steps that were written lately, by name. */
export async function readSteps(database: ReadDatabase, deadlineMs: number): Promise<RecordedStep[]> {
  const rows = await database.query(
    (sql) =>
      sql<StepRow[]>`
      select t.step, t.state, ${ms(sql, "t.since")} as since, t.code, t.sqlstate, t.message,
             ${ms(sql, "t.last_success_at")} as last_success_at, t.instance, ${ms(sql, "t.updated_at")} as updated_at
      from tm.stream_step t where t.updated_at > now() - ${FRESH_SECONDS}::integer * interval '1 second' order by t.step`,
    deadlineMs,
  );
  return rows.map(({ step, state, since, code, sqlstate, message, last_success_at, instance, updated_at }) => ({
    step,
    instance,
    at: updated_at,
    state: {
      state,
      since,
      problem: code === null ? null : refusalNamed(code, sqlstate, message ?? ""),
      lastSuccessAt: last_success_at,
    },
  }));
}

/** A red readiness must be quick. */
const QUICK_MS = 500;

/**
 * What a process without engines says of those that have some; a process that runs the stream knows its own steps. Empty where the database
 * does not answer in time, or is of an older version: neither says anything of a step.
 */
export async function stepsElsewhere(
  { upkeep, database, log }: Pick<AppDeps, "upkeep" | "database" | "log">,
): Promise<readonly RecordedStep[]> {
  if (upkeep !== undefined) return [];
  try {
    return await readSteps(database, QUICK_MS);
  } catch (error) {
    log.debug(`steps of other processes: ${messageOf(error)}`);
    return [];
  }
}
