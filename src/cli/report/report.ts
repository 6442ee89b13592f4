// `tidemark report`: prints the reports of the API in a terminal or to a file.
import { schemaMissing } from "../../shared/faults.ts";
import { z } from "zod";
import { BYTE_ORDER_MARK } from "../../http/api/reports/report_answers.ts";
import type { Parameters } from "../../report/report_query.ts";
import { boolean, type Kind, kindOf, oneOf } from "../../shared/config/kinds.ts";
import { EXIT, messageOf, NamedError, UsageError } from "../../shared/errors.ts";
import { codeOf } from "../../shared/sql.ts";
import type { Database } from "../../store/postgres/client.ts";
import { badArguments, type CommandContext, defineCommand, flag } from "../command.ts";
import { streamMissing, withStorageToLookAt } from "../../app/storage.ts";
import { FORMATS, REPORTS } from "./report_kinds.ts";
import { type ReportService, reportService } from "./report_remote.ts";
import { addressOfFolder } from "../running/running.ts";

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
    by: parameter(
      "top: host, referrer, source, channel, country, region, city, page, browser, os, device, campaign or entry_channel. The last six take no filter but --host.",
    ),
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
