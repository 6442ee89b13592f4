// Notices instead of numbers, or above them: no data yet, preparing, catching up, stopped, no database. Pure.
import { type LocalDate, localDate } from "../../report/time_zone.ts";
import { epochMs } from "../../shared/units.ts";
import type { PipelineSnapshot } from "../../shared/snapshot.ts";
import type { StreamState } from "../api/stream/stream_rows.ts";
import type { StreamStats } from "../api/stream/stream_stats.ts";
import { hostile, type Markup, NOTHING } from "./markup.tsx";
import type { StreamWords } from "./stream_state.ts";

export interface NoticeInput {
  /** As in {@link StreamWords}: null = database away, undefined = no stream yet. */
  readonly state: StreamState | null | undefined;
  readonly stats: StreamStats | null;
  readonly snapshots: readonly PipelineSnapshot[];
  readonly words: StreamWords;
}

/** A line each. */
const FIRST_COMMANDS = "tidemark run\ntidemark dev";

/** Whether there is anything to report on. */
export function hasData({ state }: NoticeInput): boolean {
  return state != null && state.stream.max_window_end !== null;
}

/** The days of the stream's data, for a range without any. */
export interface Elsewhere {
  /** As in `5 Jan 2026 – 7 Jan 2026`. */
  readonly days: string;
  readonly href: string;
  /** The page shows the last days of a source that has ended; `href` leads to the days until today. */
  readonly ended: boolean;
}

/** First and last local day of the stream's data; null before the first event. */
export function dataSpan(
  { state }: Pick<NoticeInput, "state">,
  tz: string,
): { readonly from: LocalDate; readonly to: LocalDate } | null {
  const first = state?.stream.first_event_time, newest = state?.stream.newest_event_time;
  if (first == null || newest == null) return null;
  return { from: localDate(epochMs(first), tz), to: localDate(epochMs(newest), tz) };
}

/** The days of the stream's data if the range from `from` to `to`, both inclusive, has none of them; else null. */
export function dataElsewhere(
  input: Pick<NoticeInput, "state">,
  { from, to, tz }: { readonly from: LocalDate; readonly to: LocalDate; readonly tz: string },
): { readonly from: LocalDate; readonly to: LocalDate } | null {
  const data = dataSpan(input, tz);
  return data !== null && (to < data.from || from > data.to) ? data : null;
}

/** Which reports took too long: all of them, or only those below totals and charts. */
export type Slowness = "all" | "rankings";

/** The notice of this moment; nothing if all is well. Also a live fragment. */
export function notice(input: NoticeInput, slow: Slowness | null = null, elsewhere: Elsewhere | null = null): Markup {
  const { state, words } = input;
  if (state === null && words.kind === "waiting") {
    return (
      <div class="notice calm">
        <h2>The database is busy</h2>
        <p>It did not answer in time. The numbers appear as soon as it does.</p>
      </div>
    );
  }
  if (state === null) {
    return (
      <div class="notice bad" role="alert">
        <h2>The database does not answer</h2>
        <p>
          PostgreSQL is away, so there are no numbers to show. Reading waits and nothing is lost; this page recovers by
          itself.
        </p>
      </div>
    );
  }
  if (words.kind === "stopped") {
    return (
      <div class="notice bad" role="alert">
        <h2>{words.label}</h2>
        <p>{hostile(words.detail)}</p>
        <p>
          The numbers below are right up to where reading stopped. <a href="/pipeline">See the pipeline</a>;{" "}
          <code>tidemark resume --help</code> says how to go on.
        </p>
      </div>
    );
  }
  if (words.kind === "catching_up" && words.progress !== null) return progress(words, sourceOf(input) === "demo");
  if (!hasData(input)) return hindered(input) ?? empty(input);
  if (slow !== null) {
    return (
      <div class={`notice ${slow === "all" ? "warn" : "calm"}`}>
        <h2>{slow === "all" ? "The numbers are delayed" : "Map, rankings and table follow"}</h2>
        <p>
          The database answers, but is too slow for these numbers now. They appear when they are ready; a shorter range
          is faster.
        </p>
      </div>
    );
  }
  if (words.kind === "trouble") {
    return (
      <div class="notice warn">
        <h2>{words.label}</h2>
        <p>{hostile(words.detail)}</p>
      </div>
    );
  }
  if (elsewhere?.ended) {
    return (
      <div class="notice calm">
        <h2>The last days of the data</h2>
        <p>
          The source has nothing newer. Data: {elsewhere.days} ·{" "}
          <a href={elsewhere.href}>show the last 7 days until today</a>
        </p>
      </div>
    );
  }
  if (elsewhere !== null) {
    return (
      <div class="notice calm">
        <h2>No data in this range</h2>
        <p>
          Data: {elsewhere.days} · <a href={elsewhere.href}>show it</a>
        </p>
      </div>
    );
  }
  return NOTHING;
}

