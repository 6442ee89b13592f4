// The forecast of the total: four weeks of history, the next days with their band, and the method's error on this data. Pure.
import { counted, downloads, forecasted, inlineSvg, type Markup, panelHead } from "../markup.tsx";
import { dataTable } from "../data_table.tsx";
import type { ForecastReport } from "../../../report/forecast/forecast_report.ts";
import { forecastChart } from "./forecast_chart.ts";
import type { ViewContext } from "./overview_input.ts";

export function forecastPanel({ reader, queries }: ViewContext, forecast: ForecastReport): Markup {
  const { query, series } = forecast;
  const [total] = series;
  const parameters = new URLSearchParams({
    tz: query.tz,
    of: query.of,
    days: String(query.days),
    traffic: query.traffic,
    late: query.late,
  });
  const href = (format: string) => `/v1/reports/forecast?${parameters}&format=${format}`;
  const filtered = queries.contribution.filter !== undefined;
  const head = panelHead("Next 7 days", downloads(href, "CSV", "JSON"));
  if (total === undefined || total.days.length === 0) {
    const why = total?.reason === "short_history"
      ? `A forecast needs some weeks of complete days; there are ${total.history_days} so far.`
      : "There is no complete day to learn from yet.";
    return (
      <>
        {head}
        <p class="hint">{why}</p>
      </>
    );
  }
  const title = `Hits per day, ${total.history.length} days and ${total.days.length} ahead`;
  return (
    <>
      {head}
      <div class="chart chart-forecast">{inlineSvg(forecastChart(total, { title, reader, id: "forecast-chart" }))}</div>
      <p class="legend">
        <span class="key human"></span>complete days <span class="key band"></span>forecast; {reader
          .count(Math.round(100 * forecast.interval))} of 100 days lie within its bar. It is made from the{" "}
        {reader.count(total.history_days)}{" "}
        days before.{filtered ? " It counts all hits: filters do not apply to it." : ""}
      </p>
      <details id="forecast-data">
        <summary>Table</summary>
        {dataTable(title, ["Day", "#Hits", "#Low", "#High"], [
          ...total.history.map((day) => (
            <tr>
              <th scope="row">{reader.day(day.day)}</th>
              <td class="n">{counted(reader, day.count, "final")}</td>
              <td></td>
              <td></td>
            </tr>
          )),
          ...total.days.map((day) => (
            <tr>
              <th scope="row">{reader.day(day.day)}</th>
              <td class="n">{forecasted(reader, day.count, "")}</td>
              <td class="n">{reader.count(day.low)}</td>
              <td class="n">{reader.count(day.high)}</td>
            </tr>
          )),
        ])}
      </details>
    </>
  );
}
