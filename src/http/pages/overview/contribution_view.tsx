// The contribution table: the count of each place, its change, and its forecast for the next day. Pure.
import type { Contribution, ContributionReport } from "../../../report/contribution.ts";
import { addDays } from "../../../report/time_zone.ts";
import {
  bar,
  changed,
  counted,
  downloads,
  forecasted,
  hostile,
  type Markup,
  NOTHING,
  panelHead,
  unknownWords,
  worth,
} from "../markup.tsx";
import type { OverviewInput } from "./overview_input.ts";
import { downloadHref, filterHref, pageHref, type PageState, placeConditions } from "../page_query.ts";
import { noChangeWords, periodWords } from "./period_words.ts";
import type { Reader } from "../reader.ts";

const PLACES = { city: "City", region: "Region", country: "Country" } as const;

/** Why a next day has no number. */
const REASONS: Readonly<Record<string, string>> = {
  gap: "data gap",
  short_history: "short history",
  no_hits: "no hits",
  too_far: "too far ahead",
};

/** What all rows of a table have in common. */
interface Table {
  readonly report: ContributionReport;
  readonly place: keyof typeof PLACES;
  readonly state: PageState;
  readonly reader: Reader;
  readonly largest: number;
}

export function contributionTable({ data, queries, state, reader }: OverviewInput): Markup {
  const report = data.table;
  const { place, from, to } = report.query;
  const href = (format: string) =>
    downloadHref("/v1/reports/contributions", { ...queries.contribution, place }, { format });
  const largest = Math.max(...report.rows.map((row) => row.percentage_contribution), 0.001);
  const table: Table = { report, place, state, reader, largest };
  const list = [...report.rows, ...(report.other === null ? [] : [report.other])];
  const period = periodWords(reader, report.comparison_period);
  const next = nextDayOf(report);
  const ahead = next === "forecast";
  const before = addDays(ahead ? to : from, ahead ? -6 : -1);
  return (
    <>
      {panelHead("Contributions", [
        ...downloads(href, "CSV", "NDJSON", "JSON", "Text"),
        { label: "SVG", href: downloadHref("/v1/charts/cities.svg", { ...queries.contribution, place }) },
      ])} {report.rows.length === 0
        ? (
          <p class="hint">
            {report.total_count === null ? unknownWords(report.completeness.range.gap) : "No hits in this range."}
          </p>
        )
        : (
          <>
            <div class="scroll whole" tabindex={0} role="region" aria-label="Contributions">
              <table class="contributions sortable" id="contributions">
                <thead>
                  <tr>
                    <th scope="col" class="n more-only">#</th>
                    <th scope="col">{orderLink(state, "place", "place", PLACES[place])}</th>
                    {place === "country" ? "" : (
                      <>
                        <th scope="col" class="more-only">Country</th>
                        <th scope="col" class="n more-only">Country total</th>
                      </>
                    )}
                    <th scope="col" class="n">{orderLink(state, "count_desc", "count_asc", "Hits")}</th>
                    <th scope="col">Share</th>
                    <th scope="col" class="n more-only">
                      Compared <span class="soft">{period}</span>
                    </th>
                    <th scope="col" class="n">
                      Change <span class="soft">against {period}</span>
                    </th>
                    <th scope="col" class="n more-only">
                      Day before <span class="soft">{reader.day(addDays(from, -1))}</span>
                    </th>
                    {next === "none" ? "" : (
                      <th scope="col" class="n more-only">
                        {ahead ? "Forecast" : "Day after"} <span class="soft">{reader.day(addDays(to, 1))}</span>
                      </th>
                    )}
                    {ahead ? <th scope="col" class="more-only">80 % range</th> : ""}
                    {next === "none" ? "" : (
                      <th scope="col" class="n more-only">
                        {ahead ? "Forecast change" : "Change"}{" "}
                        <span class="soft">{reader.day(addDays(to, 1))} against {reader.day(before)}</span>
                      </th>
                    )}
                  </tr>
                </thead>
                <tbody>{list.map((row) => line(row, table))}</tbody>
                {report.total === null ? "" : <tfoot>{line(report.total, { ...table, largest: Infinity })}</tfoot>}
              </table>
            </div>
            {pages(table)}
            <p class="legend">
              {noChangeWords(report.comparison_period)}
              {ahead
                ? "The forecast is for the first day after the range. Four of five days lie within the bar; the dashed line is the same weekday a week before."
                : ""}
            </p>
          </>
        )}
    </>
  );
}

/** What is known of the day after the range. */
function nextDayOf({ total, rows }: ContributionReport): "actual" | "forecast" | "none" {
  const kinds = new Set([total, ...rows].map((row) => row?.next_day_kind));
  return kinds.has("forecast") ? "forecast" : kinds.has("actual") ? "actual" : "none";
}

/** Head of a column with a link that orders the report by it; a second click reverses the order. */
function orderLink(state: PageState, first: string, second: string, label: string): Markup {
  const now = state.order ?? "count_desc";
  const next = now === first ? second : first;
  const mark = now === "count_desc" && first === now ? " ▾" : now === "count_asc" && second === now ? " ▴" : "";
  return <a href={`${pageHref("/", state, { order: next === "count_desc" ? null : next })}#table`}>{label}{mark}</a>;
}

