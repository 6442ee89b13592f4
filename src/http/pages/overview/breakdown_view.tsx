// Breakdowns of the overview: pages, entry channels, campaigns, browsers, systems, devices, and why one has no numbers. Pure.
import { type Breakdown, type BreakdownMarks, STORED } from "../../../report/breakdown.ts";
import type { TopReport, TopRow } from "../../../report/top.ts";
import { type Markup, NOTHING, panelHead, unknownWords } from "../markup.tsx";
import type { OverviewInput } from "./overview_input.ts";
import { hostsHref } from "../page_query.ts";
import { ranking } from "./ranking_view.tsx";
import type { Reader } from "../reader.ts";

/** The panels in order: the section's id, its title, and what hits lack that name nothing. */
export const BREAKDOWN_PANELS = [
  { by: "page", id: "pages", title: "Pages", none: "viewed no page" },
  { by: "entry_channel", id: "entries", title: "Entry channels", none: "have no channel" },
  { by: "campaign", id: "campaigns", title: "Campaigns", none: "name no campaign" },
  { by: "browser", id: "browsers", title: "Browsers", none: "are by bots or not recognised" },
  { by: "os", id: "systems", title: "Systems", none: "are by bots or not recognised" },
  { by: "device", id: "devices", title: "Devices", none: "are by bots or not recognised" },
] as const satisfies readonly { by: Breakdown; id: string; title: string; none: string }[];

type Panel = typeof BREAKDOWN_PANELS[number];

/** The channel of hits from pages of the same host. */
const INTERNAL = "internal";

export function breakdownPanel({ by, id, title, none }: Panel, input: OverviewInput): Markup {
  const { data, queries, reader, state } = input;
  if (queries.breakdown === null) {
    return (
      <>
        {panelHead(title, [])}
        <p class="hint">
          Not available with this filter: {title.toLowerCase()} are counted by host alone.{" "}
          <a href={hostsHref(state)}>Show them without the other conditions</a>
        </p>
      </>
    );
  }
  const whole = data.breakdowns?.[by];
  if (whole === undefined) return NOTHING;
  const { report, internal } = by === "entry_channel" ? withoutInternal(whole) : { report: whole, internal: undefined };
  const marks = report.breakdown;
  return (
    <>
      {ranking({
        title,
        report,
        reader,
        state,
        filter: () => null,
        whole: { section: id, by },
        empty: emptyWords(by, report, reader),
      })}
      {internal === undefined ? "" : (
        <p class="legend">
          From pages of the same host: {reader.count(internal.count)}{" "}
          ({reader.percent(internal.percentage)}). They are not entries.
        </p>
      )}
      {by === "page" && report.rows.length > 0 ? <p class="legend">Shares are of all hits, not of page views.</p> : ""}
      {reservedRows(by, report, none, reader)}
      {marks === null || report.total_count === null || marks.not_counted.length === 0
        ? ""
        : <p class="legend">{missingWords(by, marks, reader)}</p>}
    </>
  );
}

/** A hit from a page of the same host is not an entry. */
function withoutInternal(whole: TopReport): { readonly report: TopReport; readonly internal: TopRow | undefined } {
  const internal = whole.rows.find(({ key }) => key === INTERNAL);
  if (internal === undefined) return { report: whole, internal };
  const rows = whole.rows.filter((row) => row !== internal);
  return { report: { ...whole, rows, total_rows: whole.total_rows - 1 }, internal };
}

/** Why a list has no rows. */
function emptyWords(
  by: Breakdown,
  { total_count, reserved, breakdown, completeness }: TopReport,
  reader: Reader,
): string {
  if (total_count === null) {
    return breakdown !== null && completeness.coverage.includes("not_counted")
      ? missingWords(by, breakdown, reader)
      : unknownWords(completeness.gap);
  }
  if (reserved.length === 0) return "No hits in this range.";
  return by === "page"
    ? "No page views in this range."
    : by === "campaign"
    ? "No campaigns in this range."
    : "Nothing recognised in this range.";
}

/** Which time was not counted, and why. */
function missingWords(by: Breakdown, { not_counted, counting, counted_since }: BreakdownMarks, reader: Reader): string {
  const off = counting
    ? ""
    : ` Switched off by BREAKDOWNS (${STORED[by].setting}), or an instance of an older version counts.`;
  const [first, ...more] = not_counted;
  if (first === undefined || counted_since === null) return `Not counted.${off}`;
  if (Date.parse(first.start) < Date.parse(counted_since) && more.length === 0) {
    return `Not counted in older windows, before ${reader.dateTime(Date.parse(counted_since))}.${off}`;
  }
  const times = `${reader.dateTime(Date.parse(first.start))} – ${reader.dateTime(Date.parse(first.end))}`;
  return `Not counted ${times}${more.length === 0 ? "" : ` and at ${more.length} other times`}.${off}`;
}

/** Hits that name no page, client or campaign, by the reason. */
function reservedRows(by: Breakdown, { reserved }: TopReport, none: string, reader: Reader): Markup {
  if (reserved.length === 0) return NOTHING;
  const hits = reserved.reduce((sum, { count }) => sum + count, 0);
  const percentage = reserved.reduce((sum, row) => sum + row.percentage, 0);
  return (
    <details id={`reserved-${by}`}>
      <summary>
        {reader.count(hits)} hits ({reader.percent(percentage)}) {none}
      </summary>
      <ul class="parts">
        {reserved.map((row) => (
          <li>
            <span>{row.label}</span>{" "}
            <span class="n soft">
              {reader.count(row.count)} ({reader.percent(row.percentage)})
            </span>
          </li>
        ))}
      </ul>
    </details>
  );
}
