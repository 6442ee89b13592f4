// `/` and its live sections: reads the stream and the reports, and shows numbers or a notice. Reads the database.
import { getCookie } from "hono/cookie";
import type { QueryProblem } from "../../../report/report_query.ts";
import type { EpochMs } from "../../../shared/units.ts";
import type { AppContext, AppDeps } from "../../server/deps.ts";
import { databaseProblem, isBusy } from "../../server/database.ts";
import { nonceOf } from "../../server/headers.ts";
import { HttpProblem } from "../../server/problem.ts";
import { zoneProblem } from "../../api/reports/report_route.ts";
import { badQuery } from "../../server/validation.ts";
import { controls } from "./controls_view.tsx";
import { changedFragments, type Fragment, parseHave, slot, type Views } from "../fragments.tsx";
import { page, stateView } from "../layout.tsx";
import {
  dataElsewhere,
  dataSpan,
  type Elsewhere,
  hasData,
  notice,
  type NoticeInput,
  type Slowness,
} from "../notices.tsx";
import { type OverviewData, OverviewReader } from "./overview_data.ts";
import type { ViewContext } from "./overview_input.ts";
import { noMatch } from "./no_match_view.tsx";
import { allViews, fastViews, OVERVIEW_SECTIONS } from "./overview_view.tsx";
import {
  carriedState,
  pageConditions,
  type PageContext,
  pageHref,
  type PageQueries,
  pageQueries,
  type PageState,
  pageState,
  pageZone,
} from "../page_query.ts";
import { readerLocale, readerOf } from "../reader.ts";
import { type Kept, readKept } from "../kept/kept_data.ts";
import { keptView } from "../kept/kept_view.tsx";
import type { ReportCache } from "./report_cache.ts";
import { addDays } from "../../../report/time_zone.ts";
import { readStreamNow, statusOf } from "../stream_now.ts";

/** Without a script a page that only says "not yet" asks again. */
const RELOAD_S = 5;

/** The whole page. 400 for a wrong URL; 503 while the database does not answer: the page says so and recovers by itself. */
export async function overviewPage(c: AppContext, deps: AppDeps, cache: ReportCache): Promise<Response> {
  const now = deps.clock.now();
  const given = pageState(new URL(c.req.url));
  const stream = await readStreamNow(deps, now);
  const parsed = pageQueries(given, pageContext(c, stream, now));
  const state = parsed.ok ? carriedState(given, parsed.queries) : given;
  const kept = parsed.ok && stream.state !== null ? await readKept(deps, parsed.queries.contribution) : null;
  const outcome: Outcome = parsed.ok
    ? await readViews(deps, cache, stream, contextOf(c, deps, { state, queries: parsed.queries, kept, now }), true)
    : { kind: "refused", problems: parsed.problems };
  const input = outcome.kind === "away" ? statusOf(deps, null, now) : stream;
  const problems = outcome.kind === "refused" ? outcome.problems : [];
  const views: Views = outcome.kind === "views" ? outcome.views : new Map();
  const body = (
    <>
      <h1 class="sr">Overview</h1>
      {slot(
        { id: "notice", pace: "fast", className: "notices" },
        notice(input, slownessOf(outcome), parsed.ok ? elsewhereOf(c, stream, state, parsed.queries, now) : null),
      )} {controls({
        state,
        range: parsed.ok ? parsed.queries.range : null,
        from: parsed.ok ? parsed.queries.contribution.from : state.from ?? "",
        to: parsed.ok ? parsed.queries.contribution.to : state.to ?? "",
        tz: pageZone(state, getCookie(c, ZONE_COOKIE)),
        problems,
        data: outcome.kind === "views" ? outcome.data : null,
      })} {kept === null || problems.length > 0 ? "" : keptView({
        ...kept,
        state,
        reader: readerFor(c, pageZone(state, getCookie(c, ZONE_COOKIE)), now),
        day: parsed.ok ? parsed.queries.contribution.to : "",
        mayWrite: deps.writes !== undefined && c.get("scope") === "admin",
        mayList: c.get("scope") !== "share",
      })}
      <div class="grid">{OVERVIEW_SECTIONS.map((section) => slot(section, views.get(section.id)))}</div>
    </>
  );
  const markup = page({
    nonce: nonceOf(c),
    title: "Overview",
    path: "/",
    search: pageHref("", state),
    version: deps.version,
    words: input.words,
    geo: deps.geo(),
    fragments: problems.length > 0 ? null : `/fragments/overview${pageHref("", state)}`,
    ...(views.size === 0 && problems.length === 0 && { reloadAfterS: RELOAD_S }),
    body,
  });
  return c.html(markup, problems.length > 0 ? 400 : input.state === null ? 503 : 200);
}

/** What a page asks for after an event: the sections that it names and does not have in their newest version. */
export async function overviewFragments(c: AppContext, deps: AppDeps, cache: ReportCache): Promise<Response> {
  const now = deps.clock.now();
  const have = parseHave(c.req.query("have"));
  const state = pageState(new URL(c.req.url));
  const stream = await readStreamNow(deps, now);
  const parsed = pageQueries(state, pageContext(c, stream, now));
  if (!parsed.ok) throw badQuery(parsed.problems.map(({ field, message }) => ({ field, message })));
  const calm = OVERVIEW_SECTIONS.some(({ id, pace }) => pace === "calm" && have.has(id));
  const kept = calm ? await readKept(deps, parsed.queries.contribution) : null;
  const context = contextOf(c, deps, { state, queries: parsed.queries, kept, now });
  const outcome = await readViews(deps, cache, stream, context, calm);
  if (outcome.kind === "refused") throw badQuery(outcome.problems.map(({ field, message }) => ({ field, message })));
  const input = outcome.kind === "away" ? statusOf(deps, null, now) : stream;
  const views = withState(
    input,
    outcome.kind === "views" ? outcome.views : new Map(),
    slownessOf(outcome),
    elsewhereOf(c, stream, state, parsed.queries, now),
  );
  return sendFragments(c, {
    again: input.state === null || slownessOf(outcome) !== null,
    tookMs: deps.clock.now() - now,
    fragments: changedFragments(views, have),
  });
}

