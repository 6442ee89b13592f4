// `tidemark report`: prints the reports of the API in a terminal or to a file.
import { schemaMissing } from "../../shared/faults.ts";
import { z } from "zod";
import {
  BOTS,
  BYTE_ORDER_MARK,
  CONTRIBUTIONS,
  exportBody,
  FORECAST,
  render,
  type Rendering,
  TIMESERIES,
  TOP,
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
} from "../../report/report_query.ts";
import { bots, contributions, forecastReport, timeseries } from "../../report/report_store.ts";
import { top } from "../../report/top_store.ts";
import { svgBars } from "../../report/chart/svg_bars.ts";
import { svgMap } from "../../report/chart/svg_map.ts";
import { svgTimeseries } from "../../report/chart/svg_timeseries.ts";
import { boolean, type Kind, kindOf, oneOf } from "../../shared/config/kinds.ts";
import { EXIT, messageOf, NamedError, UsageError } from "../../shared/errors.ts";
import { jsonText } from "../../shared/printable.ts";
import type { EpochMs } from "../../shared/units.ts";
import { codeOf, type Sql } from "../../shared/sql.ts";
import { Database } from "../../store/postgres/client.ts";
import { badArguments, type CommandContext, defineCommand, flag } from "../command.ts";
import { streamMissing, withStorageToLookAt } from "../../app/storage.ts";
import { askReport, type ReportService, reportService } from "./report_remote.ts";
import { addressOfFolder } from "../running/running.ts";

const FORMATS = ["text", "json", "csv", "ndjson", "svg"] as const;
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

const REPORTS: Readonly<Record<string, Asked>> = {
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

// The schemas of the reports check the values.
const anyText: Kind<string> = kindOf("<text>", "text of at most 4096 characters", z.string().max(4096));
const parameter = (doc: string) => flag(anyText, { doc });

export const command = defineCommand({
  usage: Object.keys(REPORTS).join(" | "),
  description:
    "The same numbers as /v1/reports. Without --limit, CSV and NDJSON hold every row. If a running service has the embedded database open, the " +
    "report comes from that service, with API_TOKEN.",
  groups: ["storage", "process"],
  flags: {
    format: flag(oneOf(...FORMATS), { default: "text", doc: "Format of the report." }),
    bom: flag(boolean, { doc: "With --format csv: begin with a byte order mark, so that Excel recognises UTF-8." }),
    svg: flag(boolean, { doc: "Short for --format svg.", hidden: true }),
    from: parameter("First local day, YYYY-MM-DD, inclusive. Default: six days before --to."),
    to: parameter("Last local day, inclusive. Default: today."),
    tz: parameter("Time zone of the days, such as Europe/Berlin. Default: UTC."),
    host: parameter("Only hits of this host."),
    referrer: parameter("Only hits with this referrer; empty for direct hits."),
    source: parameter("Only hits from this source, as top --by source names it."),
    channel: parameter("Only hits through this channel: direct, search, social, referral, internal, unclassified."),
    country: parameter("Only hits from this country: its code or English name."),
    region: parameter("Only hits from this region; empty for places without one."),
    city: parameter("Only hits from this city; empty for places without one."),
    filter: parameter(
      "Conditions FIELD:OP:VALUE separated by ;, such as host:starts:www.;referrer:not_contains:google. OP is is, is_not, starts, not_starts, contains or not_contains.",
    ),
    traffic: parameter("all, human or bot."),
    late: parameter("include or exclude (default) late records."),
    place: parameter("contributions: city, region or country."),
    compare: parameter(
      "contributions, timeseries: previous_day, same_weekday, previous_period (default) or previous_year.",
    ),
    order: parameter("contributions: count_desc, count_asc or place."),
    cursor: parameter("contributions: next_cursor of the previous page."),
    step: parameter("timeseries: 5min, hour, day, week or month."),
    by: parameter("top: host, referrer, source, channel, country, region or city."),
    of: parameter("forecast: total, country or city."),
    days: parameter("forecast: days ahead, 1 to 14."),
    limit: parameter("contributions, top, forecast: rows."),
  },
  async run([name = "", ...rest], context) {
    const { format: named, svg, bom, ...flags } = context.flags;
    const report = Object.hasOwn(REPORTS, name) ? REPORTS[name]! : undefined;
    if (!report || rest.length > 0) {
      throw new UsageError(
        [
          report
            ? `Too many arguments after ${name}`
            : name === ""
            ? "Say which report, as in `tidemark report contributions`"
            : `There is no report ${JSON.stringify(name)}`,
        ],
        `Reports: ${Object.keys(REPORTS).join(", ")}.`,
        "bad_arguments",
      );
    }
    const given: Parameters = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
    const format = svg ? "svg" : named;
    const problems = Object.keys(given).filter((key) => !report.parameters.includes(key)).map((key) =>
      `--${key} is not used by report ${name}`
    );
    if (!report.formats.includes(format)) {
      problems.push(`--format must be one of ${report.formats.join(", ")} for report ${name}`);
    }
    if (problems.length > 0) throw badArguments("report", ...problems);

    const print = async (from: Database | ReportService) => {
      await report.print(given, format, from, bom && format === "csv" ? marked(context) : context);
      await context.drained();
      return EXIT.ok;
    };
    try {
      return await withStorageToLookAt(context, (storage) => {
        if (storage === null) throw streamMissing();
        return print(storage.reads);
      });
    } catch (error) {
      // If another process has the embedded database open and is a service, that service answers.
      const address = isHeld(error) ? await addressOfFolder(context.settings.DATA_DIR) : undefined;
      if (address === undefined) throw namedError(error);
      return await print(reportService(address, context.settings));
    }
  },
});

const isHeld = (error: unknown) => error instanceof NamedError && error.code === "data_dir_locked";

/** The context with a byte order mark before the first data. */
function marked(context: CommandContext): CommandContext {
  let mark = BYTE_ORDER_MARK;
  return {
    ...context,
    data(text) {
      context.data(`${mark}${text}`);
      mark = "";
    },
  };
}

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

function namedError(error: unknown): unknown {
  switch (codeOf(error)) {
    case "42P01":
    case "42883":
    case "3F000":
      return schemaMissing(error);
    case "22023":
      return badArguments("report", `--tz PostgreSQL does not know this zone or range: ${messageOf(error)}`);
    default:
      return error;
  }
}
