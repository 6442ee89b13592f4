// The parameters of a page's URL: parses them, makes links that change one of them, and makes the report queries. Pure.
import { BugError } from "../../shared/errors.ts";
import type { EpochMs } from "../../shared/units.ts";
import {
  type Condition,
  FILTER_FIELDS,
  FILTER_OP_NAMES,
  type FilterField,
  parseFilter,
  writeFilter,
} from "../../report/filter.ts";
import type { Breakdown } from "../../report/breakdown.ts";
import {
  type BreakdownQuery,
  type ContributionQuery,
  contributionQuery,
  type QueryProblem,
  type TimeseriesQuery,
  timeseriesQuery,
  type TopQuery,
  topQuery,
  type VisitorsQuery,
  visitorsQuery,
} from "../../report/report_query.ts";
import { addDays, countDays, isTimeZone, type LocalDate, localDate } from "../../report/time_zone.ts";
import { presetRange, type RangeName, RANGES } from "./page_ranges.ts";

const DEFAULT_RANGE: RangeName = "7d";

/** Parameters of the pages; everything else in a URL is ignored, so that links with tracking parameters work. */
export const PAGE_PARAMETERS = [
  "range",
  "from",
  "to",
  "tz",
  "step",
  "place",
  "traffic",
  "filter",
  "late",
  "compare",
  "order",
  "rows",
  "all",
  "cursor",
  "back",
] as const;
type PageParameter = typeof PAGE_PARAMETERS[number];

/** The parameters as given, without empty ones. */
export type PageState = Readonly<Partial<Record<PageParameter, string>>>;

/** What `referrer=` says for hits without one in a page's URL: a plain form sends empty fields for "any". */
export const DIRECT = "(direct)";

/** Longer values cannot match a stored key; they would only make links long. */
const VALUE_LENGTH_MAX = 8_192;

/** The state of a URL. Short forms of filters, and the fields of the form that adds one, become conditions of `filter`. */
export function pageState(url: URL): PageState {
  const given = (name: string) => url.searchParams.get(name)?.slice(0, VALUE_LENGTH_MAX) || undefined;
  const state: Partial<Record<PageParameter, string>> = {};
  for (const name of PAGE_PARAMETERS) {
    const value = given(name);
    if (value) state[name] = value;
  }
  const added = FILTER_FIELDS.flatMap((field): Condition[] => {
    const value = given(field);
    return value === undefined
      ? []
      : [{ field, op: "is", value: field === "referrer" && value === DIRECT ? "" : value }];
  });
  const field = FILTER_FIELDS.find((name) => name === given("field"));
  const op = FILTER_OP_NAMES.find((name) => name === given("op"));
  const value = given("value");
  if (field !== undefined && op !== undefined && value !== undefined) {
    added.push({ field, op, value: field === "referrer" && value === DIRECT ? "" : value });
  }
  if (added.length > 0) {
    const written = writeFilter(added);
    // Values that may be unknown are checked later, so that the problem is shown beside the filter.
    state.filter = state.filter === undefined ? written : `${state.filter};${written}`;
  }
  return state;
}

/** The conditions of a page; none if its filter cannot be read. */
export function pageConditions({ filter }: PageState): readonly Condition[] {
  const parsed = parseFilter(filter ?? "");
  return typeof parsed === "string" ? [] : parsed;
}