/** How reading went. slow: the database answers, but not in time; with `partly` the views are those that came in time. */
type Outcome =
  | { readonly kind: "views"; readonly views: Views; readonly data: OverviewData | null; readonly partly?: boolean }
  | { readonly kind: "refused"; readonly problems: readonly QueryProblem[] }
  | { readonly kind: "slow" | "away" };

async function readViews(
  deps: AppDeps,
  cache: ReportCache,
  stream: NoticeInput,
  context: ViewContext,
  calm: boolean,
): Promise<Outcome> {
  if (!hasData(stream)) return { kind: "views", views: new Map(), data: null };
  const reports = new OverviewReader(deps, cache, context.queries, context.state.place !== undefined);
  try {
    // While the log is being read, the database is busy and rankings would change at once. The notice follows every event, totals and
    // chart now and then; the rest is shown when the stream has caught up.
    const behind = stream.words.kind === "catching_up";
    if (behind && !calm) return { kind: "views", views: new Map(), data: null };
    const fast = reports.fast();
    if (behind || !calm) return { kind: "views", views: fastViews(context, await fast), data: null };
    const data = await reports.all(fast).catch((error) => {
      if (failureOf(error).kind !== "slow") throw error;
      return null;
    });
    // Totals and charts are read first and need less time: a page without rankings is better than no page.
    if (data === null) return { kind: "views", views: fastViews(context, await fast), data, partly: true };
    const views = allViews({ ...context, data });
    const conditions = pageConditions(context.state);
    // A filter that matches nothing is usually misspelt.
    if (conditions.length > 0 && data.table.total_count === 0) {
      const found = await reports.nearby(conditions);
      views.set("nothing", noMatch(context, conditions, found));
    }
    return { kind: "views", views, data };
  } catch (error) {
    return failureOf(error);
  }
}

function slownessOf(outcome: Outcome): Slowness | null {
  return outcome.kind === "slow" ? "all" : outcome.kind === "views" && outcome.partly === true ? "rankings" : null;
}

/** @throws the given error, if it is a bug */
function failureOf(error: unknown): Outcome {
  const problem = zoneProblem(error) ?? (error instanceof HttpProblem ? error : databaseProblem(error));
  if (problem === undefined) throw error;
  if (problem.code === "query_timeout" || isBusy(error)) return { kind: "slow" };
  if (problem.status === 503) return { kind: "away" };
  const problems = problem.errors.map(({ field, message, allowed }) => ({ field, message, allowed: allowed ?? [] }));
  return { kind: "refused", problems };
}

function contextOf(
  c: AppContext,
  deps: AppDeps,
  { state, queries, kept, now }: {
    readonly state: PageState;
    readonly queries: PageQueries;
    readonly kept: Kept | null;
    readonly now: EpochMs;
  },
): ViewContext {
  const reader = readerFor(c, queries.contribution.tz, now);
  return { queries, state, reader, geo: deps.geo(), notes: kept?.notes ?? [] };
}

/** Every page has the header's state and the notice. */
export function withState(
  input: NoticeInput,
  views: Views,
  slow: Slowness | null = null,
  elsewhere: Elsewhere | null = null,
): Views {
  return new Map([["state", stateView(input.words)], ["notice", notice(input, slow, elsewhere)], ...views]);
}

/** Set by the script to the browser's zone: a page without `tz` is in it. */
const ZONE_COOKIE = "tz";

function pageContext(c: AppContext, stream: NoticeInput, now: EpochMs): PageContext {
  return { now, browserZone: getCookie(c, ZONE_COOKIE), span: (tz) => dataSpan(stream, tz) };
}

/** Days that the link to data elsewhere shows at most: its newest ones. */
const SHOWN_DAYS_MAX = 90;

/** The days of the data, if the page's range has none of it. */
function elsewhereOf(
  c: AppContext,
  stream: NoticeInput,
  state: PageState,
  { contribution: query, ended }: PageQueries,
  now: EpochMs,
): Elsewhere | null {
  const data = ended ? dataSpan(stream, query.tz) : dataElsewhere(stream, query);
  if (data === null) return null;
  const reader = readerFor(c, query.tz, now);
  const days = data.from === data.to
    ? reader.fullDate(data.from)
    : `${reader.fullDate(data.from)} – ${reader.fullDate(data.to)}`;
  const oldest = addDays(data.to, 1 - SHOWN_DAYS_MAX);
  const from = data.from > oldest ? data.from : oldest;
  const changes = ended ? { range: "7d" } : { range: null, from, to: data.to };
  return { days, ended, href: pageHref("/", state, changes) };
}

/**
 * Answers a page that asks for changes. `again`: no event announces the next change, so the page must ask by itself. `tookMs`: how
 * long reading took; the longer, the less often a page asks.
 */
export function sendFragments(
  c: AppContext,
  { again, tookMs, fragments }: {
    readonly again: boolean;
    readonly tookMs: number;
    readonly fragments: readonly Fragment[];
  },
): Response {
  return c.json({ again, took_ms: tookMs, fragments });
}

/** Numbers in the reader's language, times in the page's zone. */
export function readerFor(c: AppContext, tz: string, now: number) {
  return readerOf(readerLocale(c.req.header("accept-language")), tz, now);
}
