// Partitions: the position of each, how far behind, and what holds its watermark. Pure.
import { basename } from "node:path";
import { printable } from "../../../shared/printable.ts";
import { durationText } from "../../../shared/quantities.ts";
import { livePartitions, partitionView } from "../../api/stream/pipeline_view.ts";
import type { PartitionLog } from "../../api/stream/log_names.ts";
import type { StreamState } from "../../api/stream/stream_rows.ts";
import { hostile, type Markup, panelHead, timeOf } from "../markup.tsx";
import { dataTable } from "../data_table.tsx";
import type { PipelineInput } from "./pipeline_input.ts";

const STATES = {
  flowing: "reading",
  loading: "loading",
  contested: "contested",
  elsewhere: "read elsewhere",
  retired: "retired",
} as const;

export function partitionPanel(input: PipelineInput, state: StreamState): Markup {
  const { data, reader, snapshots, now, settings } = input;
  const live = livePartitions(snapshots);
  const rows = state.partitions.map((row) =>
    partitionView(row, live.get(row.partition), state, now, settings, data.logs)
  );
  const { watermark } = state.stream;
  const slowest =
    rows.filter((row) => row.state !== "retired" && row.watermark !== null).sort((a, b) =>
      Date.parse(a.watermark!) - Date.parse(b.watermark!)
    )[0];
  const held = slowest === undefined || watermark === null ? "" : (
    <p class="legend">
      The stream's watermark is that of partition {slowest.partition}, the furthest behind.{slowest.held_by === null
        ? ""
        : ` It moves when ${slowest.held_by.would_close}.`}
    </p>
  );
  return (
    <>
      {panelHead("Partitions", [{ label: "JSON", href: "/v1/pipeline" }])}
      {dataTable(
        "Partitions",
        [
          "Partition",
          "State",
          "#Committed",
          "#Log end",
          "#Lag, records",
          "#Lag, time",
          "#Watermark",
          "What holds it",
          "#Counted",
          "#Late",
          "#Dead",
        ],
        rows.map((row) => (
          <tr>
            <th scope="row">{row.partition}{row.logs.map(logText)}</th>
            <td>
              <span class={`tag ${row.state}`}>{STATES[row.state]}</span>
            </td>
            <td class="n">{reader.count(row.next_offset)}</td>
            <td class="n">{row.log_end === null ? none() : reader.count(row.log_end)}</td>
            <td class="n">{row.lag_records === null ? none() : reader.count(row.lag_records)}</td>
            <td class="n">
              {row.lag_seconds === null
                ? none()
                : row.lag_seconds === 0
                ? "0 s"
                : durationText(row.lag_seconds * 1_000)}
            </td>
            <td class="n">
              {timeOf(reader, row.watermark, "seconds")}
              {row.quiet_since === null
                ? ""
                : <span class="soft" title="raised by silence and not by a record">, quiet</span>}
            </td>
            <td class="why">
              {row.held_by === null ? <span class="soft">nothing</span> : <>{hostile(row.held_by.reason)}</>}
            </td>
            <td class="n">{reader.count(row.counted)}</td>
            <td class="n">{reader.count(row.late)}</td>
            <td class="n">{reader.count(row.dead)}</td>
          </tr>
        )),
        { whole: true },
      )}
      {held}
    </>
  );
}

/** A log's file name; the whole path and the format beside it. */
function logText({ name, format }: PartitionLog): Markup {
  return (
    <span class="soft" title={printable(name)}>
      {" "}
      {hostile(basename(name))}
      {format === null ? "" : ` (${format})`}
    </span>
  );
}

function none(): Markup {
  return <span class="none">–</span>;
}
