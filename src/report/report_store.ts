// Reads the reports from PostgreSQL. Each is one statement, so that all its numbers come from one snapshot. It is not a transaction, because a
// connection that dies inside a transaction of postgres.js ends the process. Shell.
import type { Sql } from "postgres";
import { isComplete } from "./completeness.ts";
import { comparisonPeriod } from "./comparison.ts";
import {
  type ContributionFacts,
  type ContributionReport,
  historyOf,
  type NextDayForecast,
  placeKey,
  shapeContributions,
} from "./contribution.ts";
import { filterOf } from "./report_filter.ts";
import { forecast, HISTORY_DAYS_MAX } from "./forecast/forecast.ts";
import { type ForecastReport, shapeForecast } from "./forecast/forecast_report.ts";
import {
  type BotsQuery,
  type ContributionCursor,
  type ContributionQuery,
  FORECAST_DAYS_MAX,
  type ForecastQuery,
  type TimeseriesQuery,
} from "./report_query.ts";
import {
  bucketsFragment,
  bucketsOf,
  type CommonRow,
  type Filter,
  filterFragment,
  hitsOf,
  type KeyDayJson,
  type KeyDays,
  keyDaysOf,
  progressFragment,
  progressOf,
  seriesFragment,
  untilFragment,
} from "./report_sql.ts";
import type { Bucket, Progress } from "./report_types.ts";
import { type EpochMs, epochMs } from "../shared/units.ts";
import { addDays, countDays, localDate } from "./time_zone.ts";
import { type BotsReport, shapeBots, shapeTimeseries, type TimeseriesReport } from "./timeseries.ts";

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

/** Days before the end of the range that a forecast reads: the history, and days that may not be complete yet. */
const LOOK_BACK_DAYS = HISTORY_DAYS_MAX + FORECAST_DAYS_MAX;

/**
 * The contribution report. All numbers are from one snapshot.
 *
 * @param after the end of the previous page
 * @throws postgres.PostgresError, for example 57014 if the statement timed out, 22023 if PostgreSQL does not know the time zone
 */
export async function contributions(
  sql: Sql,
  query: ContributionQuery,
  after?: ContributionCursor,
): Promise<ContributionReport> {
  const { from, to, tz, place } = query;
  const filter = await filterOf(sql, query);
  const historyFrom = addDays(to, 1 - LOOK_BACK_DAYS);
  const firstDay = [historyFrom, addDays(from, -1)].sort()[0]!;
  const dimension = place === "country" ? "country" : "place";
  const keys = {
    city: sql`select r.country_code || E'\x1e' || r.region || E'\x1e' || r.city from report r`,
    region: sql`select k.key from tm.web_traffic_key k join report r on r.country_code = split_part(k.key, E'\x1e', 1)
      and r.region = split_part(k.key, E'\x1e', 2) where k.dimension = 'place'`,
    country: sql`select r.country_code from report r`,
  }[place];
  const [row] = await sql<
    (CommonRow & ComparedRow & { rows: readonly ContributionJson[]; key_days: readonly KeyDayJson[] })[]
  >`
    with report as materialized (
      select * from tm.contribution_report_v2(${from}::text::date, ${to}::text::date, ${tz}::text, p_place => ${place}::text,
        p_filter => ${filterFragment(sql, filter)}, p_traffic => ${query.traffic}::text,
        p_late => ${query.late}::text, p_compare => ${query.compare}::text, p_order => ${query.order}::text,
        p_limit => ${query.limit + 1}::integer, p_after => ${after ? JSON.stringify(after) : null}::text::jsonb)
    )
    select ${progressFragment(sql)} as progress,
           ${seriesFragment(sql, { from: firstDay, to: addDays(to, 1), tz, step: "day", filter })} as buckets,
           ${comparedColumns(sql, query, filter)},
           (select coalesce(jsonb_agg(to_jsonb(r) order by r.rank), '[]') from report r) as rows,
           (select coalesce(jsonb_agg(jsonb_build_object('key', d.key, 'day', d.day, 'hits', ${
    hitsOf(sql, query)
  })), '[]')
             from tm.tidemark_key_days_v2(${dimension}::text, ${historyFrom}::text::date, ${to}::text::date, ${tz}::text, array(${keys}),
               ${filterFragment(sql, filter)}, ${query.late === "include"}::boolean) d
             -- Where the next day is known, nothing is forecast.
             where (select s.closed_through < tm.tidemark_last_window_end_v1(tm.tidemark_day_start_v2(${
    addDays(to, 2)
  }::text::date, ${tz}::text)) from tm.stream s)) as key_days`;
  const progress = progressOf(row!.progress);
  const days = bucketsOf(row!.buckets, progress);
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
    ...comparedOf(row!, progress),
    rows,
    totalRows: row!.rows[0]?.total_rows ?? 0,
    forecasts: nextDayForecasts(query, days, rows, keyDaysOf(row!.key_days, place)),
  });
}

/** The part of a statement for the compared period: its days, and its end, at which they are cut. */
interface ComparedRow {
  readonly compared: CommonRow["buckets"];
  readonly until: number | null;
}

function comparedColumns(
  sql: Sql,
  query: Pick<ContributionQuery, "from" | "to" | "tz" | "compare">,
  filter: Filter,
) {
  const period = comparisonPeriod(query);
  return sql`${seriesFragment(sql, { ...period, tz: query.tz, step: "day", filter, until: query })} as compared,
    ${untilFragment(sql, query)} as until`;
}

