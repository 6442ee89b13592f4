// /v1/reports/*: the reports and their parameters. Reads the database through src/report.
import {
  botsQuery,
  botsSchema,
  type ContributionQuery,
  contributionQuery,
  contributionSchema,
  decodeContributionCursor,
  forecastQuery,
  forecastSchema,
  type Parameters,
  type QueryResult,
  timeseriesQuery,
  timeseriesSchema,
  topQuery,
  topSchema,
  visitorsQuery,
  visitorsSchema,
} from "../../../report/report_query.ts";
import { bots, contributions, forecastReport, timeseries } from "../../../report/report_store.ts";
import { top } from "../../../report/top_store.ts";
import { visitors } from "../../../report/visitor_store.ts";
import { invariant } from "../../../shared/errors.ts";
import type { EpochMs } from "../../../shared/units.ts";
import type { DataVersion } from "../../server/caching.ts";
import type { ReadDatabase, Sql } from "../../../shared/sql.ts";
import type { App, AppDeps } from "../../server/deps.ts";
import {
  type Body,
  BOTS,
  CONTRIBUTIONS,
  exportBody,
  FORECAST,
  render,
  type Rendering,
  TIMESERIES,
  TOP,
  VISITORS,
} from "./report_answers.ts";
import type { Format } from "./report_format.ts";
import { type Asked, registerReport } from "./report_route.ts";
import {
  botsReportSchema,
  contributionsSchema,
  forecastReportSchema,
  timeseriesReportSchema,
  topReportSchema,
  visitorsReportSchema,
} from "./report_schemas.ts";

/** Registers all reports. */
export function registerReports(app: App, deps: AppDeps, version: () => Promise<DataVersion>): void {
  registerReport(app, deps, version, {
    name: "contributions",
    summary: "Who contributed how much, per place",
    description:
      "Per city, region or country: count, share of the whole, the country's total, the day before and after, and a forecast if the next day is not known yet. CSV and NDJSON without `limit` are streamed and hold every row.",
    shape: contributionSchema.shape,
    response: contributionsSchema,
    query: pagedQuery,
    answer: answerContributions,
  });
  registerReport(app, deps, version, {
    name: "timeseries",
    summary: "Hits over time, humans beside bots",
    description: "Buckets of a window, an hour or a day. Gaps are null, never zero.",
    shape: timeseriesSchema.shape,
    response: timeseriesReportSchema,
    query: timeseriesQuery,
    answer: whole(timeseries, TIMESERIES),
  });
  registerReport(app, deps, version, {
    name: "top",
    summary: "Hosts, sources, places, pages, browsers, systems, devices, campaigns or channels with most hits",
    description:
      "The rest is one row (other), so that percentages add to 100. Hits that name no page, client or campaign are rows of `reserved`. A page is a path without query and fragment.",
    shape: topSchema.shape,
    response: topReportSchema,
    query: topQuery,
    answer: whole(top, TOP),
  });
  registerReport(app, deps, version, {
    name: "visitors",
    summary: "Visitors per UTC day",
    description:
      "Distinct pairs of address and user agent in a UTC day, without bots and without late records, estimated with a standard error of 0.81 %. The range is the sum of its days. Several hosts count as one.",
    shape: visitorsSchema.shape,
    response: visitorsReportSchema,
    query: visitorsQuery,
    answer: whole(visitors, VISITORS),
  });
  registerReport(app, deps, version, {
    name: "bots",
    summary: "Humans and bots side by side, per day",
    description: "Bots are recognised by their user agent; their hits are kept.",
    shape: botsSchema.shape,
    response: botsReportSchema,
    query: botsQuery,
    answer: whole(bots, BOTS),
  });
  registerReport(app, deps, version, {
    name: "forecast",
    summary: "The next days, with interval and error",
    description:
      "Made from complete days only. A backtest chooses the method of each series; in it, the method is never worse than the same weekday of the week before. A series with a short history has no forecast.",
    shape: forecastSchema.shape,
    response: forecastReportSchema,
    query: forecastQuery,
    answer: whole(forecastReport, FORECAST),
  });
}

/** Answers a report that is read in one statement. */
function whole<Q, R, Line>(read: (sql: Sql, query: Q) => Promise<R>, rendering: Rendering<R, Line>) {
  return async (database: ReadDatabase, query: Q, { format, deadlineMs }: Asked) =>
    render(await database.query((sql) => read(sql, query), deadlineMs), format, rendering);
}

/** The query of a page; its cursor is checked together with the other parameters. */
function pagedQuery(given: Parameters, now: EpochMs): QueryResult<ContributionQuery> {
  const result = contributionQuery(given, now);
  const after = result.ok ? cursorOf(result.query) : undefined;
  return after !== undefined && "field" in after ? { ok: false, problems: [after] } : result;
}

function cursorOf({ cursor }: ContributionQuery) {
  return cursor === undefined ? undefined : decodeContributionCursor(cursor);
}

async function answerContributions(database: ReadDatabase, query: ContributionQuery, asked: Asked): Promise<Body> {
  const { format, deadlineMs } = asked;
  const after = cursorOf(query);
  invariant(after === undefined || !("field" in after), "a query with a bad cursor was refused before");
  if (isTable(format) && after === undefined && asked.given.limit === undefined) {
    return await exportBody(database, query, format, deadlineMs);
  }
  return render(await database.query((sql) => contributions(sql, query, after), deadlineMs), format, CONTRIBUTIONS);
}

function isTable(format: Format): format is "csv" | "ndjson" {
  return format === "csv" || format === "ndjson";
}
