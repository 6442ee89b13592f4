// Writes each report in each format: JSON, tables line by line, bars as text. Reads the database through src/report.
import type { Contribution, ContributionReport } from "../../../report/contribution.ts";
import { type Column, tableLines } from "../../../report/text/csv.ts";
import {
  BOTS_COLUMNS,
  CONTRIBUTION_COLUMNS,
  contributionLines,
  FORECAST_COLUMNS,
  forecastLines,
  TIMESERIES_COLUMNS,
  TOP_COLUMNS,
  topLines,
  VISITORS_COLUMNS,
} from "../../../report/report_columns.ts";
import { exportContributions } from "../../../report/report_export.ts";
import type { ContributionCursor, ContributionQuery } from "../../../report/report_query.ts";
import { contributions } from "../../../report/report_store.ts";
import { type TextBar, textBars } from "../../../report/text/text_bars.ts";
import { type BotsReport, share, type TimeseriesReport } from "../../../report/timeseries.ts";
import type { TopReport } from "../../../report/top.ts";
import type { VisitorDay, VisitorsReport } from "../../../report/visitors.ts";
import type { BreakdownMarks } from "../../../report/breakdown.ts";
import type { ForecastReport } from "../../../report/forecast/forecast_report.ts";
import type { ComparisonPeriod } from "../../../report/comparison.ts";
import { COVERAGE_SAYS } from "../../../report/completeness.ts";
import type { Completeness } from "../../../report/report_types.ts";
import { countText } from "../../../shared/quantities.ts";
import type { ReadDatabase } from "../../../shared/sql.ts";
import type { Format } from "./report_format.ts";

/** The body of an answer; a stream if it has no limit. */
export type Body = string | ReadableStream<Uint8Array>;

export const BYTE_ORDER_MARK = "\ufeff";

/** How one report is written. */
export interface Rendering<R, Line> {
  readonly columns: readonly Column<Line>[];
  readonly lines: (report: R) => readonly Line[];
  readonly title: (report: R) => string;
  readonly bars: (report: R) => readonly TextBar[];
}

/** A whole report in one format. @param columns of a terminal, for text */
export function render<R, Line>(
  report: R,
  format: Format,
  rendering: Rendering<R, Line>,
  columns?: number,
): string {
  switch (format) {
    case "json":
      return JSON.stringify(report);
    case "text":
      return `${rendering.title(report)}\n${textBars(rendering.bars(report), { columns })}\n`;
    case "csv":
    case "ndjson":
      return [...tableLines(format, rendering.columns, rendering.lines(report))].join("");
  }
}

/** The body after a byte order mark, by which spreadsheets recognise UTF-8. */
export function withByteOrderMark(body: Body): Body {
  if (typeof body === "string") return `${BYTE_ORDER_MARK}${body}`;
  return ReadableStream.from((async function* () {
    yield new TextEncoder().encode(BYTE_ORDER_MARK);
    yield* body;
  })());
}

/** All rows of the contribution report. The first page is read before the answer begins, so that a failure can still be a problem document. */
export async function exportBody(
  database: ReadDatabase,
  query: ContributionQuery,
  format: "csv" | "ndjson",
  deadlineMs: number,
): Promise<ReadableStream<Uint8Array>> {
  const read = (query: ContributionQuery, after: ContributionCursor | undefined) =>
    database.query((sql) => contributions(sql, query, after), deadlineMs);
  const lines = exportContributions(format, query, read);
  const first = [await lines.next()];
  if (format === "csv") first.push(await lines.next());
  return ReadableStream.from((async function* () {
    yield first.map(({ value }) => value ?? "").join("");
    yield* lines;
  })()).pipeThrough(new TextEncoderStream());
}

/** A sum, the number of late hits, and the covered time if it is not all of it. */
function words(
  count: number | null,
  { status, coverage, degraded, late_count }: Completeness,
  { late }: { readonly late: "include" | "exclude" },
): string {
  const says = [...coverage.map((one) => COVERAGE_SAYS[one]), ...degraded].filter((text) => text !== "").join("; ");
  const came = late_count === 0
    ? ""
    : late === "include"
    ? `, ${countText(late_count)} of them late`
    : `, without ${countText(late_count)} late ones (late=include counts them)`;
  const sum = count === null ? "unknown" : `${countText(count)} hits, ${status}${came}`;
  return says === "" ? sum : count === null ? `unknown (${says})` : `${sum} (in part: ${says})`;
}
/** Views of pages, and the times in which a breakdown was not counted. */
function marked({ views, not_counted, counting }: BreakdownMarks): string {
  const seen = views === null ? "" : `; ${countText(views)} page views`;
  const [first, ...more] = not_counted;
  if (first === undefined) return seen;
  const times = `${first.start.slice(0, 16)}Z to ${first.end.slice(0, 16)}Z${
    more.length === 0 ? "" : ` and ${more.length} more`
  }`;
  return `${seen}; not counted ${times}${counting ? "" : " (see BREAKDOWNS)"}`;
}
/** The difference from the compared period; nothing if the two cannot be compared. */
function compared(change: number | null, before: number | null, { from, to, until }: ComparisonPeriod): string {
  if (change === null) return "";
  const sign = change > 0 ? "+" : change < 0 ? "−" : "±";
  const part = before ? ` (${sign}${Math.abs(100 * change / before).toFixed(1)} %)` : "";
  const period = from === to ? from : `${from} to ${to}`;
  return `; ${sign}${countText(Math.abs(change))}${part} against ${period}${
    until === null ? "" : `, up to ${until.slice(0, 16)}Z`
  }`;
}
const contributionBar = (row: Contribution): TextBar => ({
  label: row.city_contribution.city,
  count: row.city_contribution.count,
  percentage: row.percentage_contribution,
  isRest: row.place === null,
});

