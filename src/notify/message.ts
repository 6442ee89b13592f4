// Writes messages: fields for programs, and the same as text. Pure.
import type { TimeseriesReport } from "../report/timeseries.ts";
import type { LocalDate } from "../report/time_zone.ts";
import type { TopReport } from "../report/top.ts";
import { printable } from "../shared/printable.ts";
import { countText } from "../shared/quantities.ts";
import type { DayBesideForecast, Due, Schedule } from "./due.ts";

/** A message. A webhook gets all of it, a mail the subject and the lines. */
export interface Message {
  readonly id: string;
  readonly kind: "report" | "alert";
  readonly subject: string;
  readonly lines: readonly string[];
  /** Numbers by name, for programs. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** The data of a report. */
export interface ReportFacts {
  readonly series: TimeseriesReport;
  readonly countries: TopReport;
  readonly hosts: TopReport;
  readonly sources: TopReport;
}

/** Rows of each ranking. */
export const TOP_ROWS = 5;
/** Most characters of a name. */
const LABEL_MAX = 80;

const percent = (value: number) => `${value.toFixed(1)} %`;
const days = (from: LocalDate, to: LocalDate) => from === to ? from : `${from} to ${to}`;
const label = (text: string) => printable(text).slice(0, LABEL_MAX);

/** Words for the hits that are counted, and their names in a series. */
const COUNTED = {
  all: { name: "total", words: "hits" },
  human: { name: "human", words: "human hits" },
  bot: { name: "bot", words: "bot hits" },
} as const;

/** The report of a period: of a view, or of the whole stream. */
export function reportMessage(
  { id, from, to, view }: Pick<Due, "id" | "from" | "to" | "view">,
  { series, countries, hosts, sources }: ReportFacts,
  { schedule, link }: { readonly schedule: Schedule; readonly link: string | undefined },
): Message {
  const { total, comparison, comparison_period: period, query } = series;
  const { traffic } = countries.query;
  const { name: counted, words } = COUNTED[traffic];
  const count = total[counted], before = comparison[counted], change = comparison.change[counted];
  const part = change !== null && before ? 100 * change / before : null;
  const inPercent = part === null ? "" : ` (${signed(part)} %)`;
  const hits = count === null ? "unknown" : countText(count);
  const about = view === null ? null : `"${label(view.name)}"`;
  const complete = total.total !== null &&
    series.points.every(({ coverage }) => coverage === "full" || coverage === "retired");
  const against = days(period.from, period.to);
  const ranking = (name: string, { rows }: TopReport) =>
    rows.length === 0
      ? []
      : [`${name}: ${
        rows.map((row) => `${label(row.label)} ${countText(row.count)} (${percent(row.percentage)})`).join(", ")
      }`];
  const rows = ({ rows }: TopReport) =>
    rows.map((row) => ({ label: label(row.label), hits: row.count, percent: row.percentage }));
  const where = dashboard(link, { from, to, tz: query.tz, ...view?.parameters });
  return {
    id,
    kind: "report",
    subject: `${about === null ? "Hits" : `${about}: ${words}`} ${days(from, to)}: ${hits}${inPercent}`,
    lines: [
      `${hits} ${words} on ${days(from, to)} (${query.tz})${about === null ? "" : ` in the view ${about}`}.`,
      ...(change === null
        ? [`No change is given against ${against}: ${period.no_change_reason ?? "it is not known"}.`]
        : [
          `${change < 0 ? "▼" : change > 0 ? "▲" : ""} ${change < 0 ? "−" : change > 0 ? "+" : "±"}${
            countText(Math.abs(change))
          }${inPercent} against ${against}.`.trim(),
        ]),
      ...(traffic !== "all" || total.human === null || total.bot === null
        ? []
        : [`Humans ${countText(total.human)}, bots ${countText(total.bot)}.`]),
      ...ranking("Countries", countries),
      ...ranking("Hosts", hosts),
      ...ranking("Sources", sources),
      ...(complete ? [] : ["Records of this time are missing."]),
      ...(where === null ? [] : [where]),
    ],
    fields: {
      schedule,
      view: view?.name ?? null,
      from,
      to,
      time_zone: query.tz,
      traffic,
      hits: count,
      humans: total.human,
      bots: total.bot,
      compared: { from: period.from, to: period.to, hits: before },
      change,
      change_percent: part,
      complete,
      countries: rows(countries),
      hosts: rows(hosts),
      sources: rows(sources),
      link: where,
    },
  };
}

/** The alert of a day. `fact` has a count and a forecast. */
export function alertMessage(
  { id }: Pick<Due, "id">,
  { day, count: hits, forecast }: DayBesideForecast,
  { tz, link }: { readonly tz: string; readonly link: string | undefined },
): Message {
  const { count: expected, low, high } = forecast!;
  const more = hits! > expected;
  const where = dashboard(link, { from: day, to: day, tz });
  const band = `${countText(low)} to ${countText(high)}`;
  return {
    id,
    kind: "alert",
    subject: `${more ? "More" : "Fewer"} hits than forecast on ${day}: ${countText(hits!)}`,
    lines: [
      `${day} (${tz}) had ${countText(hits!)} hits, ${more ? "more" : "fewer"} than forecast: ${band} were expected.`,
      ...(where === null ? [] : [where]),
    ],
    fields: { day, time_zone: tz, hits, expected, low, high, direction: more ? "above" : "below", link: where },
  };
}

function signed(part: number): string {
  return `${part < 0 ? "−" : "+"}${Math.abs(part).toFixed(1)}`;
}

function dashboard(link: string | undefined, query: Readonly<Record<string, string>>): string | null {
  return link === undefined ? null : `${link.replace(/\/+$/, "")}/?${new URLSearchParams(query)}`;
}

/**
 * The body of a webhook. In `text`, Slack interprets `&`, `<` and `>`: a host with the name `<!channel>` must not notify the whole channel.
 */
export function webhookBody({ id, kind, subject, lines, fields }: Message): string {
  const escape = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return JSON.stringify({ text: [`*${escape(subject)}*`, ...lines.map(escape)].join("\n"), id, kind, ...fields });
}
