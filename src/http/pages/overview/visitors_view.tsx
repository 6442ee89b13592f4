// Visitors in the totals and in the chart: the sum of UTC days, and why there is no number. Pure.
import type { SeriesPoint, TimeseriesReport } from "../../../report/timeseries.ts";
import type { VisitorsReport } from "../../../report/visitors.ts";
import { counted, type Markup } from "../markup.tsx";
import type { PageQueries } from "../page_query.ts";
import type { Reader } from "../reader.ts";

/** A card of the totals; null where bots alone are shown, or the database does not count visitors yet. */
export function visitorsCard(
  reader: Reader,
  { contribution, visitors: query }: Pick<PageQueries, "contribution" | "visitors">,
  report: VisitorsReport | null,
): { readonly value: Markup; readonly note: string } | null {
  if (contribution.traffic === "bot") return null;
  if (query === null) {
    return { value: <span class="none">–</span>, note: "not with this filter: counted by host alone" };
  }
  if (report === null) return null;
  const { visitors, days, standard_error_percent: error, counting, completeness } = report;
  if (visitors === null && completeness.coverage.includes("not_counted")) {
    return {
      value: <span class="unknown" title="These days were counted without visitors.">not counted</span>,
      note: counting
        ? "older windows; a day counts if all of it was counted"
        : "switched off by BREAKDOWNS, or an older version",
    };
  }
  if (visitors === null) return { value: counted(reader, null, completeness.status), note: "" };
  const unknown = days.filter((day) => day.coverage === "not_counted" || day.coverage === "gap").length;
  return {
    value: counted(reader, visitors, completeness.status),
    note: [
      query.from === query.to ? "UTC day" : "sum of UTC days",
      `±${reader.decimal(error)}\u00a0%`,
      "without bots and late records",
      ...(unknown === 0 ? [] : [`${reader.count(unknown)} of ${reader.count(days.length)} days unknown`]),
    ].join("; "),
  };
}

/** The visitors of a point of the chart if its points are UTC days; else null: visitors are not known of a shorter or another day. */
export function visitorsOfPoint(
  { query }: TimeseriesReport,
  report: VisitorsReport | null,
): ((point: SeriesPoint) => number | null) | null {
  if (report === null || query.step !== "day" || query.tz !== "UTC") return null;
  const byDay = new Map(report.days.map(({ day, visitors }) => [day, visitors]));
  return ({ start }) => byDay.get(start.slice(0, 10)) ?? null;
}
