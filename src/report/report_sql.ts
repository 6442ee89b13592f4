// Fragments of SQL that the reports share, and PostgreSQL's JSON answers turned into our types. No I/O of its own.
import type { Sql } from "postgres";
import { type EpochMs, epochMs } from "../shared/units.ts";
import type { Compared } from "./comparison.ts";
import { cover } from "./completeness.ts";
import type { DatabaseCondition } from "./filter.ts";
import type { Bucket, PlaceKind, Progress, Traffic } from "./report_types.ts";
import type { LocalDate } from "./time_zone.ts";

/** The filter of the database; null: none. */
export type Filter = readonly DatabaseCondition[] | null;

/** A time in JSON: epoch ms, or null for before all time. */
type Ms = number | null;

interface BucketJson {
  readonly start: number;
  readonly end: number;
  readonly hits: number;
  readonly bot_hits: number;
  readonly late_hits: number;
  readonly late_bot_hits: number;
  readonly expected: number;
  readonly closed: number;
  readonly unknown: boolean;
}

interface ProgressJson {
  readonly closed_through: Ms;
  readonly final_through: Ms;
  readonly watermark: Ms;
  readonly quiet_since: Ms;
  readonly data_revision: number;
  readonly window_size_ms: number;
  readonly stopped_code: string | null;
  readonly first_event_time: Ms;
  readonly newest_event_time: Ms;
  readonly retired_through: Ms;
  readonly failing: readonly string[];
}

/** Hits of one key of a ranking. */
export interface KeyHitsJson {
  readonly key: string;
  readonly hits: number;
  readonly bot_hits: number;
}

export const keyHitsOf = (rows: readonly KeyHitsJson[]) =>
  rows.map(({ key, hits, bot_hits }) => ({ key, hits, botHits: bot_hits }));

/** Hits of one key on one day. */
export interface KeyDayJson {
  readonly key: string;
  readonly day: LocalDate;
  readonly hits: number;
}

/** Hits of each key by day, as `tidemark_key_days_v2` answers them. */
export type KeyDays = ReadonlyMap<string, ReadonlyMap<LocalDate, number>>;

const time = (ms: Ms): EpochMs => epochMs(ms ?? -Infinity);

/** The state before the first start, without a stream row. */
const NO_PROGRESS: Progress = {
  closedThrough: epochMs(-Infinity),
  finalThrough: epochMs(-Infinity),
  watermark: epochMs(-Infinity),
  quietSince: null,
  dataRevision: 0,
  windowSizeMs: 300_000,
  stoppedCode: null,
  firstEventTime: null,
  newestEventTime: null,
  retiredThrough: epochMs(-Infinity),
};

/** The state that every report reads with its numbers. */
export function progressFragment(sql: Sql) {
  return sql`(select jsonb_build_object(
    'closed_through', case when isfinite(p.closed_through) then (extract(epoch from p.closed_through) * 1000)::bigint end,
    'final_through', case when isfinite(p.final_through) then (extract(epoch from p.final_through) * 1000)::bigint end,
    'watermark', case when isfinite(p.watermark) then (extract(epoch from p.watermark) * 1000)::bigint end,
    'quiet_since', (extract(epoch from p.quiet_since) * 1000)::bigint, 'data_revision', p.data_revision,
    'window_size_ms', p.window_size_ms, 'stopped_code', p.stopped_code,
    'first_event_time', tm.tidemark_ms_v1(e.first_event_time), 'newest_event_time', tm.tidemark_ms_v1(e.newest_event_time),
    'retired_through', tm.tidemark_ms_v1(s.retired_through),
    'failing', ${failingFragment(sql)}) from tm.stream_progress p cross join tm.stream s cross join tm.stream_span e)`;
}

/**
 * Steps on which reports rest and that fail, as a JSON array of names. A running process writes each step at least once a minute; the bound is
 * that of readiness.
 */
export function failingFragment(sql: Sql) {
  return sql`(select coalesce(jsonb_agg(t.step || '_failing' order by t.step), '[]') from tm.stream_step t
    where t.state = 'failing' and t.step in ('commit', 'closing', 'roll_up', 'retention')
      and t.updated_at > now() - interval '3 minutes' and t.updated_at - t.since > interval '30 seconds')`;
}

/** The parts of a range whose rows are known, as arrays for our functions: one bucket. `raw`: the report needs rows that retention drops. */
export function knownTimeFragment(
  sql: Sql,
  { from, to, tz }: { readonly from: LocalDate; readonly to: LocalDate; readonly tz: string },
  raw: boolean,
) {
  return sql`(select array_agg(1) as buckets, array_agg(lower(i)) as starts, array_agg(upper(i)) as ends
        from unnest(tm.tidemark_known_time_v2(${from}::text::date, ${to}::text::date, ${tz}::text, ${raw}::boolean)) i)`;
}

