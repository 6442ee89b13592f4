// Rankings of the overview: cities, hosts, sources, channels, and the list that breakdowns share. A row links to the page that shows only it. Pure.
import type { Breakdown } from "../../../report/breakdown.ts";
import { LIMIT_MAX } from "../../../report/report_query.ts";
import type { TopReport, TopRow } from "../../../report/top.ts";
import { bar, counted, downloads, hostile, type Markup, NOTHING, panelHead, unknownWords } from "../markup.tsx";
import type { OverviewInput } from "./overview_input.ts";
import type { Condition } from "../../../report/filter.ts";
import { DIRECT_SOURCE, OWN_SOURCE } from "../../../report/referrer_channel.ts";
import { versionOf } from "../fragments.tsx";
import { countriesOnly } from "./overview_data.ts";
import { downloadHref, filterHref, isKey, pageHref, type PageState, placeConditions } from "../page_query.ts";
import type { Reader } from "../reader.ts";

interface Ranking {
  readonly title: string;
  readonly report: TopReport;
  readonly reader: Reader;
  /** What a row that is clicked filters by, or null. */
  readonly filter: (key: string) => readonly Condition[] | null;
  readonly state: PageState;
  /** Its section, and its name in `all=`: the list can be shown whole. */
  readonly whole?: { readonly section: string; readonly by: Breakdown };
  /** Shown where it has no rows. */
  readonly empty?: string;
}

/** Rows of the list of cities, or of countries in their place. */
const PLACE_ROWS = 12;

/** Cities; without known cities, countries and a hint how to get cities. */
export function cityPanel({ data, reader, state }: OverviewInput): Markup {
  if (!countriesOnly(data)) {
    const filter = (key: string) => {
      const [country = "", region = "", city = ""] = key.split("\x1e");
      return placeConditions(country, region, city);
    };
    return ranking({ title: "Cities", report: firstPlaces(data.cities), reader, state, filter });
  }
  const report = firstPlaces(data.countries), filter = (key: string) => placeConditions(key);
  return (
    <>
      {ranking({ title: "Countries", report, reader, state, filter })}
      <p class="hint">
        Only countries are known. <code>tidemark geo install</code>{" "}
        fetches a file of cities; records that come after it have cities.
      </p>
    </>
  );
}

/** A ranking that a list has room for: the rest is in its `(other)`. */
function firstPlaces({ rows, other, ...rest }: TopReport): TopReport {
  const hidden = rows.slice(PLACE_ROWS);
  const count = hidden.reduce((sum, row) => sum + row.count, other?.count ?? 0);
  const percentage = hidden.reduce((sum, row) => sum + row.percentage, other?.percentage ?? 0);
  return {
    ...rest,
    rows: rows.slice(0, PLACE_ROWS),
    other: hidden.length === 0 ? other : { ...hidden[0]!, key: null, label: "(other)", rank: null, count, percentage },
  };
}

export function hostPanel({ data, reader, state }: OverviewInput): Markup {
  return ranking({ title: "Hosts", report: data.hosts, reader, state, filter: (key) => [isKey("host", key)] });
}

/** Sources with their referrers; hits from our own pages are separate. */
export function sourcePanel({ data, reader, state }: OverviewInput): Markup {
  const { rows, ...rest } = data.sources;
  const own = rows.find(({ key }) => key === OWN_SOURCE);
  const report: TopReport = { ...rest, rows: rows.filter((row) => row !== own) };
  return (
    <>
      {ranking({
        title: "Sources",
        report,
        reader,
        state,
        filter: (key) => [key === DIRECT_SOURCE ? isKey("referrer", "") : isKey("source", key)],
      })}
      {own === undefined ? "" : (
        <p class="legend">
          From our own hosts:{" "}
          <a href={filterHref(state, [isKey("source", OWN_SOURCE)])}>
            {reader.count(own.count)} ({reader.percent(own.percentage)})
          </a>
        </p>
      )}
    </>
  );
}

export function channelPanel({ data, reader, state }: OverviewInput): Markup {
  const { human, bot, total } = data.series.total;
  const bots = total ? (bot ?? 0) / total : 0;
  return (
    <>
      {ranking({ title: "Channels", report: data.channels, reader, state, filter: (key) => [isKey("channel", key)] })}
      {total ? humansAndBots(reader, human, bot, bots) : ""}
    </>
  );
}

