// Computes the speed of the stream from its commits. Pure.
import { COMMIT_BUCKET_MS, type CommitBucket } from "./pipeline_data.ts";

/** Per second over the last minute, by commits of all instances. */
export interface Rates {
  readonly records: number;
  readonly counted: number;
  readonly dead: number;
  readonly late: number;
  readonly commits: number;
  /** Mean time in the database function; null if nothing was committed. */
  readonly meanMs: number | null;
}

const SPAN_MS = 60_000;

/** Rates at `now`. The bucket that has only begun counts for the time that has passed of it. */
export function ratesOf(commits: readonly CommitBucket[], now: number): Rates {
  const recent = commits.filter(({ at }) => at + COMMIT_BUCKET_MS > now - SPAN_MS);
  const sum = (part: (bucket: CommitBucket) => number) => recent.reduce((total, bucket) => total + part(bucket), 0);
  const count = sum(({ commits: n }) => n);
  // From the start of the oldest bucket that may count, whether anything was committed in it or not.
  const from = Math.floor((now - SPAN_MS) / COMMIT_BUCKET_MS) * COMMIT_BUCKET_MS;
  const seconds = (now - from) / 1_000;
  const per = (part: (bucket: CommitBucket) => number) => sum(part) / seconds;
  return {
    records: per((bucket) => bucket.records),
    counted: per((bucket) => bucket.counted),
    dead: per((bucket) => bucket.dead),
    late: per((bucket) => bucket.late),
    commits: count / seconds,
    meanMs: count === 0 ? null : sum(({ mean_ms, commits: n }) => mean_ms * n) / count,
  };
}
