// Where hits come from: the world map and the same numbers as a table. Pure.
import { svgMap } from "../../../report/chart/svg_map.ts";
import { counted, inlineSvg, type Markup, panelHead } from "../markup.tsx";
import type { OverviewInput } from "./overview_input.ts";
import { downloadHref } from "../page_query.ts";

/** Title and legend of the picture stand in the page, where they keep their size on a phone. */
const CROP = { top: 30, bottom: 46 };

/** Codes of addresses that lie in no country. */
const NOWHERE: ReadonlySet<string> = new Set(["unknown", "private", "invalid"]);

export function mapPanel({ data, reader, queries, geo }: OverviewInput): Markup {
  const { rows } = data.countries;
  const countries = rows.flatMap(({ key, count }) => key === null ? [] : [{ countryCode: key, count }]);
  const nowhere = rows.filter(({ key }) => key !== null && NOWHERE.has(key));
  const query = queries.top("country", 1_000);
  const href = (format: string) => downloadHref("/v1/reports/top", query, { by: "country", format });
  return (
    <>
      {panelHead("Countries", [
        { label: "CSV", href: href("csv") },
        { label: "NDJSON", href: href("ndjson") },
        { label: "JSON", href: href("json") },
        { label: "SVG", href: downloadHref("/v1/charts/map.svg", query) },
      ])}
      <div class="chart chart-map">
        {inlineSvg(
          svgMap(countries, "Hits by country", { id: "map-chart", locale: reader.locale }),
          CROP,
        )}
      </div>
      <p class="legend">
        Circles and shades: hits by country, drawn at its middle.{nowhere.length === 0
          ? ""
          : ` Not on the map: ${nowhere.map((row) => `${row.label} ${reader.count(row.count)}`).join(", ")}.`}
      </p>
      {geo?.origin === "none"
        ? (
          <p class="hint">
            No address file: places are unknown. <code>tidemark geo install</code> fetches one.
          </p>
        )
        : ""}
      <details id="map-data">
        <summary>Table</summary>
        <div class="scroll" tabindex={0} role="region" aria-label="Hits by country">
          <table>
            <thead>
              <tr>
                <th scope="col">Country</th>
                <th scope="col" class="n">Hits</th>
                <th scope="col" class="n">Share</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr>
                  <th scope="row">{row.label}</th>
                  <td>{counted(reader, row.count, row.status)}</td>
                  <td>{reader.percent(row.percentage)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </>
  );
}
