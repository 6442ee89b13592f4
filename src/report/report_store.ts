// Reads the reports from PostgreSQL: one statement a report, so that all its numbers come from one snapshot, and since a connection that
// dies inside a transaction of postgres.js takes the process with it. Shell.
import type { Sql } from "postgres";
import { type EpochMs, epochMs } from "../shared/units.ts";
import { isComplete } from "./completeness.ts";
import {
  comparisonPeriod,
  type ContributionFacts,
  type ContributionReport,
  historyOf,
  type NextDayForecast,
  placeKey,
  shapeContributions,
} from "./contribution.ts";
import { forecast, HISTORY_DAYS_MAX } from "./forecast.ts";
import { type ContributionCursor, type ContributionQuery, FORECAST_DAYS_MAX } from "./report_query.ts";
import type { Bucket, PlaceKind, Progress } from "./report_types.ts";
import { addDays, countDays, type LocalDate, localDate } from "./time_zone.ts";

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
}

/** Hits of one key on one day. */
interface KeyDayJson {
  readonly key: string;
  readonly day: LocalDate;
  readonly hits: number;
}

/** Hits of each key by day, as `tidemark_key_days_v1` answers them. */
export type KeyDays = ReadonlyMap<string, ReadonlyMap<LocalDate, number>>;

const time = (ms: Ms): EpochMs => epochMs(ms ?? -Infinity);

/** Before the first start there is no stream row: nothing is closed. */
const NO_PROGRESS: Progress = {
  closedThrough: epochMs(-Infinity),
  finalThrough: epochMs(-Infinity),
  watermark: epochMs(-Infinity),
  quietSince: null,
  dataRevision: 0,
  windowSizeMs: 300_000,
  stoppedCode: null,
};

/** What every report reads beside its numbers. */
export function progressFragment(sql: Sql) {
  return sql`(select jsonb_build_object(
    'closed_through', case when isfinite(p.closed_through) then (extract(epoch from p.closed_through) * 1000)::bigint end,
    'final_through', case when isfinite(p.final_through) then (extract(epoch from p.final_through) * 1000)::bigint end,
    'watermark', case when isfinite(p.watermark) then (extract(epoch from p.watermark) * 1000)::bigint end,
    'quiet_since', (extract(epoch from p.quiet_since) * 1000)::bigint, 'data_revision', p.data_revision,
    'window_size_ms', p.window_size_ms, 'stopped_code', p.stopped_code) from stream_progress p)`;
}

/** Buckets of `tidemark_series_v1` as one JSON array, in order of time. */
export function seriesFragment(
  sql: Sql,
  { from, to, tz, step, host, referrer }: {
    from: LocalDate;
    to: LocalDate;
    tz: string;
    step: "window" | "hour" | "day";
    host: string | undefined;
    referrer: string | undefined;
  },
) {
  return sql`(select coalesce(jsonb_agg(jsonb_build_object(
    'start', (extract(epoch from s.bucket_start) * 1000)::bigint, 'end', (extract(epoch from s.bucket_end) * 1000)::bigint,
    'hits', s.num_hits, 'bot_hits', s.bot_hits, 'late_hits', s.late_hits, 'late_bot_hits', s.late_bot_hits,
    'expected', s.windows_expected, 'closed', s.windows_closed, 'unknown', s.is_unknown) order by s.bucket_start), '[]')
    from tidemark_series_v1(${from}::text::date, ${to}::text::date, ${tz}::text, ${step}::text, ${
    host ?? null
  }::text, ${referrer ?? null}::text) s)`;
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
  };
}

export function bucketsOf(json: readonly BucketJson[]): Bucket[] {
  return json.map((bucket) => ({
    start: epochMs(bucket.start),
    end: epochMs(bucket.end),
    hits: bucket.hits,
    botHits: bucket.bot_hits,
    lateHits: bucket.late_hits,
    lateBotHits: bucket.late_bot_hits,
    windowsExpected: bucket.expected,
    windowsClosed: bucket.closed,
    unknown: bucket.unknown,
  }));
}

/** The columns that each report statement answers, beside its own. */
export interface CommonRow {
  readonly progress: ProgressJson | null;
  readonly buckets: readonly BucketJson[];
}

interface ContributionJson {
  readonly rank: number;
  readonly country_code: string;
  readonly region: string;
  readonly city: string;
  readonly num_hits: number;
  readonly country_hits: number;
  readonly previous_day_contribution: number | null;
  readonly next_day_contribution: number | null;
  readonly comparison_hits: number | null;
  readonly total_rows: number;
}

/** Days that a forecast may look back over from the end of the range: the history and the days that may not be complete yet. */
const LOOK_BACK_DAYS = HISTORY_DAYS_MAX + FORECAST_DAYS_MAX;

/**
 * The contribution report. All numbers are of one snapshot.
 *
 * @param after where the page before ended
 * @throws postgres.PostgresError, for example 57014 where the statement's time is over, 22023 where PostgreSQL knows no such zone
 */
