// Reads what the pipeline page shows. Reads the database and snapshots; answers are shared for a moment.
import { durationMs } from "../../../shared/units.ts";
import {
  type DeadByReason,
  type DeadRangeRow,
  type DeadSampleRow,
  readDeadByReason,
  readDeadRanges,
  readDeadSamples,
} from "../../api/stream/dead_letters_query.ts";
import type { ReadDatabase } from "../../../shared/sql.ts";
import type { AppDeps } from "../../server/deps.ts";
import { type DeliveryRow, readDeliveries } from "../../api/kept/kept_store.ts";
import { type LateWindow, readLate } from "../../api/stream/late.ts";
import { type LedgerSums, readLedger } from "../../api/stream/ledger_query.ts";
import { ms } from "../../server/sql_time.ts";
import { readWindows, type WindowRow } from "../../api/stream/windows_query.ts";
import type { ReportCache } from "../overview/report_cache.ts";

/** Commits of ten seconds; `at` is its start in epoch ms. */
export interface CommitBucket {
  readonly at: number;
  readonly commits: number;
  readonly records: number;
  readonly dead: number;
  readonly late: number;
  readonly counted: number;
  readonly mean_ms: number;
  readonly max_ms: number;
}

/** A window with late records. */
interface FastPipeline {
  readonly open: readonly WindowRow[];
  readonly closed: readonly WindowRow[];
  readonly commits: readonly CommitBucket[];
}

export interface PipelineData extends FastPipeline {
  readonly ledger: LedgerSums | null;
  readonly dead: readonly DeadByReason[];
  readonly ranges: readonly DeadRangeRow[];
  /** null where the reader may not see them. */
  readonly samples: readonly DeadSampleRow[] | null;
  readonly late: readonly LateWindow[];
  readonly deliveries: readonly DeliveryRow[];
}

/** The chart of commits: half an hour in buckets of ten seconds. */
export const COMMIT_BUCKET_MS = 10_000;
export const COMMIT_SPAN_MS = 30 * 60_000;

const SHARED_MS = durationMs(1_000);
const OPEN_MAX = 24;
const CLOSED_MAX = 6;
const RANGES_MAX = 8;
const SAMPLES_MAX = 5;
const LATE_MAX = 8;
const DELIVERIES_MAX = 12;

/** What moves with every commit. */
export async function readFastPipeline(deps: AppDeps, cache: ReportCache): Promise<FastPipeline> {
  const { database, settings: { queryTimeoutMs } } = deps;
  const windows = (state: "open" | "closed", limit: number) =>
    cache.get(
      `windows ${state}`,
      SHARED_MS,
      () => readWindows(database, { state, before: null, limit }, queryTimeoutMs),
    );
  const [open, closed, commits] = await Promise.all([
    windows("open", OPEN_MAX),
    windows("closed", CLOSED_MAX),
    cache.get("commits", SHARED_MS, () => readCommits(database, queryTimeoutMs)),
  ]);
  return { open, closed, commits };
}

/** Everything. `reason` picks the dead letters of which samples are shown; `inspect` says whether the reader may see any. */
export async function readPipelineData(
  deps: AppDeps,
  cache: ReportCache,
  { reason, inspect }: { readonly reason: string | undefined; readonly inspect: boolean },
): Promise<PipelineData> {
  const { database, settings: { queryTimeoutMs } } = deps;
  const filter = { reason, partition: undefined, after: undefined };
  const shared = <T>(name: string, read: () => Promise<T>) => cache.get(name, SHARED_MS, read);
  const [fast, ledger, dead, ranges, samples, late, deliveries] = await Promise.all([
    readFastPipeline(deps, cache),
    shared("ledger", () => readLedger(database, null, queryTimeoutMs)),
    shared("dead", () => readDeadByReason(database, queryTimeoutMs)),
    shared(`ranges ${reason}`, () => readDeadRanges(database, { ...filter, limit: RANGES_MAX }, queryTimeoutMs)),
    inspect
      ? shared(`samples ${reason}`, () => readDeadSamples(database, { ...filter, limit: SAMPLES_MAX }, queryTimeoutMs))
      : null,
    shared("late", () => readLate(database, LATE_MAX, null, queryTimeoutMs)),
    shared("deliveries", () => readDeliveries(database, DELIVERIES_MAX, queryTimeoutMs)),
  ]);
  return { ...fast, ledger, dead, ranges, samples, late, deliveries };
}

/** Commits of the last half hour by the database's clock, oldest first; `records` are all offsets that they moved over. */
function readCommits(database: ReadDatabase, deadlineMs: number): Promise<CommitBucket[]> {
  return database.query((sql) =>
    sql<CommitBucket[]>`
      select ${
      ms(sql, "b.at")
    } as at, b.commits, b.counted + b.late + b.dead + b.other as records, b.dead, b.late, b.counted, b.mean_ms, b.max_ms
      from (
        select date_bin(${COMMIT_BUCKET_MS}::integer * interval '1 millisecond', committed_at, 'epoch') as at, count(*)::float8 as commits,
               sum(counted)::float8 as counted, sum(late)::float8 as late, sum(dead)::float8 as dead,
               sum(null_records + skipped)::float8 as other, avg(duration_ms) as mean_ms, max(duration_ms) as max_ms
        from tm.commit_history
        where committed_at > clock_timestamp() - ${COMMIT_SPAN_MS}::integer * interval '1 millisecond'
        group by 1
      ) b order by b.at`, deadlineMs);
}
