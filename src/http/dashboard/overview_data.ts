// Reads what the overview shows. Reads the database and snapshots; answers are shared for a moment.
import type { ContributionReport } from "../../report/contribution.ts";
import type { ForecastReport } from "../../report/forecast_report.ts";
import { decodeContributionCursor, forecastQuery } from "../../report/report_query.ts";
import { contributions, forecastReport, timeseries, top } from "../../report/report_store.ts";
import type { TimeseriesReport } from "../../report/timeseries.ts";
import type { TopReport } from "../../report/top.ts";
import type { AppDeps } from "../deps.ts";
import { HttpProblem } from "../problem.ts";
import type { PageQueries } from "./page_query.ts";
import type { ReportCache } from "./report_cache.ts";

/** Everything below the controls. */
export interface OverviewData {
  readonly table: ContributionReport;
  readonly series: TimeseriesReport;
  readonly hosts: TopReport;
  readonly referrers: TopReport;
  readonly channels: TopReport;
  readonly countries: TopReport;
  readonly cities: TopReport;
  readonly forecast: ForecastReport;
}

const TOP_ROWS = 8;
/** As many as there are countries: the map shades them all. */
const COUNTRY_ROWS = 260;
const CITY_ROWS = 12;
const FORECAST_DAYS = 7;

/** Reads all reports of the page, at once: the database does as many together as it can. */
export async function readOverview(deps: AppDeps, cache: ReportCache, queries: PageQueries): Promise<OverviewData> {
  const { contribution, series } = queries;
  const after = contribution.cursor === undefined ? undefined : decodeContributionCursor(contribution.cursor);
  if (after !== undefined && "field" in after) {
    throw new HttpProblem("bad_query", `cursor ${after.message}`, {
      errors: [{ field: "cursor", message: after.message }],
    });
  }
  const read = <Q, R>(name: string, query: Q, report: (sql: never, query: Q) => Promise<R>): Promise<R> =>
    cache.get(
      `${name} ${JSON.stringify(query)}`,
      () => deps.database.query((sql) => report(sql as never, query), deps.settings.queryTimeoutMs),
    );
  const ahead = forecastQuery({
    tz: contribution.tz,
    of: "total",
    days: FORECAST_DAYS,
    traffic: contribution.traffic,
    late: contribution.late,
  });
  if (!ahead.ok) throw new HttpProblem("bad_query", ahead.problems.map(({ message }) => message).join("; "));
  const [table, points, hosts, referrers, channels, countries, cities, forecast] = await Promise.all([
    read("contributions", contribution, (sql, query) => contributions(sql, query, after)),
    read("timeseries", series, timeseries),
    read("top", queries.top("host", TOP_ROWS), top),
    read("top", queries.top("referrer", TOP_ROWS), top),
    read("top", queries.top("channel", TOP_ROWS), top),
    read("top", queries.top("country", COUNTRY_ROWS), top),
    read("top", queries.top("city", CITY_ROWS), top),
    read("forecast", ahead.query, forecastReport),
  ]);
  return { table, series: points, hosts, referrers, channels, countries, cities, forecast };
}
