// The stream of this moment, or why there is none to show. Reads the database and snapshots.
import { databaseProblem } from "../database.ts";
import type { AppDeps } from "../deps.ts";
import { messageOf } from "../../shared/errors.ts";
import type { EpochMs } from "../../shared/units.ts";
import { readStream, type StreamState } from "../stream_rows.ts";
import type { NoticeInput } from "./notices.ts";
import { streamWords } from "./stream_state.ts";

/** Reads the stream; a database that is away or empty is an answer, not an error. */
export async function readStreamNow(deps: AppDeps, now: EpochMs): Promise<NoticeInput> {
  try {
    return statusOf(deps, await readStream(deps.database, deps.settings.queryTimeoutMs) ?? undefined, now);
  } catch (error) {
    const problem = databaseProblem(error);
    // No tables: the first start has not come that far.
    if (problem?.code === "schema_missing") return statusOf(deps, undefined, now);
    deps.log.debug(`dashboard: ${messageOf(error)}`);
    return statusOf(deps, null, now);
  }
}

/** What is said about a stream; null = the database is away, undefined = no stream yet. */
export function statusOf(deps: AppDeps, state: StreamState | null | undefined, now: EpochMs): NoticeInput {
  const snapshots = deps.snapshots();
  const { progressTimeoutMs } = deps.settings;
  return { state, snapshots, words: streamWords({ state, snapshots, now, progressTimeoutMs }) };
}
