// Reads what the overview shows. Reads the database and snapshots; answers are shared for a moment.
import type { ContributionReport } from "../../../report/contribution.ts";
import type { ForecastReport } from "../../../report/forecast/forecast_report.ts";
import { decodeContributionCursor, forecastQuery } from "../../../report/report_query.ts";
import { contributions, forecastReport, timeseries } from "../../../report/report_store.ts";
import { top } from "../../../report/top_store.ts";
import type { TimeseriesReport } from "../../../report/timeseries.ts";
import type { TopReport } from "../../../report/top.ts";
import { BugError } from "../../../shared/errors.ts";
import { durationMs } from "../../../shared/units.ts";
import type { AppDeps } from "../../server/deps.ts";
import type { Sql } from "../../../shared/sql.ts";
import { badField } from "../../server/problem.ts";
import type { PageQueries } from "../page_query.ts";
import type { ReportCache } from "./report_cache.ts";

/** What moves with every commit. */
export interface FastData {
  readonly series: TimeseriesReport;
  readonly forecast: ForecastReport;
}

/** Everything below the controls. */
export interface OverviewData extends FastData {
  readonly table: ContributionReport;
  readonly hosts: TopReport;
  readonly referrers: TopReport;
  readonly channels: TopReport;
  readonly countries: TopReport;
  readonly cities: TopReport;
}

const TOP_ROWS = 8;
/** As many as there are countries: the map shades them all. */
const COUNTRY_ROWS = 260;
const CITY_ROWS = 12;
const FORECAST_DAYS = 7;

/** How long readers share an answer. A forecast changes when a day is complete. */
const SHARED_MS = durationMs(1_500);
const FORECAST_SHARED_MS = durationMs(60_000);

/** Reads the reports of one page; the two methods may be called together. */
export class OverviewReader {
  constructor(readonly deps: AppDeps, readonly cache: ReportCache, readonly queries: PageQueries) {}

  async fast(): Promise<FastData> {
    const { tz, traffic, late } = this.queries.contribution;
    const ahead = forecastQuery({ tz, of: "total", days: FORECAST_DAYS, traffic, late });
    // The page's query has passed with the same parameters.
    if (!ahead.ok) throw new BugError(`the forecast refuses ${ahead.problems[0]?.field}`);
    const [series, forecast] = await Promise.all([
      this.#read("timeseries", this.queries.series, timeseries),
      this.#read("forecast", ahead.query, forecastReport, FORECAST_SHARED_MS),
    ]);
    return { series, forecast };
  }

  /** All reports, read at once: the database does as many together as it can. */
  async all(): Promise<OverviewData> {
    const { contribution, top: topOf } = this.queries;
    const after = contribution.cursor === undefined ? undefined : decodeContributionCursor(contribution.cursor);
    if (after !== undefined && "field" in after) throw badField(after.field, after.message);
    const [fast, table, hosts, referrers, channels, countries, cities] = await Promise.all([
      this.fast(),
      this.#read("contributions", contribution, (sql, query) => contributions(sql, query, after)),
      this.#read("top", topOf("host", TOP_ROWS), top),
      this.#read("top", topOf("referrer", TOP_ROWS), top),
      this.#read("top", topOf("channel", TOP_ROWS), top),
      this.#read("top", topOf("country", COUNTRY_ROWS), top),
      this.#read("top", topOf("city", CITY_ROWS), top),
    ]);
    return { ...fast, table, hosts, referrers, channels, countries, cities };
  }

  #read<Q, R>(name: string, query: Q, report: (sql: Sql, query: Q) => Promise<R>, sharedMs = SHARED_MS): Promise<R> {
    const { database, settings } = this.deps;
    return this.cache.get(
      `${name} ${JSON.stringify(query)}`,
      sharedMs,
      () => database.query((sql) => report(sql, query), settings.queryTimeoutMs),
    );
  }
}