/** A filter as a parameter of our functions. */
export function filterFragment(sql: Sql, filter: Filter) {
  return sql`${filter === null ? null : JSON.stringify(filter)}::text::jsonb`;
}

/** The end of a query's compared period if it is before the last midnight, in epoch ms. */
export function untilFragment(sql: Sql, query: Compared & { readonly tz: string }) {
  return sql`(select tm.tidemark_ms_v1(c.until)::float8 from ${comparedFragment(sql, query)} c)`;
}

function comparedFragment(sql: Sql, { from, to, tz, compare }: Compared & { readonly tz: string }) {
  return sql`tm.tidemark_compared_v1(${from}::text::date, ${to}::text::date, ${tz}::text, ${compare}::text)`;
}

/** Rows `s` of `tidemark_series_v2` as one JSON array, in order of time. */
export function bucketsFragment(sql: Sql) {
  return sql`coalesce(jsonb_agg(jsonb_build_object(
    'start', (extract(epoch from s.bucket_start) * 1000)::bigint, 'end', (extract(epoch from s.bucket_end) * 1000)::bigint,
    'hits', s.num_hits, 'bot_hits', s.bot_hits, 'late_hits', s.late_hits, 'late_bot_hits', s.late_bot_hits,
    'expected', s.windows_expected, 'closed', s.windows_closed, 'unknown', s.is_unknown) order by s.bucket_start), '[]')`;
}

/** The buckets of a range. */
export function seriesFragment(
  sql: Sql,
  { from, to, tz, step, filter, raw = false, until }: {
    from: LocalDate;
    to: LocalDate;
    tz: string;
    step: "window" | "hour" | "day";
    filter: Filter;
    /** The report needs rows that retention drops. */
    raw?: boolean;
    /** Cuts the series at the end of this query's compared period. */
    until?: Compared & { readonly tz: string };
  },
) {
  return sql`(select ${bucketsFragment(sql)}
    from tm.tidemark_series_v2(${from}::text::date, ${to}::text::date, ${tz}::text, ${step}::text, ${
    filterFragment(sql, filter)
  }, ${raw}::boolean, ${
    until === undefined ? sql`null` : sql`(select c.until from ${comparedFragment(sql, until)} c)`
  }) s)`;
}

export function progressOf(json: ProgressJson | null): Progress {
  if (json === null) return NO_PROGRESS;
  return {
    closedThrough: time(json.closed_through),
    finalThrough: time(json.final_through),
    watermark: time(json.watermark),
    quietSince: json.quiet_since === null ? null : epochMs(json.quiet_since),
    dataRevision: json.data_revision,
    windowSizeMs: json.window_size_ms,
    stoppedCode: json.stopped_code,
    firstEventTime: json.first_event_time === null ? null : epochMs(json.first_event_time),
    newestEventTime: json.newest_event_time === null ? null : epochMs(json.newest_event_time),
    retiredThrough: time(json.retired_through),
    failing: json.failing,
  };
}

/** The database's buckets, each with its coverage. */
export function bucketsOf(json: readonly BucketJson[], progress: Progress): Bucket[] {
  return json.map((bucket) => ({
    start: epochMs(bucket.start),
    end: epochMs(bucket.end),
    ...cover({
      start: epochMs(bucket.start),
      end: epochMs(bucket.end),
      windowsExpected: bucket.expected,
      windowsClosed: bucket.closed,
      unknown: bucket.unknown,
    }, progress),
    hits: bucket.hits,
    botHits: bucket.bot_hits,
    lateHits: bucket.late_hits,
    lateBotHits: bucket.late_bot_hits,
  }));
}

/** The columns that each report statement returns in addition to its own. */
export interface CommonRow {
  readonly progress: ProgressJson | null;
  readonly buckets: readonly BucketJson[];
}

/** The counted hits of a row `d` of `tidemark_key_days_v2`. */
export function hitsOf(sql: Sql, { traffic }: { readonly traffic: Traffic }) {
  return { all: sql`d.num_hits`, human: sql`d.num_hits - d.bot_hits`, bot: sql`d.bot_hits` }[traffic];
}

/** Groups hits by key and day; hits of one region's cities are added up. */
export function keyDaysOf(rows: readonly KeyDayJson[], place: PlaceKind): KeyDays {
  const result = new Map<string, Map<LocalDate, number>>();
  for (const { key, day, hits } of rows) {
    const group = place === "region" ? key.slice(0, key.lastIndexOf("\x1e")) : key;
    let days = result.get(group);
    if (!days) result.set(group, days = new Map());
    days.set(day, (days.get(day) ?? 0) + hits);
  }
  return result;
}
