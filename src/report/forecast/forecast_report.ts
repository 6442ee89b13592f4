// Makes the report of forecasts: total, countries or cities. Pure.
import { closingLags, completenessOf } from "../completeness.ts";
import { countryName, placeLabel } from "../country_names.ts";
import { historyOf } from "../contribution.ts";
import { COVERAGE, forecast, HISTORY_DAYS_MAX } from "./forecast.ts";
import type { ForecastQuery } from "../report_query.ts";
import type { Bucket, Completeness, PlaceNames, Progress } from "../report_types.ts";
import { addDays, type LocalDate, localDate } from "../time_zone.ts";

/** Days of history that are shown beside the forecast. */
const SHOWN_DAYS = 28;

/** One forecast day; wire shape. Hits as they were computed, with fractions; `low` to `high` is the interval. */
export interface ForecastDay {
  readonly day: LocalDate;
  readonly count: number;
  readonly low: number;
  readonly high: number;
}

/** One series; wire shape. */
export interface ForecastSeries {
  readonly label: string;
  /** null for the total. */
  readonly place: PlaceNames | null;
  /** seasonal_naive or combination; null if there is no forecast. */
  readonly method: string | null;
  /** Why there is no forecast: short_history, no_hits; else null. */
  readonly reason: string | null;
  /** Mean absolute scaled error of the backtest, null if the history never changed. */
  readonly mase: number | null;
  /** Backtest error relative to seasonal-naive's, at most 1. */
  readonly relative_error: number | null;
  readonly history_days: number;
  readonly history: readonly { readonly day: LocalDate; readonly count: number | null }[];
  readonly days: readonly ForecastDay[];
}

/** The report; wire shape. */
export interface ForecastReport {
  readonly query: ForecastQuery;
  /** Last complete day, after which the forecast starts, or null. */
  readonly last_complete_day: LocalDate | null;
  /** Probability with which a day lies between `low` and `high`. */
  readonly interval: number;
  readonly series: readonly ForecastSeries[];
  readonly completeness: Completeness;
  readonly data_revision: number;
}

/** Hits of one key by day; null key = the total, whose hits are the days' own. */
interface SeriesInput {
  readonly key: string;
  readonly hits: ReadonlyMap<LocalDate, number>;
}

/** Shapes the report. `learnt` are the complete days in order of time; `series` are keys in order of hits, ignored for the total. */
export function shapeForecast(
  query: ForecastQuery,
  { learnt, series, progress }: {
    readonly learnt: readonly Bucket[];
    readonly series: readonly SeriesInput[];
    readonly progress: Progress;
  },
): ForecastReport {
  const recent = learnt.slice(-HISTORY_DAYS_MAX);
  const dates = recent.map((day) => localDate(day.start, query.tz));
  const last = dates.at(-1) ?? null;
  const totals = historyOf(recent, query);
  const histories = query.of === "total"
    ? [{ label: "(total)", place: null, history: totals }]
    : series.map(({ key, hits }) => ({
      ...named(key),
      history: recent.map((day, i) => day.unknown ? null : hits.get(dates[i]!) ?? 0),
    }));
  // Days that are closed do not change, but while a backlog is being closed there will be more of them.
  const completeness = completenessOf(recent, progress);
  return {
    query,
    last_complete_day: last,
    interval: COVERAGE,
    series: histories.map(({ label, place, history }): ForecastSeries => {
      const result = forecast(history, query.days);
      const shown = {
        label,
        place,
        history: history.slice(-SHOWN_DAYS).map((count, i) => ({ day: dates.slice(-SHOWN_DAYS)[i]!, count })),
      };
      if (result.kind === "none") {
        return {
          ...shown,
          method: null,
          reason: result.reason,
          mase: null,
          relative_error: null,
          history_days: result.historyDays,
          days: [],
        };
      }
      return {
        ...shown,
        method: result.method,
        reason: null,
        mase: result.mase,
        relative_error: result.relativeError,
        history_days: result.historyDays,
        days: result.points.map((point, i) => ({
          day: addDays(last!, i + 1),
          count: point.count,
          low: point.low,
          high: point.high,
        })),
      };
    }),
    completeness: closingLags(progress) ? { ...completeness, status: "provisional" } : completeness,
    data_revision: progress.dataRevision,
  };
}

function named(key: string) {
  const [country_code = "", region = "", city = ""] = key.split("\x1e");
  const place = { country_code, country: countryName(country_code), region, city };
  return { label: placeLabel(place), place };
}
