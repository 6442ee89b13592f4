// The columns of the reports as tables, the same for CSV and NDJSON: flat, one row a line. Pure.
import type { Contribution, ContributionReport } from "./contribution.ts";
import type { Column } from "./text/csv.ts";
import type { ForecastDay, ForecastReport, ForecastSeries } from "./forecast/forecast_report.ts";
import type { BotsReport, SeriesPoint } from "./timeseries.ts";
import type { TopReport, TopRow } from "./top.ts";
import type { VisitorDay } from "./visitors.ts";

/** A contribution with its report. */
interface ContributionLine {
  readonly report: ContributionReport;
  readonly row: Contribution;
}

export const CONTRIBUTION_COLUMNS: readonly Column<ContributionLine>[] = [
  { name: "rank", value: ({ row }) => row.rank },
  { name: "city", value: ({ row }) => row.place?.city ?? row.city_contribution.city },
  { name: "region", value: ({ row }) => row.place?.region ?? "" },
  { name: "country_code", value: ({ row }) => row.place?.country_code ?? "" },
  { name: "country", value: ({ row }) => row.place?.country ?? "" },
  { name: "count", value: ({ row }) => row.city_contribution.count },
  { name: "country_total_count", value: ({ row }) => row.country_contribution?.total_count ?? null },
  { name: "percentage_contribution", value: ({ row }) => row.percentage_contribution, digits: 2 },
  { name: "previous_day_contribution", value: ({ row }) => row.previous_day_contribution },
  { name: "next_day_contribution", value: ({ row }) => row.next_day_contribution, digitsMax: 2 },
  { name: "next_day_kind", value: ({ row }) => row.next_day_kind },
  { name: "forecast_low", value: ({ row }) => row.forecast?.low ?? null, digitsMax: 2 },
  { name: "forecast_high", value: ({ row }) => row.forecast?.high ?? null, digitsMax: 2 },
  { name: "forecasted_change", value: ({ row }) => row.forecasted_change, digitsMax: 2 },
  { name: "comparison_count", value: ({ row }) => row.comparison.count },
  { name: "comparison_change", value: ({ row }) => row.comparison.change },
  { name: "comparison_from", value: ({ report }) => report.comparison_period.from },
  { name: "comparison_to", value: ({ report }) => report.comparison_period.to },
  { name: "comparison_until", value: ({ report }) => report.comparison_period.until },
  { name: "status", value: ({ row }) => row.status },
  { name: "from", value: ({ report }) => report.query.from },
  { name: "to", value: ({ report }) => report.query.to },
  { name: "tz", value: ({ report }) => report.query.tz },
  { name: "watermark", value: ({ report }) => report.completeness.range.watermark },
  { name: "windows_closed", value: ({ report }) => report.completeness.range.windows_closed },
  { name: "windows_expected", value: ({ report }) => report.completeness.range.windows_expected },
  { name: "late_count", value: ({ report }) => report.completeness.range.late_count },
  { name: "gap", value: ({ report }) => report.completeness.range.gap },
  { name: "coverage", value: ({ report }) => report.completeness.range.coverage.join(" ") },
];

export const TIMESERIES_COLUMNS: readonly Column<SeriesPoint>[] = [
  { name: "start", value: ({ start }) => start },
  { name: "end", value: ({ end }) => end },
  { name: "human", value: ({ human }) => human },
  { name: "bot", value: ({ bot }) => bot },
  { name: "total", value: ({ total }) => total },
  { name: "previous_total", value: ({ previous }) => previous?.total ?? null },
  { name: "late_count", value: ({ late_count }) => late_count },
  { name: "status", value: ({ status }) => status },
  { name: "gap", value: ({ gap }) => gap },
  { name: "coverage", value: ({ coverage }) => coverage },
];

/** A row of a ranking with its report. */
interface TopLine {
  readonly report: TopReport;
  readonly row: TopRow;
}

export const TOP_COLUMNS: readonly Column<TopLine>[] = [
  { name: "rank", value: ({ row }) => row.rank },
  { name: "label", value: ({ row }) => row.label },
  { name: "count", value: ({ row }) => row.count },
  { name: "human", value: ({ row }) => row.human },
  { name: "bot", value: ({ row }) => row.bot },
  { name: "percentage", value: ({ row }) => row.percentage, digits: 2 },
  { name: "status", value: ({ row }) => row.status },
  { name: "coverage", value: ({ report }) => report.completeness.coverage.join(" ") },
];

export const BOTS_COLUMNS: readonly Column<BotsReport["days"][number]>[] = [
  { name: "day", value: ({ day }) => day },
  { name: "human", value: ({ human }) => human },
  { name: "bot", value: ({ bot }) => bot },
  { name: "total", value: ({ total }) => total },
  { name: "bot_share", value: ({ bot_share }) => bot_share, digits: 2 },
  { name: "status", value: ({ status }) => status },
  { name: "coverage", value: ({ coverage }) => coverage },
];

export const VISITORS_COLUMNS: readonly Column<VisitorDay>[] = [
  { name: "day", value: ({ day }) => day },
  { name: "visitors", value: ({ visitors }) => visitors },
  { name: "status", value: ({ status }) => status },
  { name: "coverage", value: ({ coverage }) => coverage },
];

/** A forecast day with its series and report; `day` is null if the series has no forecast. */
interface ForecastLine {
  readonly report: ForecastReport;
  readonly series: ForecastSeries;
  readonly day: ForecastDay | null;
}

export const FORECAST_COLUMNS: readonly Column<ForecastLine>[] = [
  { name: "label", value: ({ series }) => series.label },
  { name: "country_code", value: ({ series }) => series.place?.country_code ?? "" },
  { name: "region", value: ({ series }) => series.place?.region ?? "" },
  { name: "city", value: ({ series }) => series.place?.city ?? "" },
  { name: "day", value: ({ day }) => day?.day ?? null },
  { name: "count", value: ({ day }) => day?.count ?? null, digitsMax: 2 },
  { name: "low", value: ({ day }) => day?.low ?? null, digitsMax: 2 },
  { name: "high", value: ({ day }) => day?.high ?? null, digitsMax: 2 },
  { name: "method", value: ({ series }) => series.method },
  { name: "mase", value: ({ series }) => series.mase, digits: 2 },
  { name: "reason", value: ({ series }) => series.reason },
  { name: "history_days", value: ({ series }) => series.history_days },
  { name: "status", value: ({ report }) => report.completeness.status },
  { name: "coverage", value: ({ report }) => report.completeness.coverage.join(" ") },
];

/** The rows of a page, with `(other)` last. */
export function contributionLines(report: ContributionReport): ContributionLine[] {
  return [...report.rows, ...(report.other ? [report.other] : [])].map((row) => ({ report, row }));
}

/** The rows of a ranking, then the reserved ones, with `(other)` last. */
export function topLines(report: TopReport): TopLine[] {
  return [...report.rows, ...report.reserved, ...(report.other ? [report.other] : [])].map((row) => ({ report, row }));
}

/** One line for each day, and at least one for each series. */
export function forecastLines(report: ForecastReport): ForecastLine[] {
  return report.series.flatMap((series): ForecastLine[] =>
    series.days.length === 0 ? [{ report, series, day: null }] : series.days.map((day) => ({ report, series, day }))
  );
}
