// Windows: which are open, what holds each and when it will close; the last closed ones. Pure.
import { durationText } from "../../../shared/quantities.ts";
import type { StreamState } from "../../api/stream/stream_rows.ts";
import { explainWindow, type Explanation } from "../../api/stream/window_explain.ts";
import type { WindowRow } from "../../api/stream/windows_query.ts";
import { type Markup, NOTHING, panelHead, timeOf, worth } from "../markup.tsx";
import { dataTable } from "../data_table.tsx";
import type { PipelineInput } from "./pipeline_input.ts";

/** Newest first: the older ones of a backlog close by themselves. */
const OPEN_SHOWN = 6;

export function windowPanel(input: PipelineInput, state: StreamState): Markup {
  const { reader, data, stats, snapshots, now, settings } = input;
  const explained = data.open.slice(0, OPEN_SHOWN).map((row) => ({
    row,
    explanation: explainWindow({ start: row.window_start, row, state, snapshots, now, settings }),
  }));
  return (
    <>
      {panelHead("Windows", [{ label: "JSON", href: "/v1/windows" }])}{" "}
      {explained.length === 0 ? <p class="hint">No window is open.</p> : (
        dataTable(
          "Open windows",
          ["Open window", "#Hits so far", "Closes"],
          explained.map(({ row, explanation }) => (
            <tr>
              <th scope="row">{span(input, row)}</th>
              <td class="n">{worth(reader.count(row.hits), "provisional")}</td>
              <td class="why">{closes(input, explanation)}</td>
            </tr>
          )),
          { whole: true },
        )
      )} {(stats?.windows_open ?? 0) > explained.length
        ? <p class="legend">and {reader.count(stats!.windows_open - explained.length)} older ones</p>
        : ""}
      <h3>Closed last</h3>
      {data.closed.length === 0 ? <p class="hint">No window is closed yet.</p> : dataTable(
        "Closed windows",
        ["Window", "#Hits", "#Rows", "#Late", "#Closed after its end"],
        data.closed.map((row) => (
          <tr>
            <th scope="row">{span(input, row)}</th>
            <td class="n">{worth(reader.count(row.hits), row.confirmed ? "final" : "provisional")}</td>
            <td class="n">{reader.count(row.keys)}</td>
            <td class="n">{reader.count(row.late)}</td>
            <td class="n">
              {row.closed_at === null ? "–" : durationText(Math.max(0, row.closed_at - row.window_end))}
            </td>
          </tr>
        )),
        { whole: true },
      )}
    </>
  );
}

function span({ reader }: PipelineInput, row: WindowRow): Markup {
  const href = `/windows/${new Date(row.window_start).toISOString()}`;
  return <a href={href}>{timeOf(reader, row.window_start)} – {timeOf(reader, row.window_end)}</a>;
}

/** When the window will close, if that is known, and what holds it open. */
function closes({ reader }: PipelineInput, { holders }: Explanation): Markup {
  const [first] = holders;
  if (first === undefined) return <>at the next tick</>;
  const times = holders.flatMap(({ closes_at }) => closes_at ?? []);
  const when = times.length === holders.length ? <>by {timeOf(reader, Math.max(...times), "seconds")}:</> : NOTHING;
  const more = holders.length > 1 ? ` (and ${holders.length - 1} more partitions)` : "";
  return (
    <>
      {when} <span class="soft">partition {first.partition}: {first.reason}{more}</span>
    </>
  );
}
