// Reads the steps that the processes of the stream have stored. Reads the database.
import type { ReadDatabase } from "../../../shared/sql.ts";
import type { StepName, StepState } from "../../../shared/steps.ts";
import type { EpochMs } from "../../../shared/units.ts";
import { refusalNamed } from "../../../shared/refusal.ts";
import type { RecordedStep } from "../readiness.ts";
import { ms } from "../../server/sql_time.ts";
import { messageOf } from "../../../shared/errors.ts";
import type { AppDeps } from "../../server/deps.ts";

/** A running process writes at least once a minute, so older rows belong to a process that has ended. */
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

/** The recent steps, by name. */
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

/** Orchestrators do not wait long for an answer. */
const QUICK_MS = 500;

/**
 * For a process without engines: the failing steps of processes that run the stream. Empty if the database does not answer in time or has an
 * older schema.
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
