// The overview as sections. Each is rendered by one function, for the whole page and for live updates alike. Pure.
import { svgMap } from "../../report/svg_map.ts";
import { svgTimeseries } from "../../report/svg_timeseries.ts";
import type { Traffic } from "../../report/report_types.ts";
import { localDate } from "../../report/time_zone.ts";
import type { SeriesPoint } from "../../report/timeseries.ts";
import type { GeoState } from "../../geo/geo_state.ts";
import { epochMs } from "../../shared/units.ts";
import { contributionTable } from "./contribution_view.ts";
import { forecastPanel } from "./forecast_view.ts";
import { counted, html, inlineSvg, mark, type Markup, panelHead, timeOf } from "./markup.ts";
import type { FastData, OverviewData } from "./overview_data.ts";
import type { Views } from "./fragments.ts";
import { downloadHref, type PageQueries, type PageState } from "./page_query.ts";
import type { Reader } from "./reader.ts";
import { channelPanel, cityPanel, hostPanel, referrerPanel } from "./ranking_view.ts";

/** What the views of the overview are made from, beside the reports. */
export interface ViewContext {
  readonly queries: PageQueries;
  readonly state: PageState;
  readonly reader: Reader;
  readonly geo: GeoState | null;
}

export interface OverviewInput extends ViewContext {
  readonly data: OverviewData;
}

/** The sections in the order in which they stand; `fast` ones follow every event, the others now and then. */
export const OVERVIEW_SECTIONS = [
  { id: "totals", pace: "fast", className: "totals wide" },
  { id: "series", pace: "calm", className: "panel wide" },
  { id: "map", pace: "calm", className: "panel two" },
  { id: "cities", pace: "calm", className: "panel" },
  { id: "hosts", pace: "calm", className: "panel" },
  { id: "referrers", pace: "calm", className: "panel" },
  { id: "channels", pace: "calm", className: "panel" },
  { id: "forecast", pace: "calm", className: "panel wide" },
  { id: "table", pace: "calm", className: "panel wide" },
] as const;

/** The sections that need the fast reports alone. */
export function fastViews(context: ViewContext, data: FastData): Views {
  return new Map([["totals", totals(context, data)]]);
}

/** Every section by id. */
export function allViews(input: OverviewInput): Views {
  return new Map([
    ...fastViews(input, input.data),
    ["series", series(input)],
    ["map", map(input)],
    ["cities", cityPanel(input)],
    ["hosts", hostPanel(input)],
    ["referrers", referrerPanel(input)],
    ["channels", channelPanel(input)],
    ["forecast", forecastPanel(input)],
    ["table", contributionTable(input)],
  ]);
}

function totals({ reader, queries }: ViewContext, { series, forecast }: FastData): Markup {
  const { completeness, query } = series;
  const { traffic, late } = queries.contribution;
  const name = traffic === "all" ? "total" : traffic;
  const share = series.total.total ? 100 * (series.total.bot ?? 0) / series.total.total : null;
  const today = series.points.filter((point) => localDate(epochMs(Date.parse(point.start)), query.tz) === query.to);
  const known = today.flatMap((point) => point[name] ?? []);
  const ahead = forecast.series[0];
  const next = ahead?.days[0];
  const card = (label: string, value: unknown, note: unknown) =>
    html`
      <div>
        <dt>${label}</dt>
        <dd class="big">${value}</dd>
        <dd class="note">${note}</dd>
      </div>
    `;
  return html`
    <h2 class="sr">Totals</h2>
    <dl>${[
      card(
        TRAFFIC[traffic],
        counted(reader, series.total[name], completeness.status),
        html`${reader.day(query.from)} – ${reader.day(query.to)}`,
      ),
      card(
        reader.day(query.to),
        today.length === 0 ? html`<span class="none">–</span>` : counted(
          reader,
          known.length === 0 ? null : known.reduce((sum, hits) => sum + hits, 0),
          today.at(-1)!.status,
        ),
        "last day of the range",
      ),
      card(
        "Bots",
        share === null ? html`<span class="none">–</span>` : html`${reader.percent(share)}${mark(completeness.status)}`,
        html`${reader.count(series.total.bot)} of ${reader.count(series.total.total)}`,
      ),
      card(
        "Forecast",
        next === undefined
          ? html`<span class="none">–</span>`
          : html`${reader.count(next.count)}<abbr class="fc" title="forecast">f</abbr>`,
        next === undefined
          ? ahead?.reason === "short_history" ? "history is too short" : "no complete day yet"
          : html`${reader.day(next.day)}: ${reader.compact(next.low)} – ${reader.compact(next.high)}`,
      ),
      card(
        "Windows closed",
        reader.count(completeness.windows_closed),
        html`of ${reader.count(completeness.windows_expected)}${completeness.gap ? ", with a data gap" : ""}`,
      ),
      card("Late", reader.count(completeness.late_count), late === "include" ? "counted in" : "not counted in"),
      card(
        "Watermark",
        timeOf(reader, completeness.watermark),
        completeness.quiet_since === null
          ? "read up to here"
          : html`quiet since ${timeOf(reader, completeness.quiet_since)}`,
      ),
    ]}</dl>
  `;
}

