// `/windows/{start}`: one window, why it is open or how it was closed, partition by partition. Reads the database and snapshots.
import { durationText } from "../../../shared/quantities.ts";
import { isTimeZone } from "../../../report/time_zone.ts";
import { explainWindow, type Explanation } from "../../api/stream/window_explain.ts";
import { readWindows, type WindowRow } from "../../api/stream/windows_query.ts";
import type { AppContext, AppDeps } from "../../server/deps.ts";
import { nonceOf } from "../../server/headers.ts";
import { badField, HttpProblem } from "../../server/problem.ts";
import { dataTable } from "../data_table.tsx";
import { page } from "../layout.tsx";
import { type Markup, panelHead, timeOf, worth } from "../markup.tsx";
import { readerFor } from "../overview/overview_page.tsx";
import { pageHref, type PageState, pageState } from "../page_query.ts";
import type { Reader } from "../reader.ts";
import { readStreamNow } from "../stream_now.ts";
import { factList } from "./commit_view.tsx";

const windowHref = (start: number, search: string): string => `/windows/${new Date(start).toISOString()}${search}`;

/** 400 if no window starts at that time, 503 while the database does not answer. */
export async function windowPage(c: AppContext, deps: AppDeps): Promise<Response> {
  const now = deps.clock.now(), { settings } = deps;
  const given = c.req.param("start") ?? "";
  const start = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z$/.test(given) ? Date.parse(given) : NaN;
  const stream = await readStreamNow(deps, now);
  const { state } = stream;
  if (state === null) {
    throw stream.words.kind === "waiting"
      ? new HttpProblem("overloaded", "The database did not answer in time. Try again.")
      : new HttpProblem("database_unavailable", "PostgreSQL does not answer.");
  }
  if (state === undefined) throw new HttpProblem("stream_missing", "Nothing was read into this database so far.");
  const size = state.stream.window_size_ms;
  if (!(start >= 0) || start % size !== 0) {
    throw badField("start", "must be the start of a window, as in 2026-01-31T00:05:00Z");
  }
  const [row] = await readWindows(
    deps.database,
    { state: "all", before: null, start, limit: 1 },
    settings.queryTimeoutMs,
  );
  const explanation = explainWindow({ start, row, state, snapshots: deps.snapshots(), now, settings });
  const shown: PageState = pageState(new URL(c.req.url)), search = pageHref("", shown);
  const reader = readerFor(c, shown.tz !== undefined && isTimeZone(shown.tz) ? shown.tz : "UTC", now);
  return c.html(page({
    nonce: nonceOf(c),
    title: "Window",
    path: null,
    search,
    version: deps.version,
    words: stream.words,
    geo: deps.geo(),
    fragments: null,
    body: windowView({ start, size, row, explanation, reader, search, now }),
  }));
}

interface WindowInput {
  readonly start: number;
  readonly size: number;
  readonly row: WindowRow | undefined;
  readonly explanation: Explanation;
  readonly reader: Reader;
  readonly search: string;
  readonly now: number;
}

function windowView({ start, size, row, explanation, reader, search, now }: WindowInput): Markup {
  const { holders, summary, state } = explanation;
  const facts: readonly (readonly [string, unknown])[] = row === undefined ? [] : [
    ["Hits", worth(reader.count(row.hits), row.confirmed && row.state === "closed" ? "final" : "provisional")],
    ["Of these by bots", reader.count(row.bot_hits)],
    [row.state === "closed" ? "Rows" : "Rows, at most", reader.count(row.keys)],
    ["Folded into (other)", reader.count(row.folded_keys)],
    ["Late hits, stored beside", reader.count(row.late)],
    [
      "Closed",
      row.closed_at === null ? "not yet" : (
        <>
          {timeOf(reader, row.closed_at, "seconds")}, {durationText(Math.max(0, row.closed_at - row.window_end))}{" "}
          after its end
        </>
      ),
    ],
  ];
  return (
    <div class="grid pipeline">
      <section class="panel wide">
        <header class="panel-head">
          <h1>Window {timeOf(reader, start)} – {timeOf(reader, start + size)}</h1>
          <ul class="links" aria-label="Windows">
            <li>
              <a rel="prev" href={windowHref(start - size, search)}>Before</a>
            </li>
            <li>
              <a rel="next" href={windowHref(start + size, search)}>After</a>
            </li>
            <li>
              <a href={`/v1/windows/${new Date(start).toISOString()}/explain`}>JSON</a>
            </li>
            <li>
              <a href={`/pipeline${search}#windows`}>All windows</a>
            </li>
          </ul>
        </header>
        <p>
          <span class={`tag ${state === "closed" ? "flowing" : ""}`}>{state}</span> {summary}
        </p>
        {facts.length === 0 ? "" : factList(facts)}
      </section>
      {holders.length === 0 ? "" : (
        <section class="panel wide">
          {panelHead("What holds it", [])}
          {dataTable(
            "Partitions whose watermark has not passed its end",
            ["Partition", "Watermark", "#Behind", "Why", "What would close it", "By"],
            holders.map(({ partition, watermark, reason, would_close, closes_at }) => (
              <tr>
                <th scope="row">{partition}</th>
                <td>{timeOf(reader, watermark, "seconds")}</td>
                <td class="n">{watermark === null ? "–" : durationText(Math.max(0, now - watermark))}</td>
                <td class="why">{reason}</td>
                <td class="why">{would_close}</td>
                <td>{timeOf(reader, closes_at, "seconds")}</td>
              </tr>
            )),
            { whole: true },
          )}
        </section>
      )}
    </div>
  );
}