function humansAndBots(reader: Reader, human: number | null, bot: number | null, bots: number): Markup {
  return (
    <>
      <h3>Humans and bots</h3>
      <svg class="split" aria-hidden="true" focusable="false">
        <rect class="human" width="100%" height="100%" />
        <rect class="bot" x={`${(100 * (1 - bots)).toFixed(2)}%`} width={`${(100 * bots).toFixed(2)}%`} height="100%" />
      </svg>
      <p class="split-words">
        <span>
          <span class="key human"></span>Humans {reader.count(
            human,
          )}
        </span>
        <span>
          <span class="key bot"></span>Bots {reader.count(bot)}
          {` (${reader.percent(100 * bots)})`}
        </span>
      </p>
    </>
  );
}

export function ranking(given: Ranking): Markup {
  const { title, report, reader, filter, state, whole } = given;
  const { total_count, completeness } = report;
  const { empty = total_count === null ? unknownWords(completeness.gap) : "No hits in this range." } = given;
  const { query, rows, other } = report;
  const largest = Math.max(1, ...rows.map(({ count }) => count));
  const most = whole === undefined ? {} : { limit: String(LIMIT_MAX) };
  const link = (format: string) => downloadHref("/v1/reports/top", query, { by: query.by, ...most, format });
  const line = (row: TopRow, share: number) => {
    // A key of `(other)` cannot be asked for.
    const conditions = row.key === null ? null : filter(row.key);
    const parts = row.referrers ?? [];
    return (
      <tr>
        <th scope="row">
          {conditions === null ? hostile(row.label) : (
            <>
              <a href={filterHref(state, conditions)}>{hostile(row.label)}</a>
              <a
                class="not"
                href={filterHref(state, conditions.slice(-1).map((one) => ({ ...one, op: "is_not" })))}
                title={`Exclude ${row.label.slice(0, 60)}`}
              >
                exclude
              </a>
            </>
          )}
          {bar(share)}
          {parts.length === 0 || (parts.length === 1 && parts[0]!.key === "")
            ? ""
            : (
              <details id={`source-${versionOf(row.label)}`}>
                <summary>{parts.length === 1 ? "1 address" : `${parts.length} addresses`}</summary>
                <ul class="parts">
                  {parts.map((part) => (
                    <li>
                      <a href={filterHref(state, [isKey("referrer", part.key)])}>{hostile(part.key)}</a>{" "}
                      <span class="n soft">{reader.count(part.count)}</span>
                    </li>
                  ))}
                </ul>
              </details>
            )}
        </th>
        <td class="n">{counted(reader, row.count, row.status)}</td>
        <td class="n soft">{reader.percent(row.percentage)}</td>
      </tr>
    );
  };
  const table = (
    <table class="ranking" id={whole === undefined ? undefined : `rows-${whole.by}`}>
      <colgroup>
        <col />
        <col class="c-hits" />
        <col class="c-share" />
      </colgroup>
      <thead class="sr">
        <tr>
          <th scope="col">{title}</th>
          <th scope="col">Hits</th>
          <th scope="col">Share</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => line(row, row.count / largest))}
        {other === null ? "" : (
          <tr class="rest">
            <th scope="row">
              all others{report.total_rows > rows.length ? ` (${reader.count(report.total_rows - rows.length)})` : ""}
            </th>
            <td class="n">{counted(reader, other.count, other.status)}</td>
            <td class="n soft">{reader.percent(other.percentage)}</td>
          </tr>
        )}
      </tbody>
    </table>
  );
  return (
    <>
      {panelHead(title, downloads(link, "CSV", "NDJSON", "JSON"))} {rows.length === 0
        ? <p class="hint">{empty}</p>
        : whole !== undefined && state.all === whole.by
        ? <div class="scroll" tabindex={0} role="region" aria-label={title}>{table}</div>
        : table}
      {whole === undefined || rows.length === 0 ? "" : rowLinks(given, whole)}
    </>
  );
}

/** Links to all rows and back. Where all are shown, a script adds a search, and the shown rows as CSV. */
function rowLinks({ title, report, state }: Ranking, { section, by }: NonNullable<Ranking["whole"]>): Markup {
  const isWhole = state.all === by;
  if (!isWhole && report.total_rows <= report.rows.length) return NOTHING;
  const href = `${pageHref("/", state, { all: isWhole ? null : by })}#${section}`;
  const table = `rows-${by}`;
  return (
    <nav class="pages" aria-label={`Rows of ${title}`}>
      <a href={href}>
        {isWhole ? "Fewer rows" : "Show all"}
        <span class="sr">: {title}</span>
      </a>
      {isWhole
        ? (
          <>
            <label class="with-script" hidden>
              <span class="sr">Search in {title}</span>
              <input type="search" id={`search-${by}`} data-search={table} placeholder="Search these rows" />
            </label>
            <button class="with-script quiet" type="button" data-export={table} hidden>CSV of these rows</button>
          </>
        )
        : ""}
    </nav>
  );
}