const TRAFFIC = { all: "Hits", human: "Hits by humans", bot: "Hits by bots" } as const;

function series({ data, reader, queries }: OverviewInput): Markup {
  const { query } = data.series;
  const points = data.series.points.map((point) => onlyTraffic(point, queries.contribution.traffic));
  const step = { "5min": "five minutes", hour: "hour", day: "day" }[query.step];
  const label = (start: string) =>
    query.step === "day" ? reader.day(start.slice(0, 10)) : reader.dateTime(Date.parse(start));
  const href = (format: string) => downloadHref("/v1/reports/timeseries", queries.series, { step: query.step, format });
  return html`
    ${panelHead(`Hits per ${step}`, [
      { label: "CSV", href: href("csv") },
      { label: "NDJSON", href: href("ndjson") },
      { label: "JSON", href: href("json") },
      { label: "SVG", href: downloadHref("/v1/charts/timeseries.svg", queries.series, { step: query.step }) },
    ])}
    <div class="chart chart-series">${inlineSvg(
      svgTimeseries(points, { tz: query.tz, title: `Hits per ${step}`, id: "series-chart", locale: reader.locale }),
    )}</div>
    <p
      class="legend"><span class="key provisional"></span> provisional: can still change <span class="key gap"></span> unknown: records are missing</p>
    <details id="series-data">
      <summary>Table</summary>
      <div class="scroll" tabindex="0" role="region" aria-label="Hits per ${step}">
        <table>
          <thead>
            <tr>
              <th scope="col">Start (${reader.tz})</th>
              <th scope="col" class="n">Humans</th>
              <th scope="col" class="n">Bots</th>
              <th scope="col" class="n">All</th>
              <th scope="col" class="n">Late</th>
              <th scope="col">State</th>
            </tr>
          </thead>
          <tbody>${points.map((point) =>
            html`
              <tr>
                <th scope="row">${label(point.start)}</th>
                <td class="n">${reader.count(point.human)}</td>
                <td class="n">${reader.count(point.bot)}</td>
                <td class="n">${reader.count(point.total)}</td>
                <td class="n">${reader.count(point.late_count)}</td>
                <td>${point.gap ? "unknown" : point.status}</td>
              </tr>
            `
          )}</tbody>
        </table>
      </div>
    </details>
  `;
}

/** Humans or bots alone, where the page shows only these. */
function onlyTraffic(point: SeriesPoint, traffic: Traffic): SeriesPoint {
  if (traffic === "all" || point.total === null) return point;
  return traffic === "human" ? { ...point, bot: 0, total: point.human } : { ...point, human: 0, total: point.bot };
}

function map({ data, reader, queries, geo }: OverviewInput): Markup {
  const countries = data.countries.rows.flatMap(({ key, count }) => key === null ? [] : [{ countryCode: key, count }]);
  const query = queries.top("country", 1000);
  const href = (format: string) => downloadHref("/v1/reports/top", query, { by: "country", format });
  return html`
    ${panelHead("Countries", [
      { label: "CSV", href: href("csv") },
      { label: "JSON", href: href("json") },
      { label: "SVG", href: downloadHref("/v1/charts/map.svg", query) },
    ])}
    <div class="chart chart-map">${inlineSvg(
      svgMap(countries, "Hits by country", { id: "map-chart", locale: reader.locale }),
    )}</div>
    ${geo?.origin === "none"
      ? html`<p class="hint">No address file: places are unknown. <code>tidemark geo install</code> fetches one.</p>`
      : ""}
    <details id="map-data">
      <summary>Table</summary>
      <div class="scroll" tabindex="0" role="region" aria-label="Hits by country">
        <table>
          <thead>
            <tr>
              <th scope="col">Country</th>
              <th scope="col" class="n">Hits</th>
              <th scope="col" class="n">Share</th>
            </tr>
          </thead>
          <tbody>${data.countries.rows.map((row) =>
            html`
              <tr>
                <th scope="row">${row.label}</th>
                <td class="n">${counted(reader, row.count, row.status)}</td>
                <td class="n">${reader.percent(row.percentage)}</td>
              </tr>
            `
          )}</tbody>
        </table>
      </div>
    </details>
  `;
}
