// The world map of hits, unless no address has a place, and the same numbers as a table. Pure.
import { svgMap } from "../../../report/chart/svg_map.ts";
import { counted, downloads, inlineSvg, type Markup, panelHead, unknownWords } from "../markup.tsx";
import { dataTable } from "../data_table.tsx";
import type { OverviewInput } from "./overview_input.ts";
import { downloadHref } from "../page_query.ts";

/** Title and legend are outside the picture, so that they keep their size on a phone. */
const CROP = { top: 30, bottom: 46 };

/** Codes of addresses without a country. */
const NOWHERE: ReadonlySet<string> = new Set(["unknown", "private", "invalid"]);

export function mapPanel({ data, reader, queries, geo }: OverviewInput): Markup {
  const { rows } = data.countries;
  const countries = rows.flatMap(({ key, count }) => key === null ? [] : [{ countryCode: key, count }]);
  const placed = rows.filter(({ key }) => key !== null && !NOWHERE.has(key));
  const nowhere = rows.filter(({ key }) => key !== null && NOWHERE.has(key));
  const query = queries.top("country", 1_000);
  const href = (format: string) => downloadHref("/v1/reports/top", query, { by: "country", format });
  const beside = nowhere.map((row) => `${row.label} ${reader.count(row.count)}`).join(", ");
  return (
    <>
      {panelHead("Map", [
        ...downloads(href, "CSV", "NDJSON", "JSON"),
        { label: "SVG", href: downloadHref("/v1/charts/map.svg", query) },
      ])} {placed.length === 0
        ? (
          <p class="hint">
            {rows.length === 0
              ? data.countries.total_count === null
                ? unknownWords(data.countries.completeness.gap)
                : "No hits in this range."
              : <>No address of this range lies in a known country: {beside}.</>}
          </p>
        )
        : (
          <>
            <div class="chart chart-map">
              {inlineSvg(
                svgMap(countries, data.points.length > 0 ? "Hits by city and country" : "Hits by country", {
                  id: "map-chart",
                  locale: reader.locale,
                  ...(data.points.length > 0 && { points: data.points }),
                }),
                CROP,
              )}
            </div>
            <p class="legend">
              {data.points.length > 0
                ? "Circles are cities. The larger the circle and the darker the country, the more hits."
                : "The larger the circle and the darker the country, the more hits."}
              {beside === "" ? "" : ` Not on the map: ${beside}.`}
            </p>
          </>
        )}
      {geo?.origin === "none"
        ? (
          <p class="hint">
            There is no address file, so places are not known. <code>tidemark geo install</code> fetches one.
          </p>
        )
        : ""}
      <details id="map-data">
        <summary>Table</summary>
        {dataTable(
          "Hits by country",
          ["Country", "#Hits", "#Share"],
          rows.map((row) => (
            <tr>
              <th scope="row">{row.label}</th>
              <td>{counted(reader, row.count, row.status)}</td>
              <td>{reader.percent(row.percentage)}</td>
            </tr>
          )),
        )}
      </details>
    </>
  );
}