export const CONTRIBUTIONS: Rendering<ContributionReport, ReturnType<typeof contributionLines>[number]> = {
  columns: CONTRIBUTION_COLUMNS,
  lines: contributionLines,
  title: ({ query: q, total, total_count, completeness, comparison_period }) =>
    `Contributions ${q.from} to ${q.to} (${q.tz}): ${words(total_count, completeness.range, q)}${
      compared(total?.comparison.change ?? null, total?.comparison.count ?? null, comparison_period)
    }`,
  bars: (report) => [...report.rows, ...(report.other ? [report.other] : [])].map(contributionBar),
};

export const TIMESERIES: Rendering<TimeseriesReport, TimeseriesReport["points"][number]> = {
  columns: TIMESERIES_COLUMNS,
  lines: ({ points }) => points,
  title: ({ query: q, total, completeness, comparison, comparison_period }) =>
    `Hits by ${q.step} ${q.from} to ${q.to} (${q.tz}): ${words(total.total, completeness, q)}${
      compared(comparison.change.total, comparison.total, comparison_period)
    }`,
  bars: ({ points, total }) =>
    points.map((p) => ({
      label: `${p.start.slice(0, 16).replace("T", " ")} UTC`,
      note: COVERAGE_SAYS[p.coverage],
      count: p.total,
      percentage: share(p.total, total.total),
    })),
};

export const TOP: Rendering<TopReport, ReturnType<typeof topLines>[number]> = {
  columns: TOP_COLUMNS,
  lines: topLines,
  // A running service of the version before, which `tidemark report` asks, leaves out `breakdown` and `reserved`.
  title: ({ query: q, total_count, completeness, breakdown = null }) =>
    `Top ${q.by} ${q.from} to ${q.to} (${q.tz}): ${words(total_count, completeness, q)}${
      breakdown === null ? "" : marked(breakdown)
    }`,
  bars: ({ rows, reserved = [], other }) => [
    ...rows,
    ...[...reserved, ...(other ? [other] : [])].map((row) => ({ ...row, isRest: true })),
  ],
};

export const VISITORS: Rendering<VisitorsReport, VisitorDay> = {
  columns: VISITORS_COLUMNS,
  lines: ({ days }) => days,
  title: ({ query: q, visitors, standard_error_percent, completeness: { status, coverage } }) => {
    const says = coverage.map((one) => COVERAGE_SAYS[one]).filter((text) => text !== "").join("; ");
    const sum = visitors === null ? "unknown" : `${countText(visitors)} visitors, ${status}`;
    const lacks = says === "" ? "" : visitors === null ? ` (${says})` : ` (in part: ${says})`;
    return `Visitors ${q.from} to ${q.to} (UTC days): ${sum}${lacks}; ${
      q.from === q.to ? "" : "the sum of the days; "
    }standard error ${standard_error_percent} %; without bots and late records`;
  },
  bars: ({ days }) =>
    days.map((d) => ({ label: d.day, note: COVERAGE_SAYS[d.coverage], count: d.visitors, percentage: null })),
};

export const BOTS: Rendering<BotsReport, BotsReport["days"][number]> = {
  columns: BOTS_COLUMNS,
  lines: ({ days }) => days,
  title: ({ query: q, bot, completeness }) =>
    `Bots ${q.from} to ${q.to} (${q.tz}): ${words(bot, completeness, q)}; per cent of each day's hits`,
  bars: ({ days }) =>
    days.map((d) => ({ label: d.day, note: COVERAGE_SAYS[d.coverage], count: d.bot, percentage: d.bot_share })),
};

export const FORECAST: Rendering<ForecastReport, ReturnType<typeof forecastLines>[number]> = {
  columns: FORECAST_COLUMNS,
  lines: forecastLines,
  title: ({ query: q, last_complete_day }) =>
    `Forecast of ${q.days} days after ${last_complete_day ?? "the first complete day"} (${q.tz})`,
  bars: ({ series }) =>
    series.flatMap((s): TextBar[] =>
      s.days.length === 0
        ? [{ label: `${s.label} (${s.reason})`, count: null, percentage: null }]
        : s.days.map((d) => ({ label: `${s.label} ${d.day}`, count: d.count, percentage: null }))
    ),
};