export async function contributions(
  sql: Sql,
  query: ContributionQuery,
  after?: ContributionCursor,
): Promise<ContributionReport> {
  const { from, to, tz, host, referrer, place } = query;
  const historyFrom = addDays(to, 1 - LOOK_BACK_DAYS);
  const firstDay = [historyFrom, comparisonPeriod(query).from, addDays(from, -1)].sort()[0]!;
  const dimension = place === "country" ? "country" : "place";
  const keys = {
    city: sql`select r.country_code || E'\x1e' || r.region || E'\x1e' || r.city from report r`,
    region: sql`select k.key from web_traffic_key k join report r on r.country_code = split_part(k.key, E'\x1e', 1)
      and r.region = split_part(k.key, E'\x1e', 2) where k.dimension = 'place'`,
    country: sql`select r.country_code from report r`,
  }[place];
  const [row] = await sql<(CommonRow & { rows: readonly ContributionJson[]; key_days: readonly KeyDayJson[] })[]>`
    with report as materialized (
      select * from contribution_report(${from}::text::date, ${to}::text::date, ${tz}::text, p_place => ${place}::text,
        p_host => ${host ?? null}::text, p_referrer => ${referrer ?? null}::text, p_traffic => ${query.traffic}::text,
        p_late => ${query.late}::text, p_compare => ${query.compare}::text, p_order => ${query.order}::text,
        p_limit => ${query.limit + 1}::integer, p_after => ${after ? JSON.stringify(after) : null}::text::jsonb)
    )
    select ${progressFragment(sql)} as progress,
           ${seriesFragment(sql, { from: firstDay, to: addDays(to, 1), tz, step: "day", host, referrer })} as buckets,
           (select coalesce(jsonb_agg(to_jsonb(r) order by r.rank), '[]') from report r) as rows,
           (select coalesce(jsonb_agg(jsonb_build_object('key', d.key, 'day', d.day, 'hits', ${
    hitsOf(sql, query)
  })), '[]')
             from tidemark_key_days_v1(${dimension}::text, ${historyFrom}::text::date, ${to}::text::date, ${tz}::text, array(${keys}),
               ${host ?? null}::text, ${referrer ?? null}::text, ${query.late === "include"}::boolean) d
             -- Where the next day is known, nothing is forecast.
             where (select s.closed_through < tidemark_day_start_v1(${
    addDays(to, 2)
  }::text::date, ${tz}::text) from stream s)) as key_days`;
  const progress = progressOf(row!.progress);
  const days = bucketsOf(row!.buckets);
  const rows = row!.rows.map((json): ContributionFacts => ({
    rank: json.rank,
    countryCode: json.country_code,
    region: json.region,
    city: json.city,
    hits: json.num_hits,
    countryHits: json.country_hits,
    previousDay: json.previous_day_contribution,
    nextDay: json.next_day_contribution,
    comparison: json.comparison_hits,
  }));
  return shapeContributions({
    query,
    progress,
    days,
    rows,
    totalRows: row!.rows[0]?.total_rows ?? 0,
    forecasts: nextDayForecasts(query, days, rows, keyDaysOf(row!.key_days, place)),
  });
}

/** The counted hits of a row `d` of `tidemark_key_days_v1`. */
export function hitsOf(sql: Sql, { traffic }: Pick<ContributionQuery, "traffic">) {
  return { all: sql`d.num_hits`, human: sql`d.num_hits - d.bot_hits`, bot: sql`d.bot_hits` }[traffic];
}

/** Groups hits by key and day; cities of one region are added up. */
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

/** Complete days that a forecast may learn from, the first day of the stream's data left out, since it is seldom whole. */
export function learnable(days: readonly Bucket[]): Bucket[] {
  const firstHits = days.findIndex((day) => day.hits > 0);
  const lastComplete = days.findLastIndex(isComplete);
  // Data before the first day that we look at means that this day is whole.
  return firstHits < 0 ? [] : days.slice(firstHits === 0 ? 0 : firstHits + 1, lastComplete + 1);
}

function nextDayForecasts(
  query: ContributionQuery,
  days: readonly Bucket[],
  rows: readonly ContributionFacts[],
  keyDays: KeyDays,
): Map<string, NextDayForecast> {
  const { tz, to } = query;
  const nextDay = days.at(-1);
  const result = new Map<string, NextDayForecast>();
  if (!nextDay || isComplete(nextDay)) return result;
  const learnt = learnable(days.slice(0, -1)).slice(-HISTORY_DAYS_MAX);
  const last = learnt.at(-1);
  const horizon = last ? countDays(localDate(last.start, tz), to) : 1;
  const horizons = Math.min(horizon, FORECAST_DAYS_MAX);
  const dates = learnt.map((day) => localDate(day.start, tz));
  result.set("", { forecast: forecast(historyOf(learnt, query), horizons), horizon });
  for (const row of rows) {
    const key = placeKey(query.place, row);
    const known = keyDays.get(key);
    const history = learnt.map((day, i) => day.unknown ? null : known?.get(dates[i]!) ?? 0);
    result.set(key, { forecast: forecast(history, horizons), horizon });
  }
  return result;
}
