// The reports of `tidemark report`: how each is asked for, read and printed. Reads the database or asks a service.
import type { z } from "zod";
import {
  BOTS,
  CONTRIBUTIONS,
  exportBody,
  FORECAST,
  render,
  type Rendering,
  TIMESERIES,
  TOP,
  VISITORS,
} from "../../http/api/reports/report_answers.ts";
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
  type QueryProblem,
  type QueryResult,
  timeseriesQuery,
  timeseriesSchema,
  topQuery,
  topSchema,
  visitorsQuery,
  visitorsSchema,
} from "../../report/report_query.ts";
import { bots, contributions, forecastReport, timeseries } from "../../report/report_store.ts";
import { top } from "../../report/top_store.ts";
import { visitors } from "../../report/visitor_store.ts";
import { svgBars } from "../../report/chart/svg_bars.ts";
import { svgMap } from "../../report/chart/svg_map.ts";
import { svgTimeseries } from "../../report/chart/svg_timeseries.ts";
import type { UsageError } from "../../shared/errors.ts";
import { jsonText } from "../../shared/printable.ts";
import type { Sql } from "../../shared/sql.ts";
import type { EpochMs } from "../../shared/units.ts";
import { Database } from "../../store/postgres/client.ts";
import { badArguments, type CommandContext } from "../command.ts";
import { askReport, type ReportService } from "./report_remote.ts";

export const FORMATS = ["text", "json", "csv", "ndjson", "svg"] as const;
type Format = typeof FORMATS[number];

/** The same as the statement_timeout of the API's connections. */
const DEADLINE_MS = 30_000;

/** One kind of report. */
interface Report<Q, R, Line> {
  /** Its name here and below /v1/reports. */
  readonly name: string;
  readonly schema: z.ZodObject;
  readonly query: (given: Parameters, now: EpochMs) => QueryResult<Q>;
  readonly read: (sql: Sql, query: Q) => Promise<R>;
  readonly rendering: Rendering<R, Line>;
  /** null for a report without a chart. */
  readonly svg: ((report: R) => string) | null;
}

/** A report without its type parameters. */
interface Asked {
  readonly parameters: readonly string[];
  readonly formats: readonly Format[];
  print(given: Parameters, format: Format, from: Database | ReportService, context: CommandContext): Promise<void>;
}

export const REPORTS: Readonly<Record<string, Asked>> = {
  contributions: asked({
    name: "contributions",
    schema: contributionSchema,
    query: contributionQuery,
    read: (sql, query) => contributions(sql, query, cursorOf(query.cursor)),
    rendering: CONTRIBUTIONS,
    svg: (report) =>
      report.query.place === "country"
        ? svgMap(
          report.rows.map((row) => ({
            countryCode: row.place?.country_code ?? "",
            count: row.city_contribution.count,
          })),
          CONTRIBUTIONS.title(report),
        )
        : svgBars(CONTRIBUTIONS.bars(report), CONTRIBUTIONS.title(report)),
  }, exportAll),
  timeseries: asked({
    name: "timeseries",
    schema: timeseriesSchema,
    query: timeseriesQuery,
    read: timeseries,
    rendering: TIMESERIES,
    svg: (report) => svgTimeseries(report.points, { tz: report.query.tz, title: TIMESERIES.title(report) }),
  }),
  top: asked({
    name: "top",
    schema: topSchema,
    query: topQuery,
    read: top,
    rendering: TOP,
    svg: (report) => svgBars(TOP.bars(report), TOP.title(report)),
  }),
  visitors: asked({
    name: "visitors",
    schema: visitorsSchema,
    query: visitorsQuery,
    read: visitors,
    rendering: VISITORS,
    svg: null,
  }),
  bots: asked({ name: "bots", schema: botsSchema, query: botsQuery, read: bots, rendering: BOTS, svg: null }),
  forecast: asked({
    name: "forecast",
    schema: forecastSchema,
    query: forecastQuery,
    read: forecastReport,
    rendering: FORECAST,
    svg: null,
  }),
};

/** Hides the type parameters of one report. `whole` prints all rows, for CSV and NDJSON without a limit. */
function asked<Q, R, Line>(
  { name, schema, query, read, rendering, svg }: Report<Q, R, Line>,
  whole?: (query: Q, format: "csv" | "ndjson", database: Database, context: CommandContext) => Promise<void>,
): Asked {
  return {
    parameters: Object.keys(schema.shape),
    formats: FORMATS.filter((format) => format !== "svg" || svg !== null),
    async print(given, format, from, context) {
      const result = query(given, context.clock.now());
      if (!result.ok) throw badQuery(result.problems);
      if (
        whole && (format === "csv" || format === "ndjson") && given.limit === undefined && given.cursor === undefined
      ) {
        if (from instanceof Database) return await whole(result.query, format, from, context);
        return await printAll((await askReport(from, name, given, format)).body!, context);
      }
      const report = from instanceof Database
        ? await from.query((sql) => read(sql, result.query), DEADLINE_MS)
        : await (await askReport(from, name, given, "json")).json() as R;
      const text = format === "svg"
        ? svg!(report)
        : format === "json"
        ? jsonText(report)
        : render(report, format, rendering, context.columns);
      // The line writer adds the newline; the \r of CSV's \r\n stays.
      (format === "text" ? context.out : context.data)(text.replace(/\n$/, ""));
    },
  };
}

async function exportAll(
  query: ContributionQuery,
  format: "csv" | "ndjson",
  database: Database,
  context: CommandContext,
): Promise<void> {
  await printAll(await exportBody(database, query, format, DEADLINE_MS), context);
}

/** Prints a stream of lines. A chunk may end inside a line. */
async function printAll(body: ReadableStream<Uint8Array>, { data, drained }: CommandContext): Promise<void> {
  let rest = "";
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const end = text.lastIndexOf("\n");
    if (end >= 0) data(rest + text.slice(0, end));
    rest = end >= 0 ? text.slice(end + 1) : rest + text;
    if (!await drained()) return;
  }
  if (rest !== "") data(rest);
}

function cursorOf(text: string | undefined) {
  if (text === undefined) return undefined;
  const cursor = decodeContributionCursor(text);
  if ("field" in cursor) throw badQuery([cursor]);
  return cursor;
}

function badQuery(problems: readonly QueryProblem[]): UsageError {
  return badArguments(
    "report",
    ...problems.map(({ field, message, allowed }) =>
      `--${field} ${message}${allowed.length > 0 && !message.includes(allowed[0]!) ? ` (${allowed.join(", ")})` : ""}`
    ),
  );
}