function line(row: Contribution, { report, place, largest, reader, state }: Table): Markup {
  const country = row.country_contribution;
  const { comparison, status } = row;
  const next = nextDayOf(report);
  const ahead = next === "forecast";
  const inCountry = place === "country" ? "" : (
    <>
      <td class="more-only">
        {country === null || row.place === null
          ? ""
          : <a href={filterHref(state, placeConditions(row.place.country_code))}>{hostile(country.country)}</a>}
      </td>
      <td class="n soft more-only">{country === null ? "" : worth(reader.count(country.total_count), status)}</td>
    </>
  );
  return (
    <tr class={row.place === null ? "rest" : ""}>
      <td class="n soft more-only">{row.rank === null ? "" : reader.count(row.rank)}</td>
      <th scope="row">{placeLink(row, state)}</th>
      {inCountry}
      <td class="n strong" data-v={row.city_contribution.count}>
        {counted(reader, row.city_contribution.count, status)}
      </td>
      <td class="share" data-v={row.percentage_contribution}>
        {bar(row.percentage_contribution / largest)}
        <span class="n">{reader.percent(row.percentage_contribution)}</span>
      </td>
      <td class="n more-only" data-v={comparison.count ?? ""}>{known(reader, comparison.count)}</td>
      <td class="n" data-v={comparison.change ?? ""}>{changed(reader, comparison.change, comparison.count, status)}</td>
      <td class="n more-only" data-v={row.previous_day_contribution ?? ""}>
        {counted(reader, row.previous_day_contribution, row.previous_day_status)}
      </td>
      {next === "none"
        ? ""
        : <td class="n more-only" data-v={row.next_day_contribution ?? ""}>{nextDay(row, reader)}</td>}
      {ahead ? <td class="interval-cell more-only">{interval(row, reader)}</td> : ""}
      {next === "none" ? "" : (
        <td class="n more-only">
          {ahead
            ? changed(reader, row.forecast?.week_change ?? null, row.forecast?.week_before ?? null, row.next_day_status)
            : changed(reader, row.forecasted_change, row.previous_day_contribution, row.next_day_status)}
        </td>
      )}
    </tr>
  );
}

/** A number of another period; a dash if it is unknown. */
function known(reader: Reader, count: number | null): Markup {
  return count === null ? <span class="none">–</span> : <>{reader.count(count)}</>;
}

function placeLink({ place, city_contribution: { city } }: Contribution, state: PageState): Markup {
  if (place === null) return hostile(city);
  const conditions = placeConditions(
    place.country_code,
    place.kind === "country" ? undefined : place.region,
    place.kind === "city" ? place.city : undefined,
  );
  return <a href={filterHref(state, conditions)}>{hostile(city)}</a>;
}

function nextDay(row: Contribution, reader: Reader): Markup {
  switch (row.next_day_kind) {
    case "actual":
      return counted(reader, row.next_day_contribution, row.next_day_status);
    case "forecast":
      return forecasted(
        reader,
        row.next_day_contribution ?? 0,
        ` from ${reader.count(row.forecast?.history_days ?? 0)} days`,
      );
    case "unknown":
      return <span class="unknown">{REASONS[row.next_day_reason ?? ""] ?? "not known yet"}</span>;
  }
}

/** The same weekday a week before, within the forecast interval of the next day. Each row has its own scale. */
function interval(row: Contribution, reader: Reader): Markup {
  const { forecast, next_day_contribution: next } = row;
  if (forecast === null || next === null) return NOTHING;
  const before = forecast.week_before;
  const low = Math.min(forecast.low, before ?? next);
  const high = Math.max(forecast.high, before ?? next);
  const at = (value: number) => (high === low ? 50 : 6 + 88 * (value - low) / (high - low)).toFixed(1);
  const words = `${reader.count(forecast.low)} to ${reader.count(forecast.high)}, a week before ${
    before === null ? "not known" : reader.count(before)
  }`;
  return (
    <svg class="interval" role="img" aria-label={words} viewBox="0 0 100 14" preserveAspectRatio="none">
      <title>{words}</title>
      <rect
        class="range"
        x={at(forecast.low)}
        y="4"
        width={Math
          .max(1, Number(at(forecast.high)) - Number(at(forecast.low))).toFixed(
            1,
          )}
        height="6"
        rx="2"
      />
      <path class="mid" d={`M${at(next)} 2v10`} />
      {before === null ? "" : <path class="before" d={`M${at(before)} 1v12`} />}
    </svg>
  );
}

/** Between the cursors of the pages before; the first page has none. */
const BACK = "~";
const FIRST = "-";

/** Links to the previous and the next page and to all rows. A script adds a search, and the shown rows as CSV. */
function pages({ report, state, reader }: Table): Markup {
  const first = report.rows[0]?.rank ?? 1;
  const last = report.rows.at(-1)?.rank ?? 0;
  const back = state.back?.split(BACK) ?? [];
  const before = back.at(-1);
  const href = (changes: Parameters<typeof pageHref>[2]) => `${pageHref("/", state, changes)}#table`;
  const whole = report.total_rows > report.rows.length;
  return (
    <nav class="pages" aria-label="Pages of contributions">
      <span>
        {reader.count(first)} – {reader.count(last)} of {reader.count(report.total_rows)}
      </span>
      {state.cursor === undefined ? "" : (
        <a
          rel="prev"
          href={href({
            cursor: before === undefined || before === FIRST ? null : before,
            back: back.slice(0, -1).join(BACK) || null,
          })}
        >
          Previous
        </a>
      )}
      {report.next_cursor === null ? "" : (
        <a
          rel="next"
          href={href({ cursor: report.next_cursor, back: [...back, state.cursor ?? FIRST].join(BACK) })}
        >
          Next
        </a>
      )}
      {state.rows === "all"
        ? <a href={href({ rows: null })}>Fewer rows</a>
        : whole
        ? <a href={href({ rows: "all" })}>Show all</a>
        : ""}
      <label class="with-script" hidden>
        <span class="sr">Search in these rows</span>
        <input type="search" id="search-contributions" data-search="contributions" placeholder="Search these rows" />
      </label>
      <button class="with-script quiet" type="button" data-export="contributions" hidden>CSV of these rows</button>
    </nav>
  );
}
