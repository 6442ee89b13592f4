// `/` and its live sections: reads the stream and the reports, decides between numbers, an empty state and an apology. Reads the database.
import type { QueryProblem } from "../../report/report_query.ts";
import type { AppContext, AppDeps } from "../deps.ts";
import { databaseProblem } from "../database.ts";
import { nonceOf } from "../headers.ts";
import { HttpProblem } from "../problem.ts";
import { zoneProblem } from "../report_route.ts";
import { controls } from "./controls_view.ts";
import { changedFragments, type Fragment, parseHave, slot, type Views } from "./fragments.ts";
import { page, stateView } from "./layout.ts";
import { hasData, notice, type NoticeInput } from "./notices.ts";
import { type OverviewData, OverviewReader } from "./overview_data.ts";
import { allViews, fastViews, OVERVIEW_SECTIONS, type ViewContext } from "./overview_view.ts";
import { pageHref, pageQueries, pageState } from "./page_query.ts";
import { readerLocale, readerOf } from "./reader.ts";
import type { ReportCache } from "./report_cache.ts";
import { readStreamNow, statusOf } from "./stream_now.ts";
import { html } from "./markup.ts";

/** Without a script a page that only says "not yet" asks again. */
const RELOAD_S = 5;

/** The whole page. 400 where the URL asks for what cannot be, 503 while the database is away: it says so, and recovers by itself. */
export async function overviewPage(c: AppContext, deps: AppDeps, cache: ReportCache): Promise<Response> {
  const now = deps.clock.now();
  const state = pageState(new URL(c.req.url));
  const parsed = pageQueries(state, now);
  const stream = await readStreamNow(deps, now);
  const problems: QueryProblem[] = parsed.ok ? [] : [...parsed.problems];
  let data: OverviewData | null = null;
  let input: NoticeInput = stream;
  if (parsed.ok && hasData(stream)) {
    try {
      data = await new OverviewReader(deps, cache, parsed.queries).all();
    } catch (error) {
      const problem = refusal(error);
      if (problem === null) input = statusOf(deps, null, now);
      else problems.push(...problem);
    }
  }
  const context: ViewContext | null = parsed.ok
    ? { queries: parsed.queries, state, reader: readerFor(c, parsed.queries.contribution.tz, now), geo: deps.geo() }
    : null;
  const views = data === null || context === null ? new Map() : allViews({ ...context, data });
  const ready = data !== null;
  const body = html`<h1 class="sr">Overview</h1>
${slot({ id: "notice", pace: "fast", className: "notices" }, notice(input))}
${
    controls({
      state,
      range: parsed.ok ? parsed.queries.range : null,
      from: parsed.ok ? parsed.queries.contribution.from : state.from ?? "",
      to: parsed.ok ? parsed.queries.contribution.to : state.to ?? "",
      problems,
      hosts: data?.hosts ?? null,
      referrers: data?.referrers ?? null,
    })
  }
<div class="grid">${OVERVIEW_SECTIONS.map((section) => slot(section, views.get(section.id)))}</div>`;
  const markup = page({
    nonce: nonceOf(c),
    title: "Overview",
    path: "/",
    search: pageHref("", state),
    version: deps.version,
    words: input.words,
    geo: deps.geo(),
    fragments: problems.length > 0 ? null : `/fragments/overview${pageHref("", state)}`,
    ...(!ready && problems.length === 0 && { reloadAfterS: RELOAD_S }),
    body,
  });
  return c.html(markup, problems.length > 0 ? 400 : input.state === null ? 503 : 200);
}

/** What a page asks for after an event: the sections that it names and does not have in their newest version. */
export async function overviewFragments(c: AppContext, deps: AppDeps, cache: ReportCache): Promise<Response> {
  const now = deps.clock.now();
  const have = parseHave(c.req.query("have"));
  const state = pageState(new URL(c.req.url));
  const parsed = pageQueries(state, now);
  if (!parsed.ok) throw new HttpProblem("bad_query", "The page's parameters are wrong; see the page itself.");
  const stream = await readStreamNow(deps, now);
  const { queries } = parsed;
  const context = { queries, state, reader: readerFor(c, queries.contribution.tz, now), geo: deps.geo() };
  const calm = OVERVIEW_SECTIONS.some(({ id, pace }) => pace === "calm" && have.has(id));
  const read = async (): Promise<Views> => {
    const reports = new OverviewReader(deps, cache, queries);
    return calm ? allViews({ ...context, data: await reports.all() }) : fastViews(context, await reports.fast());
  };
  let input: NoticeInput = stream;
  let views: Views = new Map();
  try {
    if (hasData(stream)) views = await read();
  } catch (error) {
    if (refusal(error) !== null) throw error;
    input = statusOf(deps, null, now);
  }
  const fragments = changedFragments(withState(input, views), have);
  return sendFragments(c, input, fragments, calm ? deps.clock.now() - now : null);
}

/** The header's state and the notice stand on every page. */
export function withState(input: NoticeInput, views: Views): Views {
  return new Map([["state", stateView(input.words)], ["notice", notice(input)], ...views]);
}

/**
 * Answers a page that asks for changes. `again`: nothing will be told by event, so it has to ask by itself. `took_ms`: what reading all
 * sections cost, null where only the fast ones were read; a page asks the less often for them the longer that takes.
 */
export function sendFragments(
  c: AppContext,
  input: NoticeInput,
  fragments: readonly Fragment[],
  tookMs: number | null,
): Response {
  return c.json({ again: input.state === null, took_ms: tookMs, fragments });
}

/** Numbers in the reader's language, times in the page's zone. */
export function readerFor(c: AppContext, tz: string, now: number) {
  return readerOf(readerLocale(c.req.header("accept-language")), tz, now);
}

/**
 * What the reader can mend; null where the database is away.
 *
 * @throws what was given, where it is a bug
 */
function refusal(error: unknown): QueryProblem[] | null {
  const problem = zoneProblem(error) ?? (error instanceof HttpProblem ? error : databaseProblem(error));
  if (problem === undefined) throw error;
  if (problem.code === "query_timeout") {
    return [{ field: "range", message: "takes too long to add up: choose a shorter one", allowed: [] }];
  }
  if (problem.status === 503) return null;
  return problem.errors.map(({ field, message, allowed }) => ({ field, message, allowed: allowed ?? [] }));
}