function comparedOf(row: ComparedRow, progress: Progress): { compared: Bucket[]; until: EpochMs | null } {
  return { compared: bucketsOf(row.compared, progress), until: row.until === null ? null : epochMs(row.until) };
}

/** Complete days for a forecast to learn from, without the first day of the stream's data, which is seldom whole. */
function learnable(days: readonly Bucket[]): Bucket[] {
  const firstHits = days.findIndex((day) => day.hits > 0);
  const lastComplete = days.findLastIndex(isComplete);
  // If there is data before the first day of the history, this day is whole.
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
  const weekBefore = dates.indexOf(addDays(to, -6));
  const add = (key: string, history: readonly (number | null)[]) =>
    result.set(key, { forecast: forecast(history, horizons), horizon, weekBefore: history[weekBefore] ?? null });
  add("", historyOf(learnt, query));
  for (const row of rows) {
    const key = placeKey(query.place, row);
    const known = keyDays.get(key);
    add(key, learnt.map((day, i) => day.unknown ? null : known?.get(dates[i]!) ?? 0));
  }
  return result;
}

/** Totals over time. @throws as {@link contributions} */
export async function timeseries(sql: Sql, query: TimeseriesQuery): Promise<TimeseriesReport> {
  const { from, to, tz } = query;
  const step = query.step === "5min" ? "window" : query.step === "hour" ? "hour" : "day";
  const filter = await filterOf(sql, query);
  const [row] = await sql<(CommonRow & ComparedRow & { readonly previous: CommonRow["buckets"] })[]>`
    select ${progressFragment(sql)} as progress, ${seriesFragment(sql, { from, to, tz, step, filter })} as buckets,
           ${seriesFragment(sql, { ...comparisonPeriod(query), tz, step, filter })} as previous,
           ${comparedColumns(sql, query, filter)}`;
  const progress = progressOf(row!.progress);
  return shapeTimeseries(query, {
    buckets: bucketsOf(row!.buckets, progress),
    previous: bucketsOf(row!.previous, progress),
    ...comparedOf(row!, progress),
    progress,
  });
}

/** Hits of humans and of bots. @throws as {@link contributions} */
export async function bots(sql: Sql, query: BotsQuery): Promise<BotsReport> {
  const { from, to, tz } = query;
  const filter = await filterOf(sql, query);
  const [row] = await sql<CommonRow[]>`
    select ${progressFragment(sql)} as progress, ${
    seriesFragment(sql, { from, to, tz, step: "day", filter })
  } as buckets`;
  const progress = progressOf(row!.progress);
  return shapeBots(query, bucketsOf(row!.buckets, progress), progress);
}

/** Days over which countries and cities are ranked for their forecast. */
const RANKING_DAYS = 28;

/** The next days, forecast from complete days. @throws as {@link contributions} */
export async function forecastReport(sql: Sql, query: ForecastQuery): Promise<ForecastReport> {
  const { tz, of } = query;
  const dimension = of === "country" ? "country" : "place";
  const [row] = await sql<(CommonRow & { ranked: readonly { key: string }[]; key_days: readonly KeyDayJson[] })[]>`
    with edge as materialized (
      -- The day in which the closed windows end is not complete.
      select (s.closed_through at time zone ${tz}::text)::date as day from tm.stream s where isfinite(s.closed_through)
    ), ranked as materialized (
      select d.key, ${hitsOf(sql, query)} as counted
      from (
        select array_agg(1) as buckets, array_agg(lower(i)) as starts, array_agg(upper(i)) as ends
        from edge e cross join lateral unnest(tm.tidemark_known_time_v2(e.day - ${RANKING_DAYS}::integer, e.day - 1, ${tz}::text, false)) i
      ) t
      cross join lateral tm.tidemark_hits_v2(${dimension}::text, t.buckets, t.starts, t.ends, null, null, ${
    query.late === "include"
  }::boolean) d
      where ${of !== "total"}::boolean
      order by 2 desc, d.key collate "C" limit ${query.limit}::integer
    )
    select ${progressFragment(sql)} as progress,
           (select ${bucketsFragment(sql)}
            from edge e cross join lateral tm.tidemark_series_v2(e.day - ${HISTORY_DAYS_MAX}::integer, e.day - 1, ${tz}::text, 'day') s) as buckets,
           (select coalesce(jsonb_agg(jsonb_build_object('key', r.key) order by r.counted desc, r.key collate "C"), '[]') from ranked r) as ranked,
           (select coalesce(jsonb_agg(jsonb_build_object('key', d.key, 'day', d.day, 'hits', ${
    hitsOf(sql, query)
  })), '[]')
            from edge e cross join lateral tm.tidemark_key_days_v2(${dimension}::text, e.day - ${HISTORY_DAYS_MAX}::integer, e.day - 1, ${tz}::text,
              array(select r.key from ranked r), null, ${query.late === "include"}::boolean) d
            where ${of !== "total"}::boolean) as key_days`;
  const hits = keyDaysOf(row!.key_days, "city");
  const progress = progressOf(row!.progress);
  return shapeForecast(query, {
    learnt: learnable(bucketsOf(row!.buckets, progress)),
    series: row!.ranked.map(({ key }) => ({ key, hits: hits.get(key) ?? new Map() })),
    progress,
  });
}
