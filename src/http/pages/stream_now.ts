// Reads the present state of the stream, or why it is unknown. Reads the database and snapshots.
import { messageOf } from "../../shared/errors.ts";
import type { EpochMs } from "../../shared/units.ts";
import { databaseProblem, isBusy } from "../server/database.ts";
import type { AppDeps } from "../server/deps.ts";
import { readStream, type StreamState } from "../api/stream/stream_rows.ts";
import { readStreamStats, type StreamStats } from "../api/stream/stream_stats.ts";
import type { RecordedStep } from "../api/readiness.ts";
import { stepsElsewhere } from "../api/stream/step_rows.ts";
import type { NoticeInput } from "./notices.tsx";
import { streamWords } from "./stream_state.ts";

/** Reads the stream; a database that is away or empty is an answer, not an error. */
export async function readStreamNow(deps: AppDeps, now: EpochMs): Promise<NoticeInput> {
  const { database, settings: { queryTimeoutMs } } = deps;
  try {
    const [state, stats, elsewhere] = await Promise.all([
      readStream(database, queryTimeoutMs),
      readStreamStats(database, queryTimeoutMs),
      stepsElsewhere(deps),
    ]);
    return statusOf(deps, state ?? undefined, now, stats, elsewhere);
  } catch (error) {
    const problem = databaseProblem(error);
    if (problem === undefined) throw error;
    // No tables yet: the first start has not made them.
    if (problem.code === "schema_missing") return statusOf(deps, undefined, now);
    deps.log.debug(`dashboard: ${messageOf(error)}`);
    return isBusy(error) ? busy(deps) : statusOf(deps, null, now);
  }
}

/** What is said about a stream; null = the database is away, undefined = no stream yet. */
export function statusOf(
  deps: AppDeps,
  state: StreamState | null | undefined,
  now: EpochMs,
  stats: StreamStats | null = null,
  elsewhere: readonly RecordedStep[] = [],
): NoticeInput {
  const snapshots = deps.snapshots();
  const { progressTimeoutMs } = deps.settings;
  return {
    state,
    stats,
    snapshots,
    words: streamWords({ state, stats, snapshots, now, progressTimeoutMs, upkeep: deps.upkeep?.(), elsewhere }),
  };
}

/** The database is too busy to answer in time, as an embedded one is while a backlog is committed. */
function busy(deps: AppDeps): NoticeInput {
  return {
    state: null,
    stats: null,
    snapshots: deps.snapshots(),
    words: {
      kind: "waiting",
      label: "Database busy",
      detail: "PostgreSQL did not answer in time; this page asks again.",
      progress: null,
    },
  };
}