function progress(words: StreamWords, demo: boolean): Markup {
  const share = words.progress ?? 0;
  return (
    <div class="notice calm">
      <h2>{demo ? "Preparing weeks of demo history" : "Catching up with the log"}</h2>
      <p>{words.detail} The page fills by itself.</p>
      <progress max="100" value={(100 * share).toFixed(1)} aria-label="Share of the log that is read">
        {(100 * share).toFixed(0)} %
      </progress>
    </div>
  );
}

/** Why nothing arrives, if that is known: the topic is missing, or a broker does not answer. */
function hindered(input: NoticeInput): Markup | null {
  const { words: { kind, label, detail } } = input;
  if (sourceOf(input) === "demo" || detail === "" || (kind !== "trouble" && kind !== "waiting")) return null;
  return (
    <div class={`notice ${kind === "trouble" ? "warn" : "calm"}`}>
      <h2>{label}</h2>
      <p>{hostile(detail)}</p>
      <p>
        Nothing is read until then; this page fills by itself. <code>tidemark doctor</code>{" "}
        checks the source and the database.
      </p>
    </div>
  );
}

/** What to do next, by where events come from. */
function empty(input: NoticeInput): Markup {
  const source = sourceOf(input);
  const topic = input.state?.stream.topic ?? input.snapshots[0]?.topic ?? "";
  switch (source) {
    case "demo":
      return (
        <div class="notice calm">
          <h2>Preparing the demo</h2>
          <p>
            The first records come in a moment; weeks of history take about half a minute. This page fills by itself.
          </p>
        </div>
      );
    case "kafka":
      return (
        <div class="notice calm">
          <h2>No events in {topic === "" ? "the topic" : hostile(topic)} yet</h2>
          <p>The stream is set up and waits for its first record. Send some:</p>
          <pre tabindex={0}><code>tidemark produce access.log</code></pre>
          <p>
            One JSON object a record, with <code>event_time</code>, <code>host</code>, <code>ip</code>,{" "}
            <code>url</code>, <code>referrer</code> and <code>user_agent</code>. <a href="/pipeline">The pipeline</a>
            {" "}
            shows what arrives and what is refused, and why.
          </p>
        </div>
      );
    case "file":
      return (
        <div class="notice calm">
          <h2>No line read from {topic === "" ? "the files" : hostile(topic)} yet</h2>
          <p>
            Check that the path matches files that this user may read, and that they hold NDJSON or access logs in
            common or combined format. <a href="/pipeline">The pipeline</a> shows lines that could not be read.
          </p>
        </div>
      );
    case null:
      return (
        <div class="notice calm">
          <h2>No stream in this database yet</h2>
          <p>
            This process only shows what other processes read. Start one, or take a first look with made-up traffic:
          </p>
          <pre tabindex={0}><code>{FIRST_COMMANDS}</code></pre>
        </div>
      );
  }
}

function sourceOf({ state, snapshots }: NoticeInput): PipelineSnapshot["source"] | null {
  return state?.stream.source ?? snapshots[0]?.source ?? null;
}
