// The contribution table: who contributed how much, how that compares, and what the next day may bring. Pure.
import type { Contribution, ContributionReport } from "../../../report/contribution.ts";
import { addDays } from "../../../report/time_zone.ts";
import { bar, counted, forecasted, hostile, type Markup, NOTHING, panelHead, worth } from "../markup.tsx";
import type { OverviewInput } from "./overview_input.ts";
import { downloadHref, pageHref } from "../page_query.ts";
import type { Reader } from "../reader.ts";

const PLACES = { city: "City", region: "Region", country: "Country" } as const;
const COMPARISONS = {
  previous_day: "day before",
  same_weekday: "same weekdays before",
  previous_period: "period before",
  previous_year: "year before",
} as const;

/** Why a next day has no number. */
const REASONS: Readonly<Record<string, string>> = {
  gap: "data gap",
  short_history: "short history",
  no_hits: "no hits",
  too_far: "too far ahead",
};

export function contributionTable({ data, queries, state, reader }: OverviewInput): Markup {
  const report = data.table;
  const { place, from, to, compare } = queries.contribution;
  const href = (format: string) => downloadHref("/v1/reports/contributions", queries.contribution, { format });
  const largest = Math.max(...report.rows.map((row) => row.percentage_contribution), 0.001);
  const list = [...report.rows, ...(report.other === null ? [] : [report.other])];
  return (
    <>
      {panelHead("Contributions", [
        { label: "CSV", href: href("csv") },
        { label: "NDJSON", href: href("ndjson") },
        { label: "JSON", href: href("json") },
        { label: "Text", href: href("text") },
        { label: "SVG", href: downloadHref("/v1/charts/cities.svg", queries.contribution) },
      ])} {report.rows.length === 0
        ? (
          <p class="hint">
            {report.total_count === null ? "This range is unknown: its records are missing." : "No hits in this range."}
          </p>
        )
        : (
          <>
            <div class="scroll whole" tabindex={0} role="region" aria-label="Contributions">
              <table class="contributions">
                <thead>
                  <tr>
                    <th scope="col" class="n">#</th>
                    <th scope="col">{PLACES[place]}</th>
                    {place === "country" ? "" : (
                      <>
                        <th scope="col">Country</th>
                        <th scope="col" class="n">Country total</th>
                      </>
                    )}
                    <th scope="col" class="n">Hits</th>
                    <th scope="col">Share</th>
                    <th scope="col" class="n">
                      Against {COMPARISONS[
                        compare
                      ]}
                      {report.completeness.range.status === "final" ? "" : <span class="soft">range is not over</span>}
                    </th>
                    <th scope="col" class="n">
                      Day before <span class="soft">{reader.day(addDays(from, -1))}</span>
                    </th>
                    <th scope="col" class="n">
                      Day after{" "}
                      <span class="soft">
                        {reader.day(
                          addDays(to, 1),
                        )}
                      </span>
                    </th>
                    <th scope="col">Band</th>
                    <th scope="col" class="n">Change</th>
                  </tr>
                </thead>
                <tbody>{list.map((row) => line(row, place, largest, reader))}</tbody>
                {report.total === null ? "" : <tfoot>{line(report.total, place, Infinity, reader)}</tfoot>}
              </table>
            </div>
            <p class="legend">
              Band: 80 % interval of the forecast, with the day before as a dashed line{errorWords(
                report,
                reader,
              )}. Day before and day after lie around the whole range; change is the one less the other.
            </p>
            {pages(report, state, reader)}
          </>
        )}
    </>
  );
}

function line(row: Contribution, place: keyof typeof PLACES, largest: number, reader: Reader): Markup {
  const country = row.country_contribution;
  const { comparison, status } = row;
  const inCountry = place === "country" ? "" : (
    <>
      <td>{country === null ? "" : hostile(country.country)}</td>
      <td class="n soft">{country === null ? "" : worth(reader.count(country.total_count), status)}</td>
    </>
  );
  return (
    <tr class={row.place === null ? "rest" : ""}>
      <td class="n soft">{row.rank === null ? "" : reader.count(row.rank)}</td>
      <th scope="row">{hostile(row.city_contribution.city)}</th>
      {inCountry}
      <td class="n strong">{counted(reader, row.city_contribution.count, status)}</td>
      <td class="share">
        {bar(row.percentage_contribution / largest)}
        <span class="n">{reader.percent(row.percentage_contribution)}</span>
      </td>
      <td class="n">{changeOf(reader, comparison.change, comparison.count, status)}</td>
      <td class="n">{counted(reader, row.previous_day_contribution, row.previous_day_status)}</td>
      <td class="n">{nextDay(row, reader)}</td>
      <td class="interval-cell">{interval(row, reader)}</td>
      <td class="n">{changeOf(reader, row.forecasted_change, row.previous_day_contribution, row.next_day_status)}</td>
    </tr>
  );
}

/** A change with a sign of its own shape, and in per cent where there is something to compare with. */
function changeOf(
  reader: Reader,
  change: number | null,
  base: number | null,
  status: Contribution["next_day_status"],
): Markup {
  if (change === null) return <span class="none">–</span>;
  const sign = change > 0 ? "up" : change < 0 ? "down" : "same";
  const part = base ? reader.percent(Math.abs(100 * change / base)) : "";
  return (
    <span class={`change ${sign}`}>
      {worth(reader.change(change), status)}
      {part === "" ? "" : <span class="soft">{` ${part}`}</span>}
    </span>
  );
}

function nextDay(row: Contribution, reader: Reader): Markup {
  switch (row.next_day_kind) {
    case "actual":
      return counted(reader, row.next_day_contribution, row.next_day_status);
    case "forecast":
      return forecasted(
        reader,
        row.next_day_contribution ?? 0,
        ` by ${row.forecast?.method.replace("_", " ") ?? ""} from ${row.forecast?.history_days ?? 0} days`,
      );
    case "unknown":
      return <span class="unknown">{REASONS[row.next_day_reason ?? ""] ?? "unknown"}</span>;
  }
}

/** Where the day before lies within what is expected of the day after. Each row has a scale of its own. */
function interval(row: Contribution, reader: Reader): Markup {
  const { forecast, previous_day_contribution: before, next_day_contribution: next } = row;
  if (forecast === null || next === null) return NOTHING;
  const low = Math.min(forecast.low, before ?? next);
  const high = Math.max(forecast.high, before ?? next);
  const at = (value: number) => (high === low ? 50 : 6 + 88 * (value - low) / (high - low)).toFixed(1);
  const words = `${reader.count(forecast.low)} to ${reader.count(forecast.high)}, day before ${reader.count(before)}`;
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

function errorWords({ total }: ContributionReport, reader: Reader): string {
  const mase = total?.forecast?.mase;
  return mase == null ? "" : `; error of the total ${reader.decimal(mase)} MASE`;
}

function pages(report: ContributionReport, state: OverviewInput["state"], reader: Reader): Markup {
  const first = report.rows[0]?.rank ?? 1;
  const last = report.rows.at(-1)?.rank ?? 0;
  return (
    <nav class="pages" aria-label="Pages of contributions">
      <span>
        {reader.count(first)} – {reader.count(last)} of {reader.count(
          report.total_rows,
        )}
      </span>
      {state.cursor === undefined ? "" : <a href={`${pageHref("/", state)}#table`}>First rows</a>}
      {report.next_cursor === null
        ? ""
        : <a href={`${pageHref("/", state, { cursor: report.next_cursor })}#table`}>Next rows</a>}
    </nav>
  );
}
