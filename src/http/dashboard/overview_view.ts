// The overview as sections. Each is rendered by one function, for the whole page and for live updates alike. Pure.
import { html } from "hono/html";
import { svgMap } from "../../report/svg_map.ts";
import { svgTimeseries } from "../../report/svg_timeseries.ts";
import type { GeoState } from "../../geo/geo_state.ts";
import { contributionTable } from "./contribution_view.ts";
import { forecastPanel } from "./forecast_view.ts";
import { counted, inlineSvg, mark, type Markup, timeOf } from "./markup.ts";
import type { OverviewData } from "./overview_data.ts";
import { downloadHref, type PageQueries, type PageState } from "./page_query.ts";
import type { Reader } from "./reader.ts";
import { channelPanel, cityPanel, hostPanel, referrerPanel } from "./ranking_view.ts";

export interface OverviewInput {
  readonly data: OverviewData;
  readonly queries: PageQueries;
  readonly state: PageState;
  readonly reader: Reader;
  readonly geo: GeoState | null;
}

/** One live part of a page: `pace` says how soon it follows an event. */
export interface Section {
  readonly id: string;
  readonly pace: "fast" | "calm";
  readonly className: string;
  readonly view: Markup;
}

/** All sections, in the order in which they stand. */
export function overviewSections(input: OverviewInput): Section[] {
  return [
    { id: "totals", pace: "fast", className: "totals wide", view: totals(input) },
    { id: "series", pace: "calm", className: "panel wide", view: series(input) },
    { id: "map", pace: "calm", className: "panel two", view: map(input) },
    { id: "cities", pace: "calm", className: "panel", view: cityPanel(input) },
    { id: "hosts", pace: "calm", className: "panel", view: hostPanel(input) },
    { id: "referrers", pace: "calm", className: "panel", view: referrerPanel(input) },
    { id: "channels", pace: "calm", className: "panel", view: channelPanel(input) },
    { id: "forecast", pace: "calm", className: "panel wide", view: forecastPanel(input) },
    { id: "table", pace: "calm", className: "panel wide", view: contributionTable(input) },
  ];
}

/** Head of a panel: its name and what can be done with its numbers. */
export function panelHead(title: string, links: readonly { readonly label: string; readonly href: string }[]): Markup {
  return html`<header class="panel-head"><h2>${title}</h2>${
    links.length === 0
      ? ""
      : html`<ul class="links" aria-label="Download: ${title}">${
        links.map(({ label, href }) => html`<li><a href="${href}" download>${label}</a></li>`)
      }</ul>`
  }</header>`;
}

function totals({ data, reader, queries }: OverviewInput): Markup {
  const { table, series, forecast } = data;
  const { completeness } = series;
  const share = series.total.total ? 100 * (series.total.bot ?? 0) / series.total.total : null;
  const today = table.days.at(-1);
  const before = table.total?.previous_day_contribution ?? null;
  const ahead = forecast.series[0];
  const next = ahead?.days[0];
  return html`
    <h2 class="sr">Totals</h2>
    <dl>
      <div>
        <dt>Hits in range</dt>
        <dd class="big">${counted(reader, table.total_count, completeness.status)}</dd>
        <dd class="note">${reader.day(queries.contribution.from)} – ${reader.day(queries.contribution.to)}</dd>
      </div>
      <div>
        <dt>${today === undefined ? "Last day" : reader.day(today.day)}</dt>
        <dd class="big">${today === undefined ? "–" : counted(reader, today.count, today.completeness.status)}</dd>
        <dd class="note">${before === null ? "" : html`day before the range ${reader.count(before)}`}</dd>
      </div>
      <div>
        <dt>Bots</dt>
        <dd class="big">${share === null ? "–" : html`${reader.percent(share)}${mark(completeness.status)}`}</dd>
        <dd class="note">${reader.count(series.total.bot)} of ${reader.count(series.total.total)} hits</dd>
      </div>
      <div>
        <dt>Next day, forecast</dt>
        <dd class="big">${next === undefined
          ? html`<span class="unknown">none yet</span>`
          : html`${reader.count(next.count)}${mark("provisional")}`}</dd>
        <dd class="note">${next === undefined
          ? ahead?.reason === "short_history" ? "history is too short" : "no complete days"
          : html`${reader.day(next.day)}: ${reader.count(next.low)} – ${reader.count(next.high)}`}</dd>
      </div>
      <div>
        <dt>Windows closed</dt>
        <dd class="big">${reader.count(completeness.windows_closed)}</dd>
        <dd class="note">of ${reader.count(completeness.windows_expected)} in range</dd>
      </div>
      <div>
        <dt>Late</dt>
        <dd class="big">${reader.count(completeness.late_count)}</dd>
        <dd class="note">${queries.contribution.late === "include" ? "counted in" : "not counted in"}</dd>
      </div>
      <div>
        <dt>Watermark</dt>
        <dd class="big">${timeOf(reader, completeness.watermark)}</dd>
        <dd class="note">${completeness.quiet_since === null
          ? "read up to here"
          : html`quiet since ${timeOf(reader, completeness.quiet_since)}`}</dd>
      </div>
    </dl>
  `;
}

function series({ data, reader, queries }: OverviewInput): Markup {
  const { points, query } = data.series;
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

function map({ data, reader, queries, geo }: OverviewInput): Markup {
  const countries = data.countries.rows.flatMap(({ key, count }) => key === null ? [] : [{ countryCode: key, count }]);
  const query = queries.top("country", 1000);
  const href = (format: string) => downloadHref("/v1/reports/top", query, { by: "country", format });
  return html`
    ${panelHead("Countries", [
      { label: "CSV", href: href("csv") },
      { label: "JSON", href: href("json") },
      { label: "SVG", href: downloadHref("/v1/charts/map.svg", { ...queries.contribution, place: "country" }) },
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