/** Link to `path` with changed parameters; `null` removes one. Any change except of the page leads to the first page. */
export function pageHref(
  path: string,
  state: PageState,
  changes: Readonly<Partial<Record<PageParameter, string | null>>> = {},
): string {
  const parameters = new URLSearchParams();
  const all = { ...state, cursor: null, back: null, ...changes };
  for (const name of PAGE_PARAMETERS) {
    const value = all[name];
    if (value) parameters.set(name, value);
  }
  const text = parameters.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** Link to the page with these conditions in place of those that ask the same of the same field. */
export function filterHref(state: PageState, added: readonly Condition[]): string {
  const kept = pageConditions(state).filter((one) =>
    !added.some(({ field, op }) => field === one.field && op === "is" && one.op === "is")
  );
  return pageHref("/", state, { filter: writeFilter([...kept, ...added]) });
}

/** Link to the page with one condition replaced, or left out. */
export function changedFilterHref(state: PageState, index: number, changed: Condition | null): string {
  const conditions = pageConditions(state).flatMap((one, i) => i !== index ? [one] : changed === null ? [] : [changed]);
  return pageHref("/", state, { filter: writeFilter(conditions) });
}

/** Link to the page with the conditions on the host alone. */
export function hostsHref(state: PageState): string {
  return pageHref("/", state, { filter: writeFilter(pageConditions(state).filter(({ field }) => field === "host")) });
}

/** The condition of one key of a ranking. */
export const isKey = (field: FilterField, value: string): Condition => ({ field, op: "is", value });

/** Conditions that name a place: its country, and its region and city as far as they are given. */
export function placeConditions(country: string, region?: string, city?: string): Condition[] {
  return [
    isKey("country", country),
    ...(region === undefined ? [] : [isKey("region", region)]),
    ...(city === undefined ? [] : [isKey("city", city)]),
  ];
}

/** The queries of one page; all have the same range, zone and filters. */
export interface PageQueries {
  readonly contribution: ContributionQuery;
  readonly series: TimeseriesQuery;
  readonly top: (by: TopQuery["by"], limit: number) => TopQuery;
  /** Rankings of breakdowns, `all=` with all rows; null with a condition that is not on the host, since they are counted by host alone. */
  readonly breakdown: ((by: Breakdown) => BreakdownQuery) | null;
  /** Of the same dates as UTC days; null with such a condition, and where only bots are shown. */
  readonly visitors: VisitorsQuery | null;
  /** The preset that is shown, null for dates of the reader's own. */
  readonly range: RangeName | null;
  /** Whether the last days of a source that has ended are shown, since the URL names no range. */
  readonly ended: boolean;
}

type PageQueryResult =
  | { readonly ok: true; readonly queries: PageQueries }
  | { readonly ok: false; readonly problems: readonly QueryProblem[] };

/** The data for a page's query besides its URL. */
export interface PageContext {
  readonly now: EpochMs;
  /** The browser's zone, if it sent one; not checked. */
  readonly browserZone?: string | undefined;
  /** First and last local day of the data in a zone; null before the first event. */
  readonly span?: (tz: string) => { readonly from: LocalDate; readonly to: LocalDate } | null;
}

/** Rows of the contribution table on a page, unless all are asked for. */
const TABLE_ROWS = 25;
const TABLE_ROWS_MAX = 1_000;
/** Rows of a breakdown, unless all are asked for. */
const BREAKDOWN_ROWS = 8;

/** The zone of a page: the URL's, else the browser's, else UTC. */
export function pageZone({ tz }: PageState, browserZone: string | undefined): string {
  return tz ?? (browserZone !== undefined && isTimeZone(browserZone) ? browserZone : "UTC");
}

/** The queries, or everything that is wrong with the URL. */
export function pageQueries(state: PageState, { now, browserZone, span }: PageContext): PageQueryResult {
  const tz = pageZone(state, browserZone);
  const preset = RANGES.find(({ name }) => name === (state.range ?? DEFAULT_RANGE));
  const given = state.from !== undefined || state.to !== undefined;
  if (preset === undefined && !given) {
    const allowed = RANGES.map(({ name }) => name);
    return { ok: false, problems: [{ field: "range", message: `must be one of ${allowed.join(", ")}`, allowed }] };
  }
  const today = isTimeZone(tz) ? localDate(now, tz) : undefined;
  const moving = preset === undefined || today === undefined ? undefined : presetRange(preset.name, today);
  // A form sends the dates of the preset along with it.
  const own = given && !(state.range !== undefined && state.from === moving?.from && state.to === moving?.to);
  const data = !own && state.range === undefined && today !== undefined ? span?.(tz) ?? null : null;
  // Yesterday's data may go on today.
  const ended = data !== null && today !== undefined && data.to < addDays(today, -1);
  const range = own
    ? { from: state.from, to: state.to ?? today }
    : ended
    ? { from: [addDays(data.to, -6), data.from].sort()[1], to: data.to }
    : moving ?? {};
  const common = { ...range, tz, filter: state.filter, late: state.late };
  const { place, traffic, compare, cursor, order } = state;
  const limit = state.rows === "all" ? TABLE_ROWS_MAX : TABLE_ROWS;
  const contribution = contributionQuery({ ...common, place, traffic, compare, cursor, order, limit }, now);
  if (!contribution.ok) return contribution;
  const days = countDays(contribution.query.from, contribution.query.to);
  const step = state.step ?? (days <= 2 ? "5min" : days <= 14 ? "hour" : days <= 200 ? "day" : "week");
  const series = timeseriesQuery({ ...common, compare, step }, now);
  if (!series.ok) return series;
  const top = (by: TopQuery["by"], limit: number) => {
    const result = topQuery({ ...common, traffic, by, limit }, now);
    // The contribution query has passed with the same parameters.
    if (!result.ok) throw new BugError(`cannot rank by ${by}: ${result.problems[0]?.message}`);
    return result.query;
  };
  const { from, to, filter } = contribution.query;
  const byHost = pageConditions(state).every(({ field }) => field === "host");
  const visitors = visitorsQuery({ from, to, filter }, now);
  return {
    ok: true,
    queries: {
      contribution: contribution.query,
      series: series.query,
      top,
      breakdown: byHost ? (by) => ({ ...top(by, state.all === by ? TABLE_ROWS_MAX : BREAKDOWN_ROWS), by }) : null,
      visitors: visitors.ok && traffic !== "bot" ? visitors.query : null,
      range: own || ended ? null : preset!.name,
      ended,
    },
  };
}

/** The state as links carry it on: a preset moves with the clock, so the dates that a form sends along are left out. */
export function carriedState(state: PageState, { range }: Pick<PageQueries, "range">): PageState {
  if (range === null) return state;
  const { from: _from, to: _to, ...carried } = state;
  return carried;
}

/** Parameters of `/v1/reports/contributions` and the other downloads of the same numbers. */
export function downloadHref(
  path: string,
  query: Pick<ContributionQuery, "from" | "to" | "tz" | "filter" | "late"> & Partial<ContributionQuery>,
  more: Readonly<Record<string, string>> = {},
): string {
  const parameters = new URLSearchParams({ from: query.from, to: query.to, tz: query.tz });
  for (const name of ["place", "traffic", "compare", "order", "late", "filter"] as const) {
    const value = query[name];
    if (value !== undefined) parameters.set(name, value);
  }
  for (const [name, value] of Object.entries(more)) parameters.set(name, value);
  return `${path}?${parameters}`;
}
