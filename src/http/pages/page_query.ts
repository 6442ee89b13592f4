// What a page shows, as its URL says: parsing, links that change one thing, and the report queries that follow from it. Pure.
import { BugError } from "../../shared/errors.ts";
import type { EpochMs } from "../../shared/units.ts";
import {
  type ContributionQuery,
  contributionQuery,
  type QueryProblem,
  type TimeseriesQuery,
  timeseriesQuery,
  type TopQuery,
  topQuery,
} from "../../report/report_query.ts";
import { addDays, countDays, isTimeZone, localDate } from "../../report/time_zone.ts";

/** Ranges that move with the clock; `days` end today. */
export const RANGES = [
  { name: "today", label: "Today", days: 1 },
  { name: "2d", label: "2 days", days: 2 },
  { name: "7d", label: "7 days", days: 7 },
  { name: "28d", label: "28 days", days: 28 },
  { name: "90d", label: "90 days", days: 90 },
] as const;
const DEFAULT_RANGE = "7d";

/** Parameters of the pages; everything else in a URL is ignored, so that links with tracking parameters work. */
export const PAGE_PARAMETERS = [
  "range",
  "from",
  "to",
  "tz",
  "place",
  "traffic",
  "host",
  "referrer",
  "late",
  "compare",
  "cursor",
] as const;
type PageParameter = typeof PAGE_PARAMETERS[number];

/** The parameters as given, without empty ones. */
export type PageState = Readonly<Partial<Record<PageParameter, string>>>;

/** What a referrer parameter says for hits without one: a plain form sends empty fields for "any". */
export const DIRECT = "(direct)";

/** Longer values cannot match a stored key; they would only make links long. */
const VALUE_LENGTH_MAX = 2_048;

export function pageState(url: URL): PageState {
  const state: Partial<Record<PageParameter, string>> = {};
  for (const name of PAGE_PARAMETERS) {
    const value = url.searchParams.get(name)?.slice(0, VALUE_LENGTH_MAX);
    if (value) state[name] = value;
  }
  return state;
}

/** Link to `path` with some parameters changed; `null` removes one. A change of anything but the page goes back to the first. */
export function pageHref(
  path: string,
  state: PageState,
  changes: Readonly<Partial<Record<PageParameter, string | null>>> = {},
): string {
  const parameters = new URLSearchParams();
  const all = { ...state, cursor: null, ...changes };
  for (const name of PAGE_PARAMETERS) {
    const value = all[name];
    if (value) parameters.set(name, value);
  }
  const text = parameters.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** The queries of one page; all have the same range, zone and filters. */
export interface PageQueries {
  readonly contribution: ContributionQuery;
  readonly series: TimeseriesQuery;
  readonly top: (by: TopQuery["by"], limit: number) => TopQuery;
  /** The preset that is shown, null for dates of the reader's own. */
  readonly range: typeof RANGES[number]["name"] | null;
}

type PageQueryResult =
  | { readonly ok: true; readonly queries: PageQueries }
  | { readonly ok: false; readonly problems: readonly QueryProblem[] };

/** Rows of the contribution table on a page. */
const TABLE_ROWS = 25;

/** The queries, or everything that is wrong with the URL. */
export function pageQueries(state: PageState, now: EpochMs): PageQueryResult {
  const tz = state.tz ?? "UTC";
  const named = state.range ?? DEFAULT_RANGE;
  const preset = RANGES.find(({ name }) => name === named);
  const own = state.from !== undefined || state.to !== undefined;
  if (preset === undefined && !own) {
    const allowed = RANGES.map(({ name }) => name);
    return { ok: false, problems: [{ field: "range", message: `must be one of ${allowed.join(", ")}`, allowed }] };
  }
  const to = state.to ?? (isTimeZone(tz) ? localDate(now, tz) : undefined);
  const range = own ? { from: state.from, to } : { to, from: to && addDays(to, 1 - preset!.days) };
  const common = {
    ...range,
    tz,
    host: state.host,
    referrer: state.referrer === DIRECT ? "" : state.referrer,
    late: state.late,
  };
  // One day compares with the day before, seven with the seven before.
  const { place, traffic, compare = "previous_period", cursor } = state;
  const contribution = contributionQuery({ ...common, place, traffic, compare, cursor, limit: TABLE_ROWS }, now);
  if (!contribution.ok) return contribution;
  const days = countDays(contribution.query.from, contribution.query.to);
  const series = timeseriesQuery({ ...common, step: days <= 2 ? "5min" : days <= 14 ? "hour" : "day" }, now);
  if (!series.ok) return series;
  const top = (by: TopQuery["by"], limit: number) => {
    const result = topQuery({ ...common, traffic, by, limit }, now);
    // The contribution query has passed with the same parameters.
    if (!result.ok) throw new BugError(`cannot rank by ${by}: ${result.problems[0]?.message}`);
    return result.query;
  };
  return {
    ok: true,
    queries: { contribution: contribution.query, series: series.query, top, range: own ? null : preset!.name },
  };
}

/** Parameters of `/v1/reports/contributions` and the other downloads of the same numbers. */
export function downloadHref(
  path: string,
  query: Pick<ContributionQuery, "from" | "to" | "tz" | "host" | "referrer" | "late"> & Partial<ContributionQuery>,
  more: Readonly<Record<string, string>> = {},
): string {
  const parameters = new URLSearchParams({ from: query.from, to: query.to, tz: query.tz });
  for (const name of ["place", "traffic", "compare", "late"] as const) {
    const value = query[name];
    if (value !== undefined) parameters.set(name, value);
  }
  if (query.host !== undefined) parameters.set("host", query.host);
  if (query.referrer !== undefined) parameters.set("referrer", query.referrer);
  for (const [name, value] of Object.entries(more)) parameters.set(name, value);
  return `${path}?${parameters}`;
}
