// Reads the data of the pipeline page. Reads the database and snapshots; requests shortly after each other share an answer.
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
import { type PartitionLog, readLogs } from "../../api/stream/log_names.ts";
import { ms } from "../../server/sql_time.ts";
import { readWindows, type WindowRow } from "../../api/stream/windows_query.ts";
import type { ReportCache } from "../overview/report_cache.ts";

/** Commits of some seconds; `at` is their start in epoch ms. */
export interface CommitBucket {
  readonly at: number;
  readonly commits: number;
  readonly records: number;
  readonly dead: number;
  readonly late: number;
  readonly counted: number;
  readonly mean_ms: number;
  readonly max_ms: number;
  /** The most that the watermark of a committed partition was behind the commit; null if none had one. */
  readonly lag_ms: number | null;
}

/** What changes with every commit. */
interface FastPipeline {
  readonly open: readonly WindowRow[];
  readonly closed: readonly WindowRow[];
  /** Of the last half hour. */
  readonly commits: readonly CommitBucket[];
  /** Of the time that the chart shows. */
  readonly shown: readonly CommitBucket[];
  /** By partition. */
  readonly logs: ReadonlyMap<number, readonly PartitionLog[]>;
}

export interface PipelineData extends FastPipeline {
  readonly ledger: LedgerSums | null;
  readonly dead: readonly DeadByReason[];
  readonly ranges: readonly DeadRangeRow[];
  /** null if the reader may not see them. */
  readonly samples: readonly DeadSampleRow[] | null;
  readonly late: readonly LateWindow[];
  readonly deliveries: readonly DeliveryRow[];
}

/** What the chart of commits can show: how long, in how many ms each; the first is shown unless another is asked for. */
export const COMMIT_SPANS = {
  "30m": { spanMs: 30 * 60_000, bucketMs: 10_000, words: "30 minutes", each: "ten seconds" },
  "6h": { spanMs: 6 * 3_600_000, bucketMs: 120_000, words: "6 hours", each: "two minutes" },
  "24h": { spanMs: 24 * 3_600_000, bucketMs: 480_000, words: "24 hours", each: "eight minutes" },
} as const;
export type CommitSpan = keyof typeof COMMIT_SPANS;
/** Of the half hour that rates are made from. */
export const COMMIT_BUCKET_MS = COMMIT_SPANS["30m"].bucketMs;

const SHARED_MS = durationMs(1_000);
/** A long time changes slowly and costs more to read. */
const SPAN_SHARED_MS = durationMs(15_000);
/** New logs join at most every five seconds. */
const LOGS_SHARED_MS = durationMs(5_000);
const OPEN_MAX = 24;
const CLOSED_MAX = 6;
const RANGES_MAX = 8;
const SAMPLES_MAX = 5;
const LATE_MAX = 8;
const DELIVERIES_MAX = 12;

export async function readFastPipeline(deps: AppDeps, cache: ReportCache, span: CommitSpan): Promise<FastPipeline> {
  const { database, settings: { queryTimeoutMs } } = deps;
  const windows = (state: "open" | "closed", limit: number) =>
    cache.get(
      `windows ${state}`,
      SHARED_MS,
      () => readWindows(database, { state, before: null, limit }, queryTimeoutMs),
    );
  const commitsOf = (span: CommitSpan) =>
    cache.get(
      `commits ${span}`,
      span === "30m" ? SHARED_MS : SPAN_SHARED_MS,
      () => readCommits(database, COMMIT_SPANS[span], queryTimeoutMs),
    );
  const [open, closed, commits, shown, logs] = await Promise.all([
    windows("open", OPEN_MAX),
    windows("closed", CLOSED_MAX),
    commitsOf("30m"),
    commitsOf(span),
    cache.get("logs", LOGS_SHARED_MS, () => readLogs(database, queryTimeoutMs)),
  ]);
  return { open, closed, commits, shown, logs };
}

/** Everything. `reason` picks the dead letters of which samples are shown; `inspect` says whether the reader may see any. */
export async function readPipelineData(
  deps: AppDeps,
  cache: ReportCache,
  { reason, inspect, span }: {
    readonly reason: string | undefined;
    readonly inspect: boolean;
    readonly span: CommitSpan;
  },
): Promise<PipelineData> {
  const { database, settings: { queryTimeoutMs } } = deps;
  const filter = { reason, partition: undefined, after: undefined };
  const shared = <T>(name: string, read: () => Promise<T>) => cache.get(name, SHARED_MS, read);
  const [fast, ledger, dead, ranges, samples, late, deliveries] = await Promise.all([
    readFastPipeline(deps, cache, span),
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

/** Commits by the database's clock, oldest first; `records` are all offsets that they moved over. */
function readCommits(
  database: ReadDatabase,
  { spanMs, bucketMs }: { readonly spanMs: number; readonly bucketMs: number },
  deadlineMs: number,
): Promise<CommitBucket[]> {
  return database.query((sql) =>
    sql<CommitBucket[]>`
      select ${
      ms(sql, "b.at")
    } as at, b.commits, b.counted + b.late + b.dead + b.other as records, b.dead, b.late, b.counted, b.mean_ms, b.max_ms, b.lag_ms
      from (
        select date_bin(${bucketMs}::integer * interval '1 millisecond', committed_at, 'epoch') as at, count(*)::float8 as commits,
               sum(counted)::float8 as counted, sum(late)::float8 as late, sum(dead)::float8 as dead,
               sum(null_records + skipped)::float8 as other, avg(duration_ms) as mean_ms, max(duration_ms) as max_ms,
               max(extract(epoch from committed_at) * 1000 - w.watermark)::float8 as lag_ms
        from tm.commit_history
        cross join lateral (select min((p ->> 'watermark')::float8) as watermark from jsonb_array_elements(partitions) p) w
        where committed_at > clock_timestamp() - ${spanMs}::integer * interval '1 millisecond'
        group by 1
      ) b order by b.at`, deadlineMs);
}
