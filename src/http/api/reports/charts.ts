// /v1/charts/*.svg: charts that other pages may embed. Reads the database through src/report.
import { createRoute, z } from "@hono/zod-openapi";
import type { ZodRawShape } from "zod";
import {
  contributionQuery,
  contributionSchema,
  type Parameters,
  type QueryResult,
  timeseriesQuery,
  timeseriesSchema,
  topQuery,
  topSchema,
} from "../../../report/report_query.ts";
import { contributions, timeseries } from "../../../report/report_store.ts";
import { top } from "../../../report/top_store.ts";
import { svgBars } from "../../../report/chart/svg_bars.ts";
import { cityPoints, MAP_CITIES } from "../../../report/place_points.ts";
import { svgMap } from "../../../report/chart/svg_map.ts";
import { svgTimeseries } from "../../../report/chart/svg_timeseries.ts";
import type { EpochMs } from "../../../shared/units.ts";
import { cacheHeaders, type DataVersion, isUnchanged } from "../../server/caching.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { App, AppDeps } from "../../server/deps.ts";
import { CONTRIBUTIONS, TIMESERIES, TOP } from "./report_answers.ts";
import { checkedQuery, coverageOf, type Ranged, refuseReportQuery, zoneProblem } from "./report_route.ts";
import { databaseRefusals, refusals } from "../schemas.ts";
import { queryOf } from "../../server/validation.ts";

interface ChartDefinition<Q extends Ranged> {
  readonly name: string;
  readonly summary: string;
  readonly shape: ZodRawShape;
  readonly query: (given: Parameters, now: EpochMs) => QueryResult<Q>;
  readonly draw: (sql: Sql, query: Q) => Promise<string>;
}

/**
 * A chart that is opened by itself is a document, which may contain only its style. Any site may embed a chart; only a token or a loopback
 * address prevents that.
 */
const SVG_HEADERS = {
  "content-type": "image/svg+xml",
  "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
  "cross-origin-resource-policy": "cross-origin",
};

/** Default number of bars in the chart of cities: they fit a page without scrolling. */
const BARS = 15;
/** More than the number of countries. */
const COUNTRIES_MAX = 1_000;

const { cursor: _cursor, compare: _compare, limit, ...citiesShape } = contributionSchema.shape;
const { by: _by, limit: _limit, ...mapShape } = topSchema.shape;

/** Registers the charts. */
export function registerCharts(app: App, deps: AppDeps, version: () => Promise<DataVersion>): void {
  registerChart(app, deps, version, {
    name: "cities",
    summary: "Bar chart of places",
    shape: { ...citiesShape, limit: limit.default(BARS) },
    query: (given, now) => contributionQuery({ limit: BARS, ...given }, now),
    draw: async (sql, query) => {
      const report = await contributions(sql, query);
      return svgBars(CONTRIBUTIONS.bars(report), CONTRIBUTIONS.title(report));
    },
  });
  registerChart(app, deps, version, {
    name: "map",
    summary: "World map, countries by hits, cities where their coordinates are known",
    shape: mapShape,
    query: (given, now) => topQuery({ ...given, by: "country", limit: COUNTRIES_MAX }, now),
    draw: async (sql, query) => {
      const report = await top(sql, query);
      const countries = report.rows.map(({ key, count }) => ({ countryCode: key ?? "unknown", count }));
      const points = await cityPoints(sql, (await top(sql, { ...query, by: "city", limit: MAP_CITIES })).rows);
      return svgMap(countries, TOP.title(report), points.length > 0 ? { points } : {});
    },
  });
  registerChart(app, deps, version, {
    name: "timeseries",
    summary: "Hits over time, humans and bots stacked",
    shape: timeseriesSchema.shape,
    query: timeseriesQuery,
    draw: async (sql, query) => {
      const report = await timeseries(sql, query);
      return svgTimeseries(report.points, { tz: query.tz, title: TIMESERIES.title(report) });
    },
  });
}

function registerChart<Q extends Ranged>(
  app: App,
  deps: AppDeps,
  version: () => Promise<DataVersion>,
  chart: ChartDefinition<Q>,
): void {
  const rev = z.string().max(100).optional().openapi({ description: "Revision of the data, for caches." });
  const token = z.string().max(512).optional().openapi({
    description: "The value of API_CHART_TOKEN, for pages that embed the chart: they cannot send a header.",
  });
  const route = createRoute({
    method: "get",
    path: `/v1/charts/${chart.name}.svg`,
    tags: ["Charts"],
    summary: chart.summary,
    request: { query: queryOf({ ...chart.shape, rev, token }) },
    responses: {
      200: { description: "The chart.", content: { "image/svg+xml": { schema: z.string() } } },
      304: { description: "Nothing changed since the ETag in If-None-Match." },
      ...refusals,
      ...databaseRefusals,
    },
  });
  app.openapi(route, async (c) => {
    const { rev: _rev, token: _token, ...given } = c.req.query();
    const query = checkedQuery(chart.query(given, deps.clock.now()));
    const cache = cacheHeaders(c, deps.settings.access, await version(), coverageOf(query, given, "svg"));
    if (isUnchanged(c, cache.etag)) return c.body(null, 304, cache);
    const picture = await deps.database.query((sql) => chart.draw(sql, query), deps.settings.deepQueryTimeoutMs)
      .catch((error) => Promise.reject(zoneProblem(error) ?? error));
    return c.body(picture, 200, { ...cache, ...SVG_HEADERS });
  }, refuseReportQuery((given) => chart.query(given, deps.clock.now())));
}
