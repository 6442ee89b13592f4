// Reads the data of the overview. Reads the database and snapshots; requests shortly after each other share an answer.
import { type Breakdown, BREAKDOWNS } from "../../../report/breakdown.ts";
import { breakdowns } from "../../../report/breakdown_store.ts";
import type { ContributionReport } from "../../../report/contribution.ts";
import type { ForecastReport } from "../../../report/forecast/forecast_report.ts";
import {
  type ContributionQuery,
  decodeContributionCursor,
  forecastQuery,
  type TopQuery,
} from "../../../report/report_query.ts";
import { contributions, forecastReport, timeseries } from "../../../report/report_store.ts";
import { top } from "../../../report/top_store.ts";
import type { TimeseriesReport } from "../../../report/timeseries.ts";
import type { TopReport } from "../../../report/top.ts";
import { visitors } from "../../../report/visitor_store.ts";
import type { VisitorsReport } from "../../../report/visitors.ts";
import { BugError } from "../../../shared/errors.ts";
import { durationMs } from "../../../shared/units.ts";
import type { AppDeps } from "../../server/deps.ts";
import { codeOf, type Sql } from "../../../shared/sql.ts";
import { cityPoints, MAP_CITIES } from "../../../report/place_points.ts";
import type { MapPoint } from "../../../report/report_types.ts";
import { databaseProblem } from "../../server/database.ts";
import { badField } from "../../server/problem.ts";
import type { Condition } from "../../../report/filter.ts";
import { alike } from "./alike.ts";
import type { PageQueries } from "../page_query.ts";
import type { ReportCache } from "./report_cache.ts";

/** What changes with every commit. */
export interface FastData {
  readonly series: TimeseriesReport;
  readonly forecast: ForecastReport;
  /** null if the page's query has none, or the database does not count them yet. */
  readonly visitors: VisitorsReport | null;
}

/** Everything below the controls. */
export interface OverviewData extends FastData {
  readonly table: ContributionReport;
  readonly hosts: TopReport;
  readonly sources: TopReport;
  readonly channels: TopReport;
  readonly countries: TopReport;
  /** null if the page's query has none, or the database does not count them yet. */
  readonly breakdowns: Readonly<Record<Breakdown, TopReport>> | null;
  /** As many as the map shows; the list beside it shows the first of them. */
  readonly cities: TopReport;
  /** Those of them whose coordinates are known. */
  readonly points: readonly MapPoint[];
}

/** Whether addresses were placed in countries and nothing finer: an address file of countries, as the program brings it. */
export function countriesOnly({ cities, countries }: Pick<OverviewData, "cities" | "countries">): boolean {
  return countries.rows.some(({ key }) => key !== null && /^[A-Z]{2}$/.test(key)) &&
    cities.rows.every(({ key }) => key === null || key.endsWith("\x1e\x1e"));
}

/** Conditions that are looked at when nothing matches, and keys that are looked through for each. */
const NEARBY_MAX = 3;
const NEARBY_KEYS = 500;
const TOP_ROWS = 8;
/** As many as there are countries: the map shades them all. */
const COUNTRY_ROWS = 260;
const FORECAST_DAYS = 7;

/** How long readers share an answer. A forecast changes when a day is complete. */
const SHARED_MS = durationMs(1_500);
const FORECAST_SHARED_MS = durationMs(60_000);
/** The sketches of an open day are merged for each answer. */
const VISITORS_SHARED_MS = durationMs(15_000);

/**
 * null if the database does not have the tables yet, or this role may not read them yet: a process of this release may read a database of the
 * one before.
 */
async function ifPresent<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading;
  } catch (error) {
    if (databaseProblem(error)?.code !== "schema_missing" && codeOf(error) !== "42501") throw error;
    return null;
  }
}

/** Reads the reports of one page. */
export class OverviewReader {
  /** `placeGiven`: the reader has chosen the kind of the table's rows. */
  constructor(
    readonly deps: AppDeps,
    readonly cache: ReportCache,
    readonly queries: PageQueries,
    readonly placeGiven: boolean,
  ) {}

  async fast(): Promise<FastData> {
    const { tz, traffic, late } = this.queries.contribution;
    const ahead = forecastQuery({ tz, of: "total", days: FORECAST_DAYS, traffic, late });
    // The page's query has passed with the same parameters.
    if (!ahead.ok) throw new BugError(`the forecast refuses ${ahead.problems[0]?.field}`);
    const query = this.queries.visitors;
    const [series, forecast, counted] = await Promise.all([
      this.#read("timeseries", this.queries.series, timeseries),
      this.#read("forecast", ahead.query, forecastReport, FORECAST_SHARED_MS),
      query === null ? null : ifPresent(this.#read("visitors", query, visitors, VISITORS_SHARED_MS)),
    ]);
    return { series, forecast, visitors: counted };
  }

  /** All reports. They are read at the same time as the fast ones. */
  async all(reading: Promise<FastData>): Promise<OverviewData> {
    const { top: topOf } = this.queries;
    const [fast, table, hosts, sources, channels, countries, cities, counted] = await Promise.all([
      reading,
      this.#table(),
      this.#read("top", topOf("host", TOP_ROWS), top),
      this.#read("top", topOf("source", TOP_ROWS), top),
      this.#read("top", topOf("channel", TOP_ROWS), top),
      this.#read("top", topOf("country", COUNTRY_ROWS), top),
      this.#read("top", topOf("city", MAP_CITIES), top),
      ifPresent(this.#breakdowns()),
    ]);
    const points = await ifPresent(this.#points(cities)) ?? [];
    const data = { ...fast, table, hosts, sources, channels, countries, cities, breakdowns: counted, points };
    return this.placeGiven || !countriesOnly(data) ? data : { ...data, table: await this.#table({ place: "country" }) };
  }

  /** Keys of the range, without any filter, that are like the values of conditions which match nothing. */
  async nearby(conditions: readonly Condition[]): Promise<Map<Condition, string[]>> {
    const found = new Map<Condition, string[]>();
    for (const condition of conditions.slice(0, NEARBY_MAX)) {
      const by = condition.field;
      const { filter: _filter, ...query } = this.queries.top(by, NEARBY_KEYS);
      const { rows } = await this.#read("top", query as TopQuery, top);
      const last = (key: string) => by === "region" || by === "city" ? key.split("\x1e").at(-1)! : key;
      found.set(
        condition,
        alike(condition.value, [...new Set(rows.flatMap(({ key }) => key === null ? [] : [last(key)]))]),
      );
    }
    return found;
  }

  /** One after the other: a page must not take all statements that may run at once. */
  async #breakdowns(): Promise<OverviewData["breakdowns"]> {
    const { breakdown: of } = this.queries;
    if (of === null) return null;
    const reports = await this.#read("breakdowns", BREAKDOWNS.map((by) => of(by)), breakdowns);
    return Object.fromEntries(BREAKDOWNS.map((by, i) => [by, reports[i]!])) as Record<Breakdown, TopReport>;
  }

  async #points({ rows }: TopReport): Promise<MapPoint[]> {
    const { database, settings } = this.deps;
    return await database.query((sql) => cityPoints(sql, rows), settings.queryTimeoutMs);
  }

  async #table(changes: Partial<ContributionQuery> = {}): Promise<ContributionReport> {
    const query = { ...this.queries.contribution, ...changes };
    const after = query.cursor === undefined ? undefined : decodeContributionCursor(query.cursor);
    if (after !== undefined && "field" in after) throw badField(after.field, after.message);
    return await this.#read("contributions", query, (sql, query) => contributions(sql, query, after));
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
