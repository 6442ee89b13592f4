// /v1/reports/*: which reports there are, and how each is answered in each format. Reads the database through src/report.

import {
  botsQuery,
  botsSchema,
  contributionQuery,
  contributionSchema,
  decodeContributionCursor,
  forecastQuery,
  forecastSchema,
  timeseriesQuery,
  timeseriesSchema,
  topQuery,
  topSchema,
} from "../report/report_query.ts";
import { bots, contributions, forecastReport, timeseries, top } from "../report/report_store.ts";
import { dataVersionReader } from "./caching.ts";
import type { App, AppDeps } from "./deps.ts";
import { problemOf, registerReport, type ReportDefinition } from "./report_route.ts";
import {
  botsReportSchema,
  contributionsSchema,
  forecastReportSchema,
  timeseriesReportSchema,
  topReportSchema,
} from "./report_schemas.ts";

/** Registers all reports. */
export function registerReports(app: App, deps: AppDeps): void {
  const version = dataVersionReader(deps.database, deps.clock, deps.settings.queryTimeoutMs);
  registerReport(app, deps, version, {
    name: "contributions",
    summary: "Who contributed how much, per place",
    description:
      "Per city, region or country: count, share of the whole, the country's total, the day before and after, and a forecast where the next day is not known yet. Every number says whether it is final.",
    shape: contributionSchema.shape,
    response: contributionsSchema,
    query: contributionQuery,
    answer: (database, query, _format, deadlineMs) => {
      const after = query.cursor === undefined ? undefined : decodeContributionCursor(query.cursor);
      if (after !== undefined && "field" in after) throw problemOf([after]);
      return database.query(async (sql) => JSON.stringify(await contributions(sql, query, after)), deadlineMs);
    },
  });
}
