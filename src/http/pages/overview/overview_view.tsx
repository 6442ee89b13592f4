// The sections of the overview. The same function renders a section for the whole page and for live updates. Pure.
import { COVERAGE_SAYS } from "../../../report/completeness.ts";
import type { Completeness } from "../../../report/report_types.ts";
import { addDays, localDate } from "../../../report/time_zone.ts";
import { epochMs } from "../../../shared/units.ts";
import { BREAKDOWN_PANELS, breakdownPanel } from "./breakdown_view.tsx";
import { contributionTable } from "./contribution_view.tsx";
import { forecastPanel } from "./forecast_view.tsx";
import { changed, counted, forecasted, legend, type Markup, NOTHING, timeOf } from "../markup.tsx";
import { noChangeWords, periodWords } from "./period_words.ts";
import type { FastData } from "./overview_data.ts";
import type { OverviewInput, ViewContext } from "./overview_input.ts";
import type { Views } from "../fragments.tsx";
import { mapPanel } from "./map_view.tsx";
import { seriesPanel } from "./series_view.tsx";
import { channelPanel, cityPanel, hostPanel, sourcePanel } from "./ranking_view.tsx";
import { visitorsCard } from "./visitors_view.tsx";

/** The sections in order. `fast` ones are updated with every event, the others less often. */
export const OVERVIEW_SECTIONS = [
  { id: "nothing", pace: "calm", className: "wide" },
  { id: "totals", pace: "fast", className: "totals wide" },
  { id: "series", pace: "calm", className: "panel wide" },
  { id: "map", pace: "calm", className: "panel two" },
  { id: "cities", pace: "calm", className: "panel" },
  { id: "hosts", pace: "calm", className: "panel" },
  { id: "sources", pace: "calm", className: "panel" },
  { id: "channels", pace: "calm", className: "panel" },
  ...BREAKDOWN_PANELS.map(({ id }) => ({ id, pace: "calm", className: "panel" } as const)),
  { id: "forecast", pace: "calm", className: "panel wide" },
  { id: "table", pace: "calm", className: "panel wide" },
] as const;

/** The sections that need the fast reports alone. */
export function fastViews(context: ViewContext, data: FastData): Views {
  return new Map([
    ["totals", totals(context, data)],
    ["series", seriesPanel(context, data)],
    ["forecast", forecastPanel(context, data.forecast)],
  ]);
}

/** Every section by id. */
export function allViews(input: OverviewInput): Map<string, Markup> {
  return new Map([
    // The page shows it when nothing matches.
    ["nothing", NOTHING],
    ...fastViews(input, input.data),
    ["map", mapPanel(input)],
    ["cities", cityPanel(input)],
    ["hosts", hostPanel(input)],
    ["sources", sourcePanel(input)],
    ["channels", channelPanel(input)],
    ...BREAKDOWN_PANELS.map((panel) => [panel.id, breakdownPanel(panel, input)] as const),
    ["table", contributionTable(input)],
  ]);
}

function totals({ reader, queries }: ViewContext, { series, forecast, visitors }: FastData): Markup {
  const { completeness, comparison, comparison_period: period, query } = series;
  const { traffic, late } = queries.contribution;
  const name = traffic === "all" ? "total" : traffic;
  const today = series.points.filter((point) => localDate(epochMs(Date.parse(point.start)), query.tz) === query.to);
  const known = today.flatMap((point) => point[name] ?? []);
  const ahead = forecast.series[0];
  const next = ahead?.days[0];
  const weekBefore = next && ahead?.history.find(({ day }) => day === addDays(next.day, -7))?.count;
  const card = (label: string, value: unknown, note: unknown) => (
    <div>
      <dt>{label}</dt>
      <dd class="big">{value}</dd>
      <dd class="note">{note}</dd>
    </div>
  );
  const share = (part: number | null) => {
    const { total } = series.total;
    return total && part !== null ? <>{reader.percent(100 * part / total)} of all hits</> : <span class="none">–</span>;
  };
  const begun = series.points.find(({ coverage }) => coverage !== "before_first");
  const since = completeness.coverage.includes("before_first") && begun !== undefined
    ? [`data since ${reader.date(localDate(epochMs(Date.parse(begun.start)), query.tz))}`]
    : [];
  const unknown = [...since, ...coverageInWords(completeness)];
  const visited = visitorsCard(reader, queries, visitors);
  const of = { human: traffic === "bot" ? null : "human", bot: traffic === "human" ? null : "bot" } as const;
  return (
    <>
      <h2 class="sr">Totals</h2>
      <dl>
        {[
          card(
            TRAFFIC[traffic],
            counted(reader, series.total[name], completeness.status),
            [
              query.from === query.to
                ? reader.day(query.from)
                : `${reader.date(query.from)} – ${reader.date(query.to)}`,
              ...unknown,
            ].join("; "),
          ),
          card(
            "Change",
            changed(reader, comparison.change[name], comparison[name], completeness.status),
            period.no_change_reason === null ? <>against {periodWords(reader, period)}</> : noChangeWords(period),
          ),
          ...(query.from === query.to || query.step === "week" || query.step === "month" ? [] : [card(
            reader.day(query.to),
            today.length === 0 ? <span class="none">–</span> : counted(
              reader,
              known.length === 0 ? null : known.reduce((sum, hits) => sum + hits, 0),
              today.at(-1)!.status,
            ),
            "last day of the range",
          )]),
          ...(of.human === null ? [] : [
            card("Humans", counted(reader, series.total.human, completeness.status), share(series.total.human)),
          ]),
          ...(of.bot === null ? [] : [
            card("Bots", counted(reader, series.total.bot, completeness.status), share(series.total.bot)),
          ]),
          ...(visited === null ? [] : [card("Visitors", visited.value, visited.note)]),
          card(
            next === undefined ? "Forecast" : `Forecast ${reader.day(next.day)}`,
            next === undefined ? <span class="none">–</span> : forecasted(reader, next.count, ""),
            next === undefined ? ahead?.reason === "short_history" ? "history is too short" : "no complete day yet" : (
              <>
                {reader.compact(Math.round(next.low))} – {reader.compact(Math.round(next.high))}
                {weekBefore == null ? "" : `; a week before ${reader.compact(weekBefore)}`}
                {query.filter === undefined ? "" : "; of all hits"}
              </>
            ),
          ),
          card(
            "Data until",
            timeOf(reader, completeness.watermark),
            <>
              {completeness.late_count > 0
                ? `${reader.count(completeness.late_count)} late hits ${
                  late === "include" ? "counted" : "not counted"
                } · `
                : ""}
              <a href="/pipeline">pipeline</a>
            </>,
          ),
        ]}
      </dl>
      <p class="legend">{legend()}</p>
    </>
  );
}

/** The covered time of the sums, if it is not all of the range so far. */
function coverageInWords({ coverage, degraded }: Pick<Completeness, "coverage" | "degraded">): string[] {
  const edges = ["before_first", "partial", "after_newest"];
  const words = coverage.map((one) => edges.includes(one) && coverage.length > 1 ? "" : COVERAGE_SAYS[one]);
  return [...words, ...degraded].filter((text) => text !== "");
}

const TRAFFIC = { all: "Hits", human: "Hits by humans", bot: "Hits by bots" } as const;
