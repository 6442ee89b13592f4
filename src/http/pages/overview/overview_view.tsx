// The overview as sections. Each is rendered by one function, for the whole page and for live updates alike. Pure.
import { COVERAGE_SAYS } from "../../../report/completeness.ts";
import type { Completeness } from "../../../report/report_types.ts";
import { localDate } from "../../../report/time_zone.ts";
import { epochMs } from "../../../shared/units.ts";
import { contributionTable } from "./contribution_view.tsx";
import { forecastPanel } from "./forecast_view.tsx";
import { counted, forecasted, legend, type Markup, timeOf, worth } from "../markup.tsx";
import type { FastData } from "./overview_data.ts";
import type { OverviewInput, ViewContext } from "./overview_input.ts";
import type { Views } from "../fragments.tsx";
import { mapPanel } from "./map_view.tsx";
import { seriesPanel } from "./series_view.tsx";
import { channelPanel, cityPanel, hostPanel, referrerPanel } from "./ranking_view.tsx";

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
  return new Map([
    ["totals", totals(context, data)],
    ["series", seriesPanel(context, data.series)],
    ["forecast", forecastPanel(context, data.forecast)],
  ]);
}

/** Every section by id. */
export function allViews(input: OverviewInput): Views {
  return new Map([
    ...fastViews(input, input.data),
    ["map", mapPanel(input)],
    ["cities", cityPanel(input)],
    ["hosts", hostPanel(input)],
    ["referrers", referrerPanel(input)],
    ["channels", channelPanel(input)],
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
  const card = (label: string, value: unknown, note: unknown) => (
    <div>
      <dt>{label}</dt>
      <dd class="big">{value}</dd>
      <dd class="note">{note}</dd>
    </div>
  );
  return (
    <>
      <h2 class="sr">Totals</h2>
      <dl>
        {[
          card(
            TRAFFIC[traffic],
            counted(reader, series.total[name], completeness.status),
            [`${reader.date(query.from)} – ${reader.date(query.to)}`, ...coverageInWords(completeness)].join("; "),
          ),
          card(
            reader.day(query.to),
            today.length === 0 ? <span class="none">–</span> : counted(
              reader,
              known.length === 0 ? null : known.reduce((sum, hits) => sum + hits, 0),
              today.at(-1)!.status,
            ),
            "last day of the range",
          ),
          card(
            "Bots",
            share === null ? <span class="none">–</span> : worth(reader.percent(share), completeness.status),
            <>{reader.count(series.total.bot)} of {reader.count(series.total.total)}</>,
          ),
          card(
            query.host === undefined && query.referrer === undefined ? "Forecast" : "Forecast, unfiltered",
            next === undefined ? <span class="none">–</span> : forecasted(reader, next.count, ""),
            next === undefined
              ? ahead?.reason === "short_history" ? "history is too short" : "no complete day yet"
              : <>{reader.day(next.day)}: {reader.compact(next.low)} – {reader.compact(next.high)}</>,
          ),
          card(
            "Windows closed",
            reader.count(completeness.windows_closed),
            <>of {reader.count(completeness.windows_expected)}</>,
          ),
          card("Late", reader.count(completeness.late_count), late === "include" ? "counted in" : "not counted in"),
          card(
            "Watermark",
            timeOf(reader, completeness.watermark),
            completeness.quiet_since === null
              ? "read up to here"
              : <>quiet since {timeOf(reader, completeness.quiet_since)}</>,
          ),
        ]}
      </dl>
      <p class="legend">{legend()}</p>
    </>
  );
}

/** What the sums of the range rest on, where that is not all of its time. */
function coverageInWords({ coverage, degraded }: Pick<Completeness, "coverage" | "degraded">): string[] {
  return [...coverage.map((one) => COVERAGE_SAYS[one]), ...degraded].filter((text) => text !== "");
}

const TRAFFIC = { all: "Hits", human: "Hits by humans", bot: "Hits by bots" } as const;
