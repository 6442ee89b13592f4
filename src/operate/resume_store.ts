// Carries out a resume plan with one call of a function of ddl/. Shell.
import { messageOf } from "../shared/errors.ts";
import { codeOf } from "../shared/sql.ts";
import type { Database } from "../store/postgres/client.ts";
import type { ResumeStep } from "./resume_plan.ts";

const TIMEOUT_MS = 15_000;

/** `moved`: the rows have changed since the plan was made; plan again. */
type ResumeOutcome =
  | { readonly kind: "resumed"; readonly gaps: number }
  | { readonly kind: "not_stopped" }
  | { readonly kind: "moved"; readonly reason: string };

/**
 * Clears the stop `stoppedCode` by `steps`, or changes nothing. May be called again after a lost reply: the stream is then not stopped.
 *
 * @param topicId present identity of the log; null keeps the stored one
 */
export async function applyResume(
  database: Database,
  stoppedCode: string,
  topicId: string | null,
  steps: readonly ResumeStep[],
): Promise<ResumeOutcome> {
  const moves = steps.map(({ partition, row, nextOffset, retired, gap }) => ({
    partition,
    old_commit_id: row.commitId,
    old_next_offset: row.nextOffset,
    next_offset: nextOffset,
    retired,
    gap: gap && {
      reason: gap.reason,
      from_offset: gap.fromOffset,
      to_offset: gap.toOffset,
      from_time: Number.isFinite(gap.fromTime) ? Math.floor(gap.fromTime) : null,
      to_time: Math.ceil(gap.toTime),
    },
  }));
  try {
    const [row] = await database.query(
      (sql) =>
        sql<
          { gaps: number }[]
        >`select tm.tidemark_resume_v1(${stoppedCode}, ${topicId}, ${JSON.stringify(moves)}::text::jsonb) as gaps`,
      TIMEOUT_MS,
    );
    return { kind: "resumed", gaps: row!.gaps };
  } catch (error) {
    if (codeOf(error) === "TM006") return { kind: "not_stopped" };
    if (codeOf(error) === "TM007") return { kind: "moved", reason: messageOf(error) };
    throw error;
  }
}
