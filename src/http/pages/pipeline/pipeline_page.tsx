// `/pipeline` and its live sections. Reads the database and snapshots.
import type { EpochMs } from "../../../shared/units.ts";
import { databaseProblem, isBusy } from "../../server/database.ts";
import type { AppContext, AppDeps } from "../../server/deps.ts";
import { nonceOf } from "../../server/headers.ts";
import { HttpProblem } from "../../server/problem.ts";
import { isTimeZone } from "../../../report/time_zone.ts";
import type { StreamStats } from "../../api/stream/stream_stats.ts";
import { changedFragments, parseHave, slot, type Views } from "../fragments.tsx";
import { page } from "../layout.tsx";
import { notice, type NoticeInput } from "../notices.tsx";
import { readerFor, sendFragments, withState } from "../overview/overview_page.tsx";
import { pageHref, type PageState, pageState } from "../page_query.ts";
import {
  COMMIT_SPANS,
  type CommitSpan,
  type PipelineData,
  readFastPipeline,
  readPipelineData,
} from "./pipeline_data.ts";
import { ratesOf } from "./pipeline_rates.ts";
import type { PipelineInput } from "./pipeline_input.ts";
import { PIPELINE_SECTIONS, pipelineViews } from "./pipeline_view.ts";
import type { ReportCache } from "../overview/report_cache.ts";
import { readStreamNow, statusOf } from "../stream_now.ts";

/** Without a script a page that only says "not yet" asks again. */
const RELOAD_S = 5;

/** The data without a stream, or if only fast sections are needed. */
const NOTHING: PipelineData = {
  open: [],
  closed: [],
  commits: [],
  shown: [],
  ledger: null,
  dead: [],
  logs: new Map(),
  ranges: [],
  samples: [],
  late: [],
  deliveries: [],
};

export async function pipelinePage(c: AppContext, deps: AppDeps, cache: ReportCache): Promise<Response> {
  const { input, views, state, reason, span } = await readPage(c, deps, cache, true);
  const search = pageHref("", state);
  const markup = page({
    nonce: nonceOf(c),
    title: "Pipeline",
    path: "/pipeline",
    search,
    version: deps.version,
    words: input.words,
    geo: deps.geo(),
    fragments: `/fragments/pipeline${withOwn(search, { reason, span })}`,
    ...(input.state == null && { reloadAfterS: RELOAD_S }),
    body: (
      <>
        <h1 class="sr">Pipeline</h1>
        {slot({ id: "notice", pace: "fast", className: "notices" }, notice(input))}
        <div class="grid pipeline">{PIPELINE_SECTIONS.map((section) => slot(section, views.get(section.id)))}</div>
      </>
    ),
  });
  return c.html(markup, input.state === null ? 503 : 200);
}

export async function pipelineFragments(c: AppContext, deps: AppDeps, cache: ReportCache): Promise<Response> {
  const started = deps.clock.now();
  const have = parseHave(c.req.query("have"));
  const calm = PIPELINE_SECTIONS.some(({ id, pace }) => pace === "calm" && have.has(id));
  const { input, views, slow } = await readPage(c, deps, cache, calm);
  return sendFragments(c, {
    again: input.state === null || slow,
    tookMs: deps.clock.now() - started,
    fragments: changedFragments(withState(input, views, slow ? "all" : null), have),
  });
}

interface Read {
  readonly input: NoticeInput;
  readonly views: Views;
  readonly state: PageState;
  readonly reason: string | undefined;
  readonly span: CommitSpan;
  readonly slow: boolean;
}

async function readPage(c: AppContext, deps: AppDeps, cache: ReportCache, calm: boolean): Promise<Read> {
  const now = deps.clock.now();
  const state = pageState(new URL(c.req.url));
  const given = c.req.query("reason");
  const reason = given !== undefined && /^[a-z_]{1,40}$/.test(given) ? given : undefined;
  const asked = c.req.query("span");
  const span = asked !== undefined && Object.hasOwn(COMMIT_SPANS, asked) ? asked as CommitSpan : "30m";
  const stream = await readStreamNow(deps, now);
  const common = { input: stream, state, reason, span, slow: false };
  try {
    const inspect = c.get("scope") === "admin";
    const data = stream.state == null
      ? NOTHING
      : calm
      ? await readPipelineData(deps, cache, { reason, inspect, span })
      : { ...NOTHING, ...await readFastPipeline(deps, cache, span) };
    const input = viewInput(c, deps, { data, stats: stream.stats, now, state, reason, span });
    const views = stream.state === null ? new Map() : pipelineViews(input, stream.state);
    return { ...common, views };
  } catch (error) {
    const problem = error instanceof HttpProblem ? error : databaseProblem(error);
    if (problem?.status !== 503) throw error;
    const slow = problem.code === "query_timeout" || isBusy(error);
    return { ...common, views: new Map(), slow, input: slow ? stream : statusOf(deps, null, now) };
  }
}

function viewInput(
  c: AppContext,
  deps: AppDeps,
  { data, stats, now, state, reason, span }: {
    readonly data: PipelineData;
    readonly stats: StreamStats | null;
    readonly now: EpochMs;
    readonly state: PageState;
    readonly reason: string | undefined;
    readonly span: CommitSpan;
  },
): PipelineInput {
  const tz = state.tz !== undefined && isTimeZone(state.tz) ? state.tz : "UTC";
  return {
    data,
    stats,
    rates: ratesOf(data.commits, now),
    reader: readerFor(c, tz, now),
    snapshots: deps.snapshots(),
    now,
    settings: deps.settings,
    settingsView: deps.settingsView,
    version: deps.version,
    geo: deps.geo(),
    reason,
    span,
    path: (changes) => `/pipeline${withOwn(pageHref("", state), { reason, span, ...changes })}`,
  };
}

/** The query with what only this page knows. */
function withOwn(
  search: string,
  { reason, span }: { readonly reason?: string | null | undefined; readonly span: CommitSpan },
): string {
  const parameters = new URLSearchParams(search);
  if (reason) parameters.set("reason", reason);
  if (span !== "30m") parameters.set("span", span);
  return parameters.size === 0 ? "" : `?${parameters}`;
}
