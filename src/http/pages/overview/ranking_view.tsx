// Rankings of the overview: cities, hosts, referrers, channels. Hosts and referrers link to the page that shows only them. Pure.
import type { TopReport, TopRow } from "../../../report/top.ts";
import { bar, counted, hostile, type Markup, panelHead } from "../markup.tsx";
import type { OverviewInput } from "./overview_input.ts";
import { DIRECT, downloadHref, pageHref, type PageState } from "../page_query.ts";
import type { Reader } from "../reader.ts";

interface Ranking {
  readonly title: string;
  readonly report: TopReport;
  readonly reader: Reader;
  /** Bars' colour. */
  readonly tone?: string;
  /** Link of a row, or null. */
  readonly href?: (row: TopRow) => string | null;
}

export function cityPanel({ data, reader }: OverviewInput): Markup {
  return ranking({ title: "Cities", report: data.cities, reader });
}

export function hostPanel({ data, reader, state }: OverviewInput): Markup {
  const href = ({ key }: TopRow) => filterHref(state, "host", key);
  return ranking({ title: "Hosts", report: data.hosts, reader, href });
}

export function referrerPanel({ data, reader, state }: OverviewInput): Markup {
  const href = ({ key }: TopRow) => filterHref(state, "referrer", key === "" ? DIRECT : key);
  return ranking({ title: "Referrers", report: data.referrers, reader, href });
}

export function channelPanel({ data, reader }: OverviewInput): Markup {
  const { human, bot, total } = data.series.total;
  const bots = total ? (bot ?? 0) / total : 0;
  return (
    <>
      {ranking({ title: "Channels", report: data.channels, reader })}
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
          {total ? ` (${reader.percent(100 * bots)})` : ""}
        </span>
      </p>
    </>
  );
}

/** A key of `(other)` cannot be asked for. */
function filterHref(state: PageState, name: "host" | "referrer", key: string | null): string | null {
  return key === null ? null : pageHref("/", state, { [name]: key });
}

function ranking({ title, report, reader, tone = "", href }: Ranking): Markup {
  const { query, rows, other } = report;
  const largest = Math.max(1, ...rows.map(({ count }) => count));
  const link = (format: string) => downloadHref("/v1/reports/top", query, { by: query.by, format });
  const line = (row: TopRow, share: number) => {
    const target = row.key === null ? null : href?.(row) ?? null;
    return (
      <tr>
        <th scope="row">
          {target === null ? hostile(row.label) : <a href={target}>{hostile(row.label)}</a>}
          {bar(share, tone)}
        </th>
        <td class="n">{counted(reader, row.count, row.status)}</td>
        <td class="n soft">{reader.percent(row.percentage)}</td>
      </tr>
    );
  };
  return (
    <>
      {panelHead(title, [{ label: "CSV", href: link("csv") }, { label: "NDJSON", href: link("ndjson") }, {
        label: "JSON",
        href: link("json"),
      }])} {rows.length === 0 ? <p class="hint">No hits in this range.</p> : (
        <table class="ranking">
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
                  all others{report.total_rows > rows.length
                    ? ` (${reader.count(report.total_rows - rows.length)})`
                    : ""}
                </th>
                <td class="n">{counted(reader, other.count, other.status)}</td>
                <td class="n soft">{reader.percent(other.percentage)}</td>
              </tr>
            )}
          </tbody>
        </table>
      )}
    </>
  );
}
