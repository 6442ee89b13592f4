// Hits over time: the chart in two sizes, so that its words stay readable on a phone, and the same numbers as a table. Pure.
import { svgTimeseries } from "../../../report/chart/svg_timeseries.ts";
import { COVERAGE_SAYS } from "../../../report/completeness.ts";
import type { Traffic } from "../../../report/report_types.ts";
import { addDays, dayStart, localDate } from "../../../report/time_zone.ts";
import { periodWords } from "./period_words.ts";
import type { SeriesPoint } from "../../../report/timeseries.ts";
import { epochMs } from "../../../shared/units.ts";
import { downloads, hostile, inlineSvg, type Markup, panelHead } from "../markup.tsx";
import { dataTable } from "../data_table.tsx";
import type { FastData } from "./overview_data.ts";
import type { ViewContext } from "./overview_input.ts";
import { downloadHref } from "../page_query.ts";
import { visitorsOfPoint } from "./visitors_view.tsx";

const SIZES = [
  { name: "large", width: 1_360, height: 290 },
  { name: "small", width: 420, height: 240 },
] as const;
/** The upper part of the picture names it, which the panel's head does already. */
const CROP = { top: 4, bottom: 0 };
const STEPS = { "5min": "five minutes", hour: "hour", day: "day", week: "week", month: "month" } as const;

export function seriesPanel(
  { reader, queries, notes }: ViewContext,
  { series, visitors }: Pick<FastData, "series" | "visitors">,
): Markup {
  const { query } = series;
  const visited = visitorsOfPoint(series, visitors);
  const { traffic } = queries.contribution;
  const points = series.points.map((point) => onlyTraffic(point, traffic));
  const previous = ({ previous }: SeriesPoint) => previous?.[traffic === "all" ? "total" : traffic] ?? null;
  const compared = periodWords(reader, series.comparison_period);
  const marks = notes.map(({ day, note }) => ({ time: dayStart(day, query.tz), label: note }));
  const title = `Hits per ${STEPS[query.step]}`;
  const label = (start: string) => {
    const time = epochMs(Date.parse(start));
    return ["day", "week", "month"].includes(query.step)
      ? reader.day(localDate(time, query.tz))
      : reader.dateTime(time);
  };
  const href = (format: string) => downloadHref("/v1/reports/timeseries", queries.series, { step: query.step, format });
  return (
    <>
      {panelHead(title, [
        ...downloads(href, "CSV", "NDJSON", "JSON"),
        { label: "SVG", href: downloadHref("/v1/charts/timeseries.svg", queries.series, { step: query.step }) },
      ])} {SIZES.map(({ name, width, height }) => (
        <div class={`chart chart-series ${name}`} data-points="series-data">
          {inlineSvg(
            svgTimeseries(points, {
              tz: query.tz,
              title,
              id: `series-${name}`,
              locale: reader.locale,
              width,
              height,
              end: dayStart(addDays(query.to, 1), query.tz),
              previous,
              ...(visited !== null && { visitors: visited }),
              marks,
            }),
            CROP,
          )}
        </div>
      ))}
      <p class="legend">
        {[
          ["prev", compared],
          ...(visited === null ? [] : [["visitors", "visitors a day"]]),
          ["provisional", "can still change"],
          ["outside", "no data"],
          ["gap", "records are missing"],
        ].map(([key, words]) => (
          <>
            <span class="item">
              <span class={`key ${key}`}></span>
              {words}
            </span>
            {" "}
          </>
        ))}
      </p>
      {notes.length === 0 ? "" : (
        <ul class="marks" aria-label="Notes">
          {notes.map(({ day, note }) => (
            <li>
              <span class="soft">{reader.day(day)}</span> {hostile(note)}
            </li>
          ))}
        </ul>
      )}
      <details id="series-data">
        <summary>Table</summary>
        {dataTable(
          title,
          [
            `Start (${reader.tz})`,
            "#Humans",
            "#Bots",
            "#All",
            "#Compared",
            ...(visited === null ? [] : ["#Visitors"]),
            "#Late",
            "State",
          ],
          points.map((point) => (
            <tr>
              <th scope="row">{label(point.start)}</th>
              <td>{reader.count(point.human)}</td>
              <td>{reader.count(point.bot)}</td>
              <td>{reader.count(point.total)}</td>
              <td>{previous(point) === null ? "–" : reader.count(previous(point))}</td>
              {visited === null ? "" : <td>{reader.count(visited(point))}</td>}
              <td>{reader.count(point.late_count)}</td>
              <td>{stateOf(point)}</td>
            </tr>
          )),
        )}
      </details>
    </>
  );
}

/** How certain a point is, in words. */
function stateOf({ status, coverage }: SeriesPoint): string {
  const says = COVERAGE_SAYS[coverage];
  return says === "" ? status : status === "unknown" ? says : `${status}, ${says}`;
}

/** Humans or bots, if the page shows only these. */
function onlyTraffic(point: SeriesPoint, traffic: Traffic): SeriesPoint {
  if (traffic === "all" || point.total === null) return point;
  return traffic === "human" ? { ...point, bot: 0, total: point.human } : { ...point, human: 0, total: point.bot };
}
